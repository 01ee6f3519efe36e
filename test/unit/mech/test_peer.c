/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/peer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Fields 3 to 21 and what follows 22, as the kernel writes them. */
#define BEFORE " S 1 2 2 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 "
#define AFTER  " 2281472 200 18446744073709551615 0\n"

static void stat_has_the_start_time(void **state)
{
	static const char *const names[] = { "(cat)", "(a b)", "(:-) 7 ()", "()", "(x) S 1 1 1)" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[256];
		uint64_t ticks = 0;

		snprintf(text, sizeof(text), "77 %s" BEFORE "4711" AFTER, names[i]);
		assert_int_equal(peer_parse_stat(text, &ticks), 0);
		assert_int_equal(ticks, 4711);
	}
}

static void bad_stat_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "77 (cat",
					   "77 (cat) S 1 2",
					   "77 (cat)" BEFORE,
					   "77 (cat)" BEFORE "-4" AFTER,
					   "77 (cat)" BEFORE "47x" AFTER,
					   "77 (cat)" BEFORE "18446744073709551616" AFTER };
	uint64_t ticks = 5;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(peer_parse_stat(bad[i], &ticks), -EINVAL);
	assert_int_equal(ticks, 5);
}

static void cgroup_is_the_line_of_v2(void **state)
{
	char path[16] = "unchanged";

	(void)state;
	assert_int_equal(peer_parse_cgroup("0::/\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/");
	assert_int_equal(peer_parse_cgroup("4:cpu:/no\n0::/yes:/a b\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/yes:/a b");
	assert_int_equal(peer_parse_cgroup("0::/last", path, sizeof(path)), 0);
	assert_string_equal(path, "/last");
	assert_int_equal(peer_parse_cgroup("0::/exactly-fifteen\n", path, sizeof(path)),
			 -ENAMETOOLONG);
	assert_int_equal(peer_parse_cgroup("0::/fourteen-chars\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/fourteen-chars");
}

static void no_cgroup_of_ours(void **state)
{
	static const char *const none[] = {
		"",	    "0::",	   "0::\n",	    "10::/x\n",
		"1:x:/y\n", "0::/../up\n", "0::relative\n", ":0::/x\n"
	};
	char path[16] = "unchanged";

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(peer_parse_cgroup(none[i], path, sizeof(path)), -ENOENT);
	assert_string_equal(path, "unchanged");
}

static void a_real_process_has_started(void **state)
{
	uint64_t mine = peer_start_time("/proc", (uint32_t)getpid());

	(void)state;
	assert_true(mine > 0);
	assert_int_equal(peer_start_time("/proc", (uint32_t)getpid()), mine);
	assert_true(peer_start_time("/proc", 1) <= mine);
	assert_int_equal(peer_start_time("/nowhere", 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_has_the_start_time),    cmocka_unit_test(bad_stat_is_refused),
		cmocka_unit_test(cgroup_is_the_line_of_v2),   cmocka_unit_test(no_cgroup_of_ours),
		cmocka_unit_test(a_real_process_has_started),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
