/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/arp.h"

#include <errno.h>

#include "packet.h"

/* "Who has 10.0.0.1? Tell 10.0.0.2." */
static const char *const request = "0001 0800 06 04 0001"
				   "020000000002 0a000002 000000000000 0a000001";

static void test_decode(void **state)
{
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 2 }, none[ETHER_MAC];
	struct ipaddr two = ip_of("10.0.0.2"), one = ip_of("10.0.0.1");
	uint8_t bytes[ARP_BYTES];
	struct arp a;

	(void)state;
	assert_int_equal(from_hex(request, bytes), ARP_BYTES);
	assert_int_equal(arp_decode(bytes, ARP_BYTES, &a), 0);
	assert_int_equal(a.op, ARP_REQUEST);
	assert_memory_equal(a.sender_mac.b, mac, ETHER_MAC);
	assert_memory_equal(a.target_mac.b, none, ETHER_MAC);
	assert_memory_equal(&a.sender, &two, sizeof(two));
	assert_memory_equal(&a.target, &one, sizeof(one));
}

static void test_cut_short(void **state)
{
	uint8_t bytes[ARP_BYTES];
	struct arp a;

	(void)state;
	from_hex(request, bytes);
	for (uint32_t len = 0; len < ARP_BYTES; len++) {
		uint8_t *p = exactly(bytes, len);

		assert_int_equal(arp_decode(p, len, &a), -EBADMSG);
		free(p);
	}
}

static void test_padding_is_skipped(void **state)
{
	uint8_t bytes[ARP_BYTES + 18] = { 0 };
	struct arp a;

	(void)state;
	from_hex(request, bytes);
	assert_int_equal(arp_decode(bytes, sizeof(bytes), &a), 0);
}

static void test_other_kinds(void **state)
{
	/* Each byte in front of the addresses matters. */
	uint8_t bytes[ARP_BYTES];
	struct arp a;

	(void)state;
	for (uint32_t at = 0; at < 8; at++) {
		from_hex(request, bytes);
		bytes[at] ^= 0x80;
		assert_int_equal(arp_decode(bytes, ARP_BYTES, &a), -EOPNOTSUPP);
	}
	for (uint8_t op = 0; op < 10; op++) {
		from_hex(request, bytes);
		bytes[7] = op;
		assert_int_equal(arp_decode(bytes, ARP_BYTES, &a),
				 op == ARP_REQUEST || op == ARP_REPLY ? 0 : -EOPNOTSUPP);
	}
}

static void test_round_trip(void **state)
{
	uint8_t bytes[ARP_BYTES], again[ARP_BYTES];
	uint64_t seed = 1;
	struct arp a;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		from_hex(request, bytes);
		bytes[7] = (uint8_t)(1 + i % 2);
		random_bytes(&seed, bytes + 8, ARP_BYTES - 8);
		assert_int_equal(arp_decode(bytes, ARP_BYTES, &a), 0);
		memset(again, 0xa5, sizeof(again));
		arp_encode(again, &a);
		assert_memory_equal(again, bytes, ARP_BYTES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_padding_is_skipped),
		cmocka_unit_test(test_other_kinds),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
