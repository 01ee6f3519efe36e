/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/heap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct heap heap;
static uint8_t mem[HEAP_BYTES]; /* not touched */

static int setup(void **state)
{
	(void)state;
	heap_init(&heap, mem);
	return 0;
}

static struct extent take(size_t bytes)
{
	struct extent e = { 0 };

	assert_true(heap_take(&heap, bytes, &e));
	assert_true(extent_bytes(&e) >= bytes && extent_bytes(&e) < bytes + HEAP_UNIT);
	return e;
}

static void test_the_lowest_place(void **state)
{
	struct extent a = take(1), b = take(1000), c = take(300);

	(void)state;
	assert_int_equal(a.at, 0);
	assert_int_equal(b.at, 1);
	assert_int_equal(c.at, 5);
	assert_ptr_equal(heap_at(&heap, &c), mem + 5 * HEAP_UNIT);
	heap_give(&heap, &b);
	assert_int_equal(take(1025).at, 7); /* five units do not fit into four */
	assert_int_equal(take(1024).at, 1);
	heap_give(&heap, &a);
	assert_int_equal(take(1).at, 0);
}

static void test_full(void **state)
{
	struct extent e = { 7, 7 }, all = take(HEAP_BYTES);

	(void)state;
	assert_false(heap_take(&heap, 1, &e));
	assert_int_equal(e.at, 7);
	heap_give(&heap, &all);
	assert_int_equal(heap.used, 0);
	assert_false(heap_take(&heap, HEAP_BYTES + 1, &e));
	assert_false(heap_take(&heap, SIZE_MAX, &e));
	assert_false(heap_take(&heap, 0, &e));
	take(1);
	assert_false(heap_take(&heap, HEAP_BYTES, &e));
}

static void test_claims(void **state)
{
	const struct extent none = { 5, 0 }, sound = { 3, 4 }, over = { 6, 1 },
			    beyond = { HEAP_UNITS - 1, 2 }, wraps = { 1, UINT32_MAX },
			    far = { UINT32_MAX, 1 };

	(void)state;
	assert_int_equal(heap_claim(&heap, &sound), 0);
	assert_int_equal(heap_claim(&heap, &none), 0);
	assert_int_equal(heap_claim(&heap, &over), -EBADMSG);
	assert_int_equal(heap_claim(&heap, &sound), -EBADMSG);
	assert_int_equal(heap_claim(&heap, &beyond), -EBADMSG);
	assert_int_equal(heap_claim(&heap, &wraps), -EBADMSG);
	assert_int_equal(heap_claim(&heap, &far), -EBADMSG);
	assert_int_equal(heap.used, 4);
	assert_int_equal(take(4 * HEAP_UNIT).at, 7);
	assert_int_equal(take(1).at, 0);
}

/* Against a plain array: no unit is ever two pieces'. */
static void test_random(void **state)
{
	enum { PIECES = 200 };
	static uint8_t owner[HEAP_UNITS];
	struct extent pieces[PIECES] = { 0 };

	(void)state;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		uint32_t n = (uint32_t)random() % PIECES;
		struct extent *e = &pieces[n];

		for (uint32_t u = e->at; u < e->at + e->units; u++)
			owner[u] = 0;
		if (e->units)
			heap_give(&heap, e);
		*e = (struct extent){ 0 };
		if (random() % 2 || !heap_take(&heap, 1 + (size_t)random() % 100000, e))
			continue;
		for (uint32_t u = e->at; u < e->at + e->units; u++) {
			assert_int_equal(owner[u], 0);
			owner[u] = 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_lowest_place, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_claims, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
