/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void format_known_moments(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 999999, "1970-01-01T00:00:00.000Z" },
		{ NS_PER_MS, "1970-01-01T00:00:00.001Z" },
		{ NS_PER_S - 1, "1970-01-01T00:00:00.999Z" },
		{ NS_PER_S, "1970-01-01T00:00:01.000Z" },
		{ UINT64_C(951782400) * NS_PER_S, "2000-02-29T00:00:00.000Z" },
		{ UINT64_C(1795166999) * NS_PER_S + 123 * NS_PER_MS, "2026-11-20T09:29:59.123Z" },
		{ UINT64_MAX, "2554-07-21T23:34:33.709Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[CLOCK_TEXT];

		clock_format(rows[i].ns, buf);
		assert_string_equal(buf, rows[i].text);
	}
}

/* The log is compared between hosts, so the zone of this one must not show. */
static void format_ignores_the_time_zone(void **state)
{
	char buf[CLOCK_TEXT];

	(void)state;
	assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
	tzset();
	clock_format(NS_PER_S, buf);
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
	assert_string_equal(buf, "1970-01-01T00:00:01.000Z");
}

static void format_stays_inside(void **state)
{
	char buf[CLOCK_TEXT + 1];

	(void)state;
	buf[CLOCK_TEXT] = 'x';
	clock_format(UINT64_MAX, buf);
	assert_true(strlen(buf) < CLOCK_TEXT);
	assert_int_equal(buf[CLOCK_TEXT], 'x');
}

static void boot_clock_never_goes_back(void **state)
{
	uint64_t last = clock_boot_ns();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t now = clock_boot_ns();

		assert_true(now >= last);
		last = now;
	}
}

static void wall_clock_counts_nanoseconds(void **state)
{
	uint64_t before = (uint64_t)time(NULL);
	uint64_t wall = clock_wall_ns() / NS_PER_S;

	(void)state;
	assert_in_range(wall, before ? before - 1 : 0, before + 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_known_moments),
		cmocka_unit_test(format_ignores_the_time_zone),
		cmocka_unit_test(format_stays_inside),
		cmocka_unit_test(boot_clock_never_goes_back),
		cmocka_unit_test(wall_clock_counts_nanoseconds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
