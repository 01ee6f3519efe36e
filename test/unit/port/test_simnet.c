/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet.h"

#include <errno.h>

#include "net.h"

static void a_frame_arrives_as_it_was_sent(void **state)
{
	struct simnet *n = *state;
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL);
	struct frame f;

	assert_int_equal(a->wait_fd, -1);
	assert_int_equal(a->mtu, SIMNET_MTU);
	assert_memory_not_equal(a->mac, b->mac, 6);
	send(a, b->mac, 7);
	assert_true(simnet_advance(n, 0));
	assert_true(simnet_waiting(b));
	assert_int_equal(port_rx(b, &f, 1), 1);
	assert_int_equal(f.len, LEN);
	assert_memory_equal(f.data, b->mac, 6);
	assert_memory_equal(f.data + 6, a->mac, 6);
	assert_int_equal(value_of(&f), 7);
	assert_false(simnet_waiting(b));
	assert_int_equal(a->stats.tx_frames, 1);
	assert_int_equal(a->stats.tx_bytes, LEN);
	assert_int_equal(b->stats.rx_frames, 1);
	assert_int_equal(b->stats.rx_bytes, LEN);
}

static void nothing_leaves_before_a_flush(void **state)
{
	struct simnet *n = *state;
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL);

	write_flow(a, b->mac, 1, LEN, 0);
	write_flow(a, b->mac, 2, LEN, 0);
	assert_int_equal(simnet_next(n), SIMNET_NEVER);
	assert_false(simnet_advance(n, 5));
	assert_int_equal(a->stats.tx_frames, 0);
	port_flush(a);
	assert_int_equal(simnet_next(n), 5);
	settle(n);
	assert_int_equal(receive(b), 1);
	assert_int_equal(receive(b), 2);
}

static void a_full_ring_is_flushed(void **state)
{
	struct simnet *n = *state;
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL);

	for (int i = 0; i < SIMNET_RING + 1; i++)
		write_flow(a, b->mac, i, LEN, 0);
	settle(n);
	assert_int_equal(receive_all(b), SIMNET_RING);
}

static void order_is_kept_without_delay(void **state)
{
	struct simnet *n = *state;
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL), *c = plug(n, 0, NULL);

	for (int i = 0; i < 300; i++)
		send(i % 3 ? a : b, c->mac, i);
	assert_false(simnet_waiting(c));
	assert_true(simnet_advance(n, SIMNET_NEVER));
	assert_int_equal(simnet_now(n), 0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(receive(c), i);
	assert_int_equal(receive(c), NOTHING);
}

/* What is sent while an instant is delivered arrives in a call of its own. */
static void an_answer_takes_another_step(void **state)
{
	struct simnet *n = *state;
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL);

	send(a, b->mac, 1);
	assert_true(simnet_advance(n, 0));
	assert_int_equal(receive(b), 1);
	send(b, a->mac, 2);
	assert_false(simnet_waiting(a));
	assert_true(simnet_advance(n, 0));
	assert_int_equal(receive(a), 2);
	assert_false(simnet_advance(n, 0));
}

static void nothing_arrives_before_its_time(void **state)
{
	const struct simnet_link near = { .delay_ns = 10 * US }, far = { .delay_ns = 30 * US };
	struct simnet *n = *state;
	struct port *a = plug(n, 0, &far), *b = plug(n, 0, &near), *c = plug(n, 0, NULL);

	send(a, c->mac, 30);
	send(b, c->mac, 10);
	assert_int_equal(simnet_next(n), 10 * US);
	assert_false(simnet_advance(n, 10 * US - 1));
	assert_int_equal(simnet_now(n), 10 * US - 1);
	assert_false(simnet_waiting(c));
	assert_true(simnet_advance(n, 50 * US));
	assert_int_equal(simnet_now(n), 10 * US);
	assert_int_equal(receive(c), 10);
	assert_int_equal(receive(c), NOTHING);
	assert_true(simnet_advance(n, 30 * US));
	assert_int_equal(simnet_now(n), 30 * US);
	assert_int_equal(receive(c), 30);
}

static void the_clock_never_goes_back(void **state)
{
	struct simnet *n = *state;

	assert_int_equal(simnet_now(n), 0);
	assert_false(simnet_advance(n, 100));
	assert_int_equal(simnet_now(n), 100);
	assert_false(simnet_advance(n, 50));
	assert_int_equal(simnet_now(n), 100);
	assert_false(simnet_advance(n, SIMNET_NEVER));
	assert_int_equal(simnet_now(n), 100);
}

