/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/udp.h"

#include <errno.h>

#include "packet.h"
#include "wire/checksum.h"

enum { PACKET_MAX = 256 };

/*
 * From 10.0.0.1:1024 to 10.0.0.2:31580, three bytes. The sum, by hand: 0a00+0001+0a00+0002
 * +0011+000b of the pseudo-header is 141f; 0400+7b5c+000b+6162+6300 makes it 157e8, 57e9.
 */
static const char *const four = "0400 7b5c 000b a816 616263";
/* The same between fd00::1 and fd00::2: fd00+0001+fd00+0002+000b+0011 is fa20 with its carry. */
static const char *const six = "0400 7b5c 000b c214 616263";

static struct ip packet(const char *hex, bool is6, uint8_t *bytes)
{
	return (struct ip){ .src = ip_of(is6 ? "fd00::1" : "10.0.0.1"),
			    .dst = ip_of(is6 ? "fd00::2" : "10.0.0.2"),
			    .proto = IP_UDP,
			    .payload = bytes,
			    .len = from_hex(hex, bytes) };
}

static void test_decode_and_encode(void **state)
{
	(void)state;
	for (int is6 = 0; is6 < 2; is6++) {
		uint8_t bytes[PACKET_MAX], again[PACKET_MAX];
		struct ip ip = packet(is6 ? six : four, is6, bytes);
		struct udp u;

		assert_int_equal(udp_decode(&ip, false, &u), 0);
		assert_int_equal(u.src, 1024);
		assert_int_equal(u.dst, 31580);
		assert_int_equal(u.len, 3);
		assert_ptr_equal(u.payload, bytes + UDP_HEADER);
		memset(again, 0xa5, sizeof(again));
		udp_encode(again, &ip, &u);
		assert_memory_equal(again, bytes, UDP_HEADER);
	}
}

static void test_cut_short(void **state)
{
	uint8_t bytes[PACKET_MAX];
	struct ip ip = packet(four, false, bytes);
	struct udp u;

	(void)state;
	for (uint32_t len = 0; len < 11; len++) {
		ip.payload = exactly(bytes, len);
		ip.len = len;
		assert_int_equal(udp_decode(&ip, true, &u), -EBADMSG);
		free(ip.payload);
	}
}

static void test_every_bit_counts(void **state)
{
	(void)state;
	for (int is6 = 0; is6 < 2; is6++) {
		uint8_t bytes[PACKET_MAX];
		struct ip ip = packet(is6 ? six : four, is6, bytes);
		struct udp u;

		for (uint32_t bit = 0; bit < 8 * ip.len; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(udp_decode(&ip, false, &u), -EBADMSG);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* What it says is its length; behind it may be anything. */
static void test_lengths(void **state)
{
	static const struct {
		const char *hex;
		int r;
		uint32_t len;
	} tests[] = {
		{ "0400 7b5c 0008 0000", 0, 0 },	{ "0400 7b5c 0007 0000", -EBADMSG, 0 },
		{ "0400 7b5c 0000 0000", -EBADMSG, 0 }, { "0400 7b5c 0009 0000", -EBADMSG, 0 },
		{ "0400 7b5c ffff 0000", -EBADMSG, 0 }, { "0400 7b5c 000b a816 616263 ffff", 0, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		uint8_t bytes[PACKET_MAX];
		struct ip ip = packet(tests[i].hex, false, bytes);
		struct udp u = { .len = 99 };

		assert_int_equal(udp_decode(&ip, false, &u), tests[i].r);
		if (!tests[i].r)
			assert_int_equal(u.len, tests[i].len);
	}
}

static void test_no_checksum(void **state)
{
	(void)state;
	for (int is6 = 0; is6 < 2; is6++)
		for (int partial = 0; partial < 2; partial++) {
			uint8_t bytes[PACKET_MAX];
			struct ip ip = packet("0400 7b5c 000b 0000 616263", is6, bytes);
			struct udp u;

			assert_int_equal(udp_decode(&ip, partial, &u), is6 ? -EBADMSG : 0);
		}
}

/* The pseudo-header's sum, not complemented, as the kernel leaves it for a device. */
static void test_partial_checksums(void **state)
{
	(void)state;
	for (int is6 = 0; is6 < 2; is6++) {
		uint8_t bytes[PACKET_MAX];
		struct ip ip = packet(is6 ? "0400 7b5c 000b fa20 616263"
					  : "0400 7b5c 000b 141f 616263",
				      is6, bytes);
		struct udp u;

		assert_int_equal(udp_decode(&ip, false, &u), -EBADMSG);
		assert_int_equal(udp_decode(&ip, true, &u), 0);
		assert_int_equal(u.len, 3);
		bytes[7]++;
		assert_int_equal(udp_decode(&ip, true, &u), -EBADMSG);
	}
}

/* 0 would say that there is none. */
static void test_a_sum_of_zero_is_written_as_ones(void **state)
{
	uint8_t bytes[PACKET_MAX];
	/* As above, with two bytes that make the whole ffff: 141e+0400+7b5c+000a is 9384. */
	struct ip ip = packet("0400 7b5c 000a 0000 6c7b", false, bytes);
	struct udp u = { .src = 1024, .dst = 31580, .payload = bytes + 8, .len = 2 };

	(void)state;
	udp_encode(bytes, &ip, &u);
	assert_int_equal(checksum_get(bytes + 6), UINT16_MAX);
	assert_int_equal(udp_decode(&ip, false, &u), 0);
}

static void test_round_trip(void **state)
{
	static uint8_t bytes[2000];
	uint64_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct udp v, u = { .src = (uint16_t)random_number(&seed),
				    .dst = (uint16_t)random_number(&seed),
				    .payload = bytes + UDP_HEADER,
				    .len = random_number(&seed) % 1900 };
		struct ip ip = { .src = random_ip(&seed, i & 1),
				 .dst = random_ip(&seed, i & 1),
				 .payload = bytes,
				 .len = UDP_HEADER + u.len };

		random_bytes(&seed, u.payload, u.len);
		udp_encode(bytes, &ip, &u);
		assert_int_not_equal(checksum_get(bytes + 6), 0);
		assert_int_equal(udp_decode(&ip, false, &v), 0);
		assert_int_equal(v.src, u.src);
		assert_int_equal(v.dst, u.dst);
		assert_int_equal(v.len, u.len);
		assert_ptr_equal(v.payload, u.payload);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_and_encode),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_no_checksum),
		cmocka_unit_test(test_partial_checksums),
		cmocka_unit_test(test_a_sum_of_zero_is_written_as_ones),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
