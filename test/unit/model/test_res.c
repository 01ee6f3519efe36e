/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/res.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int kind = 0; kind < RES_KIND_MAX; kind++) {
		assert_non_null(res_kind_name((uint32_t)kind));
		assert_int_equal(res_kind_parse(res_kind_name((uint32_t)kind)), kind);
	}
}

static void test_names_are_those_of_the_api(void **state)
{
	(void)state;
	assert_string_equal(res_kind_name(RES_LCORE), "lcore");
	assert_string_equal(res_kind_name(RES_UDP_PORT), "udp_port");
	assert_string_equal(res_kind_name(RES_CHANNEL), "channel");
}

static void test_what_is_no_kind(void **state)
{
	(void)state;
	assert_null(res_kind_name(RES_KIND_MAX));
	assert_null(res_kind_name(UINT32_MAX));
	assert_int_equal(res_kind_parse(""), -ENOENT);
	assert_int_equal(res_kind_parse("lcores"), -ENOENT);
	assert_int_equal(res_kind_parse("LCORE"), -ENOENT);
}

static void test_format(void **state)
{
	struct res res = { .kind = RES_LCORE, .id = 5 };
	char buf[64];

	(void)state;
	assert_int_equal(res_format(&res, buf, sizeof(buf)), 7);
	assert_string_equal(buf, "lcore 5");
	res = (struct res){ .kind = RES_QUEUE, .scope = 2, .id = 3 };
	assert_int_equal(res_format(&res, buf, sizeof(buf)), 15);
	assert_string_equal(buf, "queue 3 of if 2");
	res = (struct res){ .kind = RES_KIND_MAX, .id = 1 };
	assert_int_equal(res_format(&res, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "? 1");
}

static void format_is(struct res res, const char *text)
{
	char buf[64];

	assert_int_equal(res_format(&res, buf, sizeof(buf)), strlen(text));
	assert_string_equal(buf, text);
}

/* The owner's number is for the ledger, not for people. */
static void test_format_on_an_interface(void **state)
{
	(void)state;
	format_is(res_xdp(2, 77), "xdp of if 2");
	format_is(res_udp_port(2, 77, 5000), "udp_port 5000 of if 2");
	format_is(res_udp_port(UINT32_MAX, 99999, 65535), "udp_port 65535 of if 4294967295");
	format_is(res_flow(2, 7), "flow 7 of if 2");
	format_is(res_flow(2, RES_FLOW_SOFT | 7), "soft flow 7 of if 2");
	format_is(res_flow(2, RES_FLOW_SOFT | UINT32_MAX), "soft flow 4294967295 of if 2");
	format_is(res_queue(2, 0), "queue 0 of if 2");
}

static struct res address(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return res_address(2, &a);
}

static void test_addresses(void **state)
{
	struct res six = address("2001:db8::1");
	struct ipaddr a, none = { 0 };
	char buf[RES_TEXT];

	(void)state;
	format_is(address("10.0.0.1"), "address 10.0.0.1 of if 2");
	format_is(six, "IPv6 address of if 2");
	assert_int_equal(ipaddr_parse("2001:db8::1", &a), 0);
	res_format_address(&six, &a, buf, sizeof(buf));
	assert_string_equal(buf, "address 2001:db8::1 of if 2");
	res_format_address(&six, &none, buf, sizeof(buf));
	assert_string_equal(buf, "IPv6 address of if 2");
	assert_true(address("255.255.255.255").id == UINT32_MAX);
	assert_true(six.id & RES_ADDRESS_IPV6);
	assert_false(res_ipv4(&six, &a));
	six = address("10.1.2.3");
	assert_true(res_ipv4(&six, &a));
	ipaddr_format(&a, buf);
	assert_string_equal(buf, "10.1.2.3");
}

/* Each bit of an IPv6 address counts. */
static void test_addresses_apart(void **state)
{
	struct ipaddr a;
	struct res first;

	(void)state;
	assert_int_equal(ipaddr_parse("2001:db8::1", &a), 0);
	first = res_address(2, &a);
	for (int bit = 0; bit < 128; bit++) {
		a.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(res_address(2, &a).id != first.id);
		a.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* The values are another program's, which has the vectors of SipHash's authors right. */
static void test_the_hash_of_an_address(void **state)
{
	(void)state;
	assert_true(address("2001:db8::1").id == UINT64_C(0xd40364c9ec7ddb4e));
	assert_true(address("fd00::9").id == UINT64_C(0xd21507b3575ba0f1));
	/* One of the two is easily found for the other where only sums and products are mixed. */
	assert_true(address("2001:db8:1::1").id != address("2001:db8:2:0:fe2a:cddf:624f:2c5b").id);
}

/* Two owners may wait for the same port on the same interface: two resources. */
static void test_the_owner_is_a_part_of_it(void **state)
{
	(void)state;
	assert_int_equal(res_udp_port(2, 1, 5000).id, 1 << 16 | 5000);
	assert_int_not_equal(res_udp_port(2, 1, 5000).id, res_udp_port(2, 2, 5000).id);
	assert_int_not_equal(res_xdp(2, 1).id, res_xdp(2, 2).id);
}

static void test_format_stops_at_the_end_of_the_buffer(void **state)
{
	struct res res = { .kind = RES_CHANNEL, .scope = UINT32_MAX, .id = UINT64_MAX };
	char buf[10];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(res_format(&res, buf, 9), 8);
	assert_string_equal(buf, "channel ");
	assert_int_equal(buf[9], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_has_a_name_of_its_own),
		cmocka_unit_test(test_names_are_those_of_the_api),
		cmocka_unit_test(test_what_is_no_kind),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_on_an_interface),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_addresses_apart),
		cmocka_unit_test(test_the_hash_of_an_address),
		cmocka_unit_test(test_the_owner_is_a_part_of_it),
		cmocka_unit_test(test_format_stops_at_the_end_of_the_buffer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
