/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack as a whole: listeners, floods, many flows, hosts that come back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"
#include "stack/impl.h"

enum { DATA = 0, SYN = 1, ACK = 2, SYN_ACK = 3, RST = 0x80, MANY = 10000 };

static struct world w;
static struct host *host;
static struct raw peer;

static int open_world(void **state)
{
	(void)state;
	world_open(&w, 1);
	host = world_host(&w, "10.0.0.1", NULL);
	raw_open(&peer, &w, "10.0.0.2");
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

static struct side *new_side(struct host *h)
{
	struct side *x = &w.sides[w.nsides++];

	x->host = h;
	x->size_max = 1;
	return x;
}

static struct stack_stats stats(const struct host *h)
{
	struct stack_stats s;

	stack_stats(h->stack, &s);
	return s;
}

static void test_listeners(void **state)
{
	struct ipaddr other = ip("10.0.0.7");

	(void)state;
	assert_int_equal(stack_listen(host->stack, &other, 1, NULL), -EADDRNOTAVAIL);
	for (uint16_t i = 0; i < 16; i++)
		assert_int_equal(stack_listen(host->stack, &host->ip, i, NULL), 0);
	assert_int_equal(stack_listen(host->stack, &host->ip, 15, NULL), -EADDRINUSE);
	assert_int_equal(stack_listen(host->stack, &host->ip, 16, NULL), -ENOSPC);
	assert_int_equal(stack_unlisten(host->stack, &host->ip, 16), -ENOENT);
	assert_int_equal(stack_unlisten(host->stack, &host->ip, 15), 0);
	assert_int_equal(stack_unlisten(host->stack, &host->ip, 15), -ENOENT);
	assert_int_equal(stack_listen(host->stack, &host->ip, 16, NULL), 0);
}

static void test_flows_outlive_their_listener(void **state)
{
	struct host *b = world_host(&w, "10.0.0.3", NULL);
	struct side *x, *y;

	(void)state;
	world_flow(&w, host, b, 888, &x, &y);
	world_run(&w, NS_PER_MS);
	assert_int_equal(stack_unlisten(b->stack, &b->ip, 888), 0);
	side_talk(x, y, 10, 10000);
	side_talk(y, x, 10, 10000);
	assert_true(world_run_until_done(&w, NS_PER_S));
}

/* Whoever was only on the way is not given to a listener that is gone. */
static void test_nobody_is_accepted_without_a_listener(void **state)
{
	struct side *y = new_side(host);

	(void)state;
	assert_int_equal(stack_listen(host->stack, &host->ip, 888, y), 0);
	raw_introduce(&peer, host);
	raw_say(&peer, host, &(struct raw_packet){ .from = 1024, .to = 888, .kind = SYN });
	assert_int_equal(stack_unlisten(host->stack, &host->ip, 888), 0);
	raw_forget(&peer);
	raw_say(&peer, host,
		&(struct raw_packet){ .from = 1024, .to = 888, .kind = ACK, .seq = 1, .ack = 1 });
	assert_false(y->connected);
	assert_int_equal(host->accepts, 0);
	assert_true(raw_count(&peer, RST, NULL) > 0);
}

static void test_connects_that_can_not_be(void **state)
{
	struct ipaddr group = ip("224.0.0.1"), v6 = ip("fd00::1"), other = ip("10.0.0.7"),
		      far = ip("192.0.2.1");
	struct stack *s = host->stack;
	struct stack_conf conf;
	struct host *narrow;
	struct flow *f;

	(void)state;
	assert_int_equal(stack_connect(s, &other, &host->ip, 1, NULL, &f), -EADDRNOTAVAIL);
	assert_int_equal(stack_connect(s, &host->ip, &v6, 1, NULL, &f), -EADDRNOTAVAIL);
	assert_int_equal(stack_connect(s, &host->ip, &host->ip, 1, NULL, &f), -ENETUNREACH);
	assert_int_equal(stack_connect(s, &host->ip, &group, 1, NULL, &f), -ENETUNREACH);
	host_conf(&conf, "10.0.0.8");
	conf.addrs[0].prefix = 24;
	narrow = world_host_conf(&w, NULL, 0, &conf);
	assert_int_equal(stack_connect(narrow->stack, &narrow->ip, &far, 1, NULL, &f),
			 -ENETUNREACH);
	for (int i = 0; i < 64; i++)
		assert_int_equal(stack_connect(s, &host->ip, &other, 1, new_side(host), &f), 0);
	assert_int_equal(stack_connect(s, &host->ip, &other, 1, NULL, &f), -ENOMEM);
	world_run(&w, 20 * NS_PER_S);
	for (int i = 0; i < 64; i++)
		assert_int_equal(w.sides[i].error, EHOSTUNREACH);
	assert_int_equal(stats(host).flows, 0);
}

static void test_wrong_configurations(void **state)
{
	struct stack_conf conf, good;
	struct stack *s;

	(void)state;
	host_conf(&good, "10.0.0.8");
	good.port = peer.port;
	good.user = host->stack->conf.user;
	conf = good;
	conf.addrs[0].prefix = 33;
	assert_int_equal(stack_new(&conf, 1, &s), -EINVAL);
	conf = good;
	conf.neighbours = 12;
	assert_int_equal(stack_new(&conf, 1, &s), -EINVAL);
	conf = good;
	conf.gateways[0] = ip("fd00::1");
	assert_int_equal(stack_new(&conf, 1, &s), -EINVAL);
	conf = good;
	conf.flows = 0;
	assert_int_equal(stack_new(&conf, 1, &s), -EINVAL);
}

/* An answer to a question that was withdrawn frees the one who asks no more. */
static void test_an_abort_half_way_ends_the_other_half(void **state)
{
	struct side *x = new_side(host);
	struct raw_packet p;

	(void)state;
	raw_introduce(&peer, host);
	assert_int_equal(stack_connect(host->stack, &host->ip,
				       &(struct ipaddr){ .b = { [10] = 0xff, 0xff, 10, 0, 0, 2 } },
				       7, x, &x->flow),
			 0);
	flow_abort(x->flow);
	world_run(&w, 1000);
	assert_int_equal(raw_count(&peer, SYN, &p), 1);
	raw_say(&peer, host,
		&(struct raw_packet){ .from = 7, .to = p.from, .kind = SYN_ACK, .ack = 1 });
	assert_int_equal(raw_count(&peer, RST, &p), 1);
	assert_int_equal(p.seq, 1);
}

static void say_from(uint32_t who, const struct raw_packet *p)
{
	struct raw_frame f;

	memcpy(peer.ip, &who, 4);
	raw_machnet(&peer, host, p, NULL, 0, &f);
	raw_send(&peer, &f);
}

static void flood(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t r = simnet_random(w.net);

		say_from((uint32_t)r | 0x01000001,
			 &(struct raw_packet){
				 .from = (uint16_t)(r >> 32), .to = 888, .kind = SYN });
		if (i % 32 == 31) {
			world_run(&w, 1000);
			raw_forget(&peer);
		}
	}
}

