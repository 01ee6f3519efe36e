/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where flows come from, and how they end. One that is over here tells its peer so, with
 * a reset for each number that the peer may wait for, some times; who is nobody's, not
 * yet or no more, makes way for others.
 */
#include <string.h>

#include "stack/impl.h"

enum { RESET_FIRST_MS = 200, RESETS = 6 };

void flow_set_timer(struct flow *f, uint64_t after_ns)
{
	timer_set(f, f->stack->now + after_ns);
}

uint64_t flow_backoff_ns(uint32_t first_ms, uint8_t tries, uint32_t most_ms)
{
	uint64_t ms = (uint64_t)first_ms << (tries < 8 ? tries : 8);

	return (ms < most_ms ? ms : most_ms) * NS_PER_MS;
}

static bool has_free(const struct stack *s)
{
	return s->free_flows || s->nflows < s->max_flows;
}

/* Memory that no flow ever needed is never touched. */
static struct flow *take_free(struct stack *s)
{
	struct flow *f = s->free_flows;

	if (!f)
		return &s->flows[s->nflows++];
	s->free_flows = f->next;
	return f;
}

struct flow *flow_new(struct stack *s, const struct flow_name *name)
{
	struct flow *f;

	if (!has_free(s) || !port_take(s, &name->local, name->local_port))
		return NULL;
	f = take_free(s);
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
	share_enter(f, &s->common);
	table_add(f);
	return f;
}

static void owe_nothing(struct flow *f)
{
	for (struct flow **at = &f->stack->owe_ack; f->in_owe_ack; at = &(*at)->owe_next)
		if (*at == f) {
			*at = f->owe_next;
			f->in_owe_ack = false;
			break;
		}
}

/* One that may go at any time, since it is nobody's yet or any more. */
static bool is_passing(const struct flow *f)
{
	return f->state == FLOW_SYN_RECEIVED || f->state == FLOW_RESETTING;
}

/* Its memory stays as it is until the poll is over: who called us may still look at it. */
void flow_bury(struct flow *f)
{
	struct stack *s = f->stack;

	if (is_passing(f))
		s->stats.half_open--;
	else
		s->stats.flows--;
	send_drop(f);
	recv_drop(f);
	owe_nothing(f);
	share_leave(f);
	timer_clear(f);
	table_remove(f);
	port_give(s, &f->name.local, f->name.local_port);
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
	flow_bury(f);
	tell_end(f, was, error);
}

/* Of those that are nobody's, the oldest but for chance. */
bool flow_make_way(struct stack *s)
{
	for (uint32_t i = 0; s->stats.half_open >= s->conf.flows && i < s->nflows; i++) {
		struct flow *f = &s->flows[s->half_open_at++ % s->nflows];

		if (is_passing(f)) {
			s->stats.syn_dropped += f->state == FLOW_SYN_RECEIVED;
			flow_bury(f);
		}
	}
	return has_free(s);
}

/* --- resets ---------------------------------------------------------------------------- */

/* The peer heeds the one that has the number it waits for. */
void flow_send_resets(struct flow *f)
{
	struct machnet m = { .kind = MACHNET_RST, .ack = f->rcv };

	for (m.seq = f->una; (int32_t)(f->nxt - m.seq) >= 0; m.seq++)
		if (output_flow(f, &m, NULL, 0))
			f->stack->stats.resets_sent++;
}

void flow_begin_reset(struct flow *f)
{
	send_drop(f);
	recv_drop(f);
	share_leave(f);
	share_enter(f, &f->stack->common);
	flow_make_way(f->stack);
	f->stack->stats.flows--;
	f->stack->stats.half_open++;
	f->state = FLOW_RESETTING;
	f->tries = 0;
	flow_send_resets(f);
	flow_set_timer(f, RESET_FIRST_MS * NS_PER_MS);
}

void flow_reset(struct flow *f, int error)
{
	enum flow_state was = f->state;

	flow_begin_reset(f);
	tell_end(f, was, error);
}

void flow_reset_due(struct flow *f)
{
	if (f->tries == RESETS) {
		flow_bury(f);
		return;
	}
	f->tries++;
	flow_send_resets(f);
	flow_set_timer(f, flow_backoff_ns(RESET_FIRST_MS, f->tries, UINT32_MAX));
}
