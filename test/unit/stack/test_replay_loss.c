/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The recordings again, over a wire that loses: the other side is a model of the reference
 * that says what it said there, our side's user puts what its side's did, each when what
 * came before it in the recording has arrived.
 *
 * Whatever is lost, doubled or both: each packet of ours is byte by byte the one of the
 * recording with its number, the second time, too; an acknowledgement has the number of
 * the first that is missing; the model is never acknowledged to death; and all arrives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reference.h"
#include "stack/impl.h"

enum { LEAD = 96, LONGEST_S = 40 };

static struct recording rec;
static struct world w;
static struct host *host;
static struct raw peer;
static struct reference ref;
static struct flow *flow;

/* Of the side that is ours. */
static bool client;
static uint32_t put, delivered; /* data: numbers of the last */
static uint32_t sent;		/* the highest number of data seen from it */
static uint32_t acked;		/* the last number it acknowledged */
static uint64_t came;		/* bit n: data of the number delivered + 1 + n came there */

/* What the wire does: by number of the packet, either side's in one row. */
static uint32_t passed;
static uint32_t lose_from, lose_n;
static bool doubles;

static uint64_t now(void)
{
	return simnet_now(w.net) + 1;
}

static bool is_lost(void)
{
	return passed++ - lose_from < lose_n;
}

/* --- our user ------------------------------------------------------------------------------- */

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
	const struct recorded *at = recording_find(&rec, !client, DATA, ++delivered);

	(void)arg;
	(void)f;
	assert_non_null(at);
	assert_int_equal(flags, at->p.flags);
	assert_int_equal(len, at->frame.len - LEAD);
	assert_memory_equal(data, at->frame.b + LEAD, len);
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

/* --- from the model to us ----------------------------------------------------------------------
 */

static void mark_came(uint32_t seq)
{
	if (seq > delivered && seq - delivered <= 64)
		came |= UINT64_C(1) << (seq - delivered - 1);
}

/* The number that we must acknowledge by now. */
static uint32_t wanted(void)
{
	uint32_t seq = delivered + 1;

	for (uint64_t left = came; left & 1; left >>= 1)
		seq++;
	return seq;
}

/* One at a time, so that it is known what each answer is to. */
static void to_us(void *arg, const struct raw_frame *f)
{
	bool lost = is_lost();
	struct raw_packet p;

	(void)arg;
	if (lost || !raw_is_machnet(f, &p))
		return;
	for (int i = 0; i < (doubles ? 2 : 1); i++) {
		uint32_t before = delivered;

		if (p.kind == DATA)
			mark_came(p.seq);
		raw_send(&peer, f);
		world_run(&w, 1000);
		came = delivered - before < 64 ? came >> (delivered - before) : 0;
	}
}

/* --- from us to the model ----------------------------------------------------------------------
 */

static void assert_recorded(const struct raw_frame *f, const struct raw_packet *p)
{
	const struct recorded *at = recording_find(&rec, client, p->kind, p->seq);
	struct raw_frame want, got = *f;

	if (!at)
		fail_msg("kind %u, number %u was not in the recording", p->kind, p->seq);
	want = at->frame;
	if (p->kind == ACK)
		memcpy(want.b + 46, f->b + 46, 8);
	assert_int_equal(f->b[86] << 8 | f->b[87], 0); /* what its bitmap's count must be */
	recording_mask(&want);
	recording_mask(&got);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.b, want.b, want.len);
}

static void check(const struct raw_frame *f, const struct raw_packet *p)
{
	/* A second SYN has us ask whether it is there, by a number that it has had. */
	if (p->kind == DATA && p->seq == 0)
		return;
	assert_recorded(f, p);
	if (p->kind == DATA && p->seq > sent) {
		assert_int_equal(p->seq, sent + 1);
		sent = p->seq;
	} else if (p->kind == ACK) {
		assert_true(p->ack >= acked && p->ack <= wanted());
		assert_int_equal(p->seq, sent + 1);
		acked = p->ack;
	}
}

/* A network that doubles acknowledgements may kill a reference without us: those it does not. */
static void hear(const struct raw_packet *p)
{
	if (is_lost())
		return;
	reference_hear(&ref, p, now());
	if (doubles && p->kind != ACK)
		reference_hear(&ref, p, now());
}

static bool carry(void)
{
	static struct raw_frame f;
	struct raw_packet p;

	if (!raw_next(&peer, &f))
		return false;
	if (!raw_is_machnet(&f, &p))
		return true;
	check(&f, &p);
	hear(&p);
	if (ref.crashed)
		fail_msg("acknowledged to death with %u", p.ack);
	return true;
}

/* --- who says what when ------------------------------------------------------------------------
 */

/* Data of that side up to which all before it in the recording, of the other's, has arrived. */
static uint32_t may_put(bool of_client, uint32_t others)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < rec.n; i++) {
		const struct recorded *r = &rec.all[i];

		if (!r->is_machnet || r->p.kind != DATA)
			continue;
		if (r->by_client == of_client)
			last = r->p.seq;
		else if (r->p.seq > others)
			break;
	}
	return last;
}