static void test_a_flood_of_syns(void **state)
{
	struct host *old = world_host(&w, "10.0.0.3", NULL),
		    *late = world_host(&w, "10.0.0.4", NULL);
	struct side *x, *y, *u;
	uint64_t sent;

	(void)state;
	world_flow(&w, old, host, 888, &x, &y);
	world_run(&w, NS_PER_MS);
	sent = simnet_stats(w.net)->sent;
	flood(1000000);
	/* For each SYN one answer, and no question about somebody who is not there. */
	assert_true(simnet_stats(w.net)->sent - sent < 2100000);
	assert_true(stats(host).half_open <= 64);
	assert_true(stats(host).neighbours < 10);
	side_talk(x, y, 20, 20000);
	side_talk(y, x, 20, 20000);
	u = new_side(late);
	assert_int_equal(stack_connect(late->stack, &late->ip, &host->ip, 888, u, &u->flow), 0);
	for (int i = 0; i < 1000 && !(world_done(&w) && u->connected); i++)
		flood(320);
	assert_true(world_done(&w));
	assert_true(u->connected);
}

static struct host *big_host(const char *text)
{
	struct stack_conf conf;

	host_conf(&conf, text);
	conf.flows = MANY;
	conf.segments = 4 * MANY;
	return world_host_conf(&w, NULL, 0, &conf);
}

static uint32_t many_got, many_connected;

