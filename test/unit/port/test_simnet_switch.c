/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet_switch.h"

#include "net.h"

static void who_gets(struct simnet *n, struct port **p, const uint8_t *to, const char *expected)
{
	send(p[0], to, 1);
	settle(n);
	for (int i = 0; expected[i]; i++)
		assert_int_equal(receive_all(p[i]), expected[i] - '0');
}

static void a_switch_delivers_by_mac(void **state)
{
	struct simnet *n = *state;
	struct port *p[5];
	uint8_t old[6];

	for (int i = 0; i < 4; i++)
		p[i] = plug(n, 0, NULL);
	p[4] = plug(n, 1, NULL);
	who_gets(n, p, p[2]->mac, "00100");
	who_gets(n, p, everybody, "01110");
	who_gets(n, p, some_group, "01110");
	who_gets(n, p, nobody, "01110");
	who_gets(n, p, p[4]->mac, "01110");
	who_gets(n, p, p[0]->mac, "00000");

	memcpy(old, p[2]->mac, 6);
	memcpy(p[2]->mac, nobody, 6);
	who_gets(n, p, nobody, "00100");
	who_gets(n, p, old, "01110");
	assert_all_counted(n);
}

/* Each receiver may write to what it got. */
static void receivers_share_no_memory(void **state)
{
	struct simnet *n = *state;
	struct port *p[3];
	struct frame f[2];

	for (int i = 0; i < 3; i++)
		p[i] = plug(n, 0, NULL);
	send(p[0], everybody, 5);
	settle(n);
	assert_int_equal(port_rx(p[1], &f[0], 1), 1);
	memset(f[0].data, 0, f[0].len);
	assert_int_equal(port_rx(p[2], &f[1], 1), 1);
	assert_int_equal(value_of(&f[1]), 5);
}

enum { QUEUES = 4, FLOWS = 4000 };

/* A NIC of QUEUES queues and two others' ports, which come before and in between. */
struct farm {
	struct port *other, *third, *queue[QUEUES];
};

static struct farm farm(struct simnet *n)
{
	struct farm f = { .other = plug(n, 0, NULL) };

	for (int i = 0; i < QUEUES; i++) {
		f.queue[i] = plug(n, 0, NULL);
		memcpy(f.queue[i]->mac, f.queue[0]->mac, 6);
		if (i == 1)
			f.third = plug(n, 0, NULL);
	}
	return f;
}

/* The queue that got a frame of this flow; all others got none. */
static int queue_of(struct simnet *n, struct farm *f, const uint8_t *to, int flow)
{
	int which = -1;

	write_flow(f->other, to, (int)simnet_random(n), LEN, flow);
	port_flush(f->other);
	settle(n);
	for (int i = 0; i < QUEUES; i++)
		if (receive_all(f->queue[i])) {
			assert_int_equal(which, -1);
			which = i;
		}
	assert_int_not_equal(which, -1);
	return which;
}

static void a_flow_has_one_queue(void **state)
{
	struct farm f = farm(*state);
	unsigned count[QUEUES] = { 0 };
	int q;

	for (int flow = 0; flow < FLOWS; flow++) {
		q = queue_of(*state, &f, f.queue[0]->mac, flow);
		count[q]++;
		assert_int_equal(queue_of(*state, &f, f.queue[0]->mac, flow), q);
	}
	for (int i = 0; i < QUEUES; i++)
		assert_in_range(count[i], FLOWS / QUEUES / 2, FLOWS / QUEUES * 2);
	assert_int_equal(receive_all(f.third), 0);
}

/* As a NIC has it: which queue gets a broadcast is the hash's choice as well. */
static void a_broadcast_reaches_one_queue(void **state)
{
	struct farm f = farm(*state);

	for (int flow = 0; flow < 100; flow++)
		queue_of(*state, &f, everybody, flow);
	assert_int_equal(receive_all(f.third), 100);
}

static void queues_of_one_nic_do_not_hear_each_other(void **state)
{
	struct farm f = farm(*state);

	for (int i = 0; i < QUEUES; i++) {
		send(f.queue[i], everybody, i);
		send(f.queue[i], f.queue[0]->mac, i);
	}
	settle(*state);
	for (int i = 0; i < QUEUES; i++)
		assert_int_equal(receive_all(f.queue[i]), 0);
	assert_int_equal(receive_all(f.other), QUEUES);
	assert_int_equal(simnet_stats(*state)->nowhere, QUEUES);
}

/* The groups are those of the MACs at the time, whatever they were before. */
static void a_queue_may_change_its_nic(void **state)
{
	struct farm f = farm(*state);
	uint8_t mac[6], *moved = f.queue[0]->mac;
	bool got = false;

	memcpy(mac, moved, 6);
	queue_of(*state, &f, mac, 0);
	memcpy(moved, nobody, 6);
	for (int flow = 0; flow < 100; flow++)
		assert_in_range(queue_of(*state, &f, mac, flow), 1, QUEUES - 1);
	assert_int_equal(queue_of(*state, &f, nobody, 0), 0);
	memcpy(moved, mac, 6);
	for (int flow = 0; flow < 100; flow++)
		got |= queue_of(*state, &f, mac, flow) == 0;
	assert_true(got);
}

/* The port that its NIC's group began with may go. */
static void a_closed_queue_gets_no_more(void **state)
{
	struct farm f = farm(*state);
	uint8_t mac[6];

	memcpy(mac, f.queue[0]->mac, 6);
	port_close(f.queue[0]);
	f.queue[0] = f.third; /* gets none of these */
	for (int flow = 0; flow < 100; flow++)
		assert_in_range(queue_of(*state, &f, mac, flow), 1, QUEUES - 1);
}

/* Nobody hears of a copy for which there is no memory; the last one gets the frame itself. */
static void a_flood_may_find_the_pool_empty(void **state)
{
	struct simnet *n = network(1, 4 + 1);
	struct port *p[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		p[i] = plug(n, 0, NULL);
	who_gets(n, p, everybody, "0001");
	assert_int_equal(simnet_stats(n)->pool_full, 2);
	assert_all_counted(n);
	simnet_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_net(a_switch_delivers_by_mac),
		on_net(receivers_share_no_memory),
		on_net(a_flow_has_one_queue),
		on_net(a_broadcast_reaches_one_queue),
		on_net(queues_of_one_nic_do_not_hear_each_other),
		on_net(a_queue_may_change_its_nic),
		on_net(a_closed_queue_gets_no_more),
		cmocka_unit_test(a_flood_may_find_the_pool_empty),
	};

	return cmocka_run_group_tests_name("port/simnet_switch", tests, NULL, NULL);
}
