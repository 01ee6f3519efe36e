/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recordings of two daemons of the reference (test/data/machnet). One side's frames are
 * given to our stack, and what ours says must be what the other side said: every packet
 * of a handshake, of data and of a reset byte by byte, and of acknowledgements the last
 * number. Bytes that mean nothing are left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recording.h"
#include "stack/impl.h"

static struct recording rec;
static struct world w;
static struct host *host;
static struct raw peer;
static struct flow *flow;
static uint32_t acked; /* by us, at most */

/* --- our user: says what the recording's says, when it is its turn ---------------------------- */

static void on_connected(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	assert_int_equal(error, 0);
}

static bool on_accepted(void *arg, struct flow *f, void *listener)
{
	(void)arg;
	(void)listener;
	flow = f;
	return true;
}

static bool on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	(void)arg;
	(void)f;
	(void)flags;
	(void)data;
	(void)len;
	return true;
}

static void on_closed(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	(void)error;
	flow = NULL;
}

static void on_sendable(void *arg, struct flow *f)
{
	(void)arg;
	(void)f;
}

static const struct stack_user user = { .connected = on_connected,
					.accepted = on_accepted,
					.received = on_received,
					.sendable = on_sendable,
					.closed = on_closed };

static void open_world(bool client)
{
	struct stack_conf conf;

	flow = NULL;
	acked = 1;
	world_open(&w, 1);
	host_conf(&conf, client ? "10.91.0.1" : "10.91.0.2");
	conf.user = &user;
	host = world_host_conf(&w, NULL, 0, &conf);
	raw_open(&peer, &w, client ? "10.91.0.2" : "10.91.0.1");
	memcpy(host->port->mac, client ? recording_client_mac : recording_server_mac, 6);
	memcpy(peer.port->mac, client ? recording_server_mac : recording_client_mac, 6);
	world_run(&w, NS_PER_MS);
	stack_poll(host->stack, simnet_now(w.net) + 1);
	world_run(&w, NS_PER_MS);
	raw_introduce(&peer, host);
}

/* The next of ours that is no bare acknowledgement; its number is kept. */
static bool next_of_ours(struct raw_frame *ret)
{
	struct raw_packet p;

	while (raw_next(&peer, ret)) {
		if (!raw_is_machnet(ret, &p))
			continue;
		if (p.kind != ACK)
			return true;
		if (p.ack > acked)
			acked = p.ack;
	}
	return false;
}

static void assert_said(const struct raw_frame *recorded)
{
	struct raw_frame want = *recorded, got;

	for (int i = 0; !next_of_ours(&got); i++) {
		assert_true(i < 100);
		world_run(&w, 10 * NS_PER_MS);
	}
	recording_mask(&want);
	recording_mask(&got);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.b, want.b, want.len);
}

/* What is to be said in that frame is said now. */
static void act(const struct raw_frame *f, const struct raw_packet *p)
{
	struct ipaddr to;

	if (p->kind == SYN) {
		ipaddr_from4(&to, f->b + 30);
		host->stack->next_port = p->from;
		assert_int_equal(stack_connect(host->stack, &host->ip, &to, p->to, NULL, &flow), 0);
	} else if (p->kind == DATA) {
		assert_int_equal(flow_put(flow, f->b + 96, f->len - 96, p->flags & 4), f->len - 96);
		stack_flush(host->stack);
	} else if (p->kind == RST) {
		flow_close(flow);
	}
}

static void our_turn(const struct recorded *r)
{
	const struct raw_frame *f = &r->frame;
	const struct raw_packet *p = &r->p;
	struct raw_frame got;

	if (p->kind == ACK) {
		world_run(&w, 40000);
		assert_false(next_of_ours(&got));
		assert_true(acked >= p->ack);
		return;
	}
	act(f, p);
	world_run(&w, 40000);
	assert_said(f);
}

static void replay(const char *name, bool client)
{
	recording_load(&rec, name);
	open_world(client);
	for (uint32_t i = 0; i < rec.n; i++) {
		const struct recorded *r = &rec.all[i];

		if (!r->is_machnet)
			continue;
		if (!client && r->p.kind == SYN)
			assert_int_equal(stack_listen(host->stack, &host->ip, r->p.to, NULL), 0);
		if (r->by_client == client)
			our_turn(r);
		else
			raw_send(&peer, &r->frame);
	}
	world_close(&w);
}

static const char *const recordings[] = { "hello.pcap", "msg64-window4.pcap", "msg64k.pcap" };

static void test_as_client(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		replay(recordings[i], true);
}

static void test_as_server(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		replay(recordings[i], false);
}

/* ARP is the reference's byte by byte: 42 of them, not padded. */
static void test_arp(void **state)
{
	struct raw_frame f;
	int replies = 0;

	(void)state;
	recording_load(&rec, "hello.pcap");
	open_world(false);
	raw_send(&peer, &rec.all[0].frame);
	world_run(&w, 40000);
	while (raw_next(&peer, &f)) {
		assert_int_equal(f.len, 42);
		assert_memory_equal(f.b, rec.all[1].frame.b, 42);
		replies++;
	}
	assert_int_equal(replies, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_client),
		cmocka_unit_test(test_as_server),
		cmocka_unit_test(test_arp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
