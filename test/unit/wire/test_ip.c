/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/ip.h"

#include <errno.h>

#include "packet.h"
#include "wire/checksum.h"

enum { PACKET_MAX = 256 };

/* UDP from 10.0.0.1 to 10.0.0.2 with four bytes behind the header. */
static const char *const four = "45 00 0018 1513 0000 40 11 51c0 0a000001 0a000002 01020304";
static const char *const six = "60000000 0004 11 40"
			       "fd000000000000000000000000000001"
			       "fd000000000000000000000000000002 01020304";

static void put_sum(uint8_t *at)
{
	memset(at + 10, 0, 2);
	checksum_put(at + 10, (uint16_t)~checksum_fold(checksum_add(0, at, (at[0] & 0xfU) * 4)));
}

static int decode(uint8_t *at, uint32_t len, struct ip *ret)
{
	return at[0] >> 4 == 6 ? ip6_decode(at, len, ret) : ip4_decode(at, len, ret);
}

static void assert_decodes(const char *hex, const char *src, const char *dst)
{
	static const uint8_t payload[] = { 1, 2, 3, 4 };
	struct ipaddr a = ip_of(src), b = ip_of(dst);
	uint8_t bytes[PACKET_MAX], again[PACKET_MAX];
	uint32_t n = from_hex(hex, bytes);
	struct ip ip;

	assert_int_equal(decode(bytes, n, &ip), 0);
	assert_memory_equal(&ip.src, &a, sizeof(a));
	assert_memory_equal(&ip.dst, &b, sizeof(b));
	assert_int_equal(ip.proto, IP_UDP);
	assert_int_equal(ip.ttl, IP_TTL);
	assert_int_equal(ip.len, 4);
	assert_ptr_equal(ip.payload, bytes + n - 4);
	assert_memory_equal(ip.payload, payload, sizeof(payload));
	assert_int_equal(ip_header(&ip), n - 4);
	memset(again, 0xa5, sizeof(again));
	ip_encode(again, &ip);
	assert_memory_equal(again, bytes, n - 4);
}

static void test_decode_and_encode(void **state)
{
	(void)state;
	assert_decodes(four, "10.0.0.1", "10.0.0.2");
	assert_decodes(six, "fd00::1", "fd00::2");
}

static void assert_cut_short(const char *hex)
{
	uint8_t bytes[PACKET_MAX];
	uint32_t n = from_hex(hex, bytes);
	struct ip ip;

	for (uint32_t len = 0; len <= n; len++) {
		uint8_t *p = exactly(bytes, len);
		int r = bytes[0] >> 4 == 6 ? ip6_decode(p, len, &ip) : ip4_decode(p, len, &ip);

		assert_int_equal(r, len < n ? -EBADMSG : 0);
		free(p);
	}
}

static void test_cut_short(void **state)
{
	(void)state;
	assert_cut_short(four);
	assert_cut_short(six);
}

static void test_padding_is_not_payload(void **state)
{
	uint8_t bytes[PACKET_MAX] = { 0 };
	struct ip ip;

	(void)state;
	from_hex(four, bytes);
	assert_int_equal(decode(bytes, 46, &ip), 0);
	assert_int_equal(ip.len, 4);
	memset(bytes, 0, sizeof(bytes));
	from_hex(six, bytes);
	assert_int_equal(decode(bytes, 60, &ip), 0);
	assert_int_equal(ip.len, 4);
}

static void test_the_other_version(void **state)
{
	uint8_t bytes[PACKET_MAX] = { 0 };
	struct ip ip;

	(void)state;
	from_hex(four, bytes);
	assert_int_equal(ip6_decode(bytes, sizeof(bytes), &ip), -EBADMSG);
	from_hex(six, bytes);
	assert_int_equal(ip4_decode(bytes, sizeof(bytes), &ip), -EBADMSG);
}

