/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two honest hosts talk over both IP versions while a third wire says whatever the input
 * wants. Byte 0: bit 0 lets it say things in the honest hosts' names, too; bit 1 that
 * it has their addresses. Then each byte is an operation, with what it needs behind it.
 *
 * Whatever comes: all segments and flows are accounted for, what leaves a host is well
 * formed, and nobody is told of a flow that is over. Unless somebody lied in their names,
 * the honest hosts' messages arrive whole and in order; and unless somebody claimed to be
 * them, all of them do. When all is closed and time has passed, nothing is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "port/simnet.h"
#include "stack/stack.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HOSTS = 2, STRANGERS = 32, ENDS = 32, TALKS = 2, PORT = 1000, OPERATIONS = 400 };
enum { FLOWS = 8, SEGMENTS = 192, LISTENERS = 4, NEIGHBOURS = 16, MESSAGE_MAX = 6000 };
enum { MTU = 1500, MAY_LIE = 1, MAY_CLAIM = 2 };

/* What an end does in the midst of being told something. */
enum mood { CALM, DEAF, CLOSES, ABORTS, ANSWERS, RESUMES, MOODS };

struct end {
	struct host *host;
	struct flow *flow;
	enum mood mood;
	bool honest, connected, ended;
	/* The honest: what is said, and heard. */
	uint32_t to_send, sent, got;
	size_t at_out, at_in;
};

struct host {
	struct world *world;
	struct port *port;
	struct stack *stack;
	struct end ends[ENDS]; /* the first TALKS are those to the other host */
};

struct world {
	const uint8_t *in, *in_end;
	struct simnet *net;
	struct host hosts[HOSTS];
	struct port *wire; /* the third */
	bool may_lie, may_claim;
};

static void check_at(bool holds, int line)
{
	if (holds)
		return;
	fprintf(stderr, "line %d does not hold\n", line);
	abort();
}

#define check(holds) check_at(holds, __LINE__)

/* Past the end come zeroes. */
static uint32_t take(struct world *w, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes && w->in < w->in_end; i++)
		value |= (uint32_t)*w->in++ << 8 * i;
	return value;
}

static struct ipaddr address(uint32_t number, bool is6)
{
	struct ipaddr a = { .b = { 0xfd, [15] = (uint8_t)number } };

	if (!is6)
		ipaddr_from4(&a, (const uint8_t[]){ 10, 0, 0, (uint8_t)number });
	return a;
}

static struct ipaddr stranger(uint32_t number)
{
	return address(HOSTS + 1 + number % STRANGERS, number & 0x80);
}

static bool is_honest(const struct ipaddr *a)
{
	for (uint32_t i = 1; i <= HOSTS; i++) {
		struct ipaddr four = address(i, false), six = address(i, true);

		if (ipaddr_equal(a, &four) || ipaddr_equal(a, &six))
			return true;
	}
	return false;
}

/* --- what honest ends say ---------------------------------------------------------------- */

static size_t size_of(uint32_t number)
{
	return 1 + number * 2654435761U % MESSAGE_MAX;
}

static uint8_t byte_of(uint32_t number, size_t at)
{
	return (uint8_t)(number * 7 + at + (at >> 8));
}

static void speak(struct end *e)
{
	static uint8_t piece[MESSAGE_MAX];

	while (e->flow && e->connected && e->sent < e->to_send) {
		size_t size = size_of(e->sent) - e->at_out, took;

		for (size_t i = 0; i < size; i++)
			piece[i] = byte_of(e->sent, e->at_out + i);
		took = flow_put(e->flow, piece, size, true);
		check(took <= size);
		e->at_out += took;
		if (took < size)
			return;
		e->sent++;
		e->at_out = 0;
	}
}

static void hear(struct end *e, uint8_t flags, const uint8_t *data, uint32_t len)
{
	size_t size = size_of(e->got);

	check(!(flags & MACHNET_FIRST) == (e->at_in > 0) && e->at_in + len <= size);
	for (uint32_t i = 0; i < len; i++)
		check(data[i] == byte_of(e->got, e->at_in + i));
	e->at_in += len;
	check(!(flags & MACHNET_LAST) == (e->at_in < size));
	if (e->at_in == size) {
		e->got++;
		e->at_in = 0;
	}
}

