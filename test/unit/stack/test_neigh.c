/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has which address: what is believed, what is answered, and what a storm changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"
#include "stack/impl.h"

enum { REQUEST = 1, REPLY = 2 };

static struct world w;
static struct host *host;
static struct raw peer, other;

static int open_world(void **state)
{
	(void)state;
	world_open(&w, 1);
	host = world_host(&w, "10.0.0.1", NULL);
	raw_open(&peer, &w, "10.0.0.2");
	raw_open(&other, &w, "10.0.0.3");
	world_run(&w, NS_PER_MS);
	raw_forget(&peer);
	raw_forget(&other);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static const uint8_t *host_ip(void)
{
	return host->ip.b + 12;
}

/* Whether the host knows who has 10.0.0.`last`, and with whose MAC. */
static const struct neigh *known(uint8_t last)
{
	const struct ipaddr ip = { .b = { [10] = 0xff, 0xff, 10, 0, 0, last } };

	for (uint32_t i = 0; i < host->stack->conf.neighbours; i++) {
		const struct neigh *n = &host->stack->neighs[i];

		if (n->state != NEIGH_FREE && ipaddr_equal(&n->ip, &ip))
			return n;
	}
	return NULL;
}

static bool is_at(const struct neigh *n, const struct raw *r)
{
	return n && !memcmp(n->mac.b, r->port->mac, 6);
}

/* ARP frames of that kind from the host; *last: the last. */
static uint32_t arps(struct raw *r, uint8_t op, struct raw_frame *last)
{
	struct raw_frame f;
	uint32_t n = 0;

	while (raw_next(r, &f))
		if (f.len == 42 && f.b[12] == 8 && f.b[13] == 6 && f.b[21] == op) {
			n++;
			if (last)
				*last = f;
		}
	return n;
}

static void test_a_question_is_answered_and_learned_from(void **state)
{
	struct raw_frame f;

	(void)state;
	raw_arp(&peer, raw_everybody, REQUEST, peer.ip, host_ip());
	world_run(&w, 1000);
	assert_int_equal(arps(&peer, REPLY, &f), 1);
	assert_memory_equal(f.b, peer.port->mac, 6);
	assert_memory_equal(f.b + 22, host->port->mac, 6);
	assert_memory_equal(f.b + 28, host_ip(), 4);
	assert_memory_equal(f.b + 32, peer.port->mac, 6);
	assert_memory_equal(f.b + 38, peer.ip, 4);
	assert_true(is_at(known(2), &peer));
}

static void test_nothing_else_is_answered(void **state)
{
	(void)state;
	raw_arp(&peer, raw_everybody, REQUEST, peer.ip, (uint8_t[]){ 10, 0, 0, 9 });
	raw_arp(&peer, host->port->mac, REPLY, peer.ip, host_ip());
	raw_arp(&peer, raw_everybody, REPLY, peer.ip, peer.ip);
	world_run(&w, NS_PER_S);
	assert_int_equal(arps(&peer, REPLY, NULL), 0);
	assert_null(known(2));
}

/* A host that comes up asks from 0.0.0.0 whether somebody has its address. */
static void test_a_probe_for_our_address_is_answered(void **state)
{
	(void)state;
	raw_arp(&peer, raw_everybody, REQUEST, (uint8_t[]){ 0, 0, 0, 0 }, host_ip());
	world_run(&w, 1000);
	assert_int_equal(arps(&peer, REPLY, NULL), 1);
	assert_null(known(0));
}

static void test_a_false_sender_is_not_believed(void **state)
{
	struct raw_frame f = { .len = 42 };

	(void)state;
	memcpy(f.b, raw_everybody, 6);
	memcpy(f.b + 6, peer.port->mac, 6);
	memcpy(f.b + 12, (uint8_t[]){ 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 }, 10);
	memcpy(f.b + 22, other.port->mac, 6);
	memcpy(f.b + 28, peer.ip, 4);
	memcpy(f.b + 38, host_ip(), 4);
	for (uint32_t len = 0; len <= 42; len++) {
		f.len = len;
		if (len >= 14)
			raw_send(&peer, &f);
		world_run(&w, 1000);
	}
	assert_null(known(2));
	assert_int_equal(arps(&peer, REPLY, NULL) + arps(&other, REPLY, NULL), 0);
}

static void test_a_spoofed_reply_raises_doubt_only(void **state)
{
	struct raw_frame f;

	(void)state;
	raw_introduce(&peer, host);
	raw_arp(&other, host->port->mac, REPLY, peer.ip, host_ip());
	world_run(&w, 1000);
	assert_true(is_at(known(2), &peer));
	assert_int_equal(arps(&peer, REQUEST, &f), 1);
	assert_memory_equal(f.b, peer.port->mac, 6);
	raw_arp(&peer, host->port->mac, REPLY, peer.ip, host_ip());
	world_run(&w, NS_PER_S);
	assert_true(is_at(known(2), &peer));
	assert_int_equal(known(2)->state, NEIGH_KNOWN);
	assert_true(strstr(host->notice, "10.0.0.2") != NULL);
}

static void test_who_moved_is_found_again(void **state)
{
	(void)state;
	raw_introduce(&peer, host);
	simnet_set_up(peer.port, false);
	raw_arp(&other, raw_everybody, REQUEST, peer.ip, peer.ip);
	world_run(&w, NS_PER_MS);
	assert_true(is_at(known(2), &peer));
	raw_forget(&other);
	for (int i = 0; i < 10; i++) {
		world_run(&w, 200 * NS_PER_MS);
		if (arps(&other, REQUEST, NULL))
			raw_arp(&other, host->port->mac, REPLY, peer.ip, host_ip());
	}
	assert_true(is_at(known(2), &other));
}

static void test_our_address_is_defended_every_ten_seconds(void **state)
{
	uint32_t defended = 0;

	(void)state;
	for (int i = 0; i < 250; i++) {
		raw_arp(&peer, raw_everybody, REQUEST, host_ip(), host_ip());
		world_run(&w, 100 * NS_PER_MS);
		defended += arps(&peer, REQUEST, NULL);
		assert_int_equal(defended, 1 + i / 100);
	}
	assert_int_equal(defended, 3);
	assert_true(strstr(host->notice, "10.0.0.1") != NULL);
	assert_null(known(1));
}

static void test_what_is_old_is_asked_again(void **state)
{
	struct raw_frame f;

	(void)state;
	raw_introduce(&peer, host);
	world_run(&w, 31 * NS_PER_S);
	stack_poll(host->stack, simnet_now(w.net) + 1);
	assert_int_equal(arps(&peer, REQUEST, NULL), 0);
	assert_int_equal(stack_ping(host->stack, &known(2)->ip, 1, 1, "", 0), 0);
	world_run(&w, 1000);
	assert_int_equal(arps(&peer, REQUEST, &f), 1);
	assert_memory_equal(f.b, peer.port->mac, 6);
	world_run(&w, 10 * NS_PER_S); /* three doubts, sixteen questions, and it is not there */
	assert_int_equal(arps(&peer, REQUEST, NULL), 2 + 16);
	assert_null(known(2));
}

static void random_arp(uint32_t i)
{
	uint64_t r = simnet_random(w.net);
	uint8_t ip[4] = { 10, (uint8_t)(r >> 16), (uint8_t)(r >> 8), (uint8_t)r };

	raw_arp(&other, i & 2 ? host->port->mac : raw_everybody, i & 1 ? REPLY : REQUEST, ip,
		host_ip());
}

static void test_a_storm_harms_no_flow(void **state)
{
	struct host *b = world_host(&w, "10.0.0.7", NULL);
	struct side *x, *y;
	struct stack_stats s;

	(void)state;
	world_flow(&w, host, b, 888, &x, &y);
	side_talk(x, y, 3000, 20000);
	side_talk(y, x, 3000, 20000);
	for (uint32_t i = 0; i < 100000; i++) {
		random_arp(i);
		if (i % 32 != 31)
			continue;
		world_run(&w, 20000);
		raw_forget(&other);
	}
	assert_true(world_run_until_done(&w, 10 * NS_PER_S));
	stack_stats(host->stack, &s);
	assert_true(s.neighbours <= 64);
	assert_int_equal(s.timeouts, 0);
}

/* The NIC has another MAC from now on (ip link set address). */
static void test_a_new_mac_is_made_known(void **state)
{
	struct host *b = world_host(&w, "10.0.0.7", NULL);
	struct side *x, *y;

	(void)state;
	world_flow(&w, host, b, 888, &x, &y);
	side_talk(x, y, 1, 10);
	assert_true(world_run_until_done(&w, NS_PER_S));
	host->port->mac[5] ^= 0x40;
	stack_poll(host->stack, simnet_now(w.net) + 1);
	side_talk(y, x, 10, 20000);
	assert_true(world_run_until_done(&w, 3 * NS_PER_S));
}

/* --- an address that the kernel has, too ------------------------------------------------ */

static uint32_t asked;

static void on_resolve(void *arg, const struct ipaddr *ip)
{
	struct mac mac;

	memcpy(mac.b, peer.port->mac, 6);
	asked++;
	stack_neighbour(*(struct stack **)arg, ip, &mac);
}

static void test_ports_only(void **state)
{
	static struct stack *stack;
	struct stack_user user = *host->stack->conf.user;
	struct stack_conf conf;
	struct ipaddr to;
	struct host *h;

	(void)state;
	host_conf(&conf, "10.0.0.8");
	conf.addrs[0].ports_only = true;
	user.resolve = on_resolve;
	conf.user = &user;
	conf.arg = &stack;
	h = world_host_conf(&w, NULL, 0, &conf);
	stack = h->stack;
	raw_arp(&peer, raw_everybody, REQUEST, peer.ip, h->ip.b + 12);
	raw_arp(&peer, raw_everybody, REQUEST, h->ip.b + 12, h->ip.b + 12);
	world_run(&w, NS_PER_S);
	assert_int_equal(arps(&peer, REPLY, NULL), 0);
	assert_int_equal(ipaddr_parse("10.0.0.2", &to), 0);
	stack->neighs[0].state = NEIGH_FREE;
	memset(stack->neighs, 0, conf.neighbours * sizeof(stack->neighs[0]));
	assert_int_equal(stack_ping(stack, &to, 1, 1, "", 0), 0);
	assert_int_equal(asked, 1);
	world_run(&w, NS_PER_S);
	assert_int_equal(arps(&peer, REQUEST, NULL), 0);
}

/* --- IPv6, between two of ours -------------------------------------------------------------- */

static void test_ipv6_neighbours_find_each_other(void **state)
{
	struct host *a = world_host(&w, "fd00::1", NULL), *b = world_host(&w, "fd00::2", NULL);
	struct neighbour_info n;
	struct side *x, *y;
	uint32_t at = 0;

	(void)state;
	world_flow(&w, a, b, 888, &x, &y);
	side_talk(x, y, 10, 10000);
	assert_true(world_run_until_done(&w, NS_PER_S));
	assert_true(stack_next_neighbour(a->stack, &at, &n));
	assert_memory_equal(n.mac.b, b->port->mac, 6);
	assert_string_equal(n.state, "known");
	assert_false(stack_next_neighbour(a->stack, &at, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(test_a_question_is_answered_and_learned_from),
		TEST(test_nothing_else_is_answered),
		TEST(test_a_probe_for_our_address_is_answered),
		TEST(test_a_false_sender_is_not_believed),
		TEST(test_a_spoofed_reply_raises_doubt_only),
		TEST(test_who_moved_is_found_again),
		TEST(test_our_address_is_defended_every_ten_seconds),
		TEST(test_what_is_old_is_asked_again),
		TEST(test_a_storm_harms_no_flow),
		TEST(test_a_new_mac_is_made_known),
		TEST(test_ports_only),
		TEST(test_ipv6_neighbours_find_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
