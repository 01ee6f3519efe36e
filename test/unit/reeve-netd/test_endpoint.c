/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "pair.h"

enum { PORT = 888 };

struct two {
	struct pair p;
	struct endpoint *a, *b;
	struct chan_flow flow;
};

static void open_two(struct two *t, uint32_t buffers, const struct simnet_link *link)
{
	pair_open(&t->p, 7, link);
	t->a = pair_channel(&t->p.hosts[0], buffers, false);
	t->b = pair_channel(&t->p.hosts[1], buffers, false);
	assert_int_equal(pair_connect(&t->p, t->a, t->b, PORT, &t->flow), 0);
}

static uint32_t free_of(const struct endpoint *ep)
{
	return shared_ring_count(&ep->ch->free) + ep->ch->nspare;
}

static int64_t wait_message(struct two *t, struct endpoint *ep, uint32_t seed,
			    struct chan_flow *ret_from)
{
	uint64_t end = pair_now(&t->p) + 60 * NS_PER_S;
	int64_t n;

	while ((n = app_recv(ep->ch, seed, ret_from)) == -1 && pair_now(&t->p) < end)
		pair_step(&t->p);
	return n;
}

static struct chan_flow turned(const struct chan_flow *f)
{
	return (struct chan_flow){ f->dst_ip, f->src_ip, f->dst_port, f->src_port };
}

/* --- messages --------------------------------------------------------------------------------- */

static void there_and_back(uint32_t buffers, uint32_t len, const struct simnet_link *link)
{
	struct chan_flow from, back;
	struct two t;

	open_two(&t, buffers, link);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(app_send(t.a->ch, &t.flow, len, i));
		assert_int_equal(wait_message(&t, t.b, i, &from), len);
		assert_memory_equal(&from, &t.flow, sizeof(from));
		back = turned(&from);
		assert_true(app_send(t.b->ch, &back, len, i + 50));
		assert_int_equal(wait_message(&t, t.a, i + 50, &from), len);
		assert_memory_equal(&from, &back, sizeof(from));
	}
	pair_run(&t.p, NS_PER_S);
	assert_int_equal(free_of(t.a), buffers - 1);
	assert_int_equal(free_of(t.b), buffers - 1);
	assert_int_equal(t.a->stats.tx_messages, 2);
	assert_int_equal(t.a->stats.rx_bytes, 2 * (uint64_t)len);
	assert_int_equal(t.a->ch->stats->tx_bytes, 2 * (uint64_t)len);
	pair_close(&t.p);
}

