/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random networks with random faults: whatever they do, each message arrives once, in
 * order and whole (world.c checks each byte), and so do all of them.
 * NETWORKS=n: so many; SEED=n: only that one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "world.h"

enum { NETWORKS = 1000, FIRST_PORT = 2000 };

static uint32_t below(struct world *w, uint32_t n)
{
	return (uint32_t)(simnet_random(w->net) % n);
}

/* Half of the time none at all of a kind. */
static uint32_t maybe(struct world *w, uint32_t most)
{
	return below(w, 2) ? below(w, most + 1) : 0;
}

static void make_link(struct world *w, struct simnet_link *ret)
{
	*ret = (struct simnet_link){
		.loss_ppm = maybe(w, 300000),
		.duplicate_ppm = maybe(w, 200000),
		.corrupt_ppm = maybe(w, 50000),
		.reorder_ppm = maybe(w, 200000),
		.busy_ppm = maybe(w, 100000),
		.delay_ns = maybe(w, 2000000),
		.jitter_ns = maybe(w, 200000),
		.reorder_ns = maybe(w, 1000000),
		.bits_per_s = below(w, 4) ? 0 : 10000000 + below(w, 1000000000),
		.queue_bytes = 20000 + below(w, 200000),
		.mtu = (uint16_t)(below(w, 4)
					  ? 1500
					  : PORT_MTU_MIN + below(w, PORT_MTU_MAX - PORT_MTU_MIN)),
	};
}

static void make_hosts(struct world *w, bool v6)
{
	uint32_t n = 2 + below(w, 4);
	struct simnet_link link;
	uint16_t mtu;

	make_link(w, &link);
	mtu = link.mtu;
	for (uint32_t i = 0; i < n; i++) {
		char text[IPADDR_TEXT];

		make_link(w, &link);
		link.mtu = mtu;
		snprintf(text, sizeof(text), v6 ? "fd00::%u" : "10.0.0.%u", i + 1);
		world_host(w, text, &link);
	}
}

static void make_flows(struct world *w)
{
	uint32_t n = 1 + below(w, 8);

	for (uint32_t i = 0; i < n; i++) {
		struct host *a = &w->hosts[below(w, w->nhosts)],
			    *b = &w->hosts[below(w, w->nhosts)];
		struct side *x, *y;

		if (a == b)
			continue;
		world_flow(w, a, b, (uint16_t)(FIRST_PORT + i), &x, &y);
		side_talk(x, y, below(w, 20), 1 + below(w, 20000));
		side_talk(y, x, below(w, 20), 1 + below(w, 20000));
	}
}

static void run_network(uint64_t seed)
{
	static struct world w;

	world_open(&w, seed);
	make_hosts(&w, seed % 4 == 3);
	make_flows(&w);
	if (world_run_until_done(&w, 600 * NS_PER_S)) {
		world_close(&w);
		return;
	}
	for (uint32_t i = 0; i < w.nsides; i++) {
		const struct side *x = &w.sides[i];

		print_message("side %u: connected %d error %d sent %u of %u got %u of %u\n", i,
			      x->connected, x->error, x->sent, x->to_send, x->got, x->to_get);
	}
	fail_msg("SEED=%llu does not end", (unsigned long long)seed);
}

static void test_all_arrives_once(void **state)
{
	const char *one = getenv("SEED"), *many = getenv("NETWORKS");
	uint64_t n = many ? strtoull(many, NULL, 10) : NETWORKS;

	(void)state;
	if (one) {
		run_network(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 0; seed < n; seed++)
		run_network(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all_arrives_once) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
