/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/ipaddr.h"

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

static struct ipaddr ip_of(const char *text)
{
	struct ipaddr a;

	if (ipaddr_parse(text, &a) < 0)
		fail_msg("no address: %s", text);
	return a;
}

static void test_from4(void **state)
{
	static const uint8_t four[] = { 10, 1, 2, 3 };
	struct ipaddr a, b = ip_of("10.1.2.3");

	(void)state;
	memset(&a, 0x5a, sizeof(a));
	ipaddr_from4(&a, four);
	assert_memory_equal(a.b, b.b, sizeof(a.b));
	assert_memory_equal(ipaddr_4(&a), four, sizeof(four));
	assert_true(ipaddr_equal(&a, &b));
	a.b[15]++;
	assert_false(ipaddr_equal(&a, &b));
}

static void test_unicast(void **state)
{
	static const char *const may[] = { "1.0.0.0",	"10.0.0.1",  "126.255.255.255",
					   "128.0.0.0", "192.0.2.1", "223.255.255.255",
					   "::2",	"::1:0:1",   "2000::",
					   "fe80::1",	"fd00::1",   "fe00::ff" };
	static const char *const may_not[] = {
		"0.0.0.0",   "0.1.2.3",	  "127.0.0.1", "127.255.255.255",
		"224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::",	     "::1",	  "ff00::",    "ff02::1",
		"ffff::1"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++) {
		struct ipaddr a = ip_of(may[i]);

		if (!ipaddr_is_unicast(&a))
			fail_msg("refused: %s", may[i]);
	}
	for (size_t i = 0; i < sizeof(may_not) / sizeof(may_not[0]); i++) {
		struct ipaddr a = ip_of(may_not[i]);

		if (ipaddr_is_unicast(&a))
			fail_msg("accepted: %s", may_not[i]);
	}
}

static bool same_net(const char *a, const char *b, unsigned bits)
{
	struct ipaddr x = ip_of(a), y = ip_of(b);

	assert_int_equal(ipaddr_same_net(&x, &y, bits), ipaddr_same_net(&y, &x, bits));
	return ipaddr_same_net(&x, &y, bits);
}

static void test_same_net(void **state)
{
	(void)state;
	assert_true(same_net("10.0.0.1", "192.0.2.1", 0));
	assert_true(same_net("10.0.0.1", "10.0.0.1", 32));
	assert_false(same_net("10.0.0.1", "10.0.0.0", 32));
	assert_true(same_net("10.0.0.1", "10.0.0.0", 31));
	assert_true(same_net("10.0.0.1", "10.0.0.254", 24));
	assert_true(same_net("10.0.2.1", "10.0.3.1", 23));
	assert_false(same_net("10.0.2.1", "10.0.3.1", 24));
	assert_false(same_net("10.0.0.1", "138.0.0.1", 1));
	assert_true(same_net("fd00::1", "2000::1", 0));
	assert_true(same_net("fd00::1", "fd00::1", 128));
	assert_false(same_net("fd00::1", "fd00::", 128));
	assert_true(same_net("fe80::1", "febf::1", 10));
	assert_false(same_net("fe80::1", "fec0::1", 10));
	assert_false(same_net("10.0.0.1", "fd00::1", 0));
}

/* Each prefix ends where the first different bit is. */
static void test_every_prefix(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 128; bit++) {
		struct ipaddr a = ip_of("fd00::1"), b = a;

		b.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		for (unsigned bits = 0; bits <= 128; bits++)
			assert_int_equal(ipaddr_same_net(&a, &b, bits), bits <= bit);
	}
	for (unsigned bit = 0; bit < 32; bit++) {
		struct ipaddr a = ip_of("10.0.0.1"), b = a;

		b.b[12 + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		for (unsigned bits = 0; bits <= 32; bits++)
			assert_int_equal(ipaddr_same_net(&a, &b, bits), bits <= bit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_refused),	     cmocka_unit_test(test_from4),
		cmocka_unit_test(test_unicast),	     cmocka_unit_test(test_same_net),
		cmocka_unit_test(test_every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
