/* SPDX-License-Identifier: BSD-3-Clause */
/* A step that fails leaves nothing half done, and who goes leaves nothing. */
#include "nic_fixture.h"

/* --- nothing is half done ----------------------------------------------------------------- */

static int do_owner(void)
{
	return owner(2, MEDIA, true);
}

static int do_queue(void)
{
	return queue(1, 2, true);
}

static int do_port(void)
{
	return port(1, 5001, true);
}

static int do_soft_flow(void)
{
	return soft_flow(1, 7, 5000, true);
}

static int do_address(void)
{
	return address(1, "10.1.0.9", true);
}

static int do_address6(void)
{
	return address(1, "fd00::9", true);
}

static int do_hard_flow(void)
{
	return hard_flow(1, 1, 5000);
}

static int do_socket(void)
{
	return get_socket(1, 1);
}

/* Failing its first call, its second ... until it has no more of them. */
static unsigned fail_each_call(int (*operation)(void))
{
	static struct kernel before, after;
	unsigned failed = 0;
	int error;

	host_look(&before);
	for (;;) {
		host_fail((int)failed + 1, ENOMEM);
		error = operation();
		if (host.fail_at) /* it did not come so far */
			break;
		failed++;
		assert_int_equal(error, ENOMEM);
		host_look(&after);
		assert_memory_equal(&after, &before, sizeof(after));
	}
	assert_int_equal(error, 0);
	host_fail(0, 0);
	return failed;
}

static void start_on_queue_1(enum nic_form form)
{
	open_ens1(form);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
}

static void test_each_step_fails_in_the_single_form(void **state)
{
	(void)state;
	start_on_queue_1(NIC_FORM_SINGLE);
	assert_int_equal(fail_each_call(do_owner), 1);
	assert_int_equal(fail_each_call(do_queue), 1);
	assert_int_equal(fail_each_call(do_port), 1);
	assert_int_equal(fail_each_call(do_address), 4);
	assert_int_equal(fail_each_call(do_address6), 6);
	assert_int_equal(address(1, "fd00::9", false), 0);
	assert_int_equal(fail_each_call(do_soft_flow), 4);
	assert_int_equal(fail_each_call(do_hard_flow), 1);
	assert_int_equal(fail_each_call(do_socket), 2);
}

static void test_each_step_fails_in_the_dispatcher_form(void **state)
{
	(void)state;
	start_on_queue_1(NIC_FORM_DISPATCHER);
	assert_int_equal(fail_each_call(do_owner), 0);
	assert_int_equal(fail_each_call(do_queue), 0);
	assert_int_equal(fail_each_call(do_port), 1);
	assert_int_equal(fail_each_call(do_hard_flow), 1);
	assert_int_equal(fail_each_call(do_socket), 2);
}

static void leave_nothing(enum nic_form form, bool soft)
{
	static struct kernel before, after;

	open_ens1(form);
	host_look(&before);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(1, 255, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(hard_flow(1, 255, 5000), 0);
	assert_int_equal(get_socket(1, 1), 0);
	if (soft)
		assert_int_equal(soft_flow(1, 1, 5000, true), 0);
	assert_int_equal(owner(1, MEDIA, false), 0);
	host_look(&after);
	assert_memory_equal(&after, &before, sizeof(after));
}

static void test_an_owner_leaves_nothing(void **state)
{
	(void)state;
	leave_nothing(NIC_FORM_SINGLE, true);
}

static void test_an_owner_of_the_dispatcher_leaves_nothing(void **state)
{
	(void)state;
	leave_nothing(NIC_FORM_DISPATCHER, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(test_each_step_fails_in_the_single_form),
		with_host(test_each_step_fails_in_the_dispatcher_form),
		with_host(test_an_owner_leaves_nothing),
		with_host(test_an_owner_of_the_dispatcher_leaves_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
