/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether virtual machines can run here. That /dev/kvm is there does not tell:
 * some hosts interpret a guest's kernel, a thousand times slower than it should
 * be. So a guest is run, for 50 ms at most.
 */
#ifndef REEVE_MECH_KVM_H
#define REEVE_MECH_KVM_H

#include <stdint.h>

enum kvm_verdict {
	KVM_ABSENT, /* no /dev/kvm, or none that works */
	KVM_DENIED, /* it is there and may not be used */
	KVM_SLOW,   /* the guest did not finish in time */
	KVM_OK,
};

struct kvm_probe {
	enum kvm_verdict verdict;
	int error;	   /* positive errno behind ABSENT and DENIED */
	uint32_t guest_us; /* OK: what 200,000 instructions took */
};

/* `dev`: a directory with kvm in it, "/dev". Runs the guest in a child process. */
void kvm_probe(const char *dev, struct kvm_probe *ret);

/* "absent", "denied", "slow", "ok" */
const char *kvm_verdict_name(enum kvm_verdict verdict);

#endif
