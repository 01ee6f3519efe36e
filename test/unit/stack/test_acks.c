/* SPDX-License-Identifier: BSD-3-Clause */
/* When what came is acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"

enum { DATA = 0, ACK = 2, WHOLE = 5, MOST = 8, WIRE_NS = 1000 };

static struct world w;
static struct host *host;
static struct raw peer;
static struct side *side;

static int open_world(void **state)
{
	(void)state;
	side = raw_meet(&peer, &w, &host);
	world_run(&w, NS_PER_MS);
	raw_forget(&peer);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* Message `n`, and the host looks at it. */
static void say(uint32_t n)
{
	uint8_t byte = (uint8_t)(n * 7);

	side->to_get = n + 1;
	raw_say_data(
		&peer, host,
		&(struct raw_packet){
			.from = 1024, .to = 888, .flags = WHOLE, .seq = n + 1, .ack = UINT32_MAX },
		&byte, 1);
	assert_int_equal(side->got, n + 1);
}

static void assert_acks(unsigned n, uint32_t last)
{
	struct raw_packet p;

	assert_int_equal(raw_count(&peer, ACK, &p), n);
	if (n)
		assert_int_equal(p.ack, last);
}

static void test_alone_before_the_peer_waits(void **state)
{
	(void)state;
	say(0);
	say(1);
	assert_acks(0, 0);
	assert_true(stack_deadline(host->stack) < simnet_now(w.net) + NS_PER_MS / 10);
	world_run(&w, NS_PER_MS / 10);
	assert_acks(1, 3);
	world_run(&w, NS_PER_S);
	assert_acks(0, 0);
}

static void test_with_what_goes_next(void **state)
{
	struct raw_frame f;
	struct raw_packet p;
	bool acked = false, answered = false;

	(void)state;
	say(0);
	assert_int_equal(flow_put(side->flow, "x", 1, true), 1);
	stack_flush(host->stack);
	world_run(&w, WIRE_NS);
	while (raw_next(&peer, &f)) {
		assert_true(raw_is_machnet(&f, &p));
		acked |= p.kind == ACK && p.ack == 2;
		answered |= p.kind == DATA;
	}
	assert_true(acked);
	assert_true(answered);
}

static void test_at_once_when_it_is_much(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < MOST - 1; n++)
		say(n);
	assert_acks(0, 0);
	say(MOST - 1);
	assert_acks(1, MOST + 1);
}

static void test_before_a_rest(void **state)
{
	(void)state;
	say(0);
	stack_rest(host->stack);
	world_run(&w, WIRE_NS);
	assert_acks(1, 2);
	stack_rest(host->stack);
	world_run(&w, WIRE_NS);
	assert_acks(0, 0);
}

/* Nobody is there any more to whom something is owed. */
static void test_not_for_a_flow_that_ended(void **state)
{
	(void)state;
	say(0);
	flow_close(side->flow);
	world_run(&w, 100 * NS_PER_S);
	stack_rest(host->stack);
}

int main(void)
{
#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
	const struct CMUnitTest tests[] = {
		WITH_PEER(test_alone_before_the_peer_waits), WITH_PEER(test_with_what_goes_next),
		WITH_PEER(test_at_once_when_it_is_much),     WITH_PEER(test_before_a_rest),
		WITH_PEER(test_not_for_a_flow_that_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