/* An instant when all is dropped is none to stop at. */
static void a_dropped_frame_is_no_arrival(void **state)
{
	const struct simnet_link link = { .delay_ns = 10 };
	struct simnet *n = *state;
	struct port *a = plug(n, 0, &link), *b = plug(n, 0, &link);

	send(a, a->mac, 1);
	assert_false(simnet_advance(n, 20));
	assert_int_equal(simnet_now(n), 20);
	assert_int_equal(simnet_stats(n)->nowhere, 1);
	assert_int_equal(receive(b), NOTHING);
}

static const struct simnet_link bad_link = {
	.loss_ppm = 50000,
	.duplicate_ppm = 50000,
	.corrupt_ppm = 50000,
	.reorder_ppm = 50000,
	.delay_ns = 5 * US,
	.jitter_ns = 5 * US,
	.reorder_ns = 50 * US,
};

struct trace {
	uint64_t hash;
	unsigned frames;
};

static void mix(struct trace *t, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		t->hash = (t->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
}

/* What came out of a bad network, and when. */
static struct trace traffic(uint64_t seed)
{
	struct simnet *n = network(seed, FRAMES);
	struct port *p[3];
	struct trace t = { 0 };
	struct frame f;
	uint64_t now;

	for (int i = 0; i < 3; i++)
		p[i] = plug(n, 0, &bad_link);
	for (int i = 0; i < 500; i++)
		send(p[i % 3], i % 5 ? p[(i + 1) % 3]->mac : everybody, i);
	while (simnet_advance(n, SIMNET_NEVER)) {
		now = simnet_now(n);
		mix(&t, &now, sizeof(now));
		for (int i = 0; i < 3; i++)
			while (port_rx(p[i], &f, 1)) {
				mix(&t, f.data, f.len);
				t.frames++;
			}
	}
	assert_all_counted(n);
	simnet_free(n);
	return t;
}

static void a_seed_repeats_everything(void **state)
{
	struct trace a = traffic(42), b = traffic(42), c = traffic(43);

	(void)state;
	assert_true(a.frames > 400);
	assert_int_equal(a.frames, b.frames);
	assert_true(a.hash == b.hash);
	assert_true(a.hash != c.hash);
}

static void random_numbers_follow_the_seed(void **state)
{
	struct simnet *a = network(0, 1), *b = network(0, 1);

	(void)state;
	/* The first numbers of splitmix64 from 0, as published. */
	assert_true(simnet_random(a) == 0xe220a8397b1dcdaf);
	assert_true(simnet_random(a) == 0x6e789e6aa1b965f4);
	assert_true(simnet_random(b) == 0xe220a8397b1dcdaf);
	simnet_free(a);
	simnet_free(b);
}

static void too_long_a_frame_is_dropped(void **state)
{
	const struct simnet_link jumbo = { .mtu = PORT_MTU_MAX };
	struct simnet_link narrow = { .mtu = 1000 };
	struct port *a = plug(*state, 0, &jumbo), *b = plug(*state, 0, NULL);

	assert_int_equal(a->mtu, PORT_MTU_MAX);
	send_len(a, b->mac, 1, SIMNET_MTU + PORT_ETHER_HEADER);
	send_len(a, b->mac, 2, SIMNET_MTU + PORT_ETHER_HEADER + 1);
	settle(*state);
	assert_int_equal(receive(b), 1);
	assert_int_equal(receive(b), NOTHING);

	b->mtu = PORT_MTU_MAX;
	send_len(a, b->mac, 3, PORT_MTU_MAX + PORT_ETHER_HEADER);
	settle(*state);
	assert_int_equal(receive(b), 3);

	simnet_set_link(a, &narrow);
	assert_int_equal(a->mtu, PORT_MTU_MAX);
	send_len(a, b->mac, 4, 1000 + PORT_ETHER_HEADER);
	send_len(a, b->mac, 5, 1000 + PORT_ETHER_HEADER + 1);
	settle(*state);
	assert_int_equal(receive(b), 4);
	assert_int_equal(receive(b), NOTHING);
	assert_int_equal(simnet_stats(*state)->length, 2);
}

static void less_than_a_header_is_no_frame(void **state)
{
	struct port *a = plug(*state, 0, NULL), *b = plug(*state, 0, NULL);

	for (uint32_t len = 0; len < PORT_ETHER_HEADER; len++) {
		assert_non_null(port_tx_room(a));
		port_tx(a, len);
	}
	send_len(a, b->mac, 1, PORT_ETHER_HEADER);
	settle(*state);
	assert_int_equal(receive_all(b), 1);
	assert_int_equal(simnet_stats(*state)->length, PORT_ETHER_HEADER);
}

static void a_pulled_cable_lets_nothing_through(void **state)
{
	const struct simnet_link slow = { .delay_ns = MS };
	struct simnet *n = *state;
	struct port *a = plug(n, 0, &slow), *b = plug(n, 0, NULL);

	send(a, b->mac, 1);
	settle(n);
	simnet_set_up(b, false);
	assert_int_equal(receive(b), 1); /* it was in the ring */
	send(a, b->mac, 2);
	send(b, a->mac, 3);
	settle(n);
	simnet_set_up(b, true);
	assert_int_equal(receive(a), NOTHING);
	assert_int_equal(receive(b), NOTHING);
	assert_int_equal(simnet_stats(n)->down, 2);

	/* What was on the wire already arrives. */
	send(a, b->mac, 4);
	simnet_set_up(a, false);
	send(a, b->mac, 5);
	settle(n);
	assert_int_equal(receive(b), 4);
	assert_int_equal(receive(b), NOTHING);
	assert_all_counted(n);
}

static void an_empty_pool_drops(void **state)
{
	struct simnet *n = network(1, 2 + 5);
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL), *c = NULL;
	struct frame f[PORT_BURST];

	(void)state;
	for (int i = 0; i < 8; i++)
		send(a, b->mac, i);
	assert_int_equal(simnet_stats(n)->pool_full, 3);
	assert_int_equal(simnet_attach(n, 0, NULL, &c), -ENOBUFS);
	assert_null(c);
	settle(n);
	assert_int_equal(port_rx(b, f, PORT_BURST), 5);
	assert_int_equal(value_of(&f[4]), 4);

	/* What was received is free again with the next call, not before. */
	send(a, b->mac, 8);
	assert_int_equal(simnet_stats(n)->pool_full, 4);
	assert_int_equal(port_rx(b, f, PORT_BURST), 0);
	for (int i = 0; i < 5; i++)
		send(a, b->mac, i);
	assert_int_equal(simnet_stats(n)->pool_full, 4);
	settle(n);
	assert_int_equal(receive_all(b), 5);
	assert_all_counted(n);
	simnet_free(n);
}

