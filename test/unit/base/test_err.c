/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* cmocka has a macro of this name. */
#undef fail

static void keeps_code_and_sentence(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fail(&e, ENOSPC, "CPU %u of %s", 7U, "media"), -ENOSPC);
	assert_int_equal(e.code, ENOSPC);
	assert_string_equal(e.text, "CPU 7 of media");
}

static void works_without_a_place_for_the_sentence(void **state)
{
	(void)state;
	assert_int_equal(fail(NULL, EBUSY, "%s", "nobody reads this"), -EBUSY);
}

static void the_last_failure_counts(void **state)
{
	struct err e = { 0 };

	(void)state;
	fail(&e, EPERM, "a long first sentence");
	fail(&e, EINVAL, "short");
	assert_int_equal(e.code, EINVAL);
	assert_string_equal(e.text, "short");
}

static void cuts_a_long_sentence(void **state)
{
	char text[sizeof(((struct err *)0)->text) * 2];
	struct err e = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fail(&e, EINVAL, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_memory_equal(e.text, text, sizeof(e.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_code_and_sentence),
		cmocka_unit_test(works_without_a_place_for_the_sentence),
		cmocka_unit_test(the_last_failure_counts),
		cmocka_unit_test(cuts_a_long_sentence),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
