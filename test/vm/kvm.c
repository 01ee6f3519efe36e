/* SPDX-License-Identifier: BSD-3-Clause */
/* For test/vm/boot: "ok" where KVM is worth using here, else what `reeve doctor` calls it. */
#include <stdio.h>

#include "mech/kvm.h"

int main(void)
{
	struct kvm_probe probe;

	kvm_probe("/dev", &probe);
	puts(kvm_verdict_name(probe.verdict));
	return 0;
}
