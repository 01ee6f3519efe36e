/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sending half of a flow. Packets are numbered, and each is acknowledged by the
 * number of the next one that is missing. No more than the reference's window is
 * ever under way, less after losses: halved by each, and grown back by what arrives.
 *
 * Losses are found three ways: by acknowledgements that bring nothing, by time when one
 * that was sent later has arrived, and by time alone: soon some times, since one packet
 * costs nothing and may be lost as often as another, then ever later.
 *
 * A peer that is silent is given up after some time. One that answers but takes
 * nothing, as when nobody reads there, may do so for as long as it likes.
 */
#include <errno.h>
#include <string.h>

#include "stack/impl.h"

enum {
	RTO_LEAST_MS = 10,
	RTO_SLACK_MS = 5, /* what a peer without a core of its own may take longer */
	HURRY_LEAST_MS = 2,
	HURRIES = 6,
	RTO_FIRST_MS = 200,
	RTO_MOST_MS = 500,
	GIVE_UP_S = 15,
	DUPS = 3,
	WINDOW_LEAST = 8,
	FLOW_SEGS = 256, /* that one flow has, sent or not */
	ROOM_MS = 1,
	OLD_ACKS = 2,
};

static uint64_t clamp(uint64_t ns, uint32_t least_ms, uint32_t most_ms)
{
	if (ns < least_ms * NS_PER_MS)
		return least_ms * NS_PER_MS;
	return ns > most_ms * NS_PER_MS ? most_ms * NS_PER_MS : ns;
}

/* RFC 6298, but for the limits: these are networks of one site. */
void send_rtt(struct flow *f, uint64_t took_ns)
{
	uint64_t off = took_ns > f->rtt_ns ? took_ns - f->rtt_ns : f->rtt_ns - took_ns;

	if (!f->rtt_ns) {
		f->rtt_ns = took_ns;
		f->rtt_var_ns = took_ns / 2;
	} else {
		f->rtt_var_ns = (3 * f->rtt_var_ns + off) / 4;
		f->rtt_ns = (7 * f->rtt_ns + took_ns) / 8;
	}
}

static void reset_rto(struct flow *f)
{
	if (f->rtt_ns)
		f->rto_ns = clamp(f->rtt_ns + 4 * f->rtt_var_ns + RTO_SLACK_MS * NS_PER_MS,
				  RTO_LEAST_MS, RTO_MOST_MS);
	else
		f->rto_ns = RTO_FIRST_MS * NS_PER_MS;
}

/* --- packets ---------------------------------------------------------------------------- */

static void stall(struct flow *f)
{
	if (f->in_stalled)
		return;
	f->in_stalled = true;
	f->stalled_next = f->stack->stalled;
	f->stack->stalled = f;
}

/* false: no room. A packet without a way is one that got lost. */
static bool send_seg(struct flow *f, struct seg *seg, uint32_t seq)
{
	struct machnet m = { .kind = MACHNET_DATA,
			     .flags = seg->flags,
			     .seq = seq,
			     .ack = MACHNET_NO_ACK,
			     .again = seg->tries };

	if (!output_flow(f, &m, seg->data, seg->len) && !port_tx_room(f->stack->port))
		return false;
	seg->sent_ns = f->stack->now;
	if (seg->tries < UINT8_MAX)
		seg->tries++;
	return true;
}

static void resend_first(struct flow *f)
{
	if (!send_seg(f, f->first, f->una))
		return;
	f->resent++;
	f->stack->stats.resent++;
}

static uint32_t under_way(const struct flow *f)
{
	uint32_t n = f->nxt - f->una;

	return n > f->dups ? n - f->dups : 0;
}

/* What is too far ahead of a loss the peer would throw away. */
static bool may_send(const struct flow *f)
{
	return f->unsent && under_way(f) < f->window && f->nxt - f->una < MACHNET_REORDER - 1;
}

static bool may_hurry(const struct flow *f)
{
	return f->rtt_ns && f->hurries < HURRIES;
}

