/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host and a peer that is no stack: each of its packets is written here. What
 * test/fuzz/fuzz_stack.c has found is kept here by name.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "port/simnet.h"
#include "stack/stack.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/udp.h"

enum { SEGMENTS = 16, LISTENED = 888, FROM = 1024, TAKES_ALL = 1000 };

struct scene {
	struct simnet *net;
	struct port *port, *wire;
	struct stack *stack;
	struct flow *flow;
	struct ipaddr ours, theirs, ours6, theirs6;
	/* What the user does: refuses after so many pieces; closes when told of the next. */
	uint32_t takes, got;
	uint16_t from; /* the peer's port, above FROM */
	bool closes;
	uint32_t sendable, ended, notices;
};

static bool on_accepted(void *arg, struct flow *f, void *listener)
{
	struct scene *s = arg;

	(void)listener;
	s->flow = f;
	return true;
}

static bool on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	struct scene *s = arg;

	(void)flags;
	(void)data;
	(void)len;
	if (s->got == s->takes)
		return false;
	s->got++;
	if (s->closes)
		flow_close(f);
	return true;
}

static void on_sendable(void *arg, struct flow *f)
{
	struct scene *s = arg;

	(void)f;
	s->sendable++;
}

static void on_closed(void *arg, struct flow *f, int error)
{
	struct scene *s = arg;

	(void)f;
	(void)error;
	s->ended++;
}

static void on_notice(void *arg, const char *text)
{
	struct scene *s = arg;

	(void)text;
	s->notices++;
}

static const struct stack_user user = { .accepted = on_accepted,
					.received = on_received,
					.sendable = on_sendable,
					.closed = on_closed,
					.notice = on_notice };

static int open_scene(void **state)
{
	static struct scene s;
	struct stack_conf conf = { .naddrs = 2,
				   .flows = 4,
				   .segments = SEGMENTS,
				   .listeners = 1,
				   .neighbours = 8,
				   .user = &user,
				   .arg = &s };

	s = (struct scene){ .takes = TAKES_ALL };
	assert_int_equal(ipaddr_parse("10.0.0.1", &s.ours), 0);
	assert_int_equal(ipaddr_parse("10.0.0.2", &s.theirs), 0);
	assert_int_equal(ipaddr_parse("fd00::1", &s.ours6), 0);
	assert_int_equal(ipaddr_parse("fd00::2", &s.theirs6), 0);
	assert_int_equal(simnet_new(1, 256, &s.net), 0);
	assert_int_equal(simnet_attach(s.net, 0, NULL, &s.port), 0);
	assert_int_equal(simnet_attach(s.net, 0, NULL, &s.wire), 0);
	conf.port = s.port;
	conf.addrs[0].ip = s.ours;
	conf.addrs[1].ip = s.ours6;
	assert_int_equal(stack_new(&conf, 1, &s.stack), 0);
	assert_int_equal(stack_listen(s.stack, &s.ours, LISTENED, NULL), 0);
	*state = &s;
	return 0;
}

static int close_scene(void **state)
{
	struct scene *s = *state;

	stack_free(s->stack);
	simnet_free(s->net);
	return 0;
}

static void run(struct scene *s, uint64_t ns)
{
	uint64_t until = simnet_now(s->net) + ns;

	do {
		uint64_t due = stack_deadline(s->stack) - 1, now = simnet_now(s->net);

		due = due > now ? due : now + NS_PER_MS / 10;
		simnet_advance(s->net, due < until ? due : until);
		do {
			stack_poll(s->stack, simnet_now(s->net) + 1);
		} while (simnet_waiting(s->port));
	} while (simnet_now(s->net) < until);
}

static void say(struct scene *s, const struct mac *to, uint8_t *frame, const struct ip *ip)
{
	struct ether h = { .dst = *to, .type = ETHER_IPV4 };

	if (!ipaddr_is4(&ip->src))
		h.type = ETHER_IPV6;
	memcpy(h.src.b, s->wire->mac, ETHER_MAC);
	ether_encode(frame, &h);
	ip_encode(frame + ETHER_HEADER, ip);
	port_tx(s->wire, ETHER_HEADER + ip_header(ip) + ip->len);
	port_flush(s->wire);
	run(s, NS_PER_MS);
}

static bool knows(const struct scene *s, const struct ipaddr *ip)
{
	struct neighbour_info n;
	uint32_t at = 0;

	while (stack_next_neighbour(s->stack, &at, &n))
		if (ipaddr_equal(&n.ip, ip) && !strcmp(n.state, "known"))
			return true;
	return false;
}

