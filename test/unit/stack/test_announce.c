/* SPDX-License-Identifier: BSD-3-Clause */
/* What a link is told of our addresses: by stack_announce(), and when the MAC is another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"
#include "stack/impl.h"

enum { ARP_LEN = 42, ADVERT_LEN = 86, AT_ND = 54 };

static struct world w;
static struct host *host;
static struct raw peer;

/* The kernel has every second one, too. */
static const char *const addresses[] = { "10.0.0.1", "10.0.0.2", "10.0.1.3",
					 "fd00::1",  "fd00::2",	 "fd01::3" };
enum { ADDRESSES = 6, SHARED = 1 };

static bool is_shared(int i)
{
	return i % 3 == SHARED;
}

static int open_world(void **state)
{
	struct stack_conf conf;

	(void)state;
	world_open(&w, 1);
	raw_open(&peer, &w, "10.0.0.9");
	host_conf(&conf, addresses[0]);
	conf.naddrs = ADDRESSES;
	for (int i = 0; i < ADDRESSES; i++) {
		assert_int_equal(ipaddr_parse(addresses[i], &conf.addrs[i].ip), 0);
		conf.addrs[i].ports_only = is_shared(i);
	}
	host = world_host_conf(&w, NULL, 0, &conf);
	world_run(&w, NS_PER_MS);
	raw_forget(&peer);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* A question of ours about ourselves, to everybody. */
static bool is_gratuitous(const struct raw_frame *f, const struct ipaddr *about)
{
	static const uint8_t request[10] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 }, nobody[6];

	if (f->len != ARP_LEN || memcmp(f->b + 12, request, sizeof(request)) != 0 ||
	    memcmp(f->b + 28, about->b + 12, 4) != 0)
		return false;
	assert_memory_equal(f->b, raw_everybody, 6);
	assert_memory_equal(f->b + 6, host->port->mac, 6);
	assert_memory_equal(f->b + 22, host->port->mac, 6);
	assert_memory_equal(f->b + 32, nobody, 6);
	assert_memory_equal(f->b + 38, about->b + 12, 4);
	return true;
}

/* An advertisement that nobody asked for, to all nodes; it overrides. */
static bool is_unsolicited(const struct raw_frame *f, const struct ipaddr *about)
{
	static const uint8_t all_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 },
			     all[16] = { 0xff, 2, [15] = 1 };

	if (f->len != ADVERT_LEN || f->b[12] != 0x86 || memcmp(f->b + AT_ND + 8, about->b, 16) != 0)
		return false;
	assert_memory_equal(f->b, all_mac, 6);
	assert_memory_equal(f->b + 6, host->port->mac, 6);
	assert_int_equal(f->b[20], 58);
	assert_int_equal(f->b[21], 255);
	assert_memory_equal(f->b + 22, about->b, 16);
	assert_memory_equal(f->b + 38, all, 16);
	assert_int_equal(f->b[AT_ND], 136);
	assert_int_equal(f->b[AT_ND + 4], 0x20);
	assert_int_equal(f->b[AT_ND + 24], 2);
	assert_int_equal(f->b[AT_ND + 25], 1);
	assert_memory_equal(f->b + AT_ND + 26, host->port->mac, 6);
	return true;
}

/* Each address once, but for those that the kernel has; and nothing else. */
static void assert_announced(void)
{
	uint32_t told[ADDRESSES] = { 0 }, frames = 0;
	struct raw_frame f;

	for (; raw_next(&peer, &f); frames++)
		for (int i = 0; i < ADDRESSES; i++) {
			const struct ipaddr *a = &host->stack->conf.addrs[i].ip;

			told[i] += ipaddr_is4(a) ? is_gratuitous(&f, a) : is_unsolicited(&f, a);
		}
	for (int i = 0; i < ADDRESSES; i++)
		assert_int_equal(told[i], is_shared(i) ? 0 : 1);
	assert_int_equal(frames, 4);
}

static void test_each_address_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		stack_announce(host->stack);
		world_run(&w, 1000);
		assert_announced();
	}
}

static void test_a_new_mac_is_told_once(void **state)
{
	(void)state;
	host->port->mac[5] ^= 0x40;
	stack_poll(host->stack, simnet_now(w.net) + 1);
	stack_poll(host->stack, simnet_now(w.net) + 1);
	world_run(&w, 1000);
	assert_announced();
	stack_announce(host->stack);
	stack_poll(host->stack, simnet_now(w.net) + 1);
	world_run(&w, 1000);
	assert_announced();
}

/* Who was known by the old one is found by the new one, by a real neighbour, too. */
static void test_a_neighbour_follows(void **state)
{
	struct host *b = world_host(&w, "10.0.0.7", NULL);
	struct neighbour_info n;
	uint32_t at = 0;
	int r;

	(void)state;
	r = stack_ping(b->stack, &host->ip, 1, 1, "", 0);
	assert_true(r == 0 || r == -EAGAIN);
	world_run(&w, NS_PER_MS);
	host->port->mac[5] ^= 0x40;
	stack_announce(host->stack);
	world_run(&w, 10 * NS_PER_S);
	assert_true(stack_next_neighbour(b->stack, &at, &n));
	assert_memory_equal(n.mac.b, host->port->mac, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(test_each_address_once),
		TEST(test_a_new_mac_is_told_once),
		TEST(test_a_neighbour_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
