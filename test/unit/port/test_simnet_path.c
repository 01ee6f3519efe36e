/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet_path.h"

#include "net.h"

/* Sends so many over a link, reading as it goes; returns how many arrived. */
static unsigned exchange(struct simnet *n, const struct simnet_link *link, unsigned count)
{
	struct port *a = plug(n, 0, link), *b = plug(n, 0, NULL);
	unsigned got = 0;

	for (unsigned i = 0; i < count; i++) {
		send(a, b->mac, (int)i);
		if (i % 512 == 511) {
			settle(n);
			got += receive_all(b);
		}
	}
	settle(n);
	return got + receive_all(b);
}

/* A frequency that is a sum of many draws: six deviations are never exceeded by chance. */
static void assert_about(uint64_t count, double share, double of)
{
	double expected = share * of, off = (double)count - expected;

	assert_true(off * off <= 36 * expected * (1 - share));
}

static void frames_are_lost_so_often(void **state)
{
	const struct simnet_link link = { .loss_ppm = 100000 };
	unsigned got = exchange(*state, &link, MANY);

	assert_about(MANY - got, 0.1, MANY);
	assert_int_equal(simnet_stats(*state)->lost, MANY - got);
	assert_all_counted(*state);
}

static void all_frames_can_be_lost(void **state)
{
	const struct simnet_link link = { .loss_ppm = 1000000 };

	assert_int_equal(exchange(*state, &link, 1000), 0);
}

static void frames_are_doubled_so_often(void **state)
{
	const struct simnet_link link = { .duplicate_ppm = 50000 };
	unsigned got = exchange(*state, &link, MANY);

	assert_about(got - MANY, 0.05, MANY);
	assert_int_equal(simnet_stats(*state)->duplicated, got - MANY);
	assert_all_counted(*state);
}

/* The bits that differ from a frame of zeros behind the MACs, which stay as they are. */
static int flipped(const struct frame *f, const struct port *from, const struct port *to)
{
	uint8_t sent[LEN] = { 0 };
	int bits = 0;

	memcpy(sent, to->mac, 6);
	memcpy(sent + 6, from->mac, 6);
	for (uint32_t i = 0; i < f->len; i++)
		bits += __builtin_popcount(f->data[i] ^ sent[i]);
	return bits;
}

/* With two ports a frame to a damaged MAC reaches the other one as well, as any unknown. */
static void bits_are_flipped_so_often(void **state)
{
	const struct simnet_link link = { .corrupt_ppm = 200000 };
	struct port *a = plug(*state, 0, &link), *b = plug(*state, 0, NULL);
	unsigned by_bits[2] = { 0 }, places = 0;
	bool seen[LEN] = { 0 };
	struct frame f;
	int bits;

	for (int i = 0; i < MANY; i++) {
		send(a, b->mac, 0);
		settle(*state);
		if (!port_rx(b, &f, 1))
			continue; /* it became one to the sender itself */
		assert_int_equal(f.len, LEN);
		bits = flipped(&f, a, b);
		assert_in_range(bits, 0, 1);
		by_bits[bits]++;
		for (int at = 12; at < LEN; at++)
			seen[at] |= f.data[at];
	}
	assert_about(MANY - by_bits[0], 0.2, MANY);
	for (int at = 12; at < LEN; at++)
		places += seen[at];
	assert_int_equal(places, LEN - 12);
}

/* Times and order of many frames. */
struct flight {
	unsigned got, overtaken;
	uint64_t first, last; /* extremes of time under way */
};

static struct flight fly(struct simnet *n, const struct simnet_link *link, uint64_t gap)
{
	struct port *a = plug(n, 0, link), *b = plug(n, 0, NULL);
	struct flight fl = { .first = UINT64_MAX };
	int newest = -1, value;
	uint64_t took;

	for (int i = 0; i < MANY || simnet_next(n) != SIMNET_NEVER; i++) {
		if (i < MANY)
			send(a, b->mac, i);
		while (simnet_advance(n, (uint64_t)(i + 1) * gap))
			while ((value = receive(b)) != NOTHING) {
				took = simnet_now(n) - (uint64_t)value * gap;
				fl.first = took < fl.first ? took : fl.first;
				fl.last = took > fl.last ? took : fl.last;
				fl.overtaken += value < newest;
				newest = value > newest ? value : newest;
				fl.got++;
			}
	}
	return fl;
}

static void jitter_varies(void **state)
{
	const struct simnet_link link = { .delay_ns = 100 * US, .jitter_ns = 50 * US };
	struct flight fl = fly(*state, &link, 60 * US);

	assert_int_equal(fl.got, MANY);
	assert_in_range(fl.first, 100 * US, 101 * US);
	assert_in_range(fl.last, 149 * US, 150 * US);
}

/* A frame that would overtake waits for the one before it, and arrives with it. */
static void jitter_keeps_the_order(void **state)
{
	const struct simnet_link link = { .delay_ns = 100 * US, .jitter_ns = 50 * US };
	struct flight fl = fly(*state, &link, US);

	assert_int_equal(fl.got, MANY);
	assert_int_equal(fl.overtaken, 0);
	assert_in_range(fl.first, 100 * US, 150 * US);
	assert_in_range(fl.last, 149 * US, 150 * US);
}

static void frames_are_reordered_so_often(void **state)
{
	const struct simnet_link link = { .delay_ns = 100 * US,
					  .reorder_ppm = 100000,
					  .reorder_ns = 100 * US };
	struct flight fl = fly(*state, &link, US);

	assert_int_equal(fl.got, MANY);
	assert_about(simnet_stats(*state)->reordered, 0.1, MANY);
	/* One held back for less than the microsecond to the next is not overtaken. */
	assert_in_range(fl.overtaken, MANY / 11, MANY / 9);
	assert_int_equal(fl.first, 100 * US);
	assert_in_range(fl.last, 190 * US, 200 * US);
}

