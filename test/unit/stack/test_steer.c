/* SPDX-License-Identifier: BSD-3-Clause */
/* Engines that share a NIC: whichever queue a frame comes to, the right one has it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack/impl.h"
#include "stack/steer.h"
#include "world.h"

enum { FRAME = 1600, FLOWS = 12 };

static struct world w;
static struct steering *shared;
static struct host *client;
static uint32_t woken;

static void on_wake(void *arg, uint32_t engine)
{
	(void)arg;
	woken |= 1U << engine;
}

static struct host *engine(uint32_t n)
{
	return &w.hosts[1 + n];
}

static void open_engines(uint32_t n)
{
	static const struct simnet_link fast = { 0 };

	woken = 0;
	world_open(&w, 1);
	w.steered = true;
	client = world_host(&w, "10.0.0.1", NULL);
	assert_int_equal(steering_new(n, FRAME, on_wake, NULL, &shared), 0);
	for (uint32_t i = 0; i < n; i++) {
		struct stack_conf conf;

		host_conf(&conf, "10.0.0.2");
		conf.steering = shared;
		conf.engine = i;
		world_host_conf(&w, &fast, 0, &conf);
		memcpy(engine(i)->port->mac, engine(0)->port->mac, 6);
	}
}

static void close_engines(void)
{
	world_close(&w);
	steering_free(shared);
}

/* Both ways: flows to each engine from outside, and from each engine to outside. */
static void talk_all(uint32_t n)
{
	struct side *x, *y;

	for (uint32_t i = 0; i < FLOWS; i++) {
		world_flow(&w, client, engine(i % n), (uint16_t)(2000 + i), &x, &y);
		side_talk(x, y, 10, 9000);
		side_talk(y, x, 10, 9000);
	}
	for (uint32_t i = 0; i < 4; i++) {
		world_flow(&w, engine(i % n), client, (uint16_t)(3000 + i), &x, &y);
		side_talk(x, y, 10, 9000);
		side_talk(y, x, 10, 9000);
	}
	assert_true(world_run_until_done(&w, 20 * NS_PER_S));
}

static void test_flows_find_their_engine(void **state)
{
	static const uint32_t engines[] = { 1, 2, 4 };
	struct stack_stats s;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		open_engines(engines[i]);
		talk_all(engines[i]);
		for (uint32_t k = 0; k < engines[i]; k++) {
			stack_stats(engine(k)->stack, &s);
			assert_int_equal(s.resets_sent, 0);
			assert_true(s.flows > 0);
		}
		assert_int_equal(woken, engines[i] == 1 ? 0 : (1U << engines[i]) - 1);
		close_engines();
	}
}

static void test_what_one_hears_all_know(void **state)
{
	struct neighbour_info n;
	struct flow *f;
	uint32_t at;

	(void)state;
	open_engines(4);
	assert_int_equal(
		stack_connect(client->stack, &client->ip, &engine(0)->ip, 1, &w.sides[0], &f), 0);
	w.nsides = 1;
	w.sides[0].host = client;
	world_run(&w, NS_PER_S);
	for (uint32_t i = 0; i < 4; i++) {
		at = 0;
		assert_true(stack_next_neighbour(engine(i)->stack, &at, &n));
		assert_memory_equal(n.mac.b, client->port->mac, 6);
	}
	close_engines();
}

static void test_a_port_has_one_engine(void **state)
{
	struct ipaddr *ip;

	(void)state;
	open_engines(2);
	ip = &engine(0)->ip;
	assert_int_equal(stack_listen(engine(0)->stack, ip, 888, NULL), 0);
	assert_int_equal(stack_listen(engine(1)->stack, ip, 888, NULL), -EADDRINUSE);
	assert_int_equal(stack_unlisten(engine(0)->stack, ip, 888), 0);
	assert_int_equal(stack_listen(engine(1)->stack, ip, 888, NULL), 0);
	close_engines();
}

/* An inbox that nobody reads is full at some time, and no more. */
static void test_an_engine_that_sleeps_loses_frames_only(void **state)
{
	static uint8_t frame[FRAME + 1];

	(void)state;
	open_engines(2);
	assert_int_equal(stack_listen(engine(1)->stack, &engine(0)->ip, 888, NULL), 0);
	for (int i = 0; i < 1000; i++)
		assert_true(steer_away(engine(0)->stack, 888, frame, 100));
	assert_true(steer_away(engine(0)->stack, 888, frame, FRAME + 1));
	assert_int_equal(engine(0)->stack->stats.steered, 256);
	stack_poll(engine(1)->stack, 2);
	assert_int_equal(engine(1)->stack->stats.frames, 256);
	close_engines();
}

static void test_wrong_numbers(void **state)
{
	struct stack_conf conf;
	struct stack *s;

	(void)state;
	assert_int_equal(steering_new(0, FRAME, NULL, NULL, &shared), -EINVAL);
	assert_int_equal(steering_new(STACK_ENGINES + 1, FRAME, NULL, NULL, &shared), -EINVAL);
	open_engines(2);
	host_conf(&conf, "10.0.0.3");
	conf.port = client->port;
	conf.user = client->stack->conf.user;
	conf.steering = shared;
	conf.engine = 2;
	assert_int_equal(stack_new(&conf, 1, &s), -EINVAL);
	close_engines();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows_find_their_engine),
		cmocka_unit_test(test_what_one_hears_all_know),
		cmocka_unit_test(test_a_port_has_one_engine),
		cmocka_unit_test(test_an_engine_that_sleeps_loses_frames_only),
		cmocka_unit_test(test_wrong_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
