/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ends a daemon of the reference (numbered as in the notes on it), and what anybody
 * on the link may send in somebody's name: none of it changes a flow, and nothing that we
 * say may end a reference at the other end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"

enum { DATA = 0, SYN = 1, ACK = 2, SYN_ACK = 3, RST = 0x80, WHOLE = 5 };

static struct world w;
static struct host *host;
static struct raw peer;
static struct side *side;

static int open_world(void **state)
{
	(void)state;
	side = raw_meet(&peer, &w, &host);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static void say(uint8_t kind, uint8_t flags, uint32_t seq, uint32_t ack)
{
	raw_say(&peer, host,
		&(struct raw_packet){ .from = 1024,
				      .to = 888,
				      .kind = kind,
				      .flags = flags,
				      .seq = seq,
				      .ack = ack });
}

static void say_data(uint8_t flags, uint32_t seq, const void *data, uint32_t len)
{
	raw_say_data(
		&peer, host,
		&(struct raw_packet){
			.from = 1024, .to = 888, .flags = flags, .seq = seq, .ack = UINT32_MAX },
		data, len);
}

/* A byte that side expects: message `n` of a side that has in_seed 0 and size_max 1. */
static void say_message(uint32_t n)
{
	uint8_t byte = (uint8_t)(n * 7);

	side->to_get = n + 1;
	say_data(WHOLE, n + 1, &byte, 1);
}

static void assert_alive(void)
{
	uint32_t n = side->got;

	assert_non_null(side->flow);
	say_message(n);
	assert_int_equal(side->got, n + 1);
}

static void test_c1_three_forged_acks_while_idle(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		say(ACK, 0, 1, 1);
	assert_int_equal(raw_count(&peer, ACK, NULL), 0);
	assert_alive();
}

static void test_c2_data_cut_short(void **state)
{
	static uint8_t udp[8 + 200];

	(void)state;
	for (uint32_t len = 0; len <= 54; len++) {
		struct raw_frame f;

		memset(udp, 0, sizeof(udp));
		memcpy(udp, (uint8_t[]){ 0x04, 0,   0x03, 0x78, 0,    (uint8_t)(8 + len),
					 0,    0,   0x4e, 0x53, 0,    WHOLE,
					 0,    0,   0,	  1,	0xff, 0xff,
					 0xff, 0xff },
		       20);
		raw_ip4(&peer, host, 17, udp, 8 + len, &f);
		raw_send(&peer, &f);
		world_run(&w, 1000);
	}
	assert_int_equal(raw_count(&peer, ACK, NULL), 0);
	assert_int_equal(side->got, 0);
	assert_alive();
}

/* The reference's bitmap as it sends it, with counts that its own reader does not survive. */
static void test_c6_loss_with_any_sack(void **state)
{
	(void)state;
	assert_int_equal(flow_put(side->flow, "abcdefgh", 8, true), 8);
	for (int i = 0; i < 7; i++)
		assert_int_equal(flow_put(side->flow, "abcdefgh", 8, true), 8);
	stack_flush(host->stack);
	world_run(&w, 1000);
	raw_forget(&peer);
	for (int i = 0; i < 12; i++) {
		struct raw_packet p = { .from = 1024, .to = 888, .kind = ACK, .seq = 1, .ack = 1 };
		struct raw_frame f;

		raw_machnet(&peer, host, &p, NULL, 0, &f);
		memset(f.b + 54, 0xff, 34);
		raw_send(&peer, &f);
		world_run(&w, 1000);
	}
	assert_int_equal(raw_count(&peer, DATA, NULL), 1); /* the first, fast */
	say(ACK, 0, 1, 9);
	world_run(&w, NS_PER_S);
	assert_int_equal(raw_count(&peer, DATA, NULL), 0);
	assert_alive();
}

static void test_loss_of_a_hundredth_ends_nothing(void **state)
{
	const struct simnet_link link = { .loss_ppm = 10000 };
	struct host *a = world_host(&w, "10.0.0.3", &link), *b = world_host(&w, "10.0.0.4", &link);
	struct side *x, *y;

	(void)state;
	world_flow(&w, a, b, 889, &x, &y);
	side_talk(x, y, 200, 64 << 10);
	side_talk(y, x, 200, 64 << 10);
	assert_true(world_run_until_done(&w, 100 * NS_PER_S));
}

static void test_guesses_change_nothing(void **state)
{
	static const uint32_t numbers[] = { 0,	  2,	      3,	  64,	      65,
					    1000, 0x7fffffff, 0x80000000, 0xfffffffe, UINT32_MAX };
	uint32_t n = sizeof(numbers) / sizeof(numbers[0]);

	(void)state;
	for (uint32_t i = 0; i < n * n; i++) {
		uint32_t seq = numbers[i / n], ack = numbers[i % n];

		say(RST, 0, seq, ack);
		say(SYN_ACK, 0, seq, ack);
		say(ACK, 0, seq, ack);
		say(0x7f, 0, seq, ack);
	}
	assert_alive();
}

static void test_a_forged_syn_asks_and_no_more(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		say(SYN, 0, 0, 0);
	assert_int_equal(raw_count(&peer, DATA, NULL), 1);
	say(ACK, 0, 1, 1);
	world_run(&w, 10 * NS_PER_S);
	assert_int_equal(raw_count(&peer, DATA, NULL), 0);
	assert_alive();
}

static void test_no_more_than_two_acks_for_old_data(void **state)
{
	(void)state;
	say_message(0);
	say_message(1);
	world_run(&w, NS_PER_MS);
	assert_int_equal(raw_count(&peer, ACK, NULL), 1);
	for (int i = 0; i < 100; i++)
		say_data(WHOLE, 1 + (i & 1), "", 1);
	assert_true(raw_count(&peer, ACK, NULL) <= 2);
	world_run(&w, 100 * NS_PER_S);
	assert_int_equal(raw_count(&peer, ACK, NULL), 0);
}

/* A server of the reference is idle after the handshake, too. */
static void test_no_more_than_two_acks_for_syn_acks(void **state)
{
	struct side *x = &w.sides[w.nsides++];
	struct raw_packet p = { 0 };
	struct ipaddr to;
	uint32_t n;

	(void)state;
	x->host = host;
	assert_int_equal(ipaddr_parse("10.0.0.2", &to), 0);
	assert_int_equal(stack_connect(host->stack, &host->ip, &to, 999, x, &x->flow), 0);
	world_run(&w, 1000);
	assert_int_equal(raw_count(&peer, SYN, &p), 1);
	for (int i = 0; i < 10; i++) {
		raw_say(&peer, host,
			&(struct raw_packet){
				.from = 999, .to = p.from, .kind = SYN_ACK, .ack = 1 });
		world_run(&w, 200 * NS_PER_MS);
	}
	assert_true(x->connected);
	n = raw_count(&peer, ACK, NULL);
	assert_in_range(n, 1, 3);
}

/* A reference keeps 64 packets, and so do we: what is beyond takes no memory and has no answer. */
static void test_what_is_too_far_ahead_is_not_kept(void **state)
{
	struct stack_stats s;

	(void)state;
	for (uint32_t seq = 65; seq < 300; seq++)
		say_data(WHOLE, seq, "x", 1);
	say_data(WHOLE, 0x80000000, "x", 1);
	stack_stats(host->stack, &s);
	assert_int_equal(s.too_far, 236);
	assert_int_equal(s.segments_free, 2048);
	say_data(WHOLE, 64, "x", 1);
	stack_stats(host->stack, &s);
	assert_int_equal(s.segments_free, 2047);
	assert_int_equal(side->got, 0);
}

static void test_what_we_send_has_no_sack(void **state)
{
	static const uint8_t zero[42];
	struct raw_packet p;
	struct raw_frame f;
	int n = 0;

	(void)state;
	say_data(WHOLE, 3, "x", 1);
	say_data(WHOLE, 2, "x", 1);
	say_data(WHOLE, 2, "x", 1);
	assert_int_equal(flow_put(side->flow, "x", 1, true), 1);
	stack_flush(host->stack);
	world_run(&w, NS_PER_S);
	while (raw_next(&peer, &f)) {
		if (!raw_is_machnet(&f, &p))
			continue;
		n++;
		assert_memory_equal(f.b + 86, zero, 10);
		if (p.kind == ACK)
			assert_memory_equal(f.b + 54, zero, 42);
	}
	assert_true(n > 4);
}

static void test_messages_that_make_no_sense_end_the_flow(void **state)
{
	(void)state;
	say_data(4, 1, "x", 1);
	assert_int_equal(side->error, EPROTO);
	assert_true(raw_count(&peer, RST, NULL) > 0);
}

/*
 * A probe must have a number that was acknowledged. One that is put on the way of data
 * is taken for it: the peer would get a byte that nobody wrote.
 */
static void test_a_probe_is_never_taken_for_data(void **state)
{
	struct raw_packet p;
	struct raw_frame f;

	(void)state;
	say(SYN, 0, 0, 0);
	assert_int_equal(raw_count(&peer, DATA, NULL), 1);
	assert_int_equal(flow_put(side->flow, "hello", 5, true), 5);
	stack_flush(host->stack);
	world_run(&w, 700 * NS_PER_MS);
	while (raw_next(&peer, &f))
		if (raw_is_machnet(&f, &p) && p.kind == DATA && p.seq >= 1)
			assert_memory_equal(f.b + 96, "hello", 5);
}

/* Data that went while a peer was doubted is still sent again. */
static void test_a_doubt_keeps_the_timer_of_data(void **state)
{
	(void)state;
	say(SYN, 0, 0, 0);
	assert_int_equal(flow_put(side->flow, "hello", 5, true), 5);
	stack_flush(host->stack);
	world_run(&w, 1000);
	say_message(0); /* a sign of life, which acknowledges nothing */
	raw_forget(&peer);
	world_run(&w, 2 * NS_PER_S);
	assert_true(raw_count(&peer, DATA, NULL) > 0);
}

/* Silence counts from when there was something to answer. */
static void test_one_loss_after_idleness_is_no_end(void **state)
{
	(void)state;
	world_run(&w, 60 * NS_PER_S);
	stack_poll(host->stack, simnet_now(w.net) + 1);
	assert_int_equal(flow_put(side->flow, "hello", 5, true), 5);
	stack_flush(host->stack);
	world_run(&w, NS_PER_S);
	assert_int_equal(side->error, 0);
	assert_true(raw_count(&peer, DATA, NULL) > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(test_c1_three_forged_acks_while_idle),
		TEST(test_c2_data_cut_short),
		TEST(test_c6_loss_with_any_sack),
		TEST(test_loss_of_a_hundredth_ends_nothing),
		TEST(test_guesses_change_nothing),
		TEST(test_a_forged_syn_asks_and_no_more),
		TEST(test_no_more_than_two_acks_for_old_data),
		TEST(test_no_more_than_two_acks_for_syn_acks),
		TEST(test_what_is_too_far_ahead_is_not_kept),
		TEST(test_what_we_send_has_no_sack),
		TEST(test_messages_that_make_no_sense_end_the_flow),
		TEST(test_a_probe_is_never_taken_for_data),
		TEST(test_a_doubt_keeps_the_timer_of_data),
		TEST(test_one_loss_after_idleness_is_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
