/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that run over: every flow begins at zero, so those of two flows that stand are
 * set near the end. UINT32_MAX is a number like any other, though data has it as its
 * acknowledgement.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack/impl.h"
#include "world.h"

static const struct simnet_link bad = { .loss_ppm = 50000,
					.duplicate_ppm = 50000,
					.reorder_ppm = 100000,
					.reorder_ns = 300000,
					.delay_ns = 50000 };
static struct world w;
static struct side *x, *y;

static void open_at(uint32_t forth, uint32_t back, const struct simnet_link *link)
{
	struct host *a, *b;

	world_open(&w, forth);
	a = world_host(&w, "10.0.0.1", NULL);
	b = world_host(&w, "10.0.0.2", NULL);
	world_flow(&w, a, b, 888, &x, &y);
	world_run(&w, NS_PER_MS);
	assert_true(x->connected && y->connected);
	if (link) {
		simnet_set_link(a->port, link);
		simnet_set_link(b->port, link);
	}
	x->flow->una = x->flow->nxt = x->flow->recover = y->flow->rcv = forth;
	y->flow->una = y->flow->nxt = y->flow->recover = x->flow->rcv = back;
}

static void test_messages_across_the_end(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 66; i++) {
		open_at(UINT32_MAX - i, UINT32_MAX - 65 + i, &bad);
		side_talk(x, y, 60, 5000);
		side_talk(y, x, 60, 5000);
		assert_true(world_run_until_done(&w, 60 * NS_PER_S));
		world_close(&w);
	}
}

static void test_across_the_middle(void **state)
{
	(void)state;
	open_at(INT32_MAX - 20U, INT32_MAX - 5U, &bad);
	side_talk(x, y, 60, 5000);
	side_talk(y, x, 60, 5000);
	assert_true(world_run_until_done(&w, 60 * NS_PER_S));
	world_close(&w);
}

static void test_a_reset_at_the_last_number(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		open_at(UINT32_MAX - 1 + i, UINT32_MAX - 1 + i, NULL);
		flow_abort(x->flow);
		world_run(&w, NS_PER_MS);
		assert_int_equal(y->error, ECONNRESET);
		world_close(&w);
	}
}

/* A peer that forgot the flow answers data with a reset about the number behind it. */
static void test_a_lost_flow_at_the_last_number(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		open_at(UINT32_MAX - 2 + i, 5, NULL);
		table_remove(y->flow);
		side_talk(x, y, 1, 1);
		world_run(&w, NS_PER_MS);
		assert_int_equal(x->error, ECONNRESET);
		table_add(y->flow);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_across_the_end),
		cmocka_unit_test(test_across_the_middle),
		cmocka_unit_test(test_a_reset_at_the_last_number),
		cmocka_unit_test(test_a_lost_flow_at_the_last_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