/* A host that hangs keeps a ring of frames from the others, not the pool. */
static void who_does_not_read_loses(void **state)
{
	struct simnet *n = *state;
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL);

	for (int i = 0; i < SIMNET_RING + 10; i++) {
		send(a, b->mac, i);
		settle(n);
	}
	assert_int_equal(simnet_stats(n)->ring_full, 10);
	assert_int_equal(receive_all(b), SIMNET_RING);
	assert_all_counted(n);
}

static void ready_ports_come_in_order_and_once(void **state)
{
	struct simnet *n = *state;
	struct port *a = plug(n, 0, NULL), *b = plug(n, 0, NULL), *c = plug(n, 0, NULL);

	assert_null(simnet_ready(n));
	send(a, c->mac, 1);
	send(a, b->mac, 2);
	send(a, c->mac, 3);
	settle(n);
	assert_ptr_equal(simnet_ready(n), c);
	assert_ptr_equal(simnet_ready(n), b);
	assert_null(simnet_ready(n));
	send(a, b->mac, 4);
	send(a, c->mac, 5);
	settle(n);
	receive_all(b); /* what is read is not ready any more */
	assert_ptr_equal(simnet_ready(n), c);
	assert_null(simnet_ready(n));
	assert_int_equal(simnet_number(c), 2);
}

static void a_closed_port_is_not_ready(void **state)
{
	struct simnet *n = *state;
	struct port *p[4];

	for (int i = 0; i < 4; i++)
		p[i] = plug(n, 0, NULL);
	send(p[0], everybody, 1);
	settle(n);
	port_close(p[3]);
	port_close(p[1]);
	send(p[2], p[0]->mac, 2);
	settle(n);
	assert_ptr_equal(simnet_ready(n), p[2]);
	assert_ptr_equal(simnet_ready(n), p[0]);
	assert_null(simnet_ready(n));
}

/* Its frames do, and their memory returns: as often as one likes. */
static void what_a_closed_port_sent_arrives(void **state)
{
	const struct simnet_link slow = { .delay_ns = MS };
	struct simnet *n = network(1, 4);
	struct port *b = plug(n, 0, NULL), *a;

	(void)state;
	for (int i = 0; i < 10; i++) {
		a = plug(n, 0, &slow);
		send(a, b->mac, i);
		write_flow(a, b->mac, i, LEN, 0); /* never flushed */
		port_close(a);
		settle(n);
		assert_int_equal(receive(b), i);
		assert_int_equal(receive(b), NOTHING);
	}
	assert_int_equal(simnet_stats(n)->pool_full, 0);
	simnet_free(n);
}

struct tapped {
	const struct port *from;
	uint64_t ns;
	unsigned frames, bytes;
};

