/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "reeve-netd/chan_limits.h"

static void test_default(void **state)
{
	struct chan_limits l;

	(void)state;
	chan_limits_default(UINT64_C(16) << 30, 16384, &l);
	assert_true(l.channels.each >= 1024);
	assert_true(l.conns.each > l.channels.each);
	assert_int_equal(l.bytes.all, UINT64_C(4) << 30);
	chan_limits_default(UINT64_C(16) << 30, 100, &l);
	assert_int_equal(l.conns.all, 0);
}

static void test_each_and_all(void **state)
{
	const struct chan_limit l = { .each = 3, .all = 4 };

	(void)state;
	assert_true(chan_limit_allows(&l, (struct chan_use){ 2, 2 }, 1));
	assert_false(chan_limit_allows(&l, (struct chan_use){ 3, 3 }, 1));
	assert_true(chan_limit_allows(&l, (struct chan_use){ 0, 3 }, 1));
	assert_false(chan_limit_allows(&l, (struct chan_use){ 0, 4 }, 1));
	assert_false(chan_limit_allows(&l, (struct chan_use){ 0, 0 }, 4));
}

static void test_ones_own(void **state)
{
	const struct chan_limit all = { .each = 3, .all = 4 };
	struct chan_limit l = chan_limit_own(&all, 0);

	(void)state;
	assert_int_equal(l.each, 3);
	assert_int_equal(l.all, 4);
	l = chan_limit_own(&all, 1);
	assert_false(chan_limit_allows(&l, (struct chan_use){ 1, 1 }, 1));
	/* What is left for all is not more by that. */
	l = chan_limit_own(&all, 100);
	assert_true(chan_limit_allows(&l, (struct chan_use){ 3, 3 }, 1));
	assert_false(chan_limit_allows(&l, (struct chan_use){ 4, 4 }, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_each_and_all),
		cmocka_unit_test(test_ones_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
