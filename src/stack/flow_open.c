/* SPDX-License-Identifier: BSD-3-Clause */
/* The handshake, from both sides. What it adds to the reference's: see flow.c. */
#include <errno.h>

#include "stack/impl.h"

/* SYN_ACKS: to somebody who may be nobody. */
enum { SYN_ACKS = 8, SYN_MOST_MS = 500, SYN_GIVE_UP_S = 10, UNREACHABLE_S = 4 };

static void send_syn(struct flow *f)
{
	bool enough = f->state == FLOW_SYN_RECEIVED && f->tries >= SYN_ACKS;
	struct machnet m = { .kind = f->state == FLOW_SYN_SENT ? MACHNET_SYN : MACHNET_SYN_ACK,
			     .seq = 0,
			     .ack = f->rcv,
			     .again = f->state == FLOW_SYN_RECEIVED && f->tries };

	/* The way there is being looked for: it goes when that is found. */
	if (!enough && output_flow(f, &m, NULL, 0) && f->tries == 0)
		f->since_ns = f->stack->now;
	flow_set_timer(f, flow_backoff_ns(SYN_FIRST_MS, f->tries, SYN_MOST_MS));
}

void open_due(struct flow *f)
{
	uint64_t waited = f->stack->now - f->heard_ns;

	if (waited >= SYN_GIVE_UP_S * NS_PER_S) {
		if (f->state == FLOW_SYN_RECEIVED)
			flow_send_resets(f);
		flow_end(f, ETIMEDOUT);
	} else if (f->state == FLOW_SYN_SENT && waited >= UNREACHABLE_S * NS_PER_S &&
		   !neigh_resolve(f->stack, &f->hop)) {
		flow_end(f, EHOSTUNREACH);
	} else {
		f->tries++;
		send_syn(f);
	}
}

void flows_resolved(struct stack *s, const struct ipaddr *ip)
{
	for (uint32_t i = 0; i < s->nflows; i++) {
		struct flow *f = &s->flows[i];

		if (f->state == FLOW_SYN_SENT && ipaddr_equal(&f->hop, ip)) {
			f->tries = 0;
			send_syn(f);
		}
	}
}

int stack_connect(struct stack *s, const struct ipaddr *local, const struct ipaddr *remote,
		  uint16_t port, void *user, struct flow **ret)
{
	struct flow_name name = { .local = *local, .remote = *remote, .remote_port = port };
	struct ipaddr hop;
	struct flow *f;

	if (!stack_own(s, local) || ipaddr_is4(local) != ipaddr_is4(remote))
		return -EADDRNOTAVAIL;
	if (!ipaddr_is_unicast(remote) || stack_own(s, remote) || route(s, remote, &hop) < 0)
		return -ENETUNREACH;
	if (s->stats.flows >= s->conf.flows)
		return -ENOMEM;
	if (!port_find(s, local, &name.local_port))
		return -EADDRINUSE;
	f = flow_new(s, &name);
	port_give(s, local, name.local_port); /* the flow has it now */
	if (!f)
		return -ENOMEM;
	s->stats.flows++;
	f->state = FLOW_SYN_SENT;
	f->active = true;
	f->hop = hop;
	f->user = user;
	f->nxt = 1;
	send_syn(f);
	port_flush(s->port);
	*ret = f;
	return 0;
}

struct listener *stack_listener(const struct stack *s, const struct ipaddr *ip, uint16_t port)
{
	for (uint32_t i = 0; s->port_users[port] && i < s->conf.listeners; i++) {
		struct listener *l = &s->listeners[i];

		if (l->used && l->port == port && ipaddr_equal(&l->ip, ip))
			return l;
	}
	return NULL;
}

void open_syn(struct stack *s, const struct flow_name *name, const struct mac *from)
{
	struct ipaddr hop;
	struct flow *f;

	if (route(s, &name->remote, &hop) < 0 || !flow_make_way(s)) {
		s->stats.syn_dropped++;
		return;
	}
	f = flow_new(s, name);
	if (!f)
		return;
	s->stats.half_open++;
	f->state = FLOW_SYN_RECEIVED;
	f->hop = hop;
	f->hint = *from;
	f->has_hint = true;
	f->rcv = 1;
	f->nxt = 1;
	send_syn(f);
}

/* The first round trip is known now, unless something had to go twice. */
static void established(struct flow *f)
{
	uint64_t took = f->stack->now - f->since_ns;

	f->state = FLOW_ESTABLISHED;
	f->una = 1;
	if (!f->tries)
		loss_rtt(f, took);
	f->tries = 0;
	timer_clear(f);
}

void open_accepted(struct flow *f)
{
	struct stack *s = f->stack;
	struct listener *l = stack_listener(s, &f->name.local, f->name.local_port);

	if (!l || s->stats.flows >= s->conf.flows) {
		s->stats.syn_dropped++;
		flow_send_resets(f);
		flow_bury(f);
		return;
	}
	s->stats.half_open--;
	s->stats.flows++;
	established(f);
	if (!s->conf.user->accepted(s->conf.arg, f, l->user) && f->state == FLOW_ESTABLISHED)
		flow_begin_reset(f);
}

void open_connected(struct flow *f)
{
	f->rcv = 1;
	established(f);
	send_ack(f);
	f->stack->conf.user->connected(f->stack->conf.arg, f, 0);
}
