/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "stack/impl.h"

/* --- where to ---------------------------------------------------------------------- */

static bool is_set(const struct ipaddr *a)
{
	static const struct ipaddr none;

	return memcmp(a, &none, sizeof(none)) != 0;
}

static const struct ipaddr link_local = { .b = { 0xfe, 0x80 } };

static bool on_link(const struct stack *s, const struct ipaddr *to)
{
	for (uint32_t i = 0; i < s->conf.naddrs; i++)
		if (ipaddr_same_net(&s->conf.addrs[i].ip, to, s->conf.addrs[i].prefix))
			return true;
	return ipaddr_same_net(&link_local, to, 10);
}

int route(const struct stack *s, const struct ipaddr *to, struct ipaddr *ret)
{
	const struct ipaddr *gateway = &s->conf.gateways[!ipaddr_is4(to)];

	if (on_link(s, to))
		*ret = *to;
	else if (is_set(gateway))
		*ret = *gateway;
	else
		return -ENETUNREACH;
	return 0;
}

const struct stack_addr *source_for(const struct stack *s, const struct ipaddr *to)
{
	const struct stack_addr *any = NULL;

	for (uint32_t i = 0; i < s->conf.naddrs; i++) {
		const struct stack_addr *a = &s->conf.addrs[i];

		if (ipaddr_is4(&a->ip) != ipaddr_is4(to))
			continue;
		if (ipaddr_same_net(&a->ip, to, a->prefix))
			return a;
		any = any ? any : a;
	}
	return any;
}

/* --- packets ------------------------------------------------------------------------ */

static uint8_t *room(struct stack *s)
{
	uint8_t *frame = port_tx_room(s->port);

	s->stats.no_room += !frame;
	return frame;
}

static void put_ether(struct stack *s, uint8_t *frame, const struct mac *to, uint16_t type)
{
	struct ether h = { .dst = *to, .type = type };

	memcpy(h.src.b, s->port->mac, ETHER_MAC);
	ether_encode(frame, &h);
}

uint8_t *output_room(struct stack *s, const struct ip *ip)
{
	uint8_t *frame = room(s);

	return frame ? frame + ETHER_HEADER + ip_header(ip) : NULL;
}

void output(struct stack *s, const struct mac *to, const struct ip *ip)
{
	uint8_t *frame = port_tx_room(s->port);

	put_ether(s, frame, to, ipaddr_is4(&ip->src) ? ETHER_IPV4 : ETHER_IPV6);
	ip_encode(frame + ETHER_HEADER, ip);
	s->sending = true;
	port_tx(s->port, ETHER_HEADER + ip_header(ip) + ip->len);
}

void output_arp(struct stack *s, const struct mac *to, const struct arp *a)
{
	uint8_t *frame = room(s);

	if (!frame)
		return;
	put_ether(s, frame, to, ETHER_ARP);
	arp_encode(frame + ETHER_HEADER, a);
	s->sending = true;
	port_tx(s->port, ETHER_HEADER + ARP_BYTES);
}

bool output_icmp(struct stack *s, const struct mac *to, struct ip *ip, const struct icmp *m)
{
	uint8_t *at;

	ip->proto = ipaddr_is4(&ip->src) ? IP_ICMP : IP_ICMP6;
	ip->len = icmp_bytes(m);
	at = output_room(s, ip);
	if (!at)
		return false;
	icmp_encode(at, ip, m);
	output(s, to, ip);
	return true;
}

/* A Machnet packet from one name to the other. */
static bool output_machnet(struct stack *s, const struct mac *to, const struct flow_name *name,
			   const struct machnet *m, const void *data, uint32_t len)
{
	struct udp u = { .src = name->local_port,
			 .dst = name->remote_port,
			 .len = MACHNET_HEADER + len };
	struct ip ip = { .src = name->local,
			 .dst = name->remote,
			 .proto = IP_UDP,
			 .ttl = IP_TTL,
			 .len = UDP_HEADER + u.len };
	uint8_t *at = output_room(s, &ip);

	if (!at)
		return false;
	u.payload = at + UDP_HEADER;
	machnet_encode(u.payload, m);
	if (len)
		memcpy(u.payload + MACHNET_HEADER, data, len);
	udp_encode(at, &ip, &u);
	output(s, to, &ip);
	s->stats.sent++;
	return true;
}

bool output_flow(struct flow *f, const struct machnet *m, const void *data, uint32_t len)
{
	const struct mac *to = &f->hint;

	/* Whoever sends a SYN may say that he is anybody: no question, no place for that. */
	if (f->state != FLOW_SYN_RECEIVED)
		to = neigh_resolve(f->stack, &f->hop);
	if (!to && f->has_hint)
		to = &f->hint;
	return to && output_machnet(f->stack, to, &f->name, m, data, len);
}

void output_reset(struct stack *s, const struct mac *to, const struct flow_name *name, uint32_t seq,
		  uint32_t ack)
{
	struct machnet m = { .kind = MACHNET_RST, .seq = seq, .ack = ack };

	if (rate_take(&s->reset_rate, s->now, 100, 1000, NULL) &&
	    output_machnet(s, to, name, &m, NULL, 0))
		s->stats.resets_sent++;
}

int stack_ping(struct stack *s, const struct ipaddr *to, uint16_t id, uint16_t seq,
	       const void *data, uint32_t len)
{
	const struct stack_addr *from = source_for(s, to);
	struct icmp m = {
		.kind = ICMP_ECHO, .id = id, .seq = seq, .data = (uint8_t *)data, .len = len
	};
	struct ip ip = { .dst = *to, .ttl = IP_TTL };
	const struct mac *mac;
	struct ipaddr hop;

	if (!from || !ipaddr_is_unicast(to) || stack_own(s, to) || route(s, to, &hop) < 0)
		return -ENETUNREACH;
	ip.src = from->ip;
	if (ip_header(&ip) + icmp_bytes(&m) > s->port->mtu)
		return -EMSGSIZE;
	mac = neigh_resolve(s, &hop);
	if (!mac || !output_icmp(s, mac, &ip, &m))
		return -EAGAIN;
	port_flush(s->port);
	return 0;
}