static uint32_t all_of(bool of_client)
{
	return may_put(of_client, UINT32_MAX);
}

static void put_ours(void)
{
	uint32_t up_to = may_put(client, delivered);

	while (flow && put < up_to) {
		const struct recorded *at = recording_find(&rec, client, DATA, put + 1);
		uint32_t len = at->frame.len - LEAD;

		if (flow_put(flow, at->frame.b + LEAD, len, at->p.flags & MACHNET_LAST) < len)
			return;
		put++;
	}
	stack_flush(host->stack);
}

static bool is_through(void)
{
	return delivered == all_of(!client) && ref.rcv == all_of(client) + 1;
}

static void end_ours(void)
{
	if (!flow || !recording_find(&rec, client, RST, 0))
		return;
	flow_close(flow);
	flow = NULL;
}

static void end_theirs(void)
{
	if (ref.state == REF_ESTABLISHED && ref.una == ref.nxt && ref.nxt > 1 &&
	    recording_find(&rec, ref.client, RST, 0))
		reference_reset(&ref);
}

static void turn(void)
{
	if (flow && put < may_put(client, delivered))
		put_ours();
	reference_put(&ref, may_put(!client, ref.rcv ? ref.rcv - 1 : 0), now());
	if (is_through()) {
		end_ours();
		end_theirs();
	}
	while (carry())
		;
	reference_time(&ref, now());
	world_run(&w, NS_PER_MS);
}

/* --- a run ------------------------------------------------------------------------------- */

static void open_world(void)
{
	const struct recorded *syn = recording_find(&rec, true, SYN, 0);
	struct stack_conf conf;

	flow = NULL;
	put = delivered = sent = passed = 0;
	acked = 1;
	came = 0;
	world_open(&w, 1);
	host_conf(&conf, client ? "10.91.0.1" : "10.91.0.2");
	conf.user = &user;
	conf.segments = 512;
	host = world_host_conf(&w, NULL, 0, &conf);
	raw_open(&peer, &w, client ? "10.91.0.2" : "10.91.0.1");
	memcpy(host->port->mac, client ? recording_client_mac : recording_server_mac, 6);
	memcpy(peer.port->mac, client ? recording_server_mac : recording_client_mac, 6);
	world_run(&w, NS_PER_MS);
	stack_poll(host->stack, now());
	world_run(&w, NS_PER_MS);
	raw_introduce(&peer, host);
	ref = (struct reference){ .rec = &rec, .client = !client, .send = to_us };
	host->stack->next_port = syn->p.from;
	if (!client)
		assert_int_equal(stack_listen(host->stack, &host->ip, syn->p.to, NULL), 0);
}

static void start(void)
{
	const struct recorded *syn = recording_find(&rec, true, SYN, 0);
	struct ipaddr to;

	ipaddr_from4(&to, syn->frame.b + 30);
	if (client)
		assert_int_equal(stack_connect(host->stack, &host->ip, &to, syn->p.to, NULL, &flow),
				 0);
	reference_start(&ref, now());
}

/* All arrives, and nothing is said afterwards that was not said in the recording. */
static void replay(void)
{
	uint64_t until;

	open_world();
	start();
	until = now() + LONGEST_S * NS_PER_S;
	while (!is_through()) {
		if (now() >= until)
			fail_msg("not through: from %u, %u of %u, %u of %u", lose_from, delivered,
				 all_of(!client), ref.rcv - 1, all_of(client));
		turn();
	}
	for (int i = 0; i < 40; i++) {
		turn();
		world_run(&w, NS_PER_S / 10);
	}
	assert_int_equal(acked, all_of(!client) + 1);
	world_close(&w);
}

static const char *const recordings[] = { "hello.pcap", "msg64-window4.pcap", "msg64k.pcap" };

static void each(void (*run)(void))
{
	for (int i = 0; i < 6; i++) {
		recording_load(&rec, recordings[i / 2]);
		client = i % 2;
		lose_n = lose_from = 0;
		doubles = false;
		run();
	}
}

/* Every packet in turn is where the loss begins; what passes without any is counted first. */
static void lose_at_each(uint32_t n)
{
	uint32_t all;

	lose_n = 0;
	replay();
	all = passed;
	assert_true(all >= 6);
	lose_n = n;
	for (lose_from = 0; lose_from < all; lose_from++)
		replay();
}

static void one(void)
{
	lose_at_each(1);
}

static void bursts(void)
{
	lose_at_each(3);
}

static void doubled(void)
{
	doubles = true;
	replay();
	lose_at_each(1);
}

static void test_each_packet_lost_once(void **state)
{
	(void)state;
	each(one);
}

static void test_bursts(void **state)
{
	(void)state;
	each(bursts);
}

static void test_doubled(void **state)
{
	(void)state;
	each(doubled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packet_lost_once),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_doubled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