/* --- what they are told --------------------------------------------------------------------- */

static struct end *end_of(struct flow *f)
{
	struct end *e = flow_user(f);

	check(e && e->flow == f);
	return e;
}

static void leave(struct end *e, bool at_once)
{
	struct flow *f = e->flow;

	if (!f)
		return;
	e->flow = NULL;
	e->ended = true;
	if (at_once)
		flow_abort(f);
	else
		flow_close(f);
}

static void put(struct end *e, size_t size, bool last)
{
	static uint8_t zeroes[UINT16_MAX];

	if (e->flow)
		check(flow_put(e->flow, zeroes, size, last) <= size);
}

/* Whether it took what it was told. */
static bool act(struct end *e)
{
	if (e->mood == CLOSES)
		leave(e, false);
	else if (e->mood == ABORTS)
		leave(e, true);
	else if (e->mood == ANSWERS)
		put(e, 3000, true);
	else if (e->mood == RESUMES)
		flow_resume(e->flow);
	return e->mood != DEAF;
}

static void on_connected(void *arg, struct flow *f, int error)
{
	struct end *e = end_of(f);

	(void)arg;
	e->connected = !error;
	if (error) {
		e->flow = NULL;
		e->ended = true;
	} else if (e->honest) {
		speak(e);
	} else {
		act(e);
	}
}

static struct end *free_end(struct host *h)
{
	for (uint32_t i = TALKS; i < ENDS; i++)
		if (!h->ends[i].flow) {
			h->ends[i] = (struct end){ .host = h };
			return &h->ends[i];
		}
	return NULL;
}

static bool on_accepted(void *arg, struct flow *f, void *listener)
{
	struct end *e = is_honest(&flow_name(f)->remote) ? listener : NULL;

	if (!e || e->flow)
		e = free_end(arg);
	if (!e)
		return false;
	e->flow = f;
	e->connected = true;
	flow_set_user(f, e);
	return e->mood != ABORTS;
}

static bool on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	struct end *e = end_of(f);

	(void)arg;
	check(len > 0 && len <= MACHNET_MSS);
	if (!e->honest)
		return act(e);
	if (e->mood == DEAF)
		return false;
	if (!e->host->world->may_lie)
		hear(e, flags, data, len);
	return true;
}

static void on_sendable(void *arg, struct flow *f)
{
	struct end *e = end_of(f);

	(void)arg;
	if (e->honest)
		speak(e);
	else
		act(e);
}

static void on_closed(void *arg, struct flow *f, int error)
{
	struct end *e = end_of(f);

	(void)arg;
	check(error > 0);
	e->flow = NULL;
	e->ended = true;
}

static void on_echoed(void *arg, const struct stack_echo *echo)
{
	(void)arg;
	check(!echo->len || echo->data);
}

static void on_notice(void *arg, const char *text)
{
	(void)arg;
	check(strlen(text) > 0);
}

static const struct stack_user user = { .connected = on_connected,
					.accepted = on_accepted,
					.received = on_received,
					.sendable = on_sendable,
					.closed = on_closed,
					.echoed = on_echoed,
					.notice = on_notice };

/* --- what holds at any time ------------------------------------------------------------------- */

static void check_host(const struct host *h)
{
	uint32_t at = 0, flows = 0, segments = 0;
	struct stack_stats s;
	struct flow_info f;

	stack_stats(h->stack, &s);
	for (; stack_next_flow(h->stack, &at, &f); flows++) {
		segments += f.queued + f.held;
		check(f.snd_nxt - f.snd_una <= MACHNET_REORDER && f.held <= MACHNET_REORDER);
		check(f.window >= 1 && f.window <= MACHNET_WINDOW);
	}
	check(flows == s.flows + s.half_open && s.flows <= FLOWS && s.half_open <= FLOWS);
	check(segments + s.segments_free == SEGMENTS);
	check(s.neighbours <= NEIGHBOURS && s.listeners <= LISTENERS);
}

