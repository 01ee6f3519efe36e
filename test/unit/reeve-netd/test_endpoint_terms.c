/* SPDX-License-Identifier: BSD-3-Clause */
/* What a channel may have: its rate, which waits and loses nothing, and its ports. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pair.h"

enum { PORT = 888, RATE = 1000000, LEN = 1000 };

/* Its own pace, so that a sender without a rate has an end, too. */
static const struct simnet_link line = { .bits_per_s = 200 * 1000 * 1000, .delay_ns = 10000 };

/* Sends all that goes, and reads all that comes. */
struct sender {
	struct endpoint *from, *to;
	struct chan_flow flow;
	uint32_t sent, got;
};

static void connect_it(struct pair *p, struct sender *s, uint16_t port)
{
	*s = (struct sender){ .from = pair_channel(&p->hosts[0], 1024, false),
			      .to = pair_channel(&p->hosts[1], 1024, false) };
	assert_int_equal(pair_connect(p, s->from, s->to, port, &s->flow), 0);
}

static void push(struct sender *s)
{
	int64_t n;

	while (app_send(s->from->ch, &s->flow, LEN, s->sent))
		s->sent++;
	while ((n = app_recv(s->to->ch, s->got, NULL)) != -1) {
		assert_int_equal(n, LEN); /* in order, and none is missing */
		s->got++;
	}
}

static void run(struct pair *p, struct sender *senders, uint32_t n, uint64_t ns)
{
	uint64_t end = pair_now(p) + ns;

	while (pair_now(p) < end) {
		for (uint32_t i = 0; i < n; i++)
			push(&senders[i]);
		pair_step(p);
	}
}

static void set_rate(struct endpoint *ep, uint64_t rate)
{
	endpoint_set_terms(ep, &(struct ep_terms){ .rate = rate });
}

/* Whatever is in flight when time is up, and what it had to spare at first. */
static void assert_rate(uint32_t messages, uint64_t rate)
{
	assert_in_range((uint64_t)messages * LEN, rate * 95 / 100, rate * 103 / 100);
}

static void test_a_rate(void **state)
{
	struct sender s;
	struct pair p;

	(void)state;
	pair_open(&p, 7, &line);
	connect_it(&p, &s, PORT);
	set_rate(s.from, RATE);
	run(&p, &s, 1, NS_PER_S);
	assert_rate(s.got, RATE);
	assert_true(s.sent > s.got);
	assert_int_equal(s.from->stats.tx_drops, 0);
	pair_close(&p);
}

static void test_a_rate_that_changes(void **state)
{
	struct sender s;
	struct pair p;
	uint32_t before;

	(void)state;
	pair_open(&p, 7, &line);
	connect_it(&p, &s, PORT);
	set_rate(s.from, RATE);
	run(&p, &s, 1, NS_PER_S / 10);
	before = s.got;
	set_rate(s.from, 3 * RATE);
	run(&p, &s, 1, NS_PER_S);
	assert_rate(s.got - before, 3 * RATE);
	before = s.got;
	set_rate(s.from, 0);
	run(&p, &s, 1, NS_PER_S / 10);
	assert_true(s.got - before > RATE / LEN);
	pair_close(&p);
}

/* Both are one engine's: what one may not send is no wait for the other. */
static void test_others_do_not_wait(void **state)
{
	struct sender alone, both[2];
	struct pair p;

	(void)state;
	pair_open(&p, 7, &line);
	connect_it(&p, &alone, PORT);
	run(&p, &alone, 1, NS_PER_S / 5);
	pair_close(&p);
	pair_open(&p, 7, &line);
	connect_it(&p, &both[0], PORT);
	connect_it(&p, &both[1], PORT + 1);
	set_rate(both[1].from, RATE);
	run(&p, both, 2, NS_PER_S / 5);
	assert_rate(both[1].got, RATE / 5);
	assert_true(both[0].got > alone.got / 100 * 95);
	assert_true(both[0].got > 10 * both[1].got);
	pair_close(&p);
}

/* The other direction has no limit here. */
static void test_only_what_is_sent(void **state)
{
	struct sender s;
	struct pair p;

	(void)state;
	pair_open(&p, 7, &line);
	connect_it(&p, &s, PORT);
	set_rate(s.to, 125);
	run(&p, &s, 1, NS_PER_S / 5);
	assert_true((uint64_t)s.got * LEN > RATE);
	pair_close(&p);
}

