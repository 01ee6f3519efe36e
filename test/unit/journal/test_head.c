/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/head.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BOOT "01234567-89ab-cdef-0123-456789abcdef"

static struct journal_head sound(void)
{
	struct journal_head h = { 0 };

	journal_head_write(&h, 4096, BOOT);
	return h;
}

static int check(const struct journal_head *h)
{
	struct err e = { 0 };
	int r = journal_head_check(h, 4096, BOOT, &e);

	/* Whoever refuses has a sentence; a new one needs none. */
	assert_true((r == 0 || r == -ENOENT) == !e.text[0]);
	return r;
}

static void test_what_was_written_is_taken_over(void **state)
{
	struct journal_head h = sound();

	(void)state;
	assert_int_equal(check(&h), 0);
}

static void test_a_new_one(void **state)
{
	struct journal_head h = { 0 };

	(void)state;
	assert_int_equal(check(&h), -ENOENT);
}

static void test_what_is_not_taken_over(void **state)
{
	struct journal_head h = sound();

	(void)state;
	h.version++;
	assert_int_equal(check(&h), -EPROTO);
	h = sound();
	h.magic ^= 1;
	assert_int_equal(check(&h), -EBADMSG);
	h = sound();
	h.magic = 0;
	assert_int_equal(check(&h), -EBADMSG);
	h = sound();
	h.bytes--;
	assert_int_equal(check(&h), -EBADMSG);
	h = sound();
	h.boot_id[0] ^= 1;
	assert_int_equal(check(&h), -ESTALE);
	h = sound();
	memset(h.boot_id, 'x', sizeof(h.boot_id));
	assert_int_equal(check(&h), -ESTALE);
}

static void test_this_boot(void **state)
{
	char a[JOURNAL_BOOT_ID], b[JOURNAL_BOOT_ID];

	(void)state;
	assert_int_equal(journal_boot_id(a, NULL), 0);
	assert_int_equal(journal_boot_id(b, NULL), 0);
	assert_int_equal(strlen(a), 36);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_written_is_taken_over),
		cmocka_unit_test(test_a_new_one),
		cmocka_unit_test(test_what_is_not_taken_over),
		cmocka_unit_test(test_this_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