static void on_tap(void *arg, uint64_t ns, const struct port *from, const uint8_t *frame,
		   uint32_t len)
{
	struct tapped *t = arg;

	t->from = from;
	t->ns = ns;
	t->frames++;
	t->bytes += len;
	assert_memory_equal(frame + 6, from->mac, 6);
}

static void a_tap_sees_what_is_sent(void **state)
{
	const struct simnet_link gone = { .loss_ppm = 1000000 };
	struct simnet *n = *state;
	struct port *a = plug(n, 0, &gone), *b = plug(n, 0, NULL);
	struct tapped t = { 0 };

	simnet_tap(n, on_tap, &t);
	simnet_advance(n, 77);
	send(a, b->mac, 1);
	assert_int_equal(t.frames, 1);
	assert_int_equal(t.bytes, LEN);
	assert_int_equal(t.ns, 77);
	assert_ptr_equal(t.from, a);
	simnet_set_up(b, false);
	send(b, a->mac, 1);
	assert_int_equal(t.frames, 1);
	simnet_tap(n, NULL, NULL);
	send(a, b->mac, 1);
	assert_int_equal(t.frames, 1);
}

static void bad_arguments_are_refused(void **state)
{
	const struct simnet_link small = { .mtu = PORT_MTU_MIN - 1 };
	const struct simnet_link large = { .mtu = PORT_MTU_MAX + 1 };
	struct simnet *n = NULL;
	struct port *p = NULL;

	assert_int_equal(simnet_new(1, 0, &n), -EINVAL);
	assert_null(n);
	assert_int_equal(simnet_attach(*state, 0, &small, &p), -EINVAL);
	assert_int_equal(simnet_attach(*state, 0, &large, &p), -EINVAL);
	assert_null(p);
	simnet_free(NULL);
}

/* Many times over random faults and sizes: no frame is lost sight of, none of the pool's either. */
static void nothing_is_lost_sight_of(void **state)
{
	struct simnet *n = *state;
	struct port *p[8];
	struct simnet_link l = bad_link, slow = { .delay_ns = MS };
	uint64_t full;

	l.bits_per_s = 10000000;
	l.queue_bytes = 20000;
	for (int i = 0; i < 8; i++)
		p[i] = plug(n, (uint32_t)i % 2, &l);
	memcpy(p[2]->mac, p[0]->mac, 6);
	for (int i = 0; i < MANY; i++) {
		simnet_set_up(p[simnet_random(n) % 8], simnet_random(n) % 10);
		send_len(p[simnet_random(n) % 8],
			 simnet_random(n) % 8 ? p[simnet_random(n) % 8]->mac : everybody, i,
			 PORT_ETHER_HEADER + (uint32_t)(simnet_random(n) % SIMNET_MTU));
		simnet_advance(n, simnet_now(n) + simnet_random(n) % (100 * US));
		receive_all(p[simnet_random(n) % 8]);
	}
	settle(n);
	assert_all_counted(n);
	for (int i = 0; i < 8; i++)
		receive_all(p[i]);
	/* Every one can be taken again. */
	simnet_set_up(p[0], true);
	simnet_set_link(p[0], &slow);
	full = simnet_stats(n)->pool_full;
	for (int i = 0; i < FRAMES - 8; i++)
		send(p[0], nobody, i);
	assert_int_equal(simnet_stats(n)->pool_full, full);
	send(p[0], nobody, 0);
	assert_int_equal(simnet_stats(n)->pool_full, full + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_net(a_frame_arrives_as_it_was_sent),
		on_net(nothing_leaves_before_a_flush),
		on_net(a_full_ring_is_flushed),
		on_net(order_is_kept_without_delay),
		on_net(an_answer_takes_another_step),
		on_net(nothing_arrives_before_its_time),
		on_net(the_clock_never_goes_back),
		on_net(a_dropped_frame_is_no_arrival),
		cmocka_unit_test(a_seed_repeats_everything),
		cmocka_unit_test(random_numbers_follow_the_seed),
		on_net(too_long_a_frame_is_dropped),
		on_net(less_than_a_header_is_no_frame),
		on_net(a_pulled_cable_lets_nothing_through),
		cmocka_unit_test(an_empty_pool_drops),
		on_net(who_does_not_read_loses),
		on_net(ready_ports_come_in_order_and_once),
		on_net(a_closed_port_is_not_ready),
		cmocka_unit_test(what_a_closed_port_sent_arrives),
		on_net(a_tap_sees_what_is_sent),
		on_net(bad_arguments_are_refused),
		on_net(nothing_is_lost_sight_of),
	};

	return cmocka_run_group_tests_name("port/simnet", tests, NULL, NULL);
}