static void test_every_bit_of_a_header_counts(void **state)
{
	uint8_t bytes[PACKET_MAX];
	uint32_t n = from_hex(four, bytes);
	struct ip ip;

	(void)state;
	for (uint32_t bit = 0; bit < 8 * IP4_HEADER; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(ip4_decode(bytes, n, &ip), -EBADMSG);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static int decode_changed(const char *hex, uint32_t at, uint8_t value)
{
	uint8_t bytes[PACKET_MAX];
	uint32_t n = from_hex(hex, bytes);
	struct ip ip;

	bytes[at] = value;
	put_sum(bytes);
	return ip4_decode(bytes, n, &ip);
}

static void test_wrong_lengths(void **state)
{
	(void)state;
	assert_int_equal(decode_changed(four, 0, 0x44), -EBADMSG);
	assert_int_equal(decode_changed(four, 0, 0x40), -EBADMSG);
	assert_int_equal(decode_changed(four, 0, 0x47), -EBADMSG);
	assert_int_equal(decode_changed(four, 3, 19), -EBADMSG);
	assert_int_equal(decode_changed(four, 3, 0), -EBADMSG);
	assert_int_equal(decode_changed(four, 3, 20), 0);
	assert_int_equal(decode_changed(four, 3, 25), -EBADMSG);
	assert_int_equal(decode_changed(four, 2, 1), -EBADMSG);
}

static void test_fragments(void **state)
{
	(void)state;
	assert_int_equal(decode_changed(four, 6, 0x20), -EOPNOTSUPP);
	assert_int_equal(decode_changed(four, 6, 0x01), -EOPNOTSUPP);
	assert_int_equal(decode_changed(four, 7, 0x01), -EOPNOTSUPP);
	assert_int_equal(decode_changed(four, 6, 0x10), -EOPNOTSUPP);
	assert_int_equal(decode_changed(four, 6, 0x40), 0); /* don't */
}

static void test_options_are_skipped(void **state)
{
	/* A router alert; then as many as there may be. */
	uint8_t bytes[PACKET_MAX] = { 0 };
	struct ip ip;

	(void)state;
	from_hex("46 00 001c 1513 0000 40 11 0000 0a000001 0a000002 94040000 01020304", bytes);
	put_sum(bytes);
	assert_int_equal(ip4_decode(bytes, 28, &ip), 0);
	assert_ptr_equal(ip.payload, bytes + 24);
	assert_int_equal(ip.len, 4);
	for (uint32_t len = 0; len < 28; len++)
		assert_int_equal(ip4_decode(bytes, len, &ip), -EBADMSG);
	bytes[0] = 0x4f;
	bytes[3] = 60;
	put_sum(bytes);
	assert_int_equal(ip4_decode(bytes, 60, &ip), 0);
	assert_int_equal(ip.len, 0);
	assert_ptr_equal(ip.payload, bytes + 60);
}

/* --- extension headers of IPv6 ------------------------------------------------------------- */

static uint32_t extended(uint8_t first, const char *rest, uint8_t *ret)
{
	uint32_t n;

	from_hex(six, ret);
	n = from_hex(rest, ret + IP6_HEADER);
	ret[5] = (uint8_t)n;
	ret[6] = first;
	return IP6_HEADER + n;
}

static void assert_skipped(uint8_t first, const char *rest, int r)
{
	uint8_t bytes[PACKET_MAX];
	uint32_t n = extended(first, rest, bytes);
	struct ip ip;

	assert_int_equal(ip6_decode(bytes, n, &ip), r);
	if (r < 0)
		return;
	assert_int_equal(ip.proto, IP_UDP);
	assert_int_equal(ip.len, 4);
	assert_ptr_equal(ip.payload, bytes + n - 4);
}

#define HOP "3c 00 0104 00000000" /* another follows */
#define DST "11 00 0104 00000000" /* UDP follows */

static void test_extensions_are_skipped(void **state)
{
	(void)state;
	assert_skipped(0, DST "01020304", 0);
	assert_skipped(60, DST "01020304", 0);
	assert_skipped(0, HOP DST "01020304", 0);
	assert_skipped(0, "11 01 010c 00000000 0000000000000000 01020304", 0);
	assert_skipped(0, HOP HOP HOP DST "01020304", 0);
	assert_skipped(0, HOP HOP HOP HOP DST "01020304", -EOPNOTSUPP);
}

/* Where the packet ends, that is: its end is in the length, too. */
static void test_extensions_cut_short(void **state)
{
	uint8_t bytes[PACKET_MAX];
	uint32_t n = extended(0, HOP DST, bytes);
	struct ip ip;

	(void)state;
	for (uint32_t len = IP6_HEADER; len <= n; len++) {
		uint8_t *p = exactly(bytes, len);

		p[5] = (uint8_t)(len - IP6_HEADER);
		assert_int_equal(ip6_decode(p, len, &ip), len < n ? -EBADMSG : 0);
		free(p);
	}
	assert_int_equal(ip.len, 0);
	assert_skipped(0, "11 ff 0104 00000000 01020304", -EBADMSG);
	assert_skipped(0, "11 01 0104 00000000 01020304", -EBADMSG);
}

/* A fragment, a route, and whatever else: its number is the protocol, which nobody knows. */
static void test_other_extensions_are_left(void **state)
{
	static const uint8_t others[] = { 43, 44, 51, 59 };
	uint8_t bytes[PACKET_MAX];
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(others); i++) {
		uint32_t n = extended(others[i], DST "01020304", bytes);

		assert_int_equal(ip6_decode(bytes, n, &ip), 0);
		assert_int_equal(ip.proto, others[i]);
		assert_int_equal(ip.len, 12);
	}
}

static void test_mapped_addresses_are_refused(void **state)
{
	static const uint32_t at[] = { 8, 24 };
	uint8_t bytes[PACKET_MAX];
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint32_t n = from_hex(six, bytes);

		from_hex("00000000000000000000ffff0a000001", bytes + at[i]);
		assert_int_equal(ip6_decode(bytes, n, &ip), -EBADMSG);
	}
}

static void test_round_trip(void **state)
{
	static uint8_t bytes[2000];
	uint64_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct ip q, p = { .src = random_ip(&seed, i & 1),
				   .dst = random_ip(&seed, i & 1),
				   .proto = (uint8_t)(1 + random_number(&seed) % 59),
				   .ttl = (uint8_t)random_number(&seed),
				   .len = random_number(&seed) % 1900 };

		ip_encode(bytes, &p);
		assert_int_equal(decode(bytes, ip_header(&p) + p.len, &q), 0);
		assert_memory_equal(&q.src, &p.src, sizeof(p.src));
		assert_memory_equal(&q.dst, &p.dst, sizeof(p.dst));
		assert_int_equal(q.proto, p.proto);
		assert_int_equal(q.ttl, p.ttl);
		assert_int_equal(q.len, p.len);
		assert_ptr_equal(q.payload, bytes + ip_header(&p));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_and_encode),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_padding_is_not_payload),
		cmocka_unit_test(test_the_other_version),
		cmocka_unit_test(test_every_bit_of_a_header_counts),
		cmocka_unit_test(test_wrong_lengths),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_options_are_skipped),
		cmocka_unit_test(test_extensions_are_skipped),
		cmocka_unit_test(test_extensions_cut_short),
		cmocka_unit_test(test_other_extensions_are_left),
		cmocka_unit_test(test_mapped_addresses_are_refused),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