static void say_machnet(struct scene *s, uint8_t kind, uint32_t seq, uint32_t ack)
{
	uint32_t len = kind == MACHNET_DATA ? 10 : 0;
	uint8_t *frame = port_tx_room(s->wire), *at = frame + ETHER_HEADER + IP4_HEADER;
	struct machnet m = { .kind = kind, .seq = seq, .ack = ack };
	struct udp u = { .src = (uint16_t)(FROM + s->from),
			 .dst = LISTENED,
			 .payload = at + UDP_HEADER,
			 .len = MACHNET_HEADER + len };
	struct ip ip = { .src = s->theirs,
			 .dst = s->ours,
			 .proto = IP_UDP,
			 .ttl = IP_TTL,
			 .len = UDP_HEADER + u.len };
	struct mac to;

	if (len)
		m.flags = MACHNET_FIRST | MACHNET_LAST;
	memcpy(to.b, s->port->mac, ETHER_MAC);
	machnet_encode(u.payload, &m);
	memset(u.payload + MACHNET_HEADER, 'x', len);
	udp_encode(at, &ip, &u);
	say(s, &to, frame, &ip);
}

static void say_data(struct scene *s, uint32_t seq)
{
	say_machnet(s, MACHNET_DATA, seq, MACHNET_NO_ACK);
}

static void say_nd(struct scene *s, struct icmp *m)
{
	uint8_t *frame = port_tx_room(s->wire);
	struct ip ip = { .src = s->theirs6,
			 .dst = s->ours6,
			 .proto = IP_ICMP6,
			 .ttl = UINT8_MAX,
			 .len = icmp_bytes(m) };
	struct mac to;

	memcpy(to.b, s->port->mac, ETHER_MAC);
	icmp_encode(frame + ETHER_HEADER + IP6_HEADER, &ip, m);
	say(s, &to, frame, &ip);
}

/* What the host said since it was asked last. */
static uint32_t said(struct scene *s)
{
	struct frame frames[PORT_BURST];
	uint32_t n = 0, more;

	while ((more = port_rx(s->wire, frames, PORT_BURST)))
		n += more;
	return n;
}

static void handshake(struct scene *s)
{
	say_machnet(s, MACHNET_SYN, 0, 0);
	say_machnet(s, MACHNET_ACK, 1, 1);
	assert_non_null(s->flow);
	said(s);
}

static void assert_nothing_left(struct scene *s)
{
	struct stack_stats stats;

	stack_stats(s->stack, &stats);
	assert_int_equal(stats.flows + stats.half_open, 0);
	assert_int_equal(stats.segments_free, SEGMENTS);
}

/* --- closing in the midst of it ---------------------------------------------------------- */

/* Once, what was held went back to the pool twice. */
static void test_close_while_held_is_delivered(void **state)
{
	struct scene *s = *state;

	handshake(s);
	say_data(s, 2);
	say_data(s, 3);
	assert_int_equal(flow_put(s->flow, "answer", 6, true), 6);
	s->closes = true;
	s->takes = 0;
	say_data(s, 1);
	s->takes = 1;
	flow_resume(s->flow);
	run(s, 60 * NS_PER_S);
	assert_int_equal(s->got, 1);
	assert_nothing_left(s);
}

/* Once, a peer that still sent was not acknowledged after a reader that took nothing closed. */
static void test_close_takes_what_was_refused(void **state)
{
	struct scene *s = *state;
	struct flow_info info;
	uint32_t at = 0;

	handshake(s);
	s->takes = 0;
	say_data(s, 1);
	assert_int_equal(flow_put(s->flow, "answer", 6, true), 6);
	flow_close(s->flow);
	say_data(s, 1);
	assert_true(stack_next_flow(s->stack, &at, &info));
	assert_int_equal(info.rcv_nxt, 2);
	run(s, 60 * NS_PER_S);
	assert_nothing_left(s);
}

/* --- while the peer is doubted ------------------------------------------------------------- */

/* Once, a sign of life stopped the timer of what had been sent meanwhile: it never went again. */
static void test_a_doubt_forgets_no_packet(void **state)
{
	struct scene *s = *state;

	handshake(s);
	say_machnet(s, MACHNET_SYN, 0, 0);
	assert_int_equal(flow_put(s->flow, "lost", 4, true), 4);
	say_data(s, 1);
	run(s, 30 * NS_PER_S);
	assert_int_equal(s->ended, 1);
}