/* What a host sends, its own decoders take. */
static void check_frame(const uint8_t *frame, uint32_t len)
{
	static uint8_t copy[2048];
	uint8_t *at = copy + ETHER_HEADER;
	struct machnet m;
	struct ether h;
	struct icmp icmp;
	struct arp a;
	struct udp u;
	struct ip ip;

	check(len <= ETHER_HEADER + MTU && ether_decode(frame, len, &h) == 0);
	memcpy(copy, frame, len);
	len -= ETHER_HEADER;
	if (h.type == ETHER_ARP) {
		check(arp_decode(at, len, &a) == 0 && !memcmp(&a.sender_mac, &h.src, ETHER_MAC));
		return;
	}
	check((h.type == ETHER_IPV4 ? ip4_decode : ip6_decode)(at, len, &ip) == 0);
	check(is_honest(&ip.src));
	if (ip.proto != IP_UDP)
		check(icmp_decode(&ip, &icmp) == 0 && icmp.kind != ICMP_OTHER);
	else
		check(udp_decode(&ip, false, &u) == 0 && machnet_decode(u.payload, u.len, &m) == 0);
}

static void on_frame(void *arg, uint64_t ns, const struct port *from, const uint8_t *frame,
		     uint32_t len)
{
	struct world *w = arg;

	(void)ns;
	if (from != w->wire)
		check_frame(frame, len);
}

/* --- time ---------------------------------------------------------------------------------------
 */

static void poll_host(struct host *h, uint64_t now)
{
	while (simnet_waiting(h->port))
		stack_poll(h->stack, now);
	if (stack_deadline(h->stack) <= now)
		stack_poll(h->stack, now);
}

static void run(struct world *w, uint64_t ns)
{
	uint64_t until = simnet_now(w->net) + ns;

	do {
		struct frame frames[PORT_BURST];
		uint64_t now = simnet_now(w->net), due = UINT64_MAX;

		for (uint32_t i = 0; i < HOSTS; i++) {
			uint64_t at = stack_deadline(w->hosts[i].stack);

			due = at < due ? at : due;
		}
		if (due != UINT64_MAX)
			due--;
		/* Whoever is to be called again soon is, after a tick. */
		if (due <= now)
			due = now + NS_PER_MS / 10;
		simnet_advance(w->net, due < until ? due : until);
		for (uint32_t i = 0; i < HOSTS; i++)
			poll_host(&w->hosts[i], simnet_now(w->net) + 1);
		while (port_rx(w->wire, frames, PORT_BURST))
			;
	} while (simnet_now(w->net) < until);
	for (uint32_t i = 0; i < HOSTS; i++)
		check_host(&w->hosts[i]);
}

/* --- what the third wire says ------------------------------------------------------------ */

/* Packets in an honest host's name: as src/stack/input.c would read them. */
static bool lies(const struct ether *h, uint8_t *at, uint32_t len)
{
	struct ip ip;

	if (h->type == ETHER_IPV4)
		return ip4_decode(at, len, &ip) == 0 && is_honest(&ip.src);
	return h->type == ETHER_IPV6 && ip6_decode(at, len, &ip) == 0 && is_honest(&ip.src);
}

/* To have an honest host's address, in a stranger's name. */
static bool claims(const struct ether *h, uint8_t *at, uint32_t len)
{
	struct icmp m;
	struct arp a;
	struct ip ip;

	if (h->type == ETHER_ARP)
		return arp_decode(at, len, &a) == 0 && is_honest(&a.sender);
	return h->type == ETHER_IPV6 && ip6_decode(at, len, &ip) == 0 && ip.proto == IP_ICMP6 &&
	       icmp_decode(&ip, &m) == 0 && m.kind == ICMP_ADVERT && is_honest(&m.target);
}

