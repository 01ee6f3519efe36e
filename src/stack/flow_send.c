/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sending half of a flow. Packets are numbered, and each is acknowledged by the
 * number of the next one that is missing.
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
	GIVE_UP_S = 15,
	FLOW_SEGS = 256, /* that one flow has, sent or not */
	ROOM_MS = 1,
	OLD_ACKS = 2,
};

/* --- packets ---------------------------------------------------------------------------- */

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
	if (!seg->tries)
		seg->first_ns = seg->sent_ns;
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

bool send_next(struct flow *f)
{
	if (!send_seg(f, f->unsent, f->nxt)) {
		f->stack->full = true;
		return false;
	}
	f->unsent = f->unsent->next;
	f->nxt++;
	return true;
}

void send_timer(struct flow *f)
{
	if (f->deadline != UINT64_MAX)
		return;
	if (f->una != f->nxt) {
		flow_set_timer(f, loss_wait_ns(f));
	} else if (f->wants_room && !f->first) {
		flow_set_timer(f, ROOM_MS * NS_PER_MS);
	}
}

void send_ready(struct flow *f)
{
	while (send_may(f)) {
		if (share_must_wait(f) || !send_next(f)) {
			share_wait(f);
			break;
		}
		share_count(f);
	}
	share_count(f);
	send_timer(f);
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
	if (!f->wants_room || f->state != FLOW_ESTABLISHED)
		return;
	if (f->nsegs <= FLOW_SEGS / 2 && share_may_queue(f)) {
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
	share_queued(f->share, -1);
	seg_give(&f->stack->segs, seg);
}

/* Each says that one has arrived. */
static void acked_nothing(struct flow *f)
{
	if (f->una == f->nxt)
		return;
	if (loss_by_number(f))
		resend_first(f);
	send_ready(f);
}

static void acked_some(struct flow *f, uint32_t n)
{
	/* What is behind a hole came long before it could be acknowledged. */
	struct loss_sample sample = { .first_ns = f->first->first_ns,
				      .last_ns = f->first->sent_ns,
				      .tries = f->first->tries };
	enum loss_next next;

	for (uint32_t i = 0; i < n; i++) {
		if (sample.tries == 1)
			sample.last_ns = f->first->sent_ns;
		drop_first(f);
	}
	f->una += n;
	next = loss_acked(f, n, &sample);
	if (next == LOSS_AGAIN)
		resend_first(f);
	else if (next == LOSS_TRY && f->unsent && f->nxt - f->una < MACHNET_REORDER - 1)
		send_next(f);
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
	uint64_t wait;

	if (f->una == f->nxt) {
		tell_room(f);
		return;
	}
	wait = loss_hurry(f);
	if (!wait) {
		f->stack->stats.timeouts++;
		if (is_given_up(f)) {
			flow_reset(f, ETIMEDOUT);
			return;
		}
		wait = loss_timeout(f);
	}
	if (f->recovering)
		greet_again(f);
	resend_first(f);
	share_count(f);
	flow_set_timer(f, wait);
}

/* --- what there is to send ------------------------------------------------------------------- */

void send_drop(struct flow *f)
{
	while (f->first)
		drop_first(f);
	f->unsent = NULL;
	share_count(f);
}

static struct seg *take_seg(struct flow *f)
{
	if (f->nsegs == FLOW_SEGS)
		return NULL;
	if (share_may_queue(f))
		return seg_take(&f->stack->segs);
	f->share->refused++;
	return NULL;
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
	share_queued(f->share, 1);
}

static uint8_t flags_of(struct flow *f, bool last)
{
	uint8_t flags = f->in_message ? 0 : MACHNET_FIRST;

	f->in_message = !last;
	return (uint8_t)(flags | (last ? MACHNET_LAST : MACHNET_MORE));
}

bool flow_has_room(const struct flow *f)
{
	return f->state == FLOW_ESTABLISHED && f->nsegs < FLOW_SEGS && share_may_queue(f);
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