static void test_sizes(void **state)
{
	const uint32_t sizes[] = { 1, 64, 1417, 1418, 1419, 100000, 300000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		there_and_back(256, sizes[i], NULL);
}

static void test_the_longest(void **state)
{
	(void)state;
	there_and_back(CHAN_BUFS_MAX, CHAN_MESSAGE_MAX, NULL);
}

static void test_over_a_bad_wire(void **state)
{
	const struct simnet_link link = { .loss_ppm = 20000,
					  .duplicate_ppm = 5000,
					  .reorder_ppm = 5000,
					  .reorder_ns = 100000,
					  .delay_ns = 10000 };

	(void)state;
	there_and_back(1024, 200000, &link);
}

/* C3 of the reference: 400 messages to who does not read. */
static void test_nobody_reads(void **state)
{
	uint32_t sent = 0, got = 0;
	struct two t;

	(void)state;
	open_two(&t, 1024, NULL);
	for (int i = 0; i < 2000 && sent < 400; i++) {
		sent += app_send(t.a->ch, &t.flow, 100, sent);
		pair_step(&t.p);
	}
	assert_int_equal(sent, 400);
	pair_run(&t.p, 20 * NS_PER_S);
	assert_int_equal(t.b->nflows, 1);
	assert_int_equal(t.p.hosts[1].broken, 0);
	while (wait_message(&t, t.b, got, NULL) == 100)
		if (++got == sent)
			break;
	assert_int_equal(got, sent);
	pair_close(&t.p);
}

/* C5: who sends without end gets no for an answer, and loses no buffer. */
static void test_back_to_back(void **state)
{
	uint32_t sent = 0;
	struct two t;

	(void)state;
	open_two(&t, 1024, NULL);
	while (app_send(t.a->ch, &t.flow, 100, sent))
		sent++;
	assert_int_equal(sent, CHAN_RING_SLOTS - 1);
	for (uint32_t i = 0; i < sent; i++)
		assert_int_equal(wait_message(&t, t.b, i, NULL), 100);
	pair_run(&t.p, NS_PER_S);
	assert_int_equal(free_of(t.a), 1023);
	pair_close(&t.p);
}

/* Nobody has a buffer to receive with but what comes back from what he sent. */
static void both_send_all_they_have(uint32_t len)
{
	enum { MESSAGES = 3000 };
	struct chan_flow back;
	uint32_t sent = 0, answered = 0, got[2] = { 0 };
	uint64_t end;
	struct two t;

	open_two(&t, 256, NULL);
	back = turned(&t.flow);
	end = pair_now(&t.p) + 100 * NS_PER_S;
	while ((got[0] < MESSAGES || got[1] < MESSAGES) && pair_now(&t.p) < end) {
		while (sent < MESSAGES && app_send(t.a->ch, &t.flow, len, 1))
			sent++;
		while (answered < MESSAGES && app_send(t.b->ch, &back, len, 2))
			answered++;
		got[0] += app_recv(t.a->ch, 2, NULL) == len;
		got[1] += app_recv(t.b->ch, 1, NULL) == len;
		pair_step(&t.p);
	}
	assert_int_equal(got[0], MESSAGES);
	assert_int_equal(got[1], MESSAGES);
	pair_close(&t.p);
}

static void test_both_send_all_they_have(void **state)
{
	const uint32_t sizes[] = { 64, 1000, 3 * CHAN_MSS, 50 * CHAN_MSS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		both_send_all_they_have(sizes[i]);
}

/* A peer that takes nothing keeps no other flow of the channel waiting. */
static void test_one_flow_stuck(void **state)
{
	struct endpoint *c;
	struct chan_flow other;
	struct two t;
	uint32_t i = 0;

	(void)state;
	open_two(&t, 1024, NULL);
	c = pair_channel(&t.p.hosts[1], 256, true);
	assert_int_equal(pair_connect(&t.p, t.a, c, PORT + 1, &other), 0);
	for (; i < 40; i++) {
		app_send(t.a->ch, &t.flow, 20 * CHAN_MSS, i);
		pair_run(&t.p, 10 * NS_PER_MS);
	}
	for (i = 0; i < 20; i++) {
		assert_true(app_send(t.a->ch, &other, 1000, i));
		assert_int_equal(wait_message(&t, c, i, NULL), 1000);
	}
	pair_close(&t.p);
}

/* Parts of several fill all buffers; all of them come all the same. */
static void test_long_ones_at_once(void **state)
{
	enum { FLOWS = 12, LEN = 150 * CHAN_MSS };
	struct chan_flow flows[FLOWS];
	struct endpoint *from[FLOWS];
	uint32_t got = 0;
	struct two t;
	uint64_t end;

	(void)state;
	open_two(&t, 256, NULL);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct chan_ctrl answer, c = { .id = i, .op = CHAN_CONNECT };

		from[i] = pair_channel(&t.p.hosts[0], 256, false);
		c.flow = t.flow;
		assert_int_equal(pair_ask(&t.p, from[i], &c, &answer), 0);
		flows[i] = answer.flow;
	}
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_true(app_send(from[i]->ch, &flows[i], LEN, 3));
	end = pair_now(&t.p) + 100 * NS_PER_S;
	while (got < FLOWS && pair_now(&t.p) < end) {
		int64_t n = app_recv(t.b->ch, 3, NULL);

		assert_int_not_equal(n, -2);
		got += n == LEN;
		pair_step(&t.p);
	}
	assert_int_equal(got, FLOWS);
	assert_int_equal(t.b->stats.aborted, 0);
	assert_int_equal(t.b->parts, 0);
	pair_close(&t.p);
}

static struct flow *flow_of(struct endpoint *ep, uint32_t nth)
{
	for (uint32_t i = 0; i < ep->used_flows; i++)
		if (ep->flows[i].flow && !nth--)
			return ep->flows[i].flow;
	return NULL;
}

/* As if the peer had sent so many packets of a long message, and then nothing. */
static void stall(struct endpoint *ep, struct flow *flow, uint32_t packets)
{
	const uint8_t data[CHAN_MSS] = { 0 };

	for (uint32_t i = 0; i < packets; i++)
		endpoint_received(NULL, flow, i ? MACHNET_MORE : MACHNET_FIRST | MACHNET_MORE, data,
				  sizeof(data));
	assert_int_equal(ep->parts, packets);
}

static void behind_one_that_stalls(uint32_t buffers, uint32_t parts, uint32_t len, uint32_t aborted)
{
	struct endpoint *other;
	struct chan_flow flow;
	struct two t;

	open_two(&t, buffers, NULL);
	pair_run(&t.p, NS_PER_MS);
	stall(t.b, flow_of(t.b, 0), parts);
	other = pair_channel(&t.p.hosts[0], CHAN_BUFS_MAX, false);
	assert_int_equal(pair_connect(&t.p, other, t.b, PORT + 1, &flow), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(app_send(other->ch, &flow, len, i));
		assert_int_equal(wait_message(&t, t.b, i, NULL), len);
	}
	assert_int_equal(t.b->stats.aborted, aborted);
	assert_int_equal(t.b->parts, aborted ? 0 : parts);
	pair_close(&t.p);
}

/* Nobody is kept waiting by a peer that stops; it goes only if its buffers are needed. */
static void test_a_peer_that_stops_within_a_message(void **state)
{
	(void)state;
	behind_one_that_stalls(CHAN_BUFS_MAX, 2000, CHAN_MESSAGE_MAX, 0);
	behind_one_that_stalls(256, 50, 100 * CHAN_MSS, 0);
	behind_one_that_stalls(256, 120, 150 * CHAN_MSS, 1);
}

/* One that no buffers there are can hold. */
static void test_too_long_for_the_channel(void **state)
{
	struct endpoint *big;
	struct chan_flow flow;
	struct two t;

	(void)state;
	open_two(&t, 256, NULL);
	big = pair_channel(&t.p.hosts[0], 2048, false);
	assert_int_equal(pair_connect(&t.p, big, t.b, PORT + 1, &flow), 0);
	assert_true(app_send(big->ch, &flow, 1000 * CHAN_MSS, 0));
	pair_run(&t.p, 5 * NS_PER_S);
	assert_int_equal(t.b->stats.aborted, 1);
	assert_int_equal(free_of(t.b), 255);
	assert_int_equal(big->nflows, 0);
	assert_true(app_send(t.a->ch, &t.flow, 5000, 9));
	assert_int_equal(wait_message(&t, t.b, 9, NULL), 5000);
	pair_run(&t.p, NS_PER_S);
	assert_int_equal(free_of(big), 2047);
	pair_close(&t.p);
}

/* --- requests ---------------------------------------------------------------------------- */

static int ask(struct two *t, struct endpoint *ep, uint32_t op, uint32_t ip, uint16_t port)
{
	struct chan_ctrl c = { .id = 5, .op = op };

	if (op == CHAN_LISTEN || op == CHAN_UNLISTEN) {
		c.listener.ip = ip;
		c.listener.port = port;
	} else {
		c.flow = (struct chan_flow){ t->p.hosts[0].ip, ip, 0, port };
	}
	return pair_ask(&t->p, ep, &c, NULL);
}

static void test_requests_that_fail(void **state)
{
	struct two t;
	uint64_t before;

	(void)state;
	open_two(&t, 256, NULL);
	assert_int_equal(ask(&t, t.b, CHAN_LISTEN, t.p.hosts[1].ip, PORT), -EADDRINUSE);
	assert_int_equal(ask(&t, t.b, CHAN_LISTEN, t.p.hosts[0].ip, PORT), -EADDRNOTAVAIL);
	assert_int_equal(ask(&t, t.b, CHAN_LISTEN, t.p.hosts[1].ip, 0), -EINVAL);
	assert_int_equal(ask(&t, t.b, 77, 0, 0), -EOPNOTSUPP);
	assert_int_equal(ask(&t, t.a, CHAN_CONNECT, t.p.hosts[1].ip, 1), -ECONNREFUSED);
	before = pair_now(&t.p);
	assert_int_equal(ask(&t, t.a, CHAN_CONNECT, UINT32_C(0x0a000063), 1), -EHOSTUNREACH);
	assert_true(pair_now(&t.p) - before < 10 * NS_PER_S);
	assert_int_equal(t.a->nflows, 1);
	pair_close(&t.p);
}

static void test_unlisten(void **state)
{
	struct two t;

	(void)state;
	open_two(&t, 256, NULL);
	assert_int_equal(ask(&t, t.b, CHAN_UNLISTEN, t.p.hosts[1].ip, PORT), 0);
	assert_int_equal(ask(&t, t.b, CHAN_UNLISTEN, t.p.hosts[1].ip, PORT), -ENOENT);
	assert_int_equal(ask(&t, t.a, CHAN_CONNECT, t.p.hosts[1].ip, PORT), -ECONNREFUSED);
	assert_true(app_send(t.a->ch, &t.flow, 10, 1));
	assert_int_equal(wait_message(&t, t.b, 1, NULL), 10);
	pair_close(&t.p);
}

/* The reference answers nothing; what was sent before it arrives. */
static void test_disconnect(void **state)
{
	struct chan_ctrl c = { .id = 9, .op = CHAN_DISCONNECT }, answer;
	struct two t;

	(void)state;
	open_two(&t, 256, NULL);
	c.flow = t.flow;
	for (uint32_t i = 0; i < 3; i++)
		assert_true(app_send(t.a->ch, &t.flow, 30000, i));
	assert_true(app_ask(t.a->ch, &c));
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(wait_message(&t, t.b, i, NULL), 30000);
	pair_run(&t.p, NS_PER_S);
	assert_int_equal(t.a->nflows + t.b->nflows, 0);
	assert_false(app_answer(t.a->ch, &answer));
	t.a->rings = true;
	assert_int_equal(pair_ask(&t.p, t.a, &c, NULL), -ENOENT);
	pair_close(&t.p);
}

/* --- ends -------------------------------------------------------------------------------- */

static void test_what_was_sent_goes_after_the_end(void **state)
{
	struct two t;

	(void)state;
	open_two(&t, 1024, NULL);
	assert_true(app_send(t.a->ch, &t.flow, 400000, 4));
	endpoint_linger(t.a, pair_now(&t.p) + NS_PER_S / 2);
	assert_int_equal(wait_message(&t, t.b, 4, NULL), 400000);
	pair_run(&t.p, NS_PER_S);
	assert_int_equal(t.p.hosts[0].broken, 1);
	assert_int_equal(t.b->nflows, 0);
	pair_close(&t.p);
}

static void test_an_engine_after_another(void **state)
{
	struct pair_host *h;
	struct two t;

	(void)state;
	open_two(&t, 256, NULL);
	h = &t.p.hosts[1];
	exchange_remove(&h->exchange, t.b);
	pair_run(&t.p, NS_PER_S);
	assert_int_equal(t.a->nflows, 0);
	exchange_add(&h->exchange, t.b);
	assert_int_equal(ask(&t, t.a, CHAN_CONNECT, h->ip, PORT), 0);
	pair_close(&t.p);
}

/* Those that ask at once are answered one by one, as there is room. */
static void test_an_engine_that_goes_while_it_connects(void **state)
{
	struct chan_ctrl c = { .op = CHAN_CONNECT }, answer;
	struct pair_host *h;
	struct two t;

	(void)state;
	open_two(&t, 256, NULL);
	h = &t.p.hosts[0];
	c.flow = (struct chan_flow){ h->ip, UINT32_C(0x0a000063), 0, 1 };
	for (c.id = 20; c.id < 22; c.id++) {
		assert_true(app_ask(t.a->ch, &c));
		pair_run(&t.p, NS_PER_MS);
	}
	assert_false(app_answer(t.a->ch, &answer));
	exchange_remove(&h->exchange, t.a);
	assert_true(app_answer(t.a->ch, &answer));
	assert_int_equal(answer.id, 20);
	assert_int_equal(answer.status, CHAN_ERROR);
	assert_int_equal(answer.error, ENETDOWN);
	exchange_add(&h->exchange, t.a);
	pair_run(&t.p, NS_PER_MS);
	assert_true(app_answer(t.a->ch, &answer));
	assert_int_equal(answer.id, 21);
	assert_int_equal(ask(&t, t.a, CHAN_CONNECT, t.p.hosts[1].ip, PORT), 0);
	pair_close(&t.p);
}

/* --- what makes no sense ----------------------------------------------------------------- */

/* Another channel's flow, though the tuple is right. */
static void test_a_flow_of_another(void **state)
{
	struct endpoint *thief;
	struct two t;

	(void)state;
	open_two(&t, 256, NULL);
	thief = pair_channel(&t.p.hosts[0], 256, false);
	assert_true(app_send(thief->ch, &t.flow, 5000, 1));
	pair_run(&t.p, NS_PER_S);
	assert_int_equal(app_recv(t.b->ch, 1, NULL), -1);
	assert_int_equal(thief->stats.tx_drops, 1);
	assert_int_equal(thief->ch->stats->tx_drops, 1);
	assert_int_equal(free_of(thief), 255);
	pair_close(&t.p);
}

static struct chan_buf *head(struct channel *c, uint32_t buf)
{
	return (struct chan_buf *)(void *)(c->pool + (size_t)buf * CHAN_BUF_SIZE);
}

enum lie { NEXT_IS_FIRST, NEXT_IS_NONE, NO_LENGTH, TOO_LONG, SHORT, FAR_DATA, SECOND_FIRST, LIES };

static void tell(struct channel *c, uint32_t first, enum lie lie)
{
	uint32_t second = head(c, first)->next;

	switch (lie) {
	case NEXT_IS_FIRST:
		head(c, second)->next = first;
		break;
	case NEXT_IS_NONE:
		head(c, second)->next = 5000;
		break;
	case NO_LENGTH:
		head(c, first)->msg_len = 0;
		break;
	case TOO_LONG:
		head(c, first)->msg_len = UINT32_MAX;
		break;
	case SHORT:
		head(c, first)->msg_len = CHAN_MSS + 1;
		break;
	case FAR_DATA:
		head(c, second)->data_ofs = UINT32_MAX - 100;
		break;
	default:
		head(c, second)->flags |= CHAN_FIRST;
	}
}

/* The flow is the price at most; everybody else's go on. */
static void test_lies(void **state)
{
	(void)state;
	for (enum lie lie = 0; lie < LIES; lie++) {
		struct endpoint *good;
		struct chan_flow flow;
		struct two t;

		open_two(&t, 256, NULL);
		good = pair_channel(&t.p.hosts[0], 256, false);
		assert_int_equal(pair_connect(&t.p, good, t.b, PORT + 1, &flow), 0);
		assert_true(app_send(t.a->ch, &t.flow, 10 * CHAN_MSS, 1));
		tell(t.a->ch,
		     ((uint32_t *)(void *)(t.a->ch->tx.shared +
					   1))[(t.a->ch->tx.shared->prod.head - 1) %
					       CHAN_RING_SLOTS],
		     lie);
		pair_run(&t.p, NS_PER_S);
		assert_int_equal(app_recv(t.b->ch, 1, NULL), -1);
		assert_int_equal(t.a->stats.tx_drops, 1);
		assert_true(app_send(good->ch, &flow, 3000, 2));
		assert_int_equal(wait_message(&t, t.b, 2, NULL), 3000);
		pair_close(&t.p);
	}
}

static void test_indices_that_are_none(void **state)
{
	struct two t;

	(void)state;
	open_two(&t, 256, NULL);
	app_put(t.a->ch, 256);
	app_put(t.a->ch, UINT32_MAX);
	pair_run(&t.p, NS_PER_MS);
	assert_int_equal(t.a->stats.tx_drops, 2);
	assert_true(app_send(t.a->ch, &t.flow, 100, 1));
	assert_int_equal(wait_message(&t, t.b, 1, NULL), 100);
	pair_close(&t.p);
}

/* Only that channel is lost. */
static void test_a_broken_ring(void **state)
{
	struct endpoint *good;
	struct chan_flow flow;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct two t;
		struct chan_ring *rings[4];

		open_two(&t, 256, NULL);
		good = pair_channel(&t.p.hosts[0], 256, false);
		assert_int_equal(pair_connect(&t.p, good, t.b, PORT + 1, &flow), 0);
		rings[0] = t.a->ch->tx.shared;
		rings[1] = t.a->ch->sq.shared;
		rings[2] = t.a->ch->cq.shared;
		rings[3] = t.a->ch->free.ring.shared;
		rings[i]->prod.tail += 10000;
		rings[i]->cons.tail -= 5000;
		app_ask(t.a->ch, &(struct chan_ctrl){ .op = 99 });
		app_send(t.a->ch, &t.flow, 100000, 0);
		pair_run(&t.p, NS_PER_MS);
		assert_true(t.p.hosts[0].broken == 1 || i > 1);
		assert_true(app_send(good->ch, &flow, 3000, 2));
		assert_int_equal(wait_message(&t, t.b, 2, NULL), 3000);
		pair_close(&t.p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_the_longest),
		cmocka_unit_test(test_over_a_bad_wire),
		cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test(test_back_to_back),
		cmocka_unit_test(test_both_send_all_they_have),
		cmocka_unit_test(test_one_flow_stuck),
		cmocka_unit_test(test_long_ones_at_once),
		cmocka_unit_test(test_a_peer_that_stops_within_a_message),
		cmocka_unit_test(test_too_long_for_the_channel),
		cmocka_unit_test(test_requests_that_fail),
		cmocka_unit_test(test_unlisten),
		cmocka_unit_test(test_disconnect),
		cmocka_unit_test(test_what_was_sent_goes_after_the_end),
		cmocka_unit_test(test_an_engine_after_another),
		cmocka_unit_test(test_an_engine_that_goes_while_it_connects),
		cmocka_unit_test(test_a_flow_of_another),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_indices_that_are_none),
		cmocka_unit_test(test_a_broken_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