static bool may_say(const struct world *w, uint8_t *frame, uint32_t len)
{
	uint8_t *at = frame + ETHER_HEADER;
	struct ether h;

	if (ether_decode(frame, len, &h) < 0)
		return true;
	len -= ETHER_HEADER;
	return (w->may_lie || !lies(&h, at, len)) && (w->may_claim || !claims(&h, at, len));
}

static void say(struct world *w, uint8_t *frame, uint32_t len)
{
	uint8_t *room = port_tx_room(w->wire);

	if (!room || !may_say(w, frame, len))
		return;
	memcpy(room, frame, len);
	port_tx(w->wire, len);
	port_flush(w->wire);
}

static struct host *any_host(struct world *w, uint32_t byte)
{
	return &w->hosts[byte % HOSTS];
}

static struct end *any_end(struct world *w)
{
	uint32_t byte = take(w, 1);

	return &any_host(w, byte)->ends[TALKS + (byte >> 1) % (ENDS - TALKS)];
}

static void put_ether(struct world *w, const struct host *to, uint16_t type, uint8_t *frame)
{
	struct ether h = { .type = type };

	memcpy(h.dst.b, to->port->mac, ETHER_MAC);
	memcpy(h.src.b, w->wire->mac, ETHER_MAC);
	ether_encode(frame, &h);
}

static void say_ip(struct world *w, struct host *to, uint8_t *frame, const struct ip *ip)
{
	uint32_t damage = take(w, 1), len = ETHER_HEADER + ip_header(ip) + ip->len;

	put_ether(w, to, ipaddr_is4(&ip->src) ? ETHER_IPV4 : ETHER_IPV6, frame);
	ip_encode(frame + ETHER_HEADER, ip);
	if (damage & 1)
		frame[take(w, 2) % len] ^= (uint8_t)take(w, 1);
	if (damage & 2)
		len -= take(w, 1) % len;
	say(w, frame, len);
}

static void say_machnet(struct world *w, struct host *to, const struct flow_name *name,
			const struct machnet *m)
{
	static uint8_t frame[ETHER_HEADER + MTU];
	uint8_t *at = frame + ETHER_HEADER + (ipaddr_is4(&name->local) ? IP4_HEADER : IP6_HEADER);
	struct udp u = { .src = name->remote_port,
			 .dst = name->local_port,
			 .payload = at + UDP_HEADER,
			 .len = MACHNET_HEADER + take(w, 2) % (MACHNET_MSS - 20) };
	struct ip ip = { .src = name->remote,
			 .dst = name->local,
			 .proto = IP_UDP,
			 .ttl = IP_TTL,
			 .len = UDP_HEADER + u.len };

	machnet_encode(u.payload, m);
	udp_encode(at, &ip, &u);
	say_ip(w, to, frame, &ip);
}

static const uint8_t kinds[] = { MACHNET_DATA, MACHNET_DATA,	MACHNET_ACK, MACHNET_ACK,
				 MACHNET_SYN,  MACHNET_SYN_ACK, MACHNET_RST, 0x42 };

static struct ipaddr own_address(const struct host *h, bool is6)
{
	return address((uint32_t)(h - h->world->hosts) + 1, is6);
}

static void op_raw(struct world *w)
{
	static uint8_t frame[UINT8_MAX];
	uint32_t len = take(w, 1), to = take(w, 1);

	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)take(w, 1);
	if (len >= ETHER_HEADER)
		memcpy(frame, any_host(w, to)->port->mac, ETHER_MAC);
	say(w, frame, len);
}

/* From a port of a stranger's to a port of a host's. */
static void op_packet(struct world *w)
{
	struct host *to = any_host(w, take(w, 1));
	struct flow_name name = { .remote = stranger(take(w, 1)) };
	struct machnet m = { .kind = kinds[take(w, 1) % sizeof(kinds)] };

	name.local = own_address(to, !ipaddr_is4(&name.remote));
	name.local_port = (uint16_t)(PORT + take(w, 1) % 8);
	name.remote_port = (uint16_t)take(w, 1);
	m.flags = (uint8_t)take(w, 1);
	m.seq = (uint32_t)(int8_t)take(w, 1);
	m.ack = (uint32_t)(int8_t)take(w, 1);
	say_machnet(w, to, &name, &m);
}

