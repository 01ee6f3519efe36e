/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack/impl.h"

enum { FLOWS = 60 };

static uint32_t state32 = 1;

static uint32_t below(uint32_t n)
{
	state32 = state32 * 1664525 + 1013904223;
	return (state32 >> 8) % n;
}

static uint64_t first_of(const struct flow *flows)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < FLOWS; i++)
		if (flows[i].deadline < first)
			first = flows[i].deadline;
	return first;
}

/* Each that is due comes, none that is not, and the heap never wakes too late. */
static void test_random_timers_against_a_list(void **state)
{
	static struct flow flows[FLOWS], *heap[FLOWS];
	struct stack s = { .heap = heap };
	struct flow *f;

	(void)state;
	for (int i = 0; i < FLOWS; i++)
		flows[i] = (struct flow){ .stack = &s, .deadline = UINT64_MAX };
	for (int i = 0; i < 200000; i++) {
		f = &flows[below(FLOWS)];
		if (below(3))
			timer_set(f, s.now + 1 + below(100));
		else
			timer_clear(f);
		assert_true(!s.nheap || s.heap[0]->timer_ns <= first_of(flows));
		s.now += below(4);
		while ((f = timer_next(&s))) {
			assert_true(f->deadline <= s.now);
			timer_clear(f);
		}
		assert_true(first_of(flows) > s.now);
		for (uint32_t k = 0; k < s.nheap; k++)
			assert_int_equal(s.heap[k]->heap_at, k + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_timers_against_a_list) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
