/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pair.h"

static void test_a_bell(void **state)
{
	struct pair_host *h;
	struct endpoint *ep;
	struct pair p;
	char byte[8];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	pair_open(&p, 1, NULL);
	h = &p.hosts[0];
	ep = pair_channel(h, 256, true);
	exchange_remove(&h->exchange, ep);
	ep->bell = pair[0];
	exchange_add(&h->exchange, ep);

	/* Nothing to do: it says so, and sleeps for as long as it likes. */
	assert_true(exchange_sleep(&h->exchange, pair_now(&p)));
	assert_int_equal(ep->ch->stats->netd_sleeps, 1);
	assert_true(exchange_deadline(&h->exchange, pair_now(&p)) == UINT64_MAX);
	assert_int_equal(send(pair[1], "xy", 2, 0), 2);
	exchange_awake(&h->exchange);
	assert_int_equal(ep->ch->stats->netd_sleeps, 0);
	assert_int_equal(recv(pair[0], byte, 1, MSG_DONTWAIT), -1);

	/* It rings who waits, once. */
	ep->ch->stats->app_waits = 1;
	assert_true(app_ask(ep->ch, &(struct chan_ctrl){ .id = 1, .op = 99 }));
	assert_false(exchange_sleep(&h->exchange, pair_now(&p)));
	assert_int_equal(recv(pair[1], byte, sizeof(byte), MSG_DONTWAIT), 1);
	assert_int_equal(ep->ch->stats->app_waits, 0);
	pair_close(&p);
	close(pair[0]);
	close(pair[1]);
}

/* A descriptor is not taken, and who sends one has no channel any more. */
static void test_a_descriptor_by_the_bell(void **state)
{
	struct pair_host *h;
	struct endpoint *ep;
	struct pair p;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	pair_open(&p, 1, NULL);
	h = &p.hosts[0];
	ep = pair_channel(h, 256, true);
	exchange_remove(&h->exchange, ep);
	ep->bell = pair[0];
	exchange_add(&h->exchange, ep);
	assert_int_equal(fd_send(pair[1], "x", 1, pair, 1), 1);
	exchange_awake(&h->exchange);
	assert_int_equal(h->broken, 1);
	assert_true(ep->broken);
	exchange_awake(&h->exchange);
	assert_int_equal(h->broken, 1);
	pair_close(&p);
	close(pair[0]);
	close(pair[1]);
}

/* The reference's library rings none: sleep is short, and ever longer. */
static void test_naps(void **state)
{
	struct pair_host *h;
	struct pair p;
	uint64_t now, nap, before = 0;

	(void)state;
	pair_open(&p, 1, NULL);
	h = &p.hosts[0];
	now = pair_now(&p);
	assert_true(exchange_deadline(&h->exchange, now) == UINT64_MAX);
	pair_channel(h, 256, false);
	for (int i = 0; i < 20; i++) {
		nap = exchange_deadline(&h->exchange, now) - now;
		assert_true(nap >= before && nap > 0 && nap <= NS_PER_MS);
		before = nap;
	}
	assert_true(before == NS_PER_MS);
	exchange_busy(&h->exchange);
	assert_true(exchange_deadline(&h->exchange, now) - now < NS_PER_MS / 10);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bell),
		cmocka_unit_test(test_a_descriptor_by_the_bell),
		cmocka_unit_test(test_naps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
