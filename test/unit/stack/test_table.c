/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack/impl.h"

enum { FLOWS = 512, BUCKETS = 64 };

static struct flow flows[FLOWS], *buckets[BUCKETS];

/* All differ from their neighbours in one of the four, by one bit. */
static void name_all(struct stack *s)
{
	for (uint32_t i = 0; i < FLOWS; i++) {
		flows[i] = (struct flow){ .stack = s };
		flows[i].name.local_port = i & 7;
		flows[i].name.remote_port = i >> 3 & 7;
		flows[i].name.local.b[15] = i >> 6 & 1;
		flows[i].name.remote.b[15] = i >> 7 & 1;
		flows[i].name.remote.b[0] = (uint8_t)(i >> 8);
	}
}

static void test_random_flows_are_found(void **state)
{
	struct stack s = { .table = buckets, .table_mask = BUCKETS - 1, .key = { 1, 2 } };
	bool in[FLOWS] = { false };
	uint32_t random = 1;

	(void)state;
	name_all(&s);
	for (int i = 0; i < 100000; i++) {
		uint32_t n;

		random = random * 1664525 + 1013904223;
		n = random >> 20 & (FLOWS - 1);
		assert_ptr_equal(table_find(&s, &flows[n].name), in[n] ? &flows[n] : NULL);
		if (in[n])
			table_remove(&flows[n]);
		else
			table_add(&flows[n]);
		in[n] = !in[n];
	}
}

/* No bucket has many times its part, whatever the names have in common. */
static void test_flows_are_spread(void **state)
{
	struct stack s = { .table = buckets, .table_mask = BUCKETS - 1, .key = { 3, 4 } };

	(void)state;
	for (uint32_t i = 0; i < BUCKETS; i++)
		buckets[i] = NULL;
	name_all(&s);
	for (uint32_t i = 0; i < FLOWS; i++)
		table_add(&flows[i]);
	for (uint32_t i = 0; i < BUCKETS; i++) {
		uint32_t n = 0;

		for (struct flow *f = buckets[i]; f; f = f->hash_next)
			n++;
		assert_true(n < 4 * FLOWS / BUCKETS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_flows_are_found),
		cmocka_unit_test(test_flows_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