/* After two round trips something is wrong more often than not; the later, the less so. */
static uint64_t wait_ns(const struct flow *f)
{
	uint64_t ns = clamp(2 * f->rtt_ns + 4 * f->rtt_var_ns, HURRY_LEAST_MS, RTO_MOST_MS);

	ns *= 1 + f->hurries / 2;
	return may_hurry(f) && ns < f->rto_ns ? ns : f->rto_ns;
}

void send_timer(struct flow *f)
{
	if (f->deadline != UINT64_MAX)
		return;
	if (f->una != f->nxt) {
		reset_rto(f);
		flow_set_timer(f, wait_ns(f));
	} else if (f->wants_room && !f->first) {
		flow_set_timer(f, ROOM_MS * NS_PER_MS);
	}
}

void send_ready(struct flow *f)
{
	while (may_send(f)) {
		if (!send_seg(f, f->unsent, f->nxt)) {
			stall(f);
			break;
		}
		f->unsent = f->unsent->next;
		f->nxt++;
	}
	send_timer(f);
}

void send_stalled(struct stack *s)
{
	struct flow *list = s->stalled;

	s->stalled = NULL;
	while (list) {
		struct flow *f = list;

		list = f->stalled_next;
		f->in_stalled = false;
		send_ready(f);
	}
}

void send_ack(struct flow *f)
{
	struct machnet m = { .kind = MACHNET_ACK, .seq = f->nxt, .ack = f->rcv };

	f->owes_ack = false;
	output_flow(f, &m, NULL, 0);
}

/* One that the peer may have had: no more than a reference survives. */
void send_old_ack(struct flow *f)
{
	if (f->old_acks == OLD_ACKS)
		return;
	f->old_acks++;
	send_ack(f);
}

/* --- acknowledgements --------------------------------------------------------------------- */

static void tell_room(struct flow *f)
{
	const struct seg_pool *p = &f->stack->segs;

	if (!f->wants_room || f->state != FLOW_ESTABLISHED)
		return;
	if (f->nsegs <= FLOW_SEGS / 2 && p->nfree > f->stack->conf.segments / 4) {
		f->wants_room = false;
		f->stack->conf.user->sendable(f->stack->conf.arg, f);
	} else if (!f->first) {
		flow_set_timer(f, ROOM_MS * NS_PER_MS);
	}
}

static void drop_first(struct flow *f)
{
	struct seg *seg = f->first;

	f->first = seg->next;
	if (!f->first)
		f->last = NULL;
	f->nsegs--;
	seg_give(&f->stack->segs, seg);
}

static void shrink(struct flow *f, uint32_t window)
{
	f->threshold = f->window / 2 > WINDOW_LEAST ? f->window / 2 : WINDOW_LEAST;
	f->window = window ? window : f->threshold;
	f->grown = 0;
	f->recovering = true;
	f->recover = f->nxt;
}

static void grow(struct flow *f, uint32_t n)
{
	f->grown += n;
	if (f->window < f->threshold) {
		f->window += f->grown;
		f->grown = 0;
	} else if (f->grown >= f->window) {
		f->grown -= f->window;
		f->window++;
	}
	if (f->window > MACHNET_WINDOW)
		f->window = MACHNET_WINDOW;
}

/* One that was sent later has arrived, and this one has had its time. */
static bool is_overdue(const struct flow *f)
{
	return f->stack->now - f->first->sent_ns > f->rtt_ns + 2 * f->rtt_var_ns + NS_PER_MS / 5;
}

/* The third in a row says that one is missing; where so many can't come, the last does. */
static bool says_loss(const struct flow *f)
{
	uint32_t others = f->nxt - f->una - 1;

	return f->dups >= DUPS || (!f->unsent && others && f->dups >= others);
}

/* Each says that one has arrived. */
static void acked_nothing(struct flow *f)
{
	if (f->una == f->nxt)
		return;
	f->dups++;
	if (!f->recovering && says_loss(f)) {
		shrink(f, 0);
		resend_first(f);
	} else if (f->recovering && is_overdue(f)) {
		resend_first(f);
	}
	send_ready(f);
}

