/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a flow. Machnet's handshake is three packets, every sequence begins at
 * zero, and nothing says goodbye but a reset. What the reference leaves open:
 *
 *  - SYN-ACKs are sent again, and data is as good as the handshake's last packet.
 *  - Who gives up says so: with a reset for each number that the peer may wait for.
 *  - Who asks again for a flow that stands may be a peer that came back: the peer is
 *    asked for a sign of life, by a packet that it has had already.
 *  - Packets about a flow that is not there are answered with a reset.
 *
 * A reference daemon crashes over the third acknowledgement that brings nothing while
 * it waits for none. So of those no more than two are sent about one number.
 */
#include <errno.h>
#include <string.h>

#include "stack/impl.h"

enum {
	SYN_FIRST_MS = 200,
	SYN_MOST_MS = 500,
	SYN_GIVE_UP_S = 10,
	UNREACHABLE_S = 4,
	GREET_MS = 100, /* a second SYN-ACK sooner is the network's doing */
	RESET_FIRST_MS = 200,
	RESETS = 6,
	CLOSE_S = 5,
	PROBES = 10,
	PROBE_MS = 300,
	PROBED_S = 1,
};

void flow_set_timer(struct flow *f, uint64_t after_ns)
{
	timer_set(f, f->stack->now + after_ns);
}

/* Doubled for each try so far. */
static uint64_t backoff_ns(uint32_t first_ms, uint8_t tries, uint32_t most_ms)
{
	uint64_t ms = (uint64_t)first_ms << (tries < 8 ? tries : 8);

	return (ms < most_ms ? ms : most_ms) * NS_PER_MS;
}

/* --- from nothing, to nothing ---------------------------------------------------------- */

static struct flow *flow_new(struct stack *s, const struct flow_name *name)
{
	struct flow *f = s->free_flows;

	if (!f || !port_take(s, name->local_port))
		return NULL;
	s->free_flows = f->next;
	*f = (struct flow){ .stack = s,
			    .name = *name,
			    .deadline = UINT64_MAX,
			    .window = MACHNET_WINDOW,
			    .threshold = MACHNET_WINDOW,
			    .rto_ns = SYN_FIRST_MS * NS_PER_MS,
			    .heard_ns = s->now,
			    .since_ns = s->now };
	f->mss = (uint16_t)(s->port->mtu - UDP_HEADER - MACHNET_HEADER -
			    (ipaddr_is4(&name->local) ? IP4_HEADER : IP6_HEADER));
	if (f->mss > MACHNET_MSS)
		f->mss = MACHNET_MSS;
	table_add(f);
	return f;
}

static void leave_lists(struct flow *f)
{
	struct flow **at;

	for (at = &f->stack->owe_ack; f->in_owe_ack; at = &(*at)->owe_next)
		if (*at == f) {
			*at = f->owe_next;
			f->in_owe_ack = false;
			break;
		}
	for (at = &f->stack->stalled; f->in_stalled; at = &(*at)->stalled_next)
		if (*at == f) {
			*at = f->stalled_next;
			f->in_stalled = false;
			break;
		}
}

/* One that may go at any time, since it is nobody's yet or any more. */
static bool is_passing(const struct flow *f)
{
	return f->state == FLOW_SYN_RECEIVED || f->state == FLOW_RESETTING;
}

/* Its memory stays as it is until the poll is over: who called us may still look at it. */
static void bury(struct flow *f)
{
	struct stack *s = f->stack;

	if (is_passing(f))
		s->stats.half_open--;
	else
		s->stats.flows--;
	send_drop(f);
	recv_drop(f);
	leave_lists(f);
	timer_clear(f);
	table_remove(f);
	port_give(s, f->name.local_port);
	f->state = FLOW_DEAD;
	f->next = s->dead;
	s->dead = f;
}

static void tell_end(struct flow *f, enum flow_state was, int error)
{
	const struct stack_user *user = f->stack->conf.user;

	if (was == FLOW_SYN_SENT)
		user->connected(f->stack->conf.arg, f, error);
	else if (was == FLOW_ESTABLISHED)
		user->closed(f->stack->conf.arg, f, error);
}

