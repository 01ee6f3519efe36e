/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack/impl.h"

enum { PORTS = 65536, WAYS = 8 };
enum { DEAD = 2 * PORT_BURST }; /* flows that end in one poll and stay in memory until it is over */

static int check_conf(const struct stack_conf *c)
{
	if (!c->naddrs || c->naddrs > STACK_ADDRS || !c->flows || !c->segments)
		return -EINVAL;
	if (!c->listeners || c->neighbours < WAYS || c->neighbours % WAYS)
		return -EINVAL;
	if (c->port->mtu < PORT_MTU_MIN || c->port->mtu > PORT_MTU_MAX)
		return -EINVAL;
	if (c->steering && !steer_has(c->steering, c->engine))
		return -EINVAL;
	for (uint32_t i = 0; i < c->naddrs; i++)
		if (!ipaddr_is_unicast(&c->addrs[i].ip) ||
		    c->addrs[i].prefix > (ipaddr_is4(&c->addrs[i].ip) ? 32 : 128))
			return -EINVAL;
	/* :: is none, and so is 0.0.0.0, however it is written. */
	if (ipaddr_is_unicast(&c->gateways[0]) && !ipaddr_is4(&c->gateways[0]))
		return -EINVAL;
	return ipaddr_is4(&c->gateways[1]) ? -EINVAL : 0;
}

/* Whether somebody wants to know of ports on addresses that the kernel has, too. */
static bool tells_ports(const struct stack_conf *c)
{
	uint32_t i = 0;

	while (i < c->naddrs && !c->addrs[i].ports_only)
		i++;
	return c->own_port && i < c->naddrs;
}

static bool make_tables(struct stack *s)
{
	uint32_t buckets = 64;

	while (buckets < 2 * s->max_flows)
		buckets *= 2;
	s->table_mask = buckets - 1;
	s->table = calloc(buckets, sizeof(struct flow *));
	s->flows = calloc(s->max_flows, sizeof(*s->flows));
	s->heap = calloc(s->max_flows, sizeof(struct flow *));
	s->listeners = calloc(s->conf.listeners, sizeof(*s->listeners));
	s->neighs = calloc(s->conf.neighbours, sizeof(*s->neighs));
	s->port_users = calloc(PORTS, sizeof(*s->port_users));
	if (tells_ports(&s->conf)) {
		s->shared_users = calloc(PORTS, sizeof(*s->shared_users));
		if (!s->shared_users)
			return false;
	}
	return s->table && s->flows && s->heap && s->listeners && s->neighs && s->port_users &&
	       segs_init(&s->segs, s->conf.segments) == 0 && shares_init(s) == 0;
}

