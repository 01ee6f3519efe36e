/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has which address on the link. Sober: what nobody asked for is not believed. An
 * answer is taken from who was asked, or asks us; a MAC that is known is not replaced on
 * somebody's word, but doubted: its owner is asked, and only when it says nothing
 * is everybody asked again.
 *
 * A hash picks a set of places; who is in it for another address goes when it is needed
 * least, so a storm displaces nobody who is spoken to.
 */
#include <stdio.h>
#include <string.h>

#include "stack/hash.h"
#include "stack/impl.h"

/* On a network that loses a third, sixteen questions find everybody. */
enum { WAYS = 8, DOUBTS = 3, TRIES = 16 };
enum { WAIT_MS = 250, SURE_S = 30, IN_USE_S = 60, DEFEND_S = 10 };

static const struct mac everybody = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

static struct neigh *set_of(const struct stack *s, const struct ipaddr *ip)
{
	/* Once more: what makes IPv4 addresses differ is in the upper half of the last word. */
	uint64_t hash = hash_mix(hash_ip(s->key[0], ip), s->key[1]);

	return &s->neighs[(uint32_t)(hash >> 32) % (s->conf.neighbours / WAYS) * WAYS];
}

static struct neigh *find(const struct stack *s, const struct ipaddr *ip)
{
	struct neigh *set = set_of(s, ip);

	for (int i = 0; i < WAYS; i++)
		if (set[i].state != NEIGH_FREE && ipaddr_equal(&set[i].ip, ip))
			return &set[i];
	return NULL;
}

/* A place; NULL: all are in use, and this one is not `needed`. */
static struct neigh *make(struct stack *s, const struct ipaddr *ip, bool needed)
{
	struct neigh *set = set_of(s, ip), *least = NULL;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].state == NEIGH_FREE) {
			least = &set[i];
			break;
		}
		if (!least || set[i].used_ns < least->used_ns)
			least = &set[i];
	}
	if (least->state != NEIGH_FREE && !needed && s->now - least->used_ns < IN_USE_S * NS_PER_S)
		return NULL;
	*least = (struct neigh){ .ip = *ip, .used_ns = s->now, .heard_ns = s->now };
	return least;
}

/* --- asking ---------------------------------------------------------------------------- */

static void mac_of(const struct stack *s, struct mac *ret)
{
	memcpy(ret->b, s->port->mac, ETHER_MAC);
}

static void ask4(struct stack *s, const struct neigh *n, const struct ipaddr *from)
{
	struct arp a = { .op = ARP_REQUEST, .sender = *from, .target = n->ip };

	mac_of(s, &a.sender_mac);
	output_arp(s, n->state == NEIGH_DOUBTED ? &n->mac : &everybody, &a);
}

/* The group that a host with such an address is in, and its MAC. */
static void solicited_node(const struct ipaddr *ip, struct ipaddr *group, struct mac *mac)
{
	*group = (struct ipaddr){ .b = { 0xff, 0x02, [11] = 1, [12] = 0xff } };
	memcpy(group->b + 13, ip->b + 13, 3);
	*mac = (struct mac){ { 0x33, 0x33, 0xff } };
	memcpy(mac->b + 3, ip->b + 13, 3);
}

static void ask6(struct stack *s, const struct neigh *n, const struct ipaddr *from)
{
	struct icmp m = { .kind = ICMP_SOLICIT, .target = n->ip, .has_mac = true };
	struct ip ip = { .src = *from, .dst = n->ip, .ttl = UINT8_MAX };
	struct mac to = n->mac;

	mac_of(s, &m.mac);
	if (n->state != NEIGH_DOUBTED)
		solicited_node(&n->ip, &ip.dst, &to);
	output_icmp(s, &to, &ip, &m);
}

static void ask(struct stack *s, struct neigh *n)
{
	const struct stack_addr *from = source_for(s, &n->ip);

	n->due_ns = s->now + WAIT_MS * NS_PER_MS;
	n->tries++;
	if (n->due_ns < s->neigh_due)
		s->neigh_due = n->due_ns;
	if (!from)
		return;
	if (from->ports_only && s->conf.user->resolve)
		s->conf.user->resolve(s->conf.arg, &n->ip);
	else if (ipaddr_is4(&n->ip))
		ask4(s, n, &from->ip);
	else
		ask6(s, n, &from->ip);
}

static void doubt(struct stack *s, struct neigh *n)
{
	n->state = NEIGH_DOUBTED;
	n->tries = 0;
	ask(s, n);
}

