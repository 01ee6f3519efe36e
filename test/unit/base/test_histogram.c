/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct histogram h;

static int fresh(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

/* To a hundredth. */
static void assert_near(uint64_t found, uint64_t wanted)
{
	assert_in_range(found, wanted - wanted / 100, wanted + wanted / 100);
}

static void of_nothing_all_is_zero(void **state)
{
	(void)state;
	assert_int_equal(histogram_at(&h, 0.5), 0);
	assert_int_equal((int)histogram_mean(&h), 0);
	assert_int_equal((int)histogram_stddev(&h), 0);
}

static void one_number_is_exact_everywhere(void **state)
{
	const uint64_t numbers[] = { 0, 1, 127, 128, 129, 123456789, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		fresh(NULL);
		histogram_add(&h, numbers[i]);
		assert_int_equal(histogram_at(&h, 0), numbers[i]);
		assert_int_equal(histogram_at(&h, 0.5), numbers[i]);
		assert_int_equal(histogram_at(&h, 1), numbers[i]);
		assert_int_equal(h.min, numbers[i]);
		assert_int_equal(h.max, numbers[i]);
	}
}

/* The number stands between a lesser and a greater one, so only its place tells. */
static void every_number_is_found_to_a_hundredth(void **state)
{
	(void)state;
	for (unsigned bit = 2; bit < 63; bit++)
		for (uint64_t n = UINT64_C(1) << bit; n < UINT64_C(2) << bit;
		     n += (n >> 5) + (n >> 9) + 1) {
			fresh(NULL);
			histogram_add(&h, 0);
			histogram_add(&h, n);
			histogram_add(&h, UINT64_MAX);
			assert_near(histogram_at(&h, 0.5), n);
		}
}

static void parts_of_a_thousand(void **state)
{
	(void)state;
	for (uint64_t n = 1000; n >= 1; n--)
		histogram_add(&h, n * 1000);
	assert_int_equal(h.count, 1000);
	assert_near(histogram_at(&h, 0.5), 500000);
	assert_near(histogram_at(&h, 0.99), 990000);
	assert_near(histogram_at(&h, 0.999), 999000);
	assert_int_equal(histogram_at(&h, 0), 1000);
	assert_int_equal(h.min, 1000);
	assert_int_equal(h.max, 1000000);
}

static void mean_and_deviation_are_exact(void **state)
{
	const uint64_t numbers[] = { 2, 4, 4, 4, 5, 5, 7, 9 };

	(void)state;
	for (size_t i = 0; i < 8; i++)
		histogram_add(&h, numbers[i] * 1000);
	assert_int_equal((int)(histogram_mean(&h) + 0.5), 5000);
	assert_int_equal((int)(histogram_stddev(&h) + 0.5), 2000);
}

static void every_bar_once(void **state)
{
	struct histogram_bar bar, last = { 0 };
	uint64_t counted = 0;
	uint32_t place = 0;

	(void)state;
	assert_false(histogram_next(&h, &place, &bar));
	for (uint64_t n = 1; n < UINT64_MAX / 3; n = n * 3 + 1)
		for (uint64_t i = 0; i < n % 4 + 1; i++)
			histogram_add(&h, n);
	place = 0;
	for (uint64_t n = 1; n < UINT64_MAX / 3; n = n * 3 + 1) {
		assert_true(histogram_next(&h, &place, &bar));
		assert_int_equal(bar.count, n % 4 + 1);
		assert_true(bar.number > last.number);
		assert_true(bar.number >= n - n / 100 && bar.number <= n + n / 100);
		counted += bar.count;
		last = bar;
	}
	assert_false(histogram_next(&h, &place, &bar));
	assert_int_equal(counted, h.count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(of_nothing_all_is_zero, fresh),
		cmocka_unit_test_setup(one_number_is_exact_everywhere, fresh),
		cmocka_unit_test_setup(every_number_is_found_to_a_hundredth, fresh),
		cmocka_unit_test_setup(parts_of_a_thousand, fresh),
		cmocka_unit_test_setup(mean_and_deviation_are_exact, fresh),
		cmocka_unit_test_setup(every_bar_once, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
