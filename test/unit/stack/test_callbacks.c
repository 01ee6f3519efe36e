/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever a user does from within a callback, on networks that lose and reorder: no
 * flow, packet or port is lost or given back twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack/impl.h"
#include "world.h"

enum when { CONNECTED, ACCEPTED, RECEIVED, SENDABLE, CLOSED, WHENS };
enum what { CLOSE, ABORT, PUT, REFUSE, RESUME, CONNECT, UNLISTEN, WHATS };

static struct world w;
static struct host *a, *b;
static struct flow *front, *back; /* the two ends */
static enum when when;
static enum what what;
static uint32_t countdown, ended;
static uint32_t words; /* messages still to be sent, so that it ends */

static struct stack *stack_of(const void *arg)
{
	return arg == &a ? a->stack : b->stack;
}

/* true: go on as usual. */
static bool act(void *arg, struct flow *f, enum when now)
{
	static uint8_t text[5000];
	struct flow *another;

	if (now != when || countdown-- != 0)
		return true;
	if (what == CLOSE)
		flow_close(f);
	else if (what == ABORT)
		flow_abort(f);
	else if (what == PUT)
		flow_put(f, text, sizeof(text), true);
	else if (what == RESUME)
		flow_resume(f);
	else if (what == CONNECT && arg == &a)
		stack_connect(a->stack, &a->ip, &b->ip, 888, NULL, &another);
	else if (what == UNLISTEN)
		stack_unlisten(stack_of(arg), &b->ip, 888);
	else
		return what != REFUSE;
	return what != CLOSE && what != ABORT;
}

static void talk(struct flow *f)
{
	static uint8_t text[20000];

	if (words && words--)
		flow_put(f, text, sizeof(text), true);
}

static void on_connected(void *arg, struct flow *f, int error)
{
	if (error)
		ended++;
	else if (act(arg, f, CONNECTED))
		talk(f);
}

static bool on_accepted(void *arg, struct flow *f, void *listener)
{
	(void)listener;
	back = f;
	if (!act(arg, f, ACCEPTED))
		return false;
	talk(f);
	return true;
}

static bool on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	(void)data;
	(void)len;
	if (!act(arg, f, RECEIVED))
		return what != REFUSE;
	if (flags & MACHNET_LAST)
		talk(f);
	return true;
}

static void on_sendable(void *arg, struct flow *f)
{
	if (act(arg, f, SENDABLE))
		talk(f);
}

static void on_closed(void *arg, struct flow *f, int error)
{
	(void)error;
	ended++;
	act(arg, f, CLOSED);
}

static const struct stack_user user = { .connected = on_connected,
					.accepted = on_accepted,
					.received = on_received,
					.sendable = on_sendable,
					.closed = on_closed };

static struct host *make_host(const char *ip, void *arg, const struct simnet_link *link)
{
	struct stack_conf conf;

	host_conf(&conf, ip);
	conf.user = &user;
	conf.arg = arg;
	conf.segments = 96;
	return world_host_conf(&w, link, 0, &conf);
}

static void assert_all_given_back(const struct host *h)
{
	struct stack_stats s;

	stack_stats(h->stack, &s);
	assert_int_equal(s.segments_free, 96);
	assert_int_equal(s.flows, 0);
	assert_int_equal(s.half_open, 0);
	for (struct seg *seg = h->stack->segs.free; seg; seg = seg->next)
		assert_true(s.segments_free-- > 0);
	for (uint32_t port = 0; port < 65536; port++)
		assert_int_equal(h->stack->port_users[port], port == 888 && s.listeners);
}

/* Ends what is still there, and what comes of that. */
static void end_all(struct host *h)
{
	for (uint32_t i = 0; i < h->stack->max_flows; i++)
		flow_abort(&h->stack->flows[i]);
}

static void run(uint64_t seed)
{
	static const struct simnet_link links[] = {
		{ 0 },
		{ .delay_ns = 100000,
		  .loss_ppm = 50000,
		  .reorder_ppm = 200000,
		  .reorder_ns = 900000 },
	};
	const struct simnet_link *link = &links[seed % 2];

	words = 40;
	world_open(&w, seed);
	a = make_host("10.0.0.1", &a, link);
	b = make_host("10.0.0.2", &b, link);
	assert_int_equal(stack_listen(b->stack, &b->ip, 888, &b), 0);
	assert_int_equal(stack_connect(a->stack, &a->ip, &b->ip, 888, NULL, &front), 0);
	world_run(&w, NS_PER_S);
	end_all(a);
	world_run(&w, 40 * NS_PER_S);
	end_all(b);
	world_run(&w, 40 * NS_PER_S);
	assert_all_given_back(a);
	assert_all_given_back(b);
	world_close(&w);
}

static void test_anything_from_within(void **state)
{
	(void)state;
	for (when = 0; when < WHENS; when++)
		for (what = 0; what < WHATS; what++)
			for (uint32_t i = 0; i < 24; i++) {
				countdown = i / 2;
				run(i + 100 * when);
			}
}

/*
 * A reader that closes while what came early is brought to it, and has sent something
 * itself that nobody has acknowledged.
 */
static void test_a_close_within_what_was_held(void **state)
{
	struct seg *seg;

	(void)state;
	when = WHENS;
	words = 3;
	world_open(&w, 1);
	a = make_host("10.0.0.1", &a, NULL);
	b = make_host("10.0.0.2", &b, NULL);
	assert_int_equal(stack_listen(b->stack, &b->ip, 888, &b), 0);
	assert_int_equal(stack_connect(a->stack, &a->ip, &b->ip, 888, NULL, &front), 0);
	world_run(&w, NS_PER_MS);
	simnet_set_up(b->port, false);
	words = 1;
	talk(back);
	for (uint32_t i = 3; i > 0; i--) {
		struct machnet m = { .kind = MACHNET_DATA, .flags = 5, .seq = back->rcv + i - 1 };

		if (i == 1) {
			when = RECEIVED;
			what = CLOSE;
			countdown = 1;
		}
		m.flags = MACHNET_FIRST | MACHNET_LAST;
		back->in_peers_message = false;
		recv_data(back, &m, (const uint8_t *)"x", 1);
	}
	assert_int_equal(back->state, FLOW_CLOSING);
	assert_null(back->held);
	while ((seg = seg_take(&b->stack->segs)))
		assert_true(seg->next != seg);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anything_from_within),
		cmocka_unit_test(test_a_close_within_what_was_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