const struct mac *neigh_resolve(struct stack *s, const struct ipaddr *ip)
{
	struct neigh *n = find(s, ip);

	if (!n) {
		n = make(s, ip, true);
		n->state = NEIGH_ASKED;
		ask(s, n);
		/* resolve() may have known at once. */
		return n->state == NEIGH_KNOWN ? &n->mac : NULL;
	}
	n->used_ns = s->now;
	if (n->state == NEIGH_KNOWN && s->now - n->heard_ns > SURE_S * NS_PER_S)
		doubt(s, n);
	return n->state == NEIGH_ASKED ? NULL : &n->mac;
}

/* Who does not answer to a doubt is asked for as if never known; who does not then, is not there.
 */
static void overdue(struct stack *s, struct neigh *n)
{
	if (n->tries < (n->state == NEIGH_DOUBTED ? DOUBTS : TRIES)) {
		ask(s, n);
	} else if (n->state == NEIGH_DOUBTED) {
		n->state = NEIGH_ASKED;
		n->tries = 0;
		ask(s, n);
	} else {
		n->state = NEIGH_FREE;
	}
}

void neigh_timers(struct stack *s)
{
	if (s->now < s->neigh_due)
		return;
	s->neigh_due = UINT64_MAX;
	for (uint32_t i = 0; i < s->conf.neighbours; i++) {
		struct neigh *n = &s->neighs[i];

		if (n->state != NEIGH_ASKED && n->state != NEIGH_DOUBTED)
			continue;
		if (n->due_ns <= s->now)
			overdue(s, n);
		else if (n->due_ns < s->neigh_due)
			s->neigh_due = n->due_ns;
	}
}

/* --- hearing ----------------------------------------------------------------------------- */

static void settle(struct stack *s, struct neigh *n, const struct mac *mac)
{
	bool waited = n->state == NEIGH_ASKED;

	n->mac = *mac;
	n->state = NEIGH_KNOWN;
	n->heard_ns = s->now;
	if (waited)
		flows_resolved(s, &n->ip);
}

static void say_two(struct stack *s, const struct neigh *n, const struct mac *m)
{
	char text[IPADDR_TEXT];

	ipaddr_format(&n->ip, text);
	stack_notice(s, "%s is claimed by %02x:%02x:%02x:%02x:%02x:%02x, too; its owner is asked",
		     text, m->b[0], m->b[1], m->b[2], m->b[3], m->b[4], m->b[5]);
}

/* It says so to us. `asks`: by a question of its own, so an answer will be wanted. */
static void learn(struct stack *s, const struct ipaddr *ip, const struct mac *mac, bool asks)
{
	struct neigh *n = find(s, ip);

	if (!ipaddr_is_unicast(ip) || !mac_is_station(mac) || stack_own(s, ip))
		return;
	if (!n && asks)
		n = make(s, ip, false);
	if (!n)
		return;
	if (n->state == NEIGH_FREE || n->state == NEIGH_ASKED ||
	    !memcmp(&n->mac, mac, sizeof(n->mac))) {
		settle(s, n, mac);
	} else if (n->state == NEIGH_KNOWN) {
		say_two(s, n, mac);
		doubt(s, n);
	}
}

/* It tells everybody, so it may be true: a NIC that took over for another says so. */
static void hint(struct stack *s, const struct ipaddr *ip, const struct mac *mac)
{
	struct neigh *n = find(s, ip);

	if (n && n->state == NEIGH_KNOWN && memcmp(&n->mac, mac, sizeof(*mac)) != 0)
		doubt(s, n);
}

void stack_neighbour(struct stack *s, const struct ipaddr *ip, const struct mac *mac)
{
	struct neigh *n = find(s, ip);

	if (n && mac_is_station(mac))
		settle(s, n, mac);
}

static void say_ours(struct stack *s, const struct stack_addr *own)
{
	struct arp a = { .op = ARP_REQUEST, .sender = own->ip, .target = own->ip };
	struct icmp m = {
		.kind = ICMP_ADVERT, .target = own->ip, .has_mac = true, .override = true
	};
	struct ip ip = { .src = own->ip, .ttl = UINT8_MAX };
	struct mac group = { { 0x33, 0x33, [5] = 1 } };

	if (own->ports_only)
		return;
	mac_of(s, &a.sender_mac);
	mac_of(s, &m.mac);
	ip.dst = (struct ipaddr){ .b = { 0xff, 0x02, [15] = 1 } };
	if (ipaddr_is4(&own->ip))
		output_arp(s, &everybody, &a);
	else
		output_icmp(s, &group, &ip, &m);
}

void neigh_announce(struct stack *s)
{
	mac_of(s, &s->announced);
	for (uint32_t i = 0; i < s->conf.naddrs; i++)
		say_ours(s, &s->conf.addrs[i]);
}