void flow_end(struct flow *f, int error)
{
	enum flow_state was = f->state;

	f->stack->stats.ended++;
	bury(f);
	tell_end(f, was, error);
}

/* Of those that are nobody's, the oldest but for chance. */
static bool make_way(struct stack *s)
{
	for (uint32_t i = 0; s->stats.half_open >= s->conf.flows && i < s->max_flows; i++) {
		struct flow *f = &s->flows[s->half_open_at++ % s->max_flows];

		if (is_passing(f)) {
			s->stats.syn_dropped += f->state == FLOW_SYN_RECEIVED;
			bury(f);
		}
	}
	return s->free_flows;
}

/* --- resets ---------------------------------------------------------------------------- */

/* The peer heeds the one that has the number it waits for. */
static void send_resets(struct flow *f)
{
	struct machnet m = { .kind = MACHNET_RST, .ack = f->rcv };

	for (m.seq = f->una; (int32_t)(f->nxt - m.seq) >= 0; m.seq++)
		if (output_flow(f, &m, NULL, 0))
			f->stack->stats.resets_sent++;
}

static void begin_resetting(struct flow *f)
{
	send_drop(f);
	recv_drop(f);
	make_way(f->stack);
	f->stack->stats.flows--;
	f->stack->stats.half_open++;
	f->state = FLOW_RESETTING;
	f->tries = 0;
	send_resets(f);
	flow_set_timer(f, RESET_FIRST_MS * NS_PER_MS);
}

void flow_reset(struct flow *f, int error)
{
	enum flow_state was = f->state;

	if (was == FLOW_SYN_RECEIVED) {
		bury(f);
		return;
	}
	begin_resetting(f);
	tell_end(f, was, error);
}

void flow_finish(struct flow *f)
{
	begin_resetting(f);
}

static void resetting_due(struct flow *f)
{
	if (f->tries == RESETS) {
		bury(f);
		return;
	}
	f->tries++;
	send_resets(f);
	flow_set_timer(f, backoff_ns(RESET_FIRST_MS, f->tries, UINT32_MAX));
}

/* --- the handshake ------------------------------------------------------------------------ */

static void send_syn(struct flow *f)
{
	struct machnet m = { .kind = f->state == FLOW_SYN_SENT ? MACHNET_SYN : MACHNET_SYN_ACK,
			     .seq = 0,
			     .ack = f->rcv,
			     .again = f->state == FLOW_SYN_RECEIVED && f->tries };

	/* The way there is being looked for: it goes when that is found. */
	if (output_flow(f, &m, NULL, 0) && f->tries == 0)
		f->since_ns = f->stack->now;
	flow_set_timer(f, backoff_ns(SYN_FIRST_MS, f->tries, SYN_MOST_MS));
}