static uint64_t spread(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

int stack_new(const struct stack_conf *conf, uint64_t now_ns, struct stack **ret)
{
	struct stack *s;
	int r = check_conf(conf);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->conf = *conf;
	s->port = conf->port;
	s->now = now_ns;
	s->key[0] = spread(conf->seed + 1);
	s->key[1] = spread(conf->seed + 2);
	/* A daemon that starts again meets none of the flows that it left with its peers. */
	s->next_port = (uint16_t)(1024 + spread(conf->seed + 3) % (PORTS - 1024));
	s->max_flows = 2 * conf->flows + DEAD;
	s->neigh_due = UINT64_MAX;
	if (!make_tables(s)) {
		stack_free(s);
		return -ENOMEM;
	}
	neigh_announce(s);
	port_flush(s->port);
	*ret = s;
	return 0;
}

void stack_free(struct stack *s)
{
	if (!s)
		return;
	free(s->segs.all);
	free(s->shares);
	free(s->shared_users);
	free(s->port_users);
	free(s->neighs);
	free(s->listeners);
	free(s->heap);
	free(s->flows);
	free(s->table);
	free(s);
}

/* --- the turn ---------------------------------------------------------------------------- */

static bool take_frames(struct stack *s)
{
	struct frame frames[PORT_BURST];
	unsigned n = port_rx(s->port, frames, PORT_BURST);

	for (unsigned i = 0; i < n; i++)
		input(s, frames[i].data, frames[i].len, false);
	return n > 0;
}

static void free_dead(struct stack *s)
{
	while (s->dead) {
		struct flow *f = s->dead;

		s->dead = f->next;
		f->state = FLOW_FREE;
		f->next = s->free_flows;
		s->free_flows = f;
	}
}

bool stack_poll(struct stack *s, uint64_t now_ns)
{
	struct flow *f;
	bool any;

	s->now = now_ns;
	any = take_frames(s);
	any |= steer_drain(s);
	share_turns(s);
	while ((f = timer_next(s))) {
		flow_due(f);
		any = true;
	}
	neigh_timers(s);
	if (memcmp(s->announced.b, s->port->mac, ETHER_MAC) != 0)
		neigh_announce(s);
	if (s->owed && s->now >= s->owed_ns)
		recv_owed(s);
	stack_flush(s);
	free_dead(s);
	return any;
}

void stack_flush(struct stack *s)
{
	if (s->sending)
		recv_owed(s);
	s->sending = false;
	port_flush(s->port);
}

void stack_rest(struct stack *s)
{
	recv_owed(s);
	stack_flush(s);
}

void stack_announce(struct stack *s)
{
	neigh_announce(s);
	port_flush(s->port);
}

uint64_t stack_deadline(const struct stack *s)
{
	uint64_t next = s->nheap ? s->heap[0]->timer_ns : UINT64_MAX;

	if (s->full || s->dead)
		return s->now;
	if (s->owed && s->owed_ns < next)
		next = s->owed_ns;
	return next < s->neigh_due ? next : s->neigh_due;
}

/* --- listeners ------------------------------------------------------------------------------ */

int stack_listen(struct stack *s, const struct ipaddr *ip, uint16_t port, void *listener)
{
	if (!stack_own(s, ip))
		return -EADDRNOTAVAIL;
	if (stack_listener(s, ip, port))
		return -EADDRINUSE;
	for (uint32_t i = 0; i < s->conf.listeners; i++) {
		struct listener *l = &s->listeners[i];

		if (l->used)
			continue;
		if (!port_take(s, ip, port))
			return -EADDRINUSE;
		*l = (struct listener){ .ip = *ip, .port = port, .used = true, .user = listener };
		s->stats.listeners++;
		return 0;
	}
	return -ENOSPC;
}

int stack_unlisten(struct stack *s, const struct ipaddr *ip, uint16_t port)
{
	struct listener *l = stack_listener(s, ip, port);

	if (!l)
		return -ENOENT;
	l->used = false;
	s->stats.listeners--;
	port_give(s, ip, port);
	return 0;
}

/* --- what there is -----------------------------------------------------------------------------
 */

void stack_stats(const struct stack *s, struct stack_stats *ret)
{
	*ret = s->stats;
	ret->segments_free = s->segs.nfree;
	ret->neighbours = 0;
	for (uint32_t i = 0; i < s->conf.neighbours; i++)
		ret->neighbours += s->neighs[i].state != NEIGH_FREE;
}

bool stack_next_flow(const struct stack *s, uint32_t *at, struct flow_info *ret)
{
	static const char *const names[] = {
		"", "syn-sent", "syn-received", "established", "closing", "resetting", ""
	};

	for (; *at < s->nflows; ++*at) {
		const struct flow *f = &s->flows[*at];

		if (f->state == FLOW_FREE || f->state == FLOW_DEAD)
			continue;
		*ret = (struct flow_info){ .name = f->name,
					   .state = names[f->state],
					   .snd_una = f->una,
					   .snd_nxt = f->nxt,
					   .rcv_nxt = f->rcv,
					   .window = f->window,
					   .queued = f->nsegs,
					   .held = f->nheld,
					   .rtt_ns = f->rtt_ns,
					   .resent = f->resent,
					   .user = f->user };
		++*at;
		return true;
	}
	return false;
}
