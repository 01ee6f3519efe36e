/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

static void lets_a_burst_through_and_counts_the_rest(void **state)
{
	struct rate lim = { 0 };
	uint64_t now = 5 * NS_PER_S;
	uint32_t held = 99;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(rate_take(&lim, now, 3, 2, &held));
		assert_int_equal(held, 0);
	}
	held = 99;
	for (int i = 0; i < 7; i++)
		assert_false(rate_take(&lim, now, 3, 2, &held));
	assert_int_equal(held, 99);
	now += NS_PER_S / 2 - 1;
	assert_false(rate_take(&lim, now, 3, 2, &held));
	now += 1;
	assert_true(rate_take(&lim, now, 3, 2, &held));
	assert_int_equal(held, 8);
	assert_false(rate_take(&lim, now, 3, 2, NULL));
	now += NS_PER_S / 2;
	assert_true(rate_take(&lim, now, 3, 2, NULL));
}

static void never_saves_more_than_a_burst(void **state)
{
	struct rate lim = { 0 };
	unsigned allowed = 0;

	(void)state;
	assert_true(rate_take(&lim, 0, 4, 1, NULL));
	for (int i = 0; i < 100; i++)
		allowed += rate_take(&lim, UINT64_MAX, 4, 1, NULL);
	assert_int_equal(allowed, 4);
}

static void no_rate_is_a_burst(void **state)
{
	struct rate lim = { 0 };
	unsigned allowed = 0;

	(void)state;
	for (uint64_t s = 0; s < 100; s++)
		allowed += rate_take(&lim, s * NS_PER_S, 5, 0, NULL);
	assert_int_equal(allowed, 5);
}

/* However the calls fall: at most burst + rate * time, and nothing goes uncounted. */
static void holds_at_any_time(void **state)
{
	enum { BURST = 10, PER_S = 3, CALLS = 20000 };
	uint64_t now = NS_PER_S, start = now, seed = 7;
	struct rate lim = { 0 };
	uint32_t allowed = 0, held_in_all = 0;

	(void)state;
	for (int i = 0; i < CALLS; i++) {
		uint32_t held = 0;

		seed = seed * UINT64_C(6364136223846793005) + 1;
		now += (seed >> 33) % (NS_PER_S / 5);
		allowed += rate_take(&lim, now, BURST, PER_S, &held);
		held_in_all += held;
		assert_true(allowed <= BURST + (now - start) * PER_S / NS_PER_S + 1);
	}
	assert_int_equal(allowed + held_in_all + lim.held, CALLS);
	assert_true(allowed + 1 >= (now - start) * PER_S / NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_a_burst_through_and_counts_the_rest),
		cmocka_unit_test(never_saves_more_than_a_burst),
		cmocka_unit_test(no_rate_is_a_burst),
		cmocka_unit_test(holds_at_any_time),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
