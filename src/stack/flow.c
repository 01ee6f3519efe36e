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
	GREET_MS = 100, /* a second SYN-ACK sooner is the network's doing */
	CLOSE_S = 5,
	PROBES = 10,
	PROBE_MS = 300,
	PROBED_S = 1,
};

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

/* --- packets ------------------------------------------------------------------------- */

static void input_syn(struct flow *f, const struct mac *from)
{
	if (f->state == FLOW_SYN_RECEIVED) {
		struct machnet m = {
			.kind = MACHNET_SYN_ACK, .seq = f->una, .ack = f->rcv, .again = true
		};

		f->hint = *from;
		output_flow(f, &m, NULL, 0);
	} else if (flow_is_up(f)) {
		doubt_peer(f);
	}
}

static void input_syn_ack(struct flow *f, const struct machnet *m)
{
	if (m->ack != 1 || m->seq != 0)
		return;
	if (f->state == FLOW_SYN_SENT) {
		flow_heard(f);
		open_connected(f);
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
		open_accepted(f);
	} else if (flow_is_up(f)) {
		flow_heard(f);
		send_acked(f, m->ack);
	}
}

static void input_data(struct flow *f, const struct machnet *m, const uint8_t *data, uint32_t len)
{
	if (!len)
		return;
	/* It would not send any without having heard of our SYN-ACK; the first may be lost. */
	if (f->state == FLOW_SYN_RECEIVED && m->seq - f->rcv < MACHNET_REORDER)
		open_accepted(f);
	if (flow_is_up(f))
		recv_data(f, m, data, len);
}

static void input_rst(struct flow *f, const struct machnet *m)
{
	int32_t ahead = (int32_t)(m->ack - f->una);
	/* A probe has the number before una. */
	bool of_something_sent = m->seq == MACHNET_NO_ACK && (f->probes ? ahead >= 0 : ahead > 0) &&
				 (int32_t)(f->nxt - m->ack) >= 0;

	if (f->state == FLOW_RESETTING)
		flow_bury(f);
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
		open_syn(s, name, from);
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
		flow_bury(f);
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
		open_due(f);
	else if (f->state == FLOW_RESETTING)
		flow_reset_due(f);
	else if (f->state == FLOW_CLOSING && f->stack->now - f->since_ns >= CLOSE_S * NS_PER_S)
		flow_begin_reset(f);
	else if (f->probes)
		probe_due(f);
	else
		send_timeout(f);
}

/* --- what its user does -------------------------------------------------------------- */

static bool is_over(const struct flow *f)
{
	return f->state == FLOW_DEAD || f->state == FLOW_RESETTING || f->state == FLOW_FREE;
}

void flow_abort(struct flow *f)
{
	if (is_over(f))
		return;
	if (f->state == FLOW_SYN_SENT)
		flow_bury(f);
	else
		flow_begin_reset(f);
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