/* Said and defended, but no more often than every ten seconds: two that defend end never. */
static void conflict(struct stack *s, const struct stack_addr *own, const struct mac *m, bool copy)
{
	uint64_t *defended_ns = &s->defended_ns[own - s->conf.addrs];
	char text[IPADDR_TEXT];

	if (copy || own->ports_only || !memcmp(m->b, s->port->mac, ETHER_MAC) ||
	    (*defended_ns && s->now - *defended_ns < DEFEND_S * NS_PER_S))
		return;
	*defended_ns = s->now;
	ipaddr_format(&own->ip, text);
	stack_notice(s, "our address %s is claimed by %02x:%02x:%02x:%02x:%02x:%02x, too", text,
		     m->b[0], m->b[1], m->b[2], m->b[3], m->b[4], m->b[5]);
	say_ours(s, own);
}

static void answer_arp(struct stack *s, const struct arp *q)
{
	struct arp a = { .op = ARP_REPLY, .sender = q->target, .target = q->sender };

	mac_of(s, &a.sender_mac);
	a.target_mac = q->sender_mac;
	if (!rate_take(&s->arp_rate, s->now, 1000, 10000, NULL))
		return;
	output_arp(s, &q->sender_mac, &a);
	s->stats.arp_answers++;
}

void neigh_arp(struct stack *s, const struct arp *a, bool copy)
{
	const struct stack_addr *own = stack_own(s, &a->target);
	const struct stack_addr *claimed = stack_own(s, &a->sender);

	if (claimed)
		conflict(s, claimed, &a->sender_mac, copy);
	if (claimed)
		return;
	if (!own) {
		hint(s, &a->sender, &a->sender_mac);
		return;
	}
	learn(s, &a->sender, &a->sender_mac, a->op == ARP_REQUEST);
	if (a->op == ARP_REQUEST && !own->ports_only && !copy)
		answer_arp(s, a);
}

static void answer_nd(struct stack *s, const struct ip *q, const struct icmp *asked)
{
	static const struct ipaddr unspecified;
	bool known = !ipaddr_equal(&q->src, &unspecified);
	struct icmp m = { .kind = ICMP_ADVERT,
			  .target = asked->target,
			  .has_mac = true,
			  .solicited = known,
			  .override = true };
	struct ip ip = { .src = asked->target, .dst = q->src, .ttl = UINT8_MAX };
	struct mac to = known ? asked->mac : (struct mac){ { 0x33, 0x33, [5] = 1 } };

	if (!known)
		ip.dst = (struct ipaddr){ .b = { 0xff, 0x02, [15] = 1 } };
	mac_of(s, &m.mac);
	if (!rate_take(&s->arp_rate, s->now, 1000, 10000, NULL))
		return;
	s->stats.arp_answers += output_icmp(s, &to, &ip, &m);
}

static void neigh_advert(struct stack *s, const struct ip *ip, const struct icmp *m,
			 const struct stack_addr *own, bool copy)
{
	if (own)
		conflict(s, own, &m->mac, copy);
	else if (stack_own(s, &ip->dst))
		learn(s, &m->target, &m->mac, false);
	else
		hint(s, &m->target, &m->mac);
}

void neigh_nd(struct stack *s, const struct ip *ip, const struct icmp *m, bool copy)
{
	static const struct ipaddr unspecified;
	const struct stack_addr *own = stack_own(s, &m->target), *claimed = stack_own(s, &ip->src);
	bool known = !ipaddr_equal(&ip->src, &unspecified);

	/* An answer to a group would be one to everybody. */
	if (m->has_mac && !mac_is_station(&m->mac))
		return;
	if (claimed) {
		if (m->has_mac)
			conflict(s, claimed, &m->mac, copy);
		return;
	}
	if (m->kind == ICMP_ADVERT) {
		if (m->has_mac)
			neigh_advert(s, ip, m, own, copy);
		return;
	}
	if (!own || own->ports_only || (known && !m->has_mac))
		return;
	if (known)
		learn(s, &ip->src, &m->mac, true);
	if (!copy)
		answer_nd(s, ip, m);
}

bool stack_next_neighbour(const struct stack *s, uint32_t *at, struct neighbour_info *ret)
{
	static const char *const names[] = { "", "asked", "known", "doubted" };

	for (; *at < s->conf.neighbours; ++*at) {
		const struct neigh *n = &s->neighs[*at];

		if (n->state == NEIGH_FREE)
			continue;
		*ret = (struct neighbour_info){ .ip = n->ip,
						.mac = n->mac,
						.state = names[n->state],
						.age_ns = s->now - n->heard_ns };
		++*at;
		return true;
	}
	return false;
}
