/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/checksum.h"

#include "packet.h"

static uint16_t sum_of_hex(const char *hex)
{
	uint8_t bytes[128], field[2];
	uint32_t n = from_hex(hex, bytes);

	checksum_put(field, checksum_fold(checksum_add(0, bytes, n)));
	return (uint16_t)(field[0] << 8 | field[1]);
}

/* RFC 1071, section 3: the words 0001 f203 f4f5 f6f7 are ddf0 and two carries. */
static void test_example_of_the_rfc(void **state)
{
	(void)state;
	assert_int_equal(sum_of_hex("0001 f203 f4f5 f6f7"), 0xddf2);
}

static void test_header_with_its_sum(void **state)
{
	(void)state;
	assert_int_equal(sum_of_hex("45000054 00004000 40010000 0a000001 0a000002"), 0xd958);
	assert_int_equal(sum_of_hex("45000054 00004000 400126a7 0a000001 0a000002"), 0xffff);
}

/* The byte that is missing is a zero behind the last one. */
static void test_odd_lengths(void **state)
{
	(void)state;
	assert_int_equal(sum_of_hex(""), 0);
	assert_int_equal(sum_of_hex("12"), 0x1200);
	assert_int_equal(sum_of_hex("0102 03"), 0x0402);
	assert_int_equal(sum_of_hex("0102 0304 05"), 0x0906);
	assert_int_equal(sum_of_hex("ffff ffff ffff 01"), 0x0100);
}

static void test_carries_are_kept(void **state)
{
	(void)state;
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(checksum_fold(UINT64_C(0xffffffff00000000)), 0xffff);
	assert_int_equal(checksum_fold(UINT64_C(0x10001)), 2);
	assert_int_equal(checksum_fold(UINT64_C(0x1ffff)), 1);
	assert_int_equal(checksum_fold(UINT64_C(0xfffeffff)), 0xfffe);
	assert_int_equal(checksum_fold(0), 0);
}

static uint16_t slowly(const uint8_t *at, uint32_t len)
{
	uint32_t sum = 0;
	uint8_t field[2];

	for (uint32_t i = 0; i < len; i++)
		sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
	return checksum_get(field);
}

static void test_as_word_by_word(void **state)
{
	uint8_t bytes[70];
	uint64_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t at = random_number(&seed) % 4, len = random_number(&seed) % 66;
		uint32_t cut = len ? random_number(&seed) % len & ~1U : 0;
		uint64_t two;

		random_bytes(&seed, bytes, sizeof(bytes));
		assert_int_equal(checksum_fold(checksum_add(0, bytes + at, len)),
				 slowly(bytes + at, len));
		two = checksum_add(checksum_add(0, bytes + at, cut), bytes + at + cut, len - cut);
		assert_int_equal(checksum_fold(two), slowly(bytes + at, len));
	}
}

static void assert_pseudo(const char *src, const char *dst, uint8_t proto, uint32_t len,
			  const char *hex)
{
	struct ipaddr a = ip_of(src), b = ip_of(dst);
	uint8_t bytes[64];
	uint32_t n = from_hex(hex, bytes);

	assert_int_equal(checksum_fold(checksum_pseudo(&a, &b, proto, len)), slowly(bytes, n));
}

/* RFC 768 and RFC 8200, 8.1, byte by byte. */
static void test_pseudo_headers(void **state)
{
	(void)state;
	assert_pseudo("10.0.0.1", "10.0.0.2", 17, 74, "0a000001 0a000002 0011 004a");
	assert_pseudo("fd00::1", "fe80::2:3", 58, 0x12345,
		      "fd000000 00000000 00000000 00000001 fe800000 00000000 00000000 00020003"
		      "00012345 0000003a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_of_the_rfc),
		cmocka_unit_test(test_header_with_its_sum),
		cmocka_unit_test(test_odd_lengths),
		cmocka_unit_test(test_carries_are_kept),
		cmocka_unit_test(test_as_word_by_word),
		cmocka_unit_test(test_pseudo_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
