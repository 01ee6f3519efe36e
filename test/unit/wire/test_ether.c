/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/ether.h"

#include <errno.h>

#include "packet.h"

static const char *const header = "020000000001 0200000000fe 86dd";

static void test_decode(void **state)
{
	static const uint8_t dst[] = { 2, 0, 0, 0, 0, 1 }, src[] = { 2, 0, 0, 0, 0, 0xfe };
	uint8_t bytes[32];
	struct ether h;

	(void)state;
	assert_int_equal(ether_decode(bytes, from_hex(header, bytes), &h), 0);
	assert_memory_equal(h.dst.b, dst, ETHER_MAC);
	assert_memory_equal(h.src.b, src, ETHER_MAC);
	assert_int_equal(h.type, ETHER_IPV6);
}

static void test_cut_short(void **state)
{
	uint8_t bytes[32];
	struct ether h;

	(void)state;
	from_hex(header, bytes);
	for (uint32_t len = 0; len < ETHER_HEADER; len++) {
		uint8_t *p = exactly(bytes, len);

		assert_int_equal(ether_decode(p, len, &h), -EBADMSG);
		free(p);
	}
}

static void test_round_trip(void **state)
{
	uint8_t bytes[ETHER_HEADER], again[ETHER_HEADER];
	uint64_t seed = 1;
	struct ether h;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		random_bytes(&seed, bytes, sizeof(bytes));
		assert_int_equal(ether_decode(bytes, sizeof(bytes), &h), 0);
		ether_encode(again, &h);
		assert_memory_equal(again, bytes, sizeof(bytes));
	}
}

static void test_stations_and_groups(void **state)
{
	const struct mac none = { { 0 } }, all = { { 255, 255, 255, 255, 255, 255 } };
	const struct mac group = { { 0x33, 0x33, [5] = 1 } }, one = { { 2, [5] = 1 } };
	const struct mac last = { { [5] = 1 } };

	(void)state;
	assert_false(mac_is_group(&none));
	assert_true(mac_is_group(&all));
	assert_true(mac_is_group(&group));
	assert_false(mac_is_group(&one));
	assert_false(mac_is_station(&none));
	assert_false(mac_is_station(&all));
	assert_false(mac_is_station(&group));
	assert_true(mac_is_station(&one));
	assert_true(mac_is_station(&last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_stations_and_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
