/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiving half of a flow. What comes in its turn is given to the user out of the
 * frame; what comes early is kept, and so is what the user has no room for. That is not
 * acknowledged until it is taken, so a user that reads nothing stops its own peer.
 *
 * What comes in its turn is acknowledged with what goes next, since a frame alone costs as
 * much as many together; before the peer could wait for it, by itself. What shows a loss is
 * at once, so that the peer can count.
 */
#include <errno.h>
#include <string.h>

#include "stack/impl.h"

/* Less than a wake-up takes, and less than the least window. */
enum { OWE_US = 30, OWE_MOST = 8 };

static void owe_ack(struct flow *f)
{
	struct stack *s = f->stack;

	if (!s->owed++)
		s->owed_ns = s->now + OWE_US * 1000;
	if (s->owed >= OWE_MOST)
		s->owed_ns = s->now;
	f->owes_ack = true;
	if (f->in_owe_ack)
		return;
	f->in_owe_ack = true;
	f->owe_next = s->owe_ack;
	s->owe_ack = f;
}

void recv_owed(struct stack *s)
{
	while (s->owe_ack) {
		struct flow *f = s->owe_ack;

		s->owe_ack = f->owe_next;
		f->in_owe_ack = false;
		if (f->owes_ack && flow_is_up(f))
			send_ack(f);
	}
	s->owed = 0;
}

/* --- in turn ------------------------------------------------------------------------------ */

/* A message begins where none was, and each piece says whether another follows. */
static bool makes_sense(const struct flow *f, uint8_t flags)
{
	bool first = flags & MACHNET_FIRST, more = flags & MACHNET_MORE,
	     last = flags & MACHNET_LAST;

	return first != f->in_peers_message && more != last;
}

/* false: not now, or never. */
static bool deliver(struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	struct stack *s = f->stack;

	if (!makes_sense(f, flags)) {
		flow_reset(f, EPROTO);
		return false;
	}
	flags &= MACHNET_FIRST | MACHNET_MORE | MACHNET_LAST;
	if (f->state == FLOW_ESTABLISHED &&
	    !s->conf.user->received(s->conf.arg, f, flags, data, len)) {
		s->stats.refused++;
		f->stuck = f->state == FLOW_ESTABLISHED;
		if (f->stuck)
			return false;
	}
	f->in_peers_message = !(flags & MACHNET_LAST);
	f->rcv++;
	f->old_acks = 0;
	s->stats.data++;
	if (flow_is_up(f))
		owe_ack(f);
	return flow_is_up(f);
}

/* Whoever is told may close the flow, and what is held is gone: this one is not held then. */
static void deliver_held(struct flow *f)
{
	while (f->held && f->held->seq == f->rcv) {
		struct seg *seg = f->held;
		bool taken;

		f->held = seg->next;
		f->nheld--;
		f->share->held--;
		taken = deliver(f, seg->flags, seg->data, seg->len);
		if (f->stuck) {
			seg->next = f->held;
			f->held = seg;
			f->nheld++;
			f->share->held++;
			return;
		}
		seg_give(&f->stack->segs, seg);
		if (!taken)
			return;
	}
}

/* --- early ---------------------------------------------------------------------------------- */

/* Where it belongs; NULL: it is there already. */
static struct seg **place_for(struct flow *f, uint32_t seq)
{
	struct seg **at = &f->held;

	while (*at && (int32_t)((*at)->seq - seq) < 0)
		at = &(*at)->next;
	return *at && (*at)->seq == seq ? NULL : at;
}

/* false: it is there already, or there is no memory. */
static bool hold(struct flow *f, const struct machnet *m, const uint8_t *data, uint32_t len)
{
	struct seg **at = place_for(f, m->seq), *seg;

	if (!at)
		return false;
	seg = share_may_hold(f->share) ? seg_take(&f->stack->segs) : NULL;
	if (!seg) {
		f->share->refused++;
		return false;
	}
	memcpy(seg->data, data, len);
	seg->len = (uint16_t)len;
	seg->flags = m->flags;
	seg->seq = m->seq;
	seg->next = *at;
	*at = seg;
	f->nheld++;
	f->share->held++;
	return true;
}

/* A flow that is stuck misses nothing; who asks twice wants to know whether we live. */
static void take_early(struct flow *f, const struct machnet *m, const uint8_t *data, uint32_t len)
{
	bool kept = hold(f, m, data, len);

	f->stack->stats.reordered += kept;
	if (!f->stuck || !kept)
		send_ack(f);
}

/* --- late ------------------------------------------------------------------------------------ */

static void take_late(struct flow *f, const struct machnet *m)
{
	f->stack->stats.duplicate++;
	if (m->again)
		send_ack(f);
	else
		send_old_ack(f);
}

void recv_data(struct flow *f, const struct machnet *m, const uint8_t *data, uint32_t len)
{
	int32_t ahead = (int32_t)(m->seq - f->rcv);

	if (ahead >= MACHNET_REORDER || len > MACHNET_MSS) {
		f->stack->stats.too_far++;
		return;
	}
	flow_heard(f);
	if (ahead < 0) {
		take_late(f, m);
	} else if (ahead > 0 || f->stuck) {
		take_early(f, m, data, len);
	} else if (deliver(f, m->flags, data, len)) {
		deliver_held(f);
	} else if (f->stuck) {
		hold(f, m, data, len);
	}
}

void flow_resume(struct flow *f)
{
	if (!flow_is_up(f) || !f->stuck)
		return;
	f->stuck = false;
	deliver_held(f);
}

void recv_drop(struct flow *f)
{
	while (f->held) {
		struct seg *seg = f->held;

		f->held = seg->next;
		seg_give(&f->stack->segs, seg);
	}
	f->share->held -= f->nheld;
	f->nheld = 0;
}