/* In the name of the peer of one of a host's flows, and near to what it would say. */
static void op_near(struct world *w)
{
	struct host *to = any_host(w, take(w, 1));
	uint32_t at = take(w, 1) % (2 * FLOWS), kind = take(w, 1);
	struct machnet m = { .kind = kinds[kind % sizeof(kinds)], .again = kind & 0x80 };
	struct flow_info f;

	if (!stack_next_flow(to->stack, &at, &f))
		return;
	m.flags = (uint8_t)take(w, 1);
	m.seq = f.rcv_nxt + (uint32_t)(int8_t)take(w, 1);
	m.ack = (kind & 0x40 ? f.snd_una : f.snd_nxt) + (uint32_t)(int8_t)take(w, 1);
	if (kind & 0x20)
		m.seq = MACHNET_NO_ACK;
	say_machnet(w, to, &f.name, &m);
}

static void op_flood(struct world *w)
{
	struct host *to = any_host(w, take(w, 1));
	struct flow_name name = { .remote = stranger(take(w, 1)), .local_port = PORT };
	const struct machnet m = { .kind = MACHNET_SYN };

	name.local = own_address(to, !ipaddr_is4(&name.remote));
	for (uint32_t n = take(w, 1) % 40; n; n--) {
		name.remote_port++;
		say_machnet(w, to, &name, &m);
	}
}

static void op_arp(struct world *w)
{
	uint8_t frame[ETHER_HEADER + ARP_BYTES + 4] = { 0 };
	uint32_t what = take(w, 1);
	struct host *to = any_host(w, what);
	struct arp a = { .op = what & 2 ? ARP_REQUEST : ARP_REPLY,
			 .sender = what & 4 ? stranger(take(w, 1) & 0x7f)
					    : address(take(w, 1), false),
			 .target = address(what >> 3 & 3, false) };

	memcpy(a.sender_mac.b, w->wire->mac, ETHER_MAC);
	a.sender_mac.b[5] ^= (uint8_t)(what >> 6);
	put_ether(w, to, ETHER_ARP, frame);
	memcpy(frame + 6, a.sender_mac.b, ETHER_MAC);
	arp_encode(frame + ETHER_HEADER, &a);
	say(w, frame, sizeof(frame));
}

static void op_nd(struct world *w)
{
	static uint8_t frame[ETHER_HEADER + MTU];
	uint32_t what = take(w, 1);
	struct host *to = any_host(w, what);
	struct icmp m = { .kind = what & 2 ? ICMP_SOLICIT : ICMP_ADVERT,
			  .has_mac = what & 4,
			  .solicited = what & 8,
			  .target = address(take(w, 1), true) };
	struct ip ip = { .src = stranger(0x80 | take(w, 1)),
			 .dst = own_address(to, true),
			 .proto = IP_ICMP6,
			 .ttl = UINT8_MAX,
			 .len = icmp_bytes(&m) };

	memcpy(m.mac.b, w->wire->mac, ETHER_MAC);
	m.mac.b[0] ^= (uint8_t)(what >> 6 & 1);
	m.mac.b[5] ^= (uint8_t)(what >> 7);
	if (what & 0x10)
		ip.dst = (struct ipaddr){ .b = { 0xff, 2, [15] = 1 } };
	if (what & 0x20)
		memset(&ip.src, 0, sizeof(ip.src));
	icmp_encode(frame + ETHER_HEADER + IP6_HEADER, &ip, &m);
	say_ip(w, to, frame, &ip);
}

