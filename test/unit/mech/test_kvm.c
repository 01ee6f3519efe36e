/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/kvm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "tree.h"

static void is_absent(void **state)
{
	struct kvm_probe p;
	struct tree t;

	(void)state;
	tree_new(&t);
	kvm_probe(t.root, &p);
	assert_int_equal(p.verdict, KVM_ABSENT);
	assert_int_equal(p.error, ENOENT);
	kvm_probe("/nonexistent", &p);
	assert_int_equal(p.verdict, KVM_ABSENT);
	tree_file(&t, "kvm", "a file, not a device");
	kvm_probe(t.root, &p);
	assert_int_equal(p.verdict, KVM_ABSENT);
	assert_int_equal(p.error, ENOTTY);
	tree_free(&t);
}

/* Whatever this host has: an answer in time, and no child left behind. */
static void tells_of_this_host(void **state)
{
	struct kvm_probe p = { .verdict = 99 };

	(void)state;
	kvm_probe("/dev", &p);
	print_message("# KVM here: %s, error %d, %u us\n", kvm_verdict_name(p.verdict), p.error,
		      p.guest_us);
	assert_in_range(p.verdict, KVM_ABSENT, KVM_OK);
	assert_true((p.verdict == KVM_ABSENT || p.verdict == KVM_DENIED) == (p.error > 0));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void has_names(void **state)
{
	(void)state;
	assert_string_equal(kvm_verdict_name(KVM_SLOW), "slow");
	assert_string_equal(kvm_verdict_name(KVM_OK), "ok");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_absent),
		cmocka_unit_test(tells_of_this_host),
		cmocka_unit_test(has_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
