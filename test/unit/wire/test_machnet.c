/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/machnet.h"

#include <errno.h>

#include "packet.h"

/* An acknowledgement of the reference's, as captured: junk in its bitmap and all. */
static const char *const captured = "4e53 02 00 00000001 00000002"
				    "0000000000000000 8000000000000000 0000000000000000"
				    "0000000000000000 0000 0000000000000000";

static void test_decode_captured(void **state)
{
	uint8_t bytes[MACHNET_HEADER];
	struct machnet m;

	(void)state;
	assert_int_equal(from_hex(captured, bytes), MACHNET_HEADER);
	assert_int_equal(machnet_decode(bytes, MACHNET_HEADER, &m), 0);
	assert_int_equal(m.kind, MACHNET_ACK);
	assert_int_equal(m.flags, 0);
	assert_int_equal(m.seq, 1);
	assert_int_equal(m.ack, 2);
	assert_false(m.again);
}

/* What we send of it has no bitmap. */
static void test_encode(void **state)
{
	const struct machnet m = { .kind = MACHNET_ACK, .seq = 1, .ack = 2 };
	const struct machnet data = { .flags = MACHNET_FIRST | MACHNET_LAST,
				      .seq = 0x01020304,
				      .ack = MACHNET_NO_ACK };
	uint8_t bytes[MACHNET_HEADER], wanted[MACHNET_HEADER];

	(void)state;
	from_hex(captured, wanted);
	wanted[20] = 0;
	memset(bytes, 0xa5, sizeof(bytes));
	machnet_encode(bytes, &m);
	assert_memory_equal(bytes, wanted, sizeof(wanted));
	memset(wanted, 0, sizeof(wanted));
	from_hex("4e53 00 05 01020304 ffffffff", wanted);
	machnet_encode(bytes, &data);
	assert_memory_equal(bytes, wanted, sizeof(wanted));
}

static void test_again(void **state)
{
	struct machnet m = { .kind = MACHNET_DATA, .again = true }, n;
	uint8_t bytes[MACHNET_HEADER];

	(void)state;
	machnet_encode(bytes, &m);
	assert_memory_equal(bytes + 12, "reeve-2x", 8);
	for (uint32_t at = 12; at < 20; at++) {
		assert_int_equal(machnet_decode(bytes, MACHNET_HEADER, &n), 0);
		assert_true(n.again);
		bytes[at] ^= 1;
		assert_int_equal(machnet_decode(bytes, MACHNET_HEADER, &n), 0);
		assert_false(n.again);
		bytes[at] ^= 1;
	}
}

/* The reference takes 12 bytes for a packet, and dies of it. */
static void test_cut_short(void **state)
{
	uint8_t bytes[MACHNET_HEADER];
	struct machnet m;

	(void)state;
	from_hex(captured, bytes);
	for (uint32_t len = 0; len < MACHNET_HEADER; len++) {
		uint8_t *p = exactly(bytes, len);

		assert_int_equal(machnet_decode(p, len, &m), -EBADMSG);
		free(p);
	}
}

static void test_other_magic(void **state)
{
	uint8_t bytes[MACHNET_HEADER];
	struct machnet m;

	(void)state;
	for (uint32_t bit = 0; bit < 16; bit++) {
		from_hex(captured, bytes);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(machnet_decode(bytes, MACHNET_HEADER, &m), -EBADMSG);
	}
}

static void test_round_trip(void **state)
{
	uint8_t bytes[MACHNET_HEADER];
	uint64_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct machnet n, m = { .kind = (uint8_t)random_number(&seed),
					.flags = (uint8_t)random_number(&seed),
					.seq = random_number(&seed),
					.ack = random_number(&seed),
					.again = random_number(&seed) & 1 };

		machnet_encode(bytes, &m);
		assert_int_equal(machnet_decode(bytes, sizeof(bytes), &n), 0);
		assert_int_equal(n.kind, m.kind);
		assert_int_equal(n.flags, m.flags);
		assert_int_equal(n.seq, m.seq);
		assert_int_equal(n.ack, m.ack);
		assert_int_equal(n.again, m.again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_captured), cmocka_unit_test(test_encode),
		cmocka_unit_test(test_again),		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_other_magic),	cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
