/* SPDX-License-Identifier: BSD-3-Clause */
/* Which way packets take: on the link, by a gateway, or not at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"
#include "stack/impl.h"

static struct world w;

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

static struct host *make_host(uint32_t segment, const char *four, const char *gateway4,
			      const char *six, const char *gateway6)
{
	struct stack_conf conf;

	host_conf(&conf, four);
	conf.addrs[0].prefix = 24;
	conf.addrs[1].ip = ip(six);
	conf.addrs[1].prefix = 64;
	conf.naddrs = 2;
	if (gateway4)
		conf.gateways[0] = ip(gateway4);
	if (gateway6)
		conf.gateways[1] = ip(gateway6);
	return world_host_conf(&w, NULL, segment, &conf);
}

static void test_routes(void **state)
{
	static const struct {
		const char *to, *by;
	} rows[] = { { "10.0.0.7", "10.0.0.7" },  { "10.0.1.7", "10.0.0.254" },
		     { "8.8.8.8", "10.0.0.254" }, { "fd00::7", "fd00::7" },
		     { "fd01::7", "fd00::ff" },	  { "fe80::7", "fe80::7" } };
	struct ipaddr to, by, hop;
	struct host *h, *lonely;

	(void)state;
	world_open(&w, 1);
	h = make_host(0, "10.0.0.1", "10.0.0.254", "fd00::1", "fd00::ff");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		to = ip(rows[i].to);
		by = ip(rows[i].by);
		assert_int_equal(route(h->stack, &to, &hop), 0);
		assert_memory_equal(&hop, &by, sizeof(by));
	}
	lonely = make_host(0, "10.0.0.2", NULL, "fd00::2", NULL);
	to = ip("8.8.8.8");
	assert_int_equal(route(lonely->stack, &to, &hop), -ENETUNREACH);
	to = ip("fd01::7");
	assert_int_equal(route(lonely->stack, &to, &hop), -ENETUNREACH);
	to = ip("10.0.0.2");
	assert_int_equal(stack_ping(lonely->stack, &to, 1, 1, "", 0), -ENETUNREACH);
	to = ip("224.0.0.1");
	assert_int_equal(stack_ping(lonely->stack, &to, 1, 1, "", 0), -ENETUNREACH);
	world_close(&w);
}

/* Both ends of the router: it answers ARP for 10.0.x.254, and takes IPv4 across. */
static void carry(struct raw *from, struct raw *to, const struct host *there)
{
	struct raw_frame f;

	while (raw_next(from, &f)) {
		uint16_t sum;

		if (f.b[13] == 6 && f.b[21] == 1 && !memcmp(f.b + 38, from->ip, 4))
			raw_arp(from, f.b + 6, 2, from->ip, f.b + 28);
		if (f.b[12] != 8 || f.b[13] != 0)
			continue;
		memcpy(f.b, there->port->mac, 6);
		memcpy(f.b + 6, to->port->mac, 6);
		f.b[22]--;
		f.b[24] = f.b[25] = 0;
		sum = raw_sum(f.b + 14, 20);
		f.b[24] = (uint8_t)(sum >> 8);
		f.b[25] = (uint8_t)sum;
		raw_send(to, &f);
	}
}

static void test_a_flow_through_a_router(void **state)
{
	struct raw left, right;
	struct host *a, *b;
	struct side *x, *y;

	(void)state;
	world_open(&w, 1);
	a = make_host(0, "10.0.0.1", "10.0.0.254", "fd00::1", NULL);
	raw_open(&left, &w, "10.0.0.254");
	b = make_host(1, "10.0.1.1", "10.0.1.254", "fd01::1", NULL);
	right = (struct raw){ .world = &w, .ip = { 10, 0, 1, 254 } };
	assert_int_equal(simnet_attach(w.net, 1, NULL, &right.port), 0);
	world_flow(&w, a, b, 888, &x, &y);
	side_talk(x, y, 20, 20000);
	side_talk(y, x, 20, 20000);
	for (int i = 0; i < 100000 && !world_done(&w); i++) {
		world_run(&w, 20000);
		carry(&left, &right, b);
		carry(&right, &left, a);
	}
	assert_true(world_done(&w));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_a_flow_through_a_router),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