/* Asleep until it is paid for, and no longer. */
static void test_when_to_look_again(void **state)
{
	struct sender s;
	struct pair p;
	uint64_t due;

	(void)state;
	pair_open(&p, 7, &line);
	connect_it(&p, &s, PORT);
	assert_int_equal(endpoint_deadline(s.from), UINT64_MAX);
	set_rate(s.from, 1000);
	assert_true(app_send(s.from->ch, &s.flow, LEN, 0));
	run(&p, &s, 0, NS_PER_MS);
	assert_true(endpoint_is_held(s.from));
	due = endpoint_deadline(s.from);
	assert_in_range(due - pair_now(&p), NS_PER_S * 9 / 10, NS_PER_S);
	assert_true(app_send(s.from->ch, &s.flow, LEN, 1));
	run(&p, &s, 0, NS_PER_S / 2);
	assert_int_equal(s.from->stats.tx_messages, 1);
	run(&p, &s, 0, NS_PER_S * 6 / 10);
	assert_int_equal(s.from->stats.tx_messages, 2);
	run(&p, &s, 0, 2 * NS_PER_S);
	assert_false(endpoint_is_held(s.from));
	assert_int_equal(endpoint_deadline(s.from), UINT64_MAX);
	pair_close(&p);
}

/* --- ports --------------------------------------------------------------------------------- */

static int listen_on(struct pair *p, struct endpoint *ep, uint16_t port, enum chan_op op)
{
	const struct chan_ctrl request = { .id = port,
					   .op = op,
					   .listener = { p->hosts[0].ip, port } };

	return pair_ask(p, ep, &request, NULL);
}

static int connect_from(struct pair *p, struct endpoint *ep, struct chan_flow *ret)
{
	const struct chan_ctrl request = {
		.id = 1,
		.op = CHAN_CONNECT,
		.flow = { p->hosts[0].ip, p->hosts[1].ip, 0, PORT },
	};
	struct chan_ctrl done;
	int r = pair_ask(p, ep, &request, &done);

	*ret = done.flow;
	return r;
}

static void test_ports(void **state)
{
	struct chan_ctrl bye = { .id = 9, .op = CHAN_DISCONNECT };
	struct chan_flow flow;
	struct sender s;
	struct pair p;

	(void)state;
	pair_open(&p, 7, &line);
	connect_it(&p, &s, PORT);
	assert_int_equal(s.from->nown, 1);
	assert_int_equal(s.to->nown, 0);
	endpoint_set_terms(s.from, &(struct ep_terms){ .ports = 3 });
	assert_int_equal(listen_on(&p, s.from, 5000, CHAN_LISTEN), 0);
	assert_int_equal(connect_from(&p, s.from, &flow), 0);
	assert_int_equal(listen_on(&p, s.from, 5001, CHAN_LISTEN), -EMFILE);
	assert_int_equal(connect_from(&p, s.from, &bye.flow), -EMFILE);
	assert_int_equal(listen_on(&p, s.from, 5000, CHAN_UNLISTEN), 0);
	assert_int_equal(listen_on(&p, s.from, 5001, CHAN_LISTEN), 0);
	bye.flow = flow;
	assert_true(app_ask(s.from->ch, &bye));
	pair_run(&p, NS_PER_S);
	assert_int_equal(s.from->nown, 1);
	assert_int_equal(connect_from(&p, s.from, &flow), 0);
	/* What there is stays. */
	endpoint_set_terms(s.from, &(struct ep_terms){ .ports = 1 });
	assert_int_equal(connect_from(&p, s.from, &flow), -EMFILE);
	assert_int_equal(s.from->nown, 2);
	endpoint_set_terms(s.from, &(struct ep_terms){ 0 });
	assert_int_equal(connect_from(&p, s.from, &flow), 0);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate),
		cmocka_unit_test(test_a_rate_that_changes),
		cmocka_unit_test(test_others_do_not_wait),
		cmocka_unit_test(test_only_what_is_sent),
		cmocka_unit_test(test_when_to_look_again),
		cmocka_unit_test(test_ports),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