static void many_on_connected(void *arg, struct flow *f, int error)
{
	(void)arg;
	assert_int_equal(error, 0);
	many_connected++;
	assert_int_equal(flow_put(f, "hello", 5, true), 5);
}

static bool many_on_accepted(void *arg, struct flow *f, void *listener)
{
	(void)arg;
	(void)f;
	(void)listener;
	return true;
}

static bool many_on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data,
			     uint32_t len)
{
	(void)arg;
	(void)f;
	assert_int_equal(flags, 5);
	assert_int_equal(len, 5);
	assert_memory_equal(data, "hello", 5);
	many_got++;
	return true;
}

static void many_on_closed(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	fail_msg("a flow ended: %d", error);
}

static void test_ten_thousand_flows(void **state)
{
	static const struct stack_user user = { .connected = many_on_connected,
						.accepted = many_on_accepted,
						.received = many_on_received,
						.closed = many_on_closed };
	struct host *a = big_host("10.0.0.5"), *b = big_host("10.0.0.6");
	struct flow *f;

	(void)state;
	a->stack->conf.user = b->stack->conf.user = &user;
	assert_int_equal(stack_listen(b->stack, &b->ip, 888, NULL), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(stack_connect(a->stack, &a->ip, &b->ip, 888, NULL, &f), 0);
		if (i % 256 == 0)
			world_run(&w, 10000);
	}
	for (int i = 0; i < 20 && many_got < MANY; i++)
		world_run(&w, NS_PER_S);
	assert_int_equal(many_connected, MANY);
	assert_int_equal(many_got, MANY);
	assert_int_equal(stats(b).flows, MANY);
}

/* Ports are counted by more than 16 bits. */
static void test_a_port_of_seventy_thousand_flows(void **state)
{
	(void)state;
	assert_int_equal(stack_listen(host->stack, &host->ip, 888, NULL), 0);
	for (uint32_t i = 0; i < 65535; i++)
		assert_true(port_take(host->stack, &host->ip, 888));
	assert_non_null(stack_listener(host->stack, &host->ip, 888));
}

/* --- addresses that the kernel has, too ---------------------------------------------------- */

static struct {
	uint16_t on, off; /* the last ones */
	uint32_t now, asked;
	uint16_t refused; /* below it */
} own;

static bool on_own_port(void *arg, uint16_t port, bool on)
{
	(void)arg;
	own.asked++;
	if (on && port < own.refused)
		return false;
	*(on ? &own.on : &own.off) = port;
	own.now += on ? 1 : (uint32_t)-1;
	return true;
}

static void on_connected(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	(void)error;
}

static struct host *host_of_the_kernel(struct host **whole)
{
	static struct stack_user user;
	struct stack_conf conf;

	memset(&own, 0, sizeof(own));
	host_conf(&conf, "10.0.0.8");
	conf.addrs[0].ports_only = true;
	assert_int_equal(ipaddr_parse("10.0.0.9", &conf.addrs[1].ip), 0);
	conf.naddrs = 2;
	conf.own_port = on_own_port;
	user.connected = on_connected;
	conf.user = &user;
	*whole = world_host(&w, "10.0.0.7", NULL);
	return world_host_conf(&w, NULL, 0, &conf);
}

static void test_ports_of_the_kernels_addresses(void **state)
{
	struct host *other, *h = host_of_the_kernel(&other);
	struct ipaddr ours;
	struct flow *f;

	(void)state;
	assert_int_equal(ipaddr_parse("10.0.0.9", &ours), 0);
	assert_int_equal(stack_listen(h->stack, &h->ip, 888, NULL), 0);
	assert_int_equal(own.on, 888);
	/* Once, and not for the address that is the stack's alone. */
	assert_int_equal(stack_listen(h->stack, &ours, 888, NULL), 0);
	assert_int_equal(stack_listen(h->stack, &ours, 999, NULL), 0);
	assert_int_equal(own.asked, 1);
	assert_int_equal(stack_unlisten(h->stack, &h->ip, 888), 0);
	assert_int_equal(own.off, 888);
	assert_int_equal(own.now, 0);
	assert_int_equal(stack_connect(h->stack, &ours, &other->ip, 1, NULL, &f), 0);
	assert_int_equal(own.asked, 2);
	assert_int_equal(stack_connect(h->stack, &h->ip, &other->ip, 1, NULL, &f), 0);
	assert_int_equal(own.now, 1);
	assert_int_equal(own.on, flow_name(f)->local_port);
	flow_abort(f);
	world_run(&w, 30 * NS_PER_S);
	assert_int_equal(own.now, 0);
	assert_int_equal(own.off, own.on);
}

