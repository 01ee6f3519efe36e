/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "channel/ring.h"

enum { SLOTS = 8 };

static _Alignas(64) uint8_t memory[sizeof(struct chan_ring) + SLOTS * sizeof(uint32_t)];

static void make(struct ring *r)
{
	const struct ring_kind kind = { SLOTS, sizeof(uint32_t), true, true };

	memset(memory, 0, sizeof(memory));
	ring_make(r, memory, &kind);
}

static void make_shared(struct shared_ring *r)
{
	memset(memory, 0, sizeof(memory));
	shared_ring_make(r, memory, SLOTS);
}

static void test_to_the_application(void **state)
{
	struct ring r;
	uint32_t n;

	(void)state;
	make(&r);
	for (n = 0; n < SLOTS - 1; n++) {
		assert_true(ring_has_room(&r));
		assert_int_equal(ring_put(&r, &n), 1);
	}
	assert_false(ring_has_room(&r));
	assert_int_equal(ring_put(&r, &n), 0);
	assert_int_equal(r.shared->prod.tail, SLOTS - 1);
	r.shared->cons.tail = 1;
	assert_int_equal(ring_put(&r, &n), 1);
	assert_int_equal(((uint32_t *)(void *)(r.shared + 1))[SLOTS - 1], n);
}

static void test_from_the_application(void **state)
{
	struct ring r;
	uint32_t n = 0, *slots = (uint32_t *)(void *)(memory + sizeof(struct chan_ring));

	(void)state;
	make(&r);
	assert_int_equal(ring_take(&r, &n), 0);
	for (uint32_t round = 0; round < 3 * SLOTS; round++) {
		slots[round % SLOTS] = round + 100;
		r.shared->prod.tail = round + 1;
		assert_true(ring_has(&r));
		assert_int_equal(ring_take(&r, &n), 1);
		assert_int_equal(n, round + 100);
		assert_int_equal(r.shared->cons.tail, round + 1);
	}
}

/* What stands in the memory about our own end is nothing to us. */
static void test_our_end_is_not_read_back(void **state)
{
	struct ring r;
	uint32_t n = 5;

	(void)state;
	make(&r);
	r.shared->prod.head = r.shared->prod.tail = 1000;
	r.shared->size = r.shared->mask = r.shared->capacity = UINT32_MAX;
	assert_int_equal(ring_put(&r, &n), 1);
	assert_int_equal(r.shared->prod.tail, 1);
}

static void test_ends_that_lie(void **state)
{
	struct ring r;
	uint32_t n = 0;

	(void)state;
	make(&r);
	r.shared->prod.tail = SLOTS;
	assert_int_equal(ring_take(&r, &n), -EPROTO);
	r.shared->prod.tail = UINT32_MAX;
	assert_int_equal(ring_take(&r, &n), -EPROTO);
	r.shared->cons.tail = 1;
	assert_int_equal(ring_put(&r, &n), -EPROTO);
}

/* --- both sides at both ends -------------------------------------------------------------- */

static void test_all_once(void **state)
{
	struct shared_ring r;
	uint32_t got[SLOTS];

	(void)state;
	make_shared(&r);
	assert_int_equal(shared_ring_count(&r), SLOTS - 1);
	assert_int_equal(shared_ring_take(&r, got, SLOTS), SLOTS - 1);
	for (uint32_t i = 0; i < SLOTS - 1; i++)
		assert_int_equal(got[i], i);
	assert_int_equal(shared_ring_take(&r, got, 1), 0);
	assert_int_equal(shared_ring_put(&r, got + 2, 3), 3);
	assert_int_equal(shared_ring_take(&r, got, 2), 2);
	assert_int_equal(got[1], 3);
	assert_true(shared_ring_settle(&r));
}

/* A thread of the application has reserved and stands still: what we take is ours all the same. */
static void test_behind_one_that_stopped(void **state)
{
	struct shared_ring r;
	struct chan_ring *s;
	uint32_t got[2];

	(void)state;
	make_shared(&r);
	s = r.ring.shared;
	s->cons.head += 1;
	assert_int_equal(shared_ring_take(&r, got, 2), 2);
	assert_int_equal(got[0], 1);
	assert_int_equal(s->cons.tail, 0);
	assert_false(shared_ring_settle(&r));
	assert_int_equal(shared_ring_take(&r, got, 2), 0);
	s->cons.tail = 1; /* it goes on */
	assert_true(shared_ring_settle(&r));
	assert_int_equal(s->cons.tail, 3);
	assert_int_equal(shared_ring_take(&r, got, 2), 2);
	assert_int_equal(got[0], 3);
}

static void test_put_behind_one_that_stopped(void **state)
{
	struct shared_ring r;
	struct chan_ring *s;
	uint32_t got[3], one = 6;

	(void)state;
	make_shared(&r);
	s = r.ring.shared;
	assert_int_equal(shared_ring_take(&r, got, 3), 3);
	s->prod.head += 1;
	assert_int_equal(shared_ring_put(&r, &one, 1), 1);
	assert_int_equal(s->prod.tail, SLOTS - 1);
	assert_int_equal(shared_ring_put(&r, &one, 1), 0);
	s->prod.tail += 1;
	assert_true(shared_ring_settle(&r));
	assert_int_equal(s->prod.tail, SLOTS + 1);
}

static void test_shared_ends_that_lie(void **state)
{
	struct shared_ring r;
	uint32_t got[SLOTS];

	(void)state;
	make_shared(&r);
	r.ring.shared->prod.tail = 1000;
	assert_int_equal(shared_ring_count(&r), 0);
	assert_int_equal(shared_ring_take(&r, got, 1), -EPROTO);
	make_shared(&r);
	r.ring.shared->cons.tail = 1000;
	assert_int_equal(shared_ring_put(&r, got, 1), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_the_application),
		cmocka_unit_test(test_from_the_application),
		cmocka_unit_test(test_our_end_is_not_read_back),
		cmocka_unit_test(test_ends_that_lie),
		cmocka_unit_test(test_all_once),
		cmocka_unit_test(test_behind_one_that_stopped),
		cmocka_unit_test(test_put_behind_one_that_stopped),
		cmocka_unit_test(test_shared_ends_that_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
