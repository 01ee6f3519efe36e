/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eight channels of one engine, one of which wants all there is: what the others get. A fair
 * share is a packet in turn, since small ones are as much work as large ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "pair.h"

enum { OTHERS = 7, FLOWS_MOST = 60, PORTS = 15, PORT = 888, GREEDY_PORT = 2000, SETTLE_MS = 200 };

static const struct simnet_link line = { .bits_per_s = 100000000, .jitter_ns = 20000 };

struct eight {
	struct pair p;
	struct endpoint *greedy, *to;
	struct chan_flow flows[FLOWS_MOST];
	uint32_t nflows, turn;
	struct endpoint *others[OTHERS], *theirs[OTHERS];
	struct chan_flow other_flows[OTHERS];
	uint64_t got[OTHERS], greedy_got;
};

/* As many as a channel may listen on, then more to these. */
static struct chan_flow connect_greedy(struct eight *e, uint32_t i)
{
	struct chan_ctrl answer = { 0 }, c = { .id = 3, .op = CHAN_CONNECT };

	if (i < PORTS) {
		assert_int_equal(pair_connect(&e->p, e->greedy, e->to, (uint16_t)(GREEDY_PORT + i),
					      &answer.flow),
				 0);
		return answer.flow;
	}
	c.flow = e->flows[i % PORTS];
	c.flow.src_port = 0;
	assert_int_equal(pair_ask(&e->p, e->greedy, &c, &answer), 0);
	return answer.flow;
}

static void open_eight(struct eight *e, uint64_t seed, uint32_t flows)
{
	memset(e, 0, sizeof(*e));
	pair_open(&e->p, seed, &line);
	e->greedy = pair_channel(&e->p.hosts[0], 4096, false);
	e->to = pair_channel(&e->p.hosts[1], CHAN_BUFS_MAX, false);
	e->nflows = flows;
	for (uint32_t i = 0; i < flows; i++)
		e->flows[i] = connect_greedy(e, i);
	for (uint32_t i = 0; i < OTHERS; i++) {
		e->others[i] = pair_channel(&e->p.hosts[0], 1024, false);
		e->theirs[i] = pair_channel(&e->p.hosts[1], 1024, false);
		assert_int_equal(pair_connect(&e->p, e->others[i], e->theirs[i],
					      (uint16_t)(PORT + i), &e->other_flows[i]),
				 0);
	}
}

static uint64_t take_all(struct endpoint *ep)
{
	uint64_t n = 0;

	while (app_recv(ep->ch, 0, NULL) >= 0)
		n++;
	return n;
}

static void run(struct eight *e, uint64_t ns, uint32_t greedy_len, uint32_t len)
{
	uint64_t end = pair_now(&e->p) + ns;

	while (pair_now(&e->p) < end) {
		for (int k = 0; k < 4; k++)
			app_send(e->greedy->ch, &e->flows[e->turn++ % e->nflows], greedy_len, 0);
		e->greedy_got += take_all(e->to);
		for (uint32_t i = 0; i < OTHERS; i++) {
			app_send(e->others[i]->ch, &e->other_flows[i], len, 0);
			e->got[i] += take_all(e->theirs[i]);
		}
		pair_step(&e->p);
	}
}

static uint32_t packets(uint32_t len)
{
	return (len + CHAN_MSS - 1) / CHAN_MSS;
}

static double wire_bytes(uint32_t len)
{
	return (double)len / packets(len) + 96;
}

static void is_fair(uint64_t seed, uint32_t flows, uint32_t greedy_len, uint32_t len)
{
	double round = OTHERS * wire_bytes(len) + wire_bytes(greedy_len), share, used;
	static struct eight e;

	open_eight(&e, seed, flows);
	run(&e, SETTLE_MS * NS_PER_MS, greedy_len, len);
	memset(e.got, 0, sizeof(e.got));
	e.greedy_got = 0;
	run(&e, NS_PER_S, greedy_len, len);
	share = (double)line.bits_per_s / 8 / round;
	used = (double)e.greedy_got * packets(greedy_len) * wire_bytes(greedy_len);
	for (uint32_t i = 0; i < OTHERS; i++) {
		assert_true((double)e.got[i] * packets(len) >= 0.9 * share);
		used += (double)e.got[i] * packets(len) * wire_bytes(len);
	}
	/* Nobody gets it at the price of what all get. */
	assert_true(used >= 0.9 * (double)line.bits_per_s / 8);
	pair_close(&e.p);
}

static void test_one_flow(void **state)
{
	const uint32_t lens[] = { 64, 1000, 20000 };

	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++)
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
			is_fair(seed, 1, 50000, lens[i]);
}

/* A share is a channel's, however many flows it has. */
static void test_many_flows(void **state)
{
	const uint32_t lens[] = { 64, 1000, 20000 };

	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++)
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
			is_fair(seed, 24, 20000, lens[i]);
}

/* Its peers take nothing, so what it sent is kept; that is not all there is. */
static void test_who_is_not_acknowledged(void **state)
{
	static struct eight e;
	struct share_stats s;

	(void)state;
	open_eight(&e, 1, FLOWS_MOST);
	for (int i = 0; i < 3000; i++) {
		app_send(e.greedy->ch, &e.flows[e.turn++ % e.nflows], 50000, 0);
		pair_step(&e.p);
	}
	share_stats(e.greedy->share, &s);
	assert_true(s.refused > 0);
	assert_in_range(s.queued, 1000, 2048);
	for (uint32_t i = 0; i < OTHERS; i++)
		assert_true(app_send(e.others[i]->ch, &e.other_flows[i], 200000, 0));
	pair_run(&e.p, NS_PER_S);
	for (uint32_t i = 0; i < OTHERS; i++)
		assert_int_equal(take_all(e.theirs[i]), 1);
	pair_close(&e.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_flow),
		cmocka_unit_test(test_many_flows),
		cmocka_unit_test(test_who_is_not_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
