/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/ipaddr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_reads(const char *text, const char *back, bool is4)
{
	struct ipaddr a;
	char again[IPADDR_TEXT];

	assert_int_equal(ipaddr_parse(text, &a), 0);
	ipaddr_format(&a, again);
	assert_string_equal(again, back);
	assert_int_equal(ipaddr_is4(&a), is4);
}

static void test_round_trip(void **state)
{
	(void)state;
	assert_reads("10.0.0.1", "10.0.0.1", true);
	assert_reads("0.0.0.0", "0.0.0.0", true);
	assert_reads("255.255.255.255", "255.255.255.255", true);
	assert_reads("::", "::", false);
	assert_reads("FD00:0:0::1", "fd00::1", false);
	assert_reads("fe80::10.0.0.1", "fe80::a00:1", false);
	assert_reads("1:22:333:4444:5555:6666:7777:8888", "1:22:333:4444:5555:6666:7777:8888",
		     false);
}

static void test_bytes(void **state)
{
	static const uint8_t four[16] = { [10] = 0xff, 0xff, 10, 1, 2, 3 };
	static const uint8_t six[16] = { 0xfd, [15] = 0x42 };
	struct ipaddr a;

	(void)state;
	assert_int_equal(ipaddr_parse("10.1.2.3", &a), 0);
	assert_memory_equal(a.b, four, 16);
	assert_int_equal(ipaddr_parse("fd00::42", &a), 0);
	assert_memory_equal(a.b, six, 16);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"10.0.0",
		"10.0.0.256",
		"10.0.0.1 ",
		" 10.0.0.1",
		"10.0.0.01",
		"10.0.0.1/24",
		"0x0a000001",
		"1.2.3.4.5",
		"::ffff:10.0.0.1",
		"::FFFF:a00:1",
		":::",
		"fe80::1%lo",
		"g::",
		"1:2:3",
		"1:2:3:4:5:6:7:8:9",
	};
	struct ipaddr a;

	(void)state;
	memset(&a, 0x5a, sizeof(a));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (ipaddr_parse(bad[i], &a) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(a.b[0], 0x5a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
