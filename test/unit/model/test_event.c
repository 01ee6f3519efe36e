/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_every_type_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (uint32_t a = 0; a < EVENT_TYPE_MAX; a++) {
		assert_non_null(event_type_name(a));
		for (uint32_t b = 0; b < a; b++)
			assert_string_not_equal(event_type_name(a), event_type_name(b));
	}
	assert_null(event_type_name(EVENT_TYPE_MAX));
	assert_null(event_type_name(UINT32_MAX));
}

static void test_type_names(void **state)
{
	(void)state;
	assert_string_equal(event_type_name(EVENT_GRANT), "grant");
	assert_string_equal(event_type_name(EVENT_REFUSE), "refuse");
	assert_string_equal(event_type_name(EVENT_INSTANCE_END), "instance-end");
	assert_string_equal(event_type_name(EVENT_ORPHAN), "orphan");
}

static void test_error_names(void **state)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
		{ EDQUOT, "quota" },
		{ EBUSY, "taken" },
		{ ENOSPC, "not-enough" },
		{ ENOENT, "no-such" },
		{ EPERM, "not-yours" },
		{ EACCES, "denied" },
		{ ENOTCONN, "unregistered" },
		{ EOPNOTSUPP, "unsupported" },
		{ EINVAL, "bad-request" },
		{ EBADMSG, "bad-request" },
		{ EIO, "failed" },
		{ -EBUSY, "failed" },
	};

	(void)state;
	assert_null(event_error_name(0));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(event_error_name(names[i].error), names[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_has_a_name_of_its_own),
		cmocka_unit_test(test_type_names),
		cmocka_unit_test(test_error_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
