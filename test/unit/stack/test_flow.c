/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static int open_world(void **state)
{
	static struct world w;

	world_open(&w, 1);
	*state = &w;
	return 0;
}

static int close_world(void **state)
{
	world_close(*state);
	return 0;
}

static void test_messages_both_ways(void **state)
{
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", NULL), *b = world_host(w, "10.0.0.2", NULL);
	struct side *x, *y;

	world_flow(w, a, b, 888, &x, &y);
	side_talk(x, y, 100, 20000);
	side_talk(y, x, 100, 20000);
	assert_true(world_run_until_done(w, 10 * NS_PER_S));
}

static void test_connect_takes_two_round_trips(void **state)
{
	const struct simnet_link link = { .delay_ns = 5 * NS_PER_MS };
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", &link), *b = world_host(w, "10.0.0.2", &link);
	struct side *x, *y;

	world_flow(w, a, b, 888, &x, &y);
	world_run(w, 22 * NS_PER_MS);
	assert_true(x->connected);
}

static void test_nobody_listens(void **state)
{
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", NULL), *b = world_host(w, "10.0.0.2", NULL);
	struct side *x = &w->sides[w->nsides++];

	x->host = a;
	assert_int_equal(stack_connect(a->stack, &a->ip, &b->ip, 888, x, &x->flow), 0);
	world_run(w, NS_PER_S);
	assert_int_equal(x->error, ECONNREFUSED);
}

static void test_nobody_is_there(void **state)
{
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", NULL);
	struct side *x = &w->sides[w->nsides++];
	struct ipaddr nobody;

	x->host = a;
	assert_int_equal(ipaddr_parse("10.0.0.9", &nobody), 0);
	assert_int_equal(stack_connect(a->stack, &a->ip, &nobody, 888, x, &x->flow), 0);
	world_run(w, 10 * NS_PER_S);
	assert_int_equal(x->error, EHOSTUNREACH);
}

static void test_a_close_sends_all_first(void **state)
{
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", NULL), *b = world_host(w, "10.0.0.2", NULL);
	struct side *x, *y;

	world_flow(w, a, b, 888, &x, &y);
	world_run(w, NS_PER_MS);
	side_talk(x, y, 10, 9000);
	flow_close(x->flow);
	world_run(w, NS_PER_S);
	assert_int_equal(y->got, 10);
	assert_int_equal(y->error, ECONNRESET);
}

static void test_who_gives_up_tells_both(void **state)
{
	const struct simnet_link cut = { .loss_ppm = 1000000 }, whole = { 0 };
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", NULL), *b = world_host(w, "10.0.0.2", NULL);
	struct side *x, *y;

	world_flow(w, a, b, 888, &x, &y);
	world_run(w, NS_PER_MS);
	simnet_set_link(a->port, &cut);
	side_talk(x, y, 10, 9000);
	world_run(w, 16 * NS_PER_S);
	assert_int_equal(x->error, ETIMEDOUT);
	assert_int_equal(y->error, 0);
	simnet_set_link(a->port, &whole);
	world_run(w, 5 * NS_PER_S);
	assert_int_equal(y->error, ECONNRESET);
}

static void test_a_deaf_reader_stops_its_peer_only(void **state)
{
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", NULL), *b = world_host(w, "10.0.0.2", NULL);
	struct side *x, *y, *u, *v;
	struct stack_stats s;

	world_flow(w, a, b, 888, &x, &y);
	world_flow(w, a, b, 889, &u, &v);
	y->deaf = true;
	side_talk(x, y, 100, 9000);
	side_talk(u, v, 100, 9000);
	world_run(w, 60 * NS_PER_S);
	assert_int_equal(v->got, 100);
	assert_int_equal(y->got, 0);
	assert_int_equal(x->error, 0);
	stack_stats(a->stack, &s);
	assert_true(s.resent < 200);
	y->deaf = false;
	flow_resume(y->flow);
	stack_flush(b->stack);
	assert_true(world_run_until_done(w, 10 * NS_PER_S));
}

/* What is lost on its way again is sent once more soon: it is not for long that nothing goes. */
static void test_a_third_lost_is_slow_only(void **state)
{
	const struct simnet_link bad = { .loss_ppm = 300000, .delay_ns = 20000 };
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", NULL), *b = world_host(w, "10.0.0.2", NULL);
	struct side *x, *y;

	world_flow(w, a, b, 888, &x, &y);
	world_run(w, NS_PER_MS);
	simnet_set_link(a->port, &bad);
	simnet_set_link(b->port, &bad);
	side_talk(x, y, 4000, 64);
	assert_true(world_run_until_done(w, 10 * NS_PER_S));
}

/* Eight flows fill a queue of some 20 ms, where nothing is lost: little goes twice. */
static void test_a_long_queue_is_no_loss(void **state)
{
	enum { FLOWS = 8, MESSAGES = 100, SIZE = 20000 };
	const struct simnet_link slow = { .bits_per_s = 100000000 };
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", &slow), *b = world_host(w, "10.0.0.2", &slow);
	struct side *x[FLOWS], *y[FLOWS];
	struct stack_stats s;

	for (int i = 0; i < FLOWS; i++)
		world_flow(w, a, b, (uint16_t)(888 + i), &x[i], &y[i]);
	world_run(w, NS_PER_MS);
	for (int i = 0; i < FLOWS; i++)
		side_talk(x[i], y[i], MESSAGES, SIZE);
	assert_true(world_run_until_done(w, 10 * NS_PER_S));
	stack_stats(a->stack, &s);
	assert_true(s.resent < s.sent / 20);
}

/* Whom nobody hears is not flooded: once for what was under way, then ever more seldom. */
static void test_who_is_silent_is_asked_seldom(void **state)
{
	const struct simnet_link link = { .delay_ns = 20000 };
	struct world *w = *state;
	struct host *a = world_host(w, "10.0.0.1", &link), *b = world_host(w, "10.0.0.2", &link);
	struct stack_stats s;
	struct side *x, *y;

	world_flow(w, a, b, 888, &x, &y);
	world_run(w, NS_PER_MS);
	simnet_set_up(b->port, false);
	side_talk(x, y, 100, 64);
	world_run(w, NS_PER_S);
	stack_stats(a->stack, &s);
	assert_in_range(s.resent, 8, 16);
	world_run(w, 13 * NS_PER_S);
	stack_stats(a->stack, &s);
	assert_in_range(s.resent, 30, 45);
	assert_int_equal(x->error, 0);
	world_run(w, 2 * NS_PER_S);
	assert_int_equal(x->error, ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(test_messages_both_ways),
		TEST(test_connect_takes_two_round_trips),
		TEST(test_nobody_listens),
		TEST(test_nobody_is_there),
		TEST(test_a_close_sends_all_first),
		TEST(test_who_gives_up_tells_both),
		TEST(test_a_deaf_reader_stops_its_peer_only),
		TEST(test_a_third_lost_is_slow_only),
		TEST(test_a_long_queue_is_no_loss),
		TEST(test_who_is_silent_is_asked_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
