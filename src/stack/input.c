/* SPDX-License-Identifier: BSD-3-Clause */
/* From a frame to what it is for. Whatever is not for us gets no answer. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stack/impl.h"

const struct stack_addr *stack_own(const struct stack *s, const struct ipaddr *ip)
{
	for (uint32_t i = 0; i < s->conf.naddrs; i++)
		if (ipaddr_equal(&s->conf.addrs[i].ip, ip))
			return &s->conf.addrs[i];
	return NULL;
}

void stack_notice(struct stack *s, const char *format, ...)
{
	char text[160];
	va_list args;

	if (!s->conf.user->notice || !rate_take(&s->notice_rate, s->now, 5, 1, NULL))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	s->conf.user->notice(s->conf.arg, text);
}

/* --- what one layer finds is the next one's -------------------------------------------- */

struct packet {
	struct stack *s;
	uint8_t *frame;
	uint32_t len;
	bool copy;
	struct ether ether;
	struct ip ip;
	const struct stack_addr *own; /* whom it is for; NULL: a group */
};

static void input_arp(struct packet *p)
{
	struct arp a;

	if (arp_decode(p->frame + ETHER_HEADER, p->len - ETHER_HEADER, &a) < 0) {
		p->s->stats.unsupported++;
		return;
	}
	/* Who answers for somebody else is up to something. */
	if (memcmp(&a.sender_mac, &p->ether.src, sizeof(a.sender_mac)) != 0) {
		p->s->stats.damaged++;
		return;
	}
	if (!p->copy)
		steer_to_all(p->s, p->frame, p->len);
	neigh_arp(p->s, &a, p->copy);
}

/* Back to where it came from: that is as good as the way that we would look for. */
static void answer_echo(struct packet *p, struct icmp *m)
{
	struct ip reply = { .src = p->ip.dst, .dst = p->ip.src, .ttl = IP_TTL };

	if (!rate_take(&p->s->answer_rate, p->s->now, 2000, 50000, NULL) ||
	    ip_header(&reply) + icmp_bytes(m) > p->s->port->mtu)
		return;
	m->kind = ICMP_ECHO_REPLY;
	p->s->stats.echoes += output_icmp(p->s, &p->ether.src, &reply, m);
}

static void tell_echo(struct packet *p, const struct icmp *m)
{
	const struct stack_echo echo = { .from = p->ip.src,
					 .id = m->id,
					 .seq = m->seq,
					 .ttl = p->ip.ttl,
					 .data = m->data,
					 .len = m->len };

	if (p->s->conf.user->echoed)
		p->s->conf.user->echoed(p->s->conf.arg, &echo);
}

static void input_icmp(struct packet *p)
{
	struct icmp m;

	if (icmp_decode(&p->ip, &m) < 0) {
		p->s->stats.damaged++;
		return;
	}
	if (m.kind == ICMP_SOLICIT || m.kind == ICMP_ADVERT) {
		if (!p->copy)
			steer_to_all(p->s, p->frame, p->len);
		neigh_nd(p->s, &p->ip, &m, p->copy);
	} else if (!p->own || p->own->ports_only || !ipaddr_is_unicast(&p->ip.src) ||
		   stack_own(p->s, &p->ip.src)) {
		p->s->stats.not_ours++;
	} else if (m.kind == ICMP_ECHO) {
		answer_echo(p, &m);
	} else if (m.kind == ICMP_ECHO_REPLY) {
		tell_echo(p, &m);
	}
}

static void input_udp(struct packet *p)
{
	struct flow_name name = { .local = p->ip.dst, .remote = p->ip.src };
	struct udp u;

	if (udp_decode(&p->ip, p->s->port->partial_sums, &u) < 0) {
		p->s->stats.damaged++;
		return;
	}
	if (!p->copy && steer_away(p->s, u.dst, p->frame, p->len))
		return;
	name.local_port = u.dst;
	name.remote_port = u.src;
	if (p->s->conf.user->datagram && !p->s->port_users[u.dst] &&
	    datagram_input(p->s, &name, &p->ether.src, &u))
		return;
	flow_input(p->s, &name, &p->ether.src, u.payload, u.len);
}

/*
 * A host that comes up asks from :: whether somebody has its address, and one that has ours
 * asks from that: neighbour discovery wants to know.
 */
static bool source_may_be(const struct packet *p)
{
	static const struct ipaddr unspecified;

	if (ipaddr_equal(&p->ip.src, &unspecified))
		return p->ip.proto == IP_ICMP6;
	return ipaddr_is_unicast(&p->ip.src) &&
	       (p->ip.proto == IP_ICMP6 || !stack_own(p->s, &p->ip.src));
}

static void input_ip(struct packet *p, int r)
{
	if (r < 0) {
		if (r == -EOPNOTSUPP)
			p->s->stats.unsupported++;
		else
			p->s->stats.damaged++;
		return;
	}
	p->own = stack_own(p->s, &p->ip.dst);
	if (!source_may_be(p) || (!p->own && p->ip.proto != IP_ICMP6))
		p->s->stats.not_ours++;
	else if (p->ip.proto == IP_UDP)
		input_udp(p);
	else if (p->ip.proto == (ipaddr_is4(&p->ip.dst) ? IP_ICMP : IP_ICMP6))
		input_icmp(p);
	else
		p->s->stats.unsupported++;
}

static bool is_for_us(const struct packet *p)
{
	return mac_is_group(&p->ether.dst) || !memcmp(p->ether.dst.b, p->s->port->mac, ETHER_MAC);
}

void input(struct stack *s, uint8_t *frame, uint32_t len, bool copy)
{
	struct packet p = { .s = s, .frame = frame, .len = len, .copy = copy };
	uint8_t *at = frame + ETHER_HEADER;

	s->stats.frames++;
	if (ether_decode(frame, len, &p.ether) < 0 || !mac_is_station(&p.ether.src)) {
		s->stats.damaged++;
		return;
	}
	if (!is_for_us(&p)) {
		s->stats.not_ours++;
		return;
	}
	len -= ETHER_HEADER;
	if (p.ether.type == ETHER_ARP)
		input_arp(&p);
	else if (p.ether.type == ETHER_IPV4)
		input_ip(&p, ip4_decode(at, len, &p.ip));
	else if (p.ether.type == ETHER_IPV6)
		input_ip(&p, ip6_decode(at, len, &p.ip));
	else
		s->stats.unsupported++;
}