static void op_echo(struct world *w)
{
	static uint8_t frame[ETHER_HEADER + MTU], zeroes[MTU];
	uint32_t what = take(w, 1);
	struct host *to = any_host(w, what);
	struct icmp m = { .kind = what & 2 ? ICMP_ECHO : ICMP_ECHO_REPLY,
			  .data = zeroes,
			  .len = take(w, 2) % (MTU - IP6_HEADER - ICMP_HEADER + 1) };
	struct ip ip = { .src = stranger(take(w, 1)), .ttl = IP_TTL, .len = icmp_bytes(&m) };
	bool is6 = !ipaddr_is4(&ip.src);

	ip.dst = own_address(to, is6);
	ip.proto = is6 ? IP_ICMP6 : IP_ICMP;
	icmp_encode(frame + ETHER_HEADER + (is6 ? IP6_HEADER : IP4_HEADER), &ip, &m);
	say_ip(w, to, frame, &ip);
}

/* --- what users do ----------------------------------------------------------------------- */

static void op_connect(struct world *w)
{
	struct host *h = any_host(w, take(w, 1));
	struct ipaddr to = stranger(take(w, 1)), from = own_address(h, !ipaddr_is4(&to));
	struct end *e = free_end(h);
	struct mac mac;

	if (!e || stack_connect(h->stack, &from, &to, PORT, e, &e->flow) < 0)
		return;
	memcpy(mac.b, w->wire->mac, ETHER_MAC);
	if (take(w, 1) & 1)
		stack_neighbour(h->stack, &to, &mac);
}

static void op_put(struct world *w)
{
	struct end *e = any_end(w);
	uint32_t size = take(w, 2);

	put(e, size, size & 1);
}

static void op_leave(struct world *w)
{
	struct end *e = any_end(w);

	leave(e, take(w, 1) & 1);
}

static void op_mood(struct world *w)
{
	struct end *e = any_end(w);

	e->mood = take(w, 1) % MOODS;
	if (e->flow && e->mood != DEAF)
		flow_resume(e->flow);
}

static void op_deaf(struct world *w)
{
	uint32_t byte = take(w, 1);
	struct end *e = &any_host(w, byte)->ends[(byte >> 1) % TALKS];

	e->mood = byte & 0x80 ? DEAF : CALM;
	if (e->flow && e->mood != DEAF)
		flow_resume(e->flow);
}

static void op_talk(struct world *w)
{
	uint32_t byte = take(w, 1);
	struct end *e = &any_host(w, byte)->ends[(byte >> 1) % TALKS];

	e->to_send += byte >> 2 & 15;
	speak(e);
	stack_flush(e->host->stack);
}

static void op_faults(struct world *w)
{
	struct host *h = any_host(w, take(w, 1));
	const struct simnet_link link = { .loss_ppm = take(w, 1) * 800,
					  .duplicate_ppm = take(w, 1) * 1000,
					  .reorder_ppm = take(w, 1) * 1000,
					  .busy_ppm = take(w, 1) * 1000,
					  .corrupt_ppm = take(w, 1) * 200,
					  .delay_ns = take(w, 1) * 10000,
					  .reorder_ns = NS_PER_MS };

	simnet_set_link(h->port, &link);
}

static void op_listen(struct world *w)
{
	uint32_t byte = take(w, 1);
	struct host *h = any_host(w, byte);
	struct ipaddr ip = own_address(h, byte & 2);
	uint16_t port = (uint16_t)(PORT + 1 + (byte >> 3) % 7);

	if (byte & 4)
		stack_listen(h->stack, &ip, port, NULL);
	else
		stack_unlisten(h->stack, &ip, port);
}

static void op_ping(struct world *w)
{
	struct host *h = any_host(w, take(w, 1));
	struct ipaddr to = stranger(take(w, 1));

	stack_ping(h->stack, &to, 1, 1, "", 1);
}

static void op_time(struct world *w)
{
	uint32_t value = take(w, 1);

	run(w, (uint64_t)(value & 0x3f) * (value & 0x40 ? 16 : 1) * NS_PER_MS);
}

static void (*const operations[])(struct world *w) = {
	op_time, op_raw,   op_packet, op_near, op_flood, op_arp,    op_nd,     op_echo, op_connect,
	op_put,	 op_leave, op_mood,   op_deaf, op_talk,	 op_faults, op_listen, op_ping,
};

/* --- from the beginning to the end ------------------------------------------------------- */