static void acked_some(struct flow *f, uint32_t n)
{
	/* What is behind a hole came long before it could be acknowledged. */
	bool straight = f->first->tries == 1;
	uint64_t sent_ns = 0;

	for (uint32_t i = 0; i < n; i++) {
		sent_ns = f->first->sent_ns;
		drop_first(f);
	}
	if (straight)
		send_rtt(f, f->stack->now - sent_ns);
	f->una += n;
	f->dups = 0;
	f->hurries = 0;
	if (!f->recovering)
		grow(f, n);
	else if ((int32_t)(f->una - f->recover) >= 0)
		f->recovering = false;
	else if (is_overdue(f))
		resend_first(f);
}

void send_acked(struct flow *f, uint32_t ack)
{
	if (ack == f->una) {
		acked_nothing(f);
		return;
	}
	acked_some(f, ack - f->una);
	timer_clear(f);
	send_ready(f);
	if (f->state == FLOW_CLOSING && !f->first)
		flow_begin_reset(f);
	else
		tell_room(f);
}

/* --- time ---------------------------------------------------------------------------------- */

/* The handshake's last packet may be what is missing: who has not got it takes no data. */
static void greet_again(struct flow *f)
{
	if (f->active && f->una == 1)
		send_old_ack(f);
}

/* One is lost now and then; two in a row are more than chance. */
static void hurry(struct flow *f)
{
	f->hurries++;
	if (f->hurries > 1) {
		shrink(f, WINDOW_LEAST);
		greet_again(f);
	}
	resend_first(f);
	flow_set_timer(f, wait_ns(f));
}

/* Whether the peer, asked again and again, was silent for long enough. */
static bool is_given_up(struct flow *f)
{
	/* Not since it was heard of last: nobody had asked it for anything for so long. */
	if (!f->silent_ns)
		f->silent_ns = f->stack->now;
	return f->stack->now - f->silent_ns >= GIVE_UP_S * NS_PER_S;
}

void send_timeout(struct flow *f)
{
	if (f->una == f->nxt) {
		tell_room(f);
		return;
	}
	if (may_hurry(f)) {
		hurry(f);
		return;
	}
	f->stack->stats.timeouts++;
	if (is_given_up(f)) {
		flow_reset(f, ETIMEDOUT);
		return;
	}
	shrink(f, WINDOW_LEAST);
	f->dups = 0;
	greet_again(f);
	resend_first(f);
	f->rto_ns = clamp(2 * f->rto_ns, RTO_LEAST_MS, RTO_MOST_MS);
	flow_set_timer(f, f->rto_ns);
}

/* --- what there is to send ------------------------------------------------------------------- */

void send_drop(struct flow *f)
{
	while (f->first)
		drop_first(f);
	f->unsent = NULL;
}

/* A quarter of all is for what comes out of order. */
static struct seg *take_seg(struct flow *f)
{
	struct stack *s = f->stack;

	if (f->nsegs == FLOW_SEGS || s->segs.nfree <= s->conf.segments / 4)
		return NULL;
	return seg_take(&s->segs);
}

static void append(struct flow *f, struct seg *seg)
{
	seg->next = NULL;
	if (f->last)
		f->last->next = seg;
	else
		f->first = seg;
	f->last = seg;
	if (!f->unsent)
		f->unsent = seg;
	f->nsegs++;
}

static uint8_t flags_of(struct flow *f, bool last)
{
	uint8_t flags = f->in_message ? 0 : MACHNET_FIRST;

	f->in_message = !last;
	return (uint8_t)(flags | (last ? MACHNET_LAST : MACHNET_MORE));
}

size_t flow_put(struct flow *f, const void *data, size_t len, bool last)
{
	size_t done = 0;

	if (f->state != FLOW_ESTABLISHED)
		return 0;
	while (done < len) {
		size_t piece = len - done < f->mss ? len - done : f->mss;
		struct seg *seg = take_seg(f);

		if (!seg) {
			f->wants_room = true;
			break;
		}
		memcpy(seg->data, (const uint8_t *)data + done, piece);
		done += piece;
		seg->len = (uint16_t)piece;
		seg->tries = 0;
		seg->flags = flags_of(f, last && done == len);
		append(f, seg);
	}
	send_ready(f);
	return done;
}