static void handshake_due(struct flow *f)
{
	uint64_t waited = f->stack->now - f->heard_ns;

	if (waited >= SYN_GIVE_UP_S * NS_PER_S) {
		if (f->state == FLOW_SYN_RECEIVED)
			send_resets(f);
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
	for (uint32_t i = 0; i < s->max_flows; i++) {
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
	if (!port_find(s, &name.local_port))
		return -EADDRINUSE;
	f = flow_new(s, &name);
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

static void accept_syn(struct stack *s, const struct flow_name *name, const struct mac *from)
{
	struct ipaddr hop;
	struct flow *f;

	if (route(s, &name->remote, &hop) < 0 || !make_way(s)) {
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
		send_rtt(f, took);
	f->tries = 0;
	timer_clear(f);
}

static void accepted(struct flow *f)
{
	struct stack *s = f->stack;

	struct listener *l = stack_listener(s, &f->name.local, f->name.local_port);

	if (!l || s->stats.flows >= s->conf.flows) {
		s->stats.syn_dropped++;
		send_resets(f);
		bury(f);
		return;
	}
	s->stats.half_open--;
	s->stats.flows++;
	established(f);
	if (!s->conf.user->accepted(s->conf.arg, f, l->user) && f->state == FLOW_ESTABLISHED)
		begin_resetting(f);
}

static void connected(struct flow *f)
{
	f->rcv = 1;
	established(f);
	send_ack(f);
	f->stack->conf.user->connected(f->stack->conf.arg, f, 0);
}

/* --- signs of life ---------------------------------------------------------------------------- */

/*
 * A byte with a number that was acknowledged: every peer has had it and says so, or is not
 * there any more. With any later one it would be taken for the data of that number.
 */
static void send_probe(struct flow *f)
{
	struct machnet m = { .kind = MACHNET_DATA,
			     .flags = MACHNET_FIRST | MACHNET_LAST,
			     .seq = f->una - 1,
			     .ack = MACHNET_NO_ACK,
			     .again = true };

	output_flow(f, &m, "", 1);
	flow_set_timer(f, PROBE_MS * NS_PER_MS);
}

static void doubt_peer(struct flow *f)
{
	if (f->una != f->nxt || f->probes ||
	    (f->probed_ns && f->stack->now - f->probed_ns < PROBED_S * NS_PER_S))
		return;
	f->probed_ns = f->stack->now;
	f->probes = 1;
	send_probe(f);
}

static void probe_due(struct flow *f)
{
	if (f->probes == PROBES) {
		flow_end(f, ECONNRESET);
		return;
	}
	f->probes++;
	send_probe(f);
}

void flow_heard(struct flow *f)
{
	f->heard_ns = f->stack->now;
	f->silent_ns = 0;
	if (!f->probes)
		return;
	f->probes = 0;
	timer_clear(f);
	send_timer(f);
}

/* --- packets ------------------------------------------------------------------------------------
 */

static void input_syn(struct flow *f, const struct mac *from)
{
	if (f->state == FLOW_SYN_RECEIVED) {
		struct machnet m = {
			.kind = MACHNET_SYN_ACK, .seq = f->una, .ack = f->rcv, .again = true
		};

		f->hint = *from;
		output_flow(f, &m, NULL, 0);
	} else if (f->state == FLOW_ESTABLISHED || f->state == FLOW_CLOSING) {
		doubt_peer(f);
	}
}

static void input_syn_ack(struct flow *f, const struct machnet *m)
{
	if (m->ack != 1 || m->seq != 0)
		return;
	if (f->state == FLOW_SYN_SENT) {
		flow_heard(f);
		connected(f);
	} else if (f->state == FLOW_ESTABLISHED &&
		   f->stack->now - f->greeted_ns >= GREET_MS * NS_PER_MS) {
		f->greeted_ns = f->stack->now;
		if (m->again)
			send_ack(f);
		else
			send_old_ack(f);
	}
}

static void input_ack(struct flow *f, const struct machnet *m)
{
	int32_t ahead = (int32_t)(m->ack - f->una);

	if (ahead < 0 || (int32_t)(f->nxt - m->ack) < 0)
		return;
	if (f->state == FLOW_SYN_RECEIVED && m->ack == 1) {
		flow_heard(f);
		accepted(f);
	} else if (f->state == FLOW_ESTABLISHED || f->state == FLOW_CLOSING) {
		flow_heard(f);
		send_acked(f, m->ack);
	}
}

static void input_data(struct flow *f, const struct machnet *m, const uint8_t *data, uint32_t len)
{
	if (!len)
		return;
	/* It would not send any without having heard of our SYN-ACK. */
	if (f->state == FLOW_SYN_RECEIVED && m->seq == f->rcv)
		accepted(f);
	if (f->state == FLOW_ESTABLISHED || f->state == FLOW_CLOSING)
		recv_data(f, m, data, len);
}

static void input_rst(struct flow *f, const struct machnet *m)
{
	int32_t ahead = (int32_t)(m->ack - f->una);
	/* A probe has the number before una. */
	bool of_something_sent = m->seq == MACHNET_NO_ACK && (f->probes ? ahead >= 0 : ahead > 0) &&
				 (int32_t)(f->nxt - m->ack) >= 0;

	if (f->state == FLOW_RESETTING)
		bury(f);
	else if (f->state == FLOW_SYN_SENT && of_something_sent)
		flow_end(f, ECONNREFUSED);
	else if (f->state != FLOW_SYN_SENT && (m->seq == f->rcv || of_something_sent))
		flow_end(f, ECONNRESET);
}

/* What it says the peer waits for is what a reset must have as its number. */
static void input_resetting(struct flow *f, const struct machnet *m, const struct mac *from)
{
	if (m->kind == MACHNET_ACK)
		output_reset(f->stack, from, &f->name, m->ack, f->rcv);
	else if (m->kind == MACHNET_DATA)
		output_reset(f->stack, from, &f->name, MACHNET_NO_ACK, m->seq + 1);
}

static void input_unknown(struct stack *s, const struct flow_name *name, const struct machnet *m,
			  const struct mac *from)
{
	const struct listener *l = stack_listener(s, &name->local, name->local_port);

	if (m->kind == MACHNET_SYN && l && m->seq == 0)
		accept_syn(s, name, from);
	else if (m->kind == MACHNET_ACK)
		output_reset(s, from, name, m->ack, m->seq);
	else if (m->kind == MACHNET_SYN_ACK)
		output_reset(s, from, name, m->ack, m->seq + 1);
	else if (m->kind == MACHNET_DATA || m->kind == MACHNET_SYN)
		output_reset(s, from, name, MACHNET_NO_ACK, m->seq + 1);
}

void flow_input(struct stack *s, const struct flow_name *name, const struct mac *from,
		const uint8_t *data, uint32_t len)
{
	struct machnet m;
	struct flow *f;

	if (machnet_decode(data, len, &m) < 0) {
		s->stats.damaged++;
		return;
	}
	f = table_find(s, name);
	if (f && f->state == FLOW_RESETTING && m.kind == MACHNET_SYN) {
		bury(f);
		f = NULL;
	}
	if (!f)
		input_unknown(s, name, &m, from);
	else if (m.kind == MACHNET_RST)
		input_rst(f, &m);
	else if (f->state == FLOW_RESETTING)
		input_resetting(f, &m, from);
	/* To a flow that was before this one: the peer is still there with it. */
	else if (f->state == FLOW_SYN_SENT && m.kind == MACHNET_DATA)
		output_reset(s, from, name, MACHNET_NO_ACK, m.seq + 1);
	else if (m.kind == MACHNET_SYN)
		input_syn(f, from);
	else if (m.kind == MACHNET_SYN_ACK)
		input_syn_ack(f, &m);
	else if (m.kind == MACHNET_ACK)
		input_ack(f, &m);
	else if (m.kind == MACHNET_DATA)
		input_data(f, &m, data + MACHNET_HEADER, len - MACHNET_HEADER);
}

/* --- time ------------------------------------------------------------------------------------ */

void flow_due(struct flow *f)
{
	timer_clear(f);
	if (f->state == FLOW_SYN_SENT || f->state == FLOW_SYN_RECEIVED)
		handshake_due(f);
	else if (f->state == FLOW_RESETTING)
		resetting_due(f);
	else if (f->state == FLOW_CLOSING && f->stack->now - f->since_ns >= CLOSE_S * NS_PER_S)
		begin_resetting(f);
	else if (f->probes)
		probe_due(f);
	else
		send_timeout(f);
}

/* --- what its user does ------------------------------------------------------------------------
 */

static bool is_over(const struct flow *f)
{
	return f->state == FLOW_DEAD || f->state == FLOW_RESETTING || f->state == FLOW_FREE;
}

void flow_abort(struct flow *f)
{
	if (is_over(f))
		return;
	if (f->state == FLOW_SYN_SENT)
		bury(f);
	else
		begin_resetting(f);
	port_flush(f->stack->port);
}

void flow_close(struct flow *f)
{
	if (f->state != FLOW_ESTABLISHED || !f->first) {
		flow_abort(f);
		return;
	}
	recv_drop(f);
	f->stuck = false;
	f->state = FLOW_CLOSING;
	f->since_ns = f->stack->now;
}

const struct flow_name *flow_name(const struct flow *f)
{
	return &f->name;
}

void flow_set_user(struct flow *f, void *user)
{
	f->user = user;
}

void *flow_user(const struct flow *f)
{
	return f->user;
}
