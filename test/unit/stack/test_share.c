/* SPDX-License-Identifier: BSD-3-Clause */
/* What one engine has, and many want all of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack/impl.h"
#include "world.h"

enum { SEGMENTS = 2048, SHARES = 3, FLOWS = 20, PORT = 888 };

struct room {
	struct world w;
	struct host *here, *there;
	struct side *sides[2 * FLOWS], *peers[2 * FLOWS];
};

static int open_room(void **state)
{
	static struct room r;
	struct stack_conf conf;

	memset(&r, 0, sizeof(r));
	world_open(&r.w, 1);
	host_conf(&conf, "10.0.0.1");
	conf.segments = SEGMENTS;
	conf.shares = SHARES;
	r.here = world_host_conf(&r.w, NULL, 0, &conf);
	host_conf(&conf, "10.0.0.2");
	conf.listeners = 2 * FLOWS;
	r.there = world_host_conf(&r.w, NULL, 0, &conf);
	for (uint32_t i = 0; i < 2 * FLOWS; i++)
		world_flow(&r.w, r.here, r.there, (uint16_t)(PORT + i), &r.sides[i], &r.peers[i]);
	world_run(&r.w, NS_PER_MS);
	*state = &r;
	return 0;
}

static int close_room(void **state)
{
	world_close(&((struct room *)*state)->w);
	return 0;
}

static struct share_stats look(const struct share *sh)
{
	struct share_stats s;

	share_stats(sh, &s);
	return s;
}

/* Whatever this flow is let have. */
static uint32_t fill(struct flow *f)
{
	uint32_t n = 0;

	while (flow_put(f, "x", 1, true))
		n++;
	return n;
}

/* All that a share with many flows is let have, while nobody acknowledges anything. */
static uint32_t fill_all(struct room *r, struct share *sh, uint32_t first, uint32_t flows)
{
	for (uint32_t i = first; i < first + flows; i++) {
		flow_set_share(r->sides[i]->flow, sh);
		fill(r->sides[i]->flow);
	}
	return look(sh).queued;
}

static void test_who_takes_all_leaves_something(void **state)
{
	struct room *r = *state;
	struct share *greedy = share_new(r->here->stack), *other = share_new(r->here->stack);

	simnet_set_up(r->there->port, false);
	assert_int_equal(look(greedy).flows, 0);
	assert_in_range(fill_all(r, greedy, 0, FLOWS), SEGMENTS / 4, SEGMENTS / 2);
	assert_true(look(greedy).refused > 0);
	assert_int_equal(look(greedy).flows, FLOWS);
	assert_true(fill_all(r, other, FLOWS, 1) >= MACHNET_WINDOW);
	assert_true(look(other).queued < look(greedy).queued);
}

/* Each of many takes what is left, one after the other: none is without. */
static void test_many_that_take_all(void **state)
{
	struct room *r = *state;
	struct share *greedy[SHARES - 1], *last;

	simnet_set_up(r->there->port, false);
	for (uint32_t i = 0; i < SHARES - 1; i++) {
		greedy[i] = share_new(r->here->stack);
		fill_all(r, greedy[i], i * FLOWS / 2, FLOWS / 2);
	}
	/* Those that were given none have one together, and take the rest. */
	for (uint32_t i = FLOWS; i < 2 * FLOWS - 1; i++)
		fill(r->sides[i]->flow);
	last = share_new(r->here->stack);
	assert_non_null(last);
	assert_true(fill_all(r, last, 2 * FLOWS - 1, 1) >= MACHNET_WINDOW);
}

/* Its flows keep it until what they have is acknowledged; then another may have it. */
static void test_the_end_of_a_share(void **state)
{
	struct room *r = *state;
	struct stack *s = r->here->stack;
	struct share *sh[SHARES];
	uint32_t free_before = s->segs.nfree;

	for (uint32_t i = 0; i < SHARES; i++)
		sh[i] = share_new(s);
	assert_null(share_new(s));
	simnet_set_up(r->there->port, false);
	fill_all(r, sh[0], 0, 2);
	share_free(sh[0]);
	flow_close(r->sides[0]->flow);
	flow_close(r->sides[1]->flow);
	assert_null(share_new(s));
	world_run(&r->w, 6 * NS_PER_S);
	assert_int_equal(s->segs.nfree, free_before);
	assert_ptr_equal(share_new(s), sh[0]);
	assert_int_equal(look(sh[0]).queued + look(sh[0]).flows, 0);
}

/* Out of order is one byte, ahead of one that is missing. */
static void come_early(struct flow *f, uint32_t seq)
{
	const struct machnet m = { .kind = MACHNET_DATA, .flags = MACHNET_MORE, .seq = seq };

	recv_data(f, &m, (const uint8_t *)"x", 1);
}

static void test_what_peers_may_have_us_hold(void **state)
{
	struct room *r = *state;
	struct share *victim = share_new(r->here->stack), *other = share_new(r->here->stack);

	for (uint32_t i = 0; i < 2 * FLOWS - 1; i++) {
		struct flow *f = r->sides[i]->flow;

		flow_set_share(f, victim);
		for (uint32_t k = 1; k < MACHNET_REORDER; k++)
			come_early(f, f->rcv + k);
	}
	assert_in_range(look(victim).held, SEGMENTS / 4, SEGMENTS / 2);
	simnet_set_up(r->there->port, false);
	assert_true(fill_all(r, other, 2 * FLOWS - 1, 1) >= MACHNET_WINDOW);
}

/* A device that takes a frame each 2 us, and has no queue. */
static struct device {
	struct port_ops ops;
	const struct port_ops *of;
	const struct simnet *net;
	uint64_t free_ns;
} device;

static uint8_t *device_room(struct port *p)
{
	return simnet_now(device.net) >= device.free_ns ? device.of->tx_room(p) : NULL;
}

static void device_tx(struct port *p, uint32_t len)
{
	device.of->tx(p, len);
	device.free_ns = simnet_now(device.net) + 2000;
}

static void make_slow(struct host *h)
{
	device = (struct device){ .ops = *h->port->ops, .of = h->port->ops, .net = h->world->net };
	device.ops.tx_room = device_room;
	device.ops.tx = device_tx;
	h->port->ops = &device.ops;
}

/* Where the port has no room, shares go on in turn, and so do flows of one. */
static void test_turns(void **state)
{
	struct room *r = *state;
	struct share *many = share_new(r->here->stack), *one = share_new(r->here->stack);
	uint32_t least = UINT32_MAX, sum = 0;

	make_slow(r->here);
	for (uint32_t i = 0; i < FLOWS + 1; i++) {
		flow_set_share(r->sides[i]->flow, i < FLOWS ? many : one);
		side_talk(r->sides[i], r->peers[i], 100000, 1);
	}
	world_run(&r->w, 50 * NS_PER_MS);
	for (uint32_t i = 0; i < FLOWS; i++) {
		least = r->peers[i]->got < least ? r->peers[i]->got : least;
		sum += r->peers[i]->got;
	}
	assert_true(r->peers[FLOWS]->got * 10 >= sum * 9);
	assert_true(least * FLOWS * 10 >= sum * 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_room, close_room)
		TEST(test_who_takes_all_leaves_something),
		TEST(test_many_that_take_all),
		TEST(test_the_end_of_a_share),
		TEST(test_what_peers_may_have_us_hold),
		TEST(test_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
