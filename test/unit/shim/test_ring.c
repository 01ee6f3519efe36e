/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/ring.h"

#include <pthread.h>
#include <stdlib.h>

#include "memory.h"

enum { SLOTS = 8, BIG = 64 };

struct room {
	struct chan_ring shared;
	uint32_t entries[BIG];
};

static struct room room;
static struct ring ring;

static int begin(void **state)
{
	(void)state;
	memset(&room, 0, sizeof(room));
	/* Soon beyond the last number there is. */
	room.shared.prod.head = room.shared.prod.tail = UINT32_MAX - 3;
	room.shared.cons.head = room.shared.cons.tail = UINT32_MAX - 3;
	ring = (struct ring){ &room.shared, SLOTS, sizeof(uint32_t) };
	return 0;
}

static void test_one_by_one(void **state)
{
	uint32_t got = 0;

	(void)state;
	assert_int_equal(ring_take_one(&ring, &got), -EAGAIN);
	for (uint32_t i = 0; i < SLOTS - 1; i++) {
		assert_int_equal(ring_room(&ring), SLOTS - 1 - i);
		assert_int_equal(ring_put_one(&ring, &i), 0);
		assert_int_equal(ring_count(&ring), i + 1);
	}
	assert_int_equal(ring_put_one(&ring, &got), -EAGAIN);
	for (uint32_t i = 0; i < SLOTS - 1; i++) {
		assert_int_equal(ring_take_one(&ring, &got), 0);
		assert_int_equal(got, i);
	}
	assert_int_equal(ring_count(&ring), 0);
}

static void test_many_or_none(void **state)
{
	const uint32_t in[] = { 1, 2, 3, 4, 5 };
	uint32_t out[5] = { 0 };

	(void)state;
	assert_int_equal(ring_put_many(&ring, in, 5), 0);
	assert_int_equal(ring_put_many(&ring, in, 3), -EAGAIN);
	assert_int_equal(ring_count(&ring), 5);
	assert_int_equal(ring_take_many(&ring, out, 6), -EAGAIN);
	assert_int_equal(ring_take_many(&ring, out, 5), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(ring_take_many(&ring, out, 1), -EAGAIN);
	assert_int_equal(ring_put_many(&ring, in, 5), 0);
}

/* Nobody reads beyond the ring, or for ever, whatever the ends say. */
static void test_ends_that_can_not_be(void **state)
{
	uint32_t entry = 0;

	(void)state;
	room.shared.prod.head = room.shared.prod.tail = room.shared.cons.tail + SLOTS;
	assert_int_equal(ring_take_one(&ring, &entry), -EPROTO);
	assert_int_equal(ring_take_many(&ring, &entry, 1), -EPROTO);
	assert_int_equal(ring_put_one(&ring, &entry), -EPROTO);
	assert_int_equal(ring_put_many(&ring, &entry, 1), -EPROTO);
	assert_int_equal(ring_room(&ring), -EPROTO);
	assert_int_equal(ring_count(&ring), 0);
}

/* The other one reserved, and was killed before it was done. */
static void test_who_stopped_half_way(void **state)
{
	uint32_t entry = 0;

	(void)state;
	assert_int_equal(ring_put_many(&ring, &entry, 1), 0);
	room.shared.prod.head++;
	assert_int_equal(ring_put_many(&ring, &entry, 1), -EPROTO);
	assert_int_equal(ring_take_many(&ring, &entry, 1), 0);
	room.shared.cons.head++;
	room.shared.prod.tail += 4;
	assert_int_equal(ring_take_many(&ring, &entry, 1), -EPROTO);
}

/* --- two threads at both ends ------------------------------------------------------------- */

enum { ROUNDS = 20000, FEW = 3 };

static void *exchange(void *arg)
{
	uint32_t *sum = arg, some[FEW];
	int r;

	for (int i = 0; i < ROUNDS; i++) {
		while ((r = ring_take_many(&ring, some, FEW)) == -EAGAIN)
			sched_yield();
		if (r < 0)
			return (void *)"take";
		for (int j = 0; j < FEW; j++)
			sum[some[j]]++;
		while ((r = ring_put_many(&ring, some, FEW)) == -EAGAIN)
			sched_yield();
		if (r < 0)
			return (void *)"put";
	}
	return NULL;
}

/* As many as fit between them go round: none is lost, none comes to be two. */
static void test_two_at_each_end(void **state)
{
	uint32_t seen[2][BIG] = { 0 }, all[BIG - 1], back[BIG - 1], total = 0;
	pthread_t threads[2];

	(void)state;
	ring.slots = BIG;
	for (uint32_t i = 0; i < BIG - 1; i++)
		all[i] = i;
	assert_int_equal(ring_put_many(&ring, all, BIG - 1), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, exchange, seen[i]), 0);
	for (int i = 0; i < 2; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_ptr_equal(failed, NULL);
	}
	assert_int_equal(ring_take_many(&ring, back, BIG - 1), 0);
	memset(all, 0, sizeof(all));
	for (uint32_t i = 0; i < BIG - 1; i++) {
		all[back[i]]++;
		total += seen[0][i] + seen[1][i];
	}
	for (uint32_t i = 0; i < BIG - 1; i++)
		assert_int_equal(all[i], 1);
	assert_int_equal(total, 2 * FEW * ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_by_one, begin),
		cmocka_unit_test_setup(test_many_or_none, begin),
		cmocka_unit_test_setup(test_ends_that_can_not_be, begin),
		cmocka_unit_test_setup(test_who_stopped_half_way, begin),
		cmocka_unit_test_setup(test_two_at_each_end, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