static void open_host(struct world *w, uint32_t number)
{
	struct host *h = &w->hosts[number];
	struct stack_conf conf = { .naddrs = 2,
				   .flows = FLOWS,
				   .segments = SEGMENTS,
				   .listeners = LISTENERS,
				   .neighbours = NEIGHBOURS,
				   .seed = number,
				   .user = &user,
				   .arg = h };

	h->world = w;
	for (uint32_t i = 0; i < ENDS; i++)
		h->ends[i].host = h;
	check(simnet_attach(w->net, 0, NULL, &h->port) == 0);
	conf.port = h->port;
	for (uint32_t i = 0; i < 2; i++)
		conf.addrs[i] = (struct stack_addr){ .ip = address(number + 1, i), .prefix = 8 };
	check(stack_new(&conf, simnet_now(w->net) + 1, &h->stack) == 0);
}

static void open_talk(struct world *w, uint32_t number)
{
	struct host *a = &w->hosts[number % HOSTS], *b = &w->hosts[(number + 1) % HOSTS];
	struct end *x = &a->ends[number], *y = &b->ends[number];
	struct ipaddr from = own_address(a, number & 1), to = own_address(b, number & 1);

	x->honest = y->honest = true;
	check(stack_listen(b->stack, &to, PORT, y) == 0);
	check(stack_connect(a->stack, &from, &to, PORT, x, &x->flow) == 0);
	run(w, 10 * NS_PER_MS);
	check(x->connected && y->connected);
}

/* All heard each other to the end. */
static void check_talks(const struct world *w)
{
	for (uint32_t i = 0; i < TALKS; i++) {
		const struct end *x = &w->hosts[0].ends[i], *y = &w->hosts[1].ends[i];

		check(x->flow && y->flow && x->sent == x->to_send && y->sent == y->to_send);
		check(x->got == y->sent && y->got == x->sent);
	}
}

static void end_all(struct world *w, uint32_t from, bool at_once)
{
	for (uint32_t i = 0; i < HOSTS; i++)
		for (uint32_t k = from; k < ENDS; k++)
			leave(&w->hosts[i].ends[k], at_once);
}

static void settle(struct world *w)
{
	static const struct simnet_link whole;
	struct stack_stats s;

	for (uint32_t i = 0; i < HOSTS; i++) {
		simnet_set_link(w->hosts[i].port, &whole);
		for (uint32_t k = 0; k < TALKS; k++) {
			struct end *e = &w->hosts[i].ends[k];

			e->mood = CALM;
			if (e->flow)
				flow_resume(e->flow);
		}
	}
	end_all(w, TALKS, w->in_end[-1] & 1);
	run(w, 20 * NS_PER_S);
	if (!w->may_lie && !w->may_claim)
		check_talks(w);
	end_all(w, 0, false);
	run(w, 60 * NS_PER_S);
	for (uint32_t i = 0; i < HOSTS; i++) {
		stack_stats(w->hosts[i].stack, &s);
		check(!s.flows && !s.half_open && s.segments_free == SEGMENTS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;

	if (!size)
		return 0;
	memset(&w, 0, sizeof(w));
	w.in = data + 1;
	w.in_end = data + size;
	w.may_lie = data[0] & MAY_LIE;
	w.may_claim = data[0] & MAY_CLAIM;
	check(simnet_new(1, 1024, &w.net) == 0);
	simnet_tap(w.net, on_frame, &w);
	for (uint32_t i = 0; i < HOSTS; i++)
		open_host(&w, i);
	check(simnet_attach(w.net, 0, NULL, &w.wire) == 0);
	for (uint32_t i = 0; i < TALKS; i++)
		open_talk(&w, i);
	for (uint32_t i = 0; i < OPERATIONS && w.in < w.in_end; i++) {
		operations[take(&w, 1) % (sizeof(operations) / sizeof(operations[0]))](&w);
		run(&w, NS_PER_MS);
	}
	settle(&w);
	for (uint32_t i = 0; i < HOSTS; i++)
		stack_free(w.hosts[i].stack);
	simnet_free(w.net);
	return 0;
}