/* Once, the doubt took the timer of who waits for room, and nobody told it. */
static void test_a_doubt_forgets_nobody_who_waits(void **state)
{
	static const uint8_t much[SEGMENTS * MACHNET_MSS];
	struct scene *s = *state;
	struct flow *big, *small;

	handshake(s);
	big = s->flow;
	assert_int_equal(flow_put(big, much, sizeof(much), true), SEGMENTS * 3 / 4 * MACHNET_MSS);
	s->from = 1;
	handshake(s);
	small = s->flow;
	assert_int_equal(flow_put(small, much, 1, true), 0);
	say_machnet(s, MACHNET_SYN, 0, 0);
	say_data(s, 1);
	flow_abort(big);
	run(s, 10 * NS_PER_MS);
	assert_int_equal(s->sendable, 1);
}

/* Once, each of them asked once more, and three were the end of the flow. */
static void test_who_waits_doubts_no_harder(void **state)
{
	static const uint8_t much[SEGMENTS * MACHNET_MSS];
	struct scene *s = *state;

	handshake(s);
	flow_put(s->flow, much, sizeof(much), true);
	s->from = 1;
	handshake(s);
	say_machnet(s, MACHNET_SYN, 0, 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(flow_put(s->flow, much, 1, true), 0);
		run(s, 2 * NS_PER_MS);
	}
	assert_int_equal(s->ended, 0);
}

/* --- silence ------------------------------------------------------------------------------ */

/* Once, the first packet that got lost after 15 quiet seconds was the end of the flow. */
static void test_an_idle_flow_bears_a_loss(void **state)
{
	struct scene *s = *state;

	handshake(s);
	run(s, 60 * NS_PER_S);
	assert_int_equal(flow_put(s->flow, "lost", 4, true), 4);
	run(s, 14 * NS_PER_S);
	assert_int_equal(s->ended, 0);
	run(s, 2 * NS_PER_S);
	assert_int_equal(s->ended, 1);
}

/* --- neighbours ----------------------------------------------------------------------------- */

/* Once, each SYN took a place in the table, and there are not many. */
static void test_a_flood_displaces_nobody(void **state)
{
	struct scene *s = *state;
	struct ipaddr peer = s->theirs;
	struct mac mac;

	handshake(s);
	memcpy(mac.b, s->wire->mac, ETHER_MAC);
	assert_int_equal(flow_put(s->flow, "who are you", 11, true), 11);
	stack_neighbour(s->stack, &peer, &mac);
	assert_true(knows(s, &peer));
	for (uint8_t i = 0; i < 32; i++) {
		s->theirs.b[15] = (uint8_t)(100 + i);
		say_machnet(s, MACHNET_SYN, 0, 0);
	}
	assert_true(knows(s, &peer));
	/* They are answered all the same. */
	assert_in_range(said(s), 32, 200);
}

static void test_solicitation_of_a_group_is_not_answered(void **state)
{
	struct scene *s = *state;
	struct icmp m = { .kind = ICMP_SOLICIT, .target = s->ours6, .has_mac = true };

	run(s, NS_PER_MS);
	said(s);
	memset(&m.mac, 0xff, sizeof(m.mac));
	say_nd(s, &m);
	assert_int_equal(said(s), 0);
	memcpy(m.mac.b, s->wire->mac, ETHER_MAC);
	say_nd(s, &m);
	assert_int_equal(said(s), 1);
}

/* Once, it was said to be claimed by 00:00:00:00:00:00. */
static void test_nobody_claims_our_address(void **state)
{
	struct scene *s = *state;
	struct icmp m = { .kind = ICMP_ADVERT, .target = s->ours6 };

	say_nd(s, &m);
	assert_int_equal(s->notices, 0);
	m.has_mac = true;
	memcpy(m.mac.b, s->wire->mac, ETHER_MAC);
	say_nd(s, &m);
	assert_int_equal(s->notices, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
		TEST(test_close_while_held_is_delivered),
		TEST(test_close_takes_what_was_refused),
		TEST(test_a_doubt_forgets_no_packet),
		TEST(test_a_doubt_forgets_nobody_who_waits),
		TEST(test_who_waits_doubts_no_harder),
		TEST(test_an_idle_flow_bears_a_loss),
		TEST(test_a_flood_displaces_nobody),
		TEST(test_solicitation_of_a_group_is_not_answered),
		TEST(test_nobody_claims_our_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