static void test_ports_that_the_kernel_keeps(void **state)
{
	struct host *other, *h = host_of_the_kernel(&other);
	struct stack_stats before, after;
	struct flow *f;

	(void)state;
	own.refused = 65535;
	assert_int_equal(stack_listen(h->stack, &h->ip, 888, NULL), -EADDRINUSE);
	assert_int_equal(stack_connect(h->stack, &h->ip, &other->ip, 1, NULL, &f), 0);
	assert_int_equal(flow_name(f)->local_port, 65535);
	before = stats(h);
	assert_int_equal(stack_connect(h->stack, &h->ip, &other->ip, 1, NULL, &f), -EADDRINUSE);
	after = stats(h);
	assert_int_equal(before.flows, after.flows);
	assert_int_equal(own.now, 1);
}

/* The same ports again, from a host that knows nothing of the flow that stands. */
static void come_back(bool with_data)
{
	struct host *old = world_host(&w, "10.0.0.9", NULL), *again;
	struct side *x, *y, *z, *u;
	uint16_t port;

	world_flow(&w, old, host, 888, &x, &y);
	u = new_side(host);
	world_run(&w, NS_PER_MS);
	assert_true(y->connected);
	port = flow_name(x->flow)->local_port;
	simnet_set_up(old->port, false);
	if (with_data)
		side_talk(y, x, 1, 1);
	again = world_host(&w, "10.0.0.9", NULL);
	again->stack->next_port = port;
	z = new_side(again);
	assert_int_equal(stack_connect(again->stack, &again->ip, &host->ip, 888, z, &z->flow), 0);
	assert_int_equal(flow_name(z->flow)->local_port, port);
	world_run(&w, 5 * NS_PER_S);
	assert_int_equal(y->error, ECONNRESET);
	assert_true(z->connected);
	assert_true(u->connected);
}

static void test_a_host_that_came_back_gets_in(void **state)
{
	(void)state;
	come_back(false);
}

static void test_a_host_that_came_back_gets_in_while_it_is_spoken_to(void **state)
{
	(void)state;
	come_back(true);
}

/* Closed flows tell their peer for a while; nobody has to wait for that. */
static void test_closed_flows_make_way(void **state)
{
	struct host *b = world_host(&w, "10.0.0.3", NULL);
	struct ipaddr to = b->ip;

	(void)state;
	assert_int_equal(stack_listen(b->stack, &b->ip, 888, w.sides), 0);
	for (int i = 0; i < 500; i++) {
		struct side *x = &w.sides[1], *y = &w.sides[0];

		memset(w.sides, 0, sizeof(w.sides));
		w.nsides = 2;
		x->host = host;
		y->host = b;
		x->size_max = y->size_max = 1;
		if (stack_connect(host->stack, &host->ip, &to, 888, x, &x->flow) < 0)
			fail_msg("the %d. flow has no place", i);
		world_run(&w, NS_PER_MS);
		assert_true(x->connected);
		flow_close(x->flow);
		world_run(&w, NS_PER_MS);
		assert_int_equal(y->error, ECONNRESET);
	}
	assert_true(stats(host).flows <= 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(test_listeners),
		TEST(test_flows_outlive_their_listener),
		TEST(test_nobody_is_accepted_without_a_listener),
		TEST(test_connects_that_can_not_be),
		TEST(test_wrong_configurations),
		TEST(test_an_abort_half_way_ends_the_other_half),
		TEST(test_a_flood_of_syns),
		TEST(test_ten_thousand_flows),
		TEST(test_a_port_of_seventy_thousand_flows),
		TEST(test_ports_of_the_kernels_addresses),
		TEST(test_ports_that_the_kernel_keeps),
		TEST(test_a_host_that_came_back_gets_in),
		TEST(test_a_host_that_came_back_gets_in_while_it_is_spoken_to),
		TEST(test_closed_flows_make_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