static void a_rate_spaces_frames(void **state)
{
	/* 64 bytes take 512/3 ns: fractions add up. */
	const struct simnet_link link = { .bits_per_s = 3000000000, .delay_ns = US };
	struct simnet *n = *state;
	struct port *a = plug(n, 0, &link), *b = plug(n, 0, NULL);

	for (int i = 0; i < 300; i++)
		send(a, b->mac, i);
	for (uint64_t i = 0; i < 300; i++) {
		assert_true(simnet_advance(n, SIMNET_NEVER));
		assert_int_equal(simnet_now(n), US + (i + 1) * 512 / 3);
		assert_int_equal(receive(b), (int)i);
	}
}

/* What is left of a nanosecond at one rate would be milliseconds at another. */
static void a_rate_may_change(void **state)
{
	const struct simnet_link fast = { .bits_per_s = 3000000000 };
	const struct simnet_link slow = { .bits_per_s = 8 * LEN };
	struct port *a = plug(*state, 0, &fast), *b = plug(*state, 0, NULL);

	send(a, b->mac, 1);
	simnet_set_link(a, &slow);
	send(a, b->mac, 2);
	settle(*state);
	assert_int_equal(simnet_now(*state), 512 / 3 + 1000 * MS);
}

static void an_idle_line_saves_nothing_up(void **state)
{
	const struct simnet_link link = { .bits_per_s = 512000000 }; /* a frame in 1 us */
	struct simnet *n = *state;
	struct port *a = plug(n, 0, &link), *b = plug(n, 0, NULL);

	simnet_advance(n, 10 * US);
	send(a, b->mac, 1);
	send(a, b->mac, 2);
	assert_int_equal(simnet_next(n), 11 * US);
	settle(n);
	assert_int_equal(simnet_now(n), 12 * US);
}

static void a_full_queue_drops(void **state)
{
	const struct simnet_link link = { .bits_per_s = 512000000, .queue_bytes = 4 * LEN };
	struct simnet *n = *state;
	struct port *a = plug(n, 0, &link), *b = plug(n, 0, NULL);

	for (int i = 0; i < 10; i++)
		send(a, b->mac, i);
	assert_int_equal(simnet_stats(n)->queue_full, 6);
	/* One has left, so there is room for one. */
	assert_true(simnet_advance(n, US));
	send(a, b->mac, 10);
	send(a, b->mac, 11);
	assert_int_equal(simnet_stats(n)->queue_full, 7);
	settle(n);
	assert_int_equal(receive_all(b), 5);
	assert_int_equal(simnet_now(n), 5 * US);
	assert_all_counted(n);
}

static void a_free_line_takes_what_no_queue_holds(void **state)
{
	const struct simnet_link link = { .bits_per_s = 512000000, .queue_bytes = 1 };
	struct port *a = plug(*state, 0, &link), *b = plug(*state, 0, NULL);

	send(a, b->mac, 1);
	send(a, b->mac, 2);
	settle(*state);
	assert_int_equal(receive_all(b), 1);
}

static void sometimes_there_is_no_room(void **state)
{
	const struct simnet_link link = { .busy_ppm = 250000 };
	struct port *a = plug(*state, 0, &link);

	for (int i = 0; i < MANY; i++) {
		if (!port_tx_room(a))
			continue;
		assert_non_null(port_tx_room(a));
		port_tx(a, LEN);
		port_flush(a);
		settle(*state);
	}
	assert_about(a->stats.tx_full, 0.25, MANY);
}

static void faults_come_and_go(void **state)
{
	const struct simnet_link gone = { .loss_ppm = 1000000 }, fine = { 0 };
	struct port *a = plug(*state, 0, NULL), *b = plug(*state, 0, NULL);

	simnet_set_link(a, &gone);
	send(a, b->mac, 1);
	simnet_set_link(a, &fine);
	send(a, b->mac, 2);
	settle(*state);
	assert_int_equal(receive(b), 2);
	assert_int_equal(receive(b), NOTHING);
}

static void a_shorter_way_is_no_way_to_overtake(void **state)
{
	const struct simnet_link slow = { .delay_ns = MS }, fine = { 0 };
	struct port *a = plug(*state, 0, &slow), *b = plug(*state, 0, NULL);

	send(a, b->mac, 1);
	simnet_set_link(a, &fine);
	send(a, b->mac, 2);
	assert_true(simnet_advance(*state, SIMNET_NEVER));
	assert_int_equal(receive(b), 1);
	assert_int_equal(receive(b), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_net(frames_are_lost_so_often),
		on_net(all_frames_can_be_lost),
		on_net(frames_are_doubled_so_often),
		on_net(bits_are_flipped_so_often),
		on_net(jitter_varies),
		on_net(jitter_keeps_the_order),
		on_net(frames_are_reordered_so_often),
		on_net(a_rate_spaces_frames),
		on_net(a_rate_may_change),
		on_net(an_idle_line_saves_nothing_up),
		on_net(a_full_queue_drops),
		on_net(a_free_line_takes_what_no_queue_holds),
		on_net(sometimes_there_is_no_room),
		on_net(faults_come_and_go),
		on_net(a_shorter_way_is_no_way_to_overtake),
	};

	return cmocka_run_group_tests_name("port/simnet_path", tests, NULL, NULL);
}
