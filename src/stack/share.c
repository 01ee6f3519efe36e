/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one engine has is shared out among shares, not flows: who has a thousand flows gets
 * no more than who has one.
 *
 * Packets that are kept: each share has some for itself. Of the rest one may have as much
 * as is left for all others, so that many greedy ones still leave something; a quarter is
 * for packets that come out of order, which no share may have all of, either.
 *
 * The wire: flows that may send but must wait for room do so in the list of their share, and
 * shares have a packet each in turn. What is sent at once stands in a queue somewhere, in
 * the device or behind it, and who has more packets in that queue has more of the wire.
 * So where round trips tell of a queue, and another share has more to send than it may
 * have under way, a share has no more under way than one flow may.
 */
#include <errno.h>
#include <stdlib.h>

#include "stack/impl.h"

/* Under way, before round trips could tell. */
enum { MUCH = 4 * MACHNET_WINDOW };

#define QUEUE_NS (NS_PER_MS / 5)

/* --- packets that are kept --------------------------------------------------------------- */

/* Of what is free that which is nobody's in particular. */
static uint32_t rest(const struct stack *s)
{
	return s->segs.nfree > s->reserved ? s->segs.nfree - s->reserved : 0;
}

/* How many more it may have. */
static uint32_t room_of(const struct share *sh)
{
	const struct stack *s = sh->stack;
	uint32_t left = rest(s), reserve = share_unused(sh);
	uint32_t room = left > sh->queued ? left - sh->queued : 0;

	if (left <= s->conf.segments / 4)
		room = 0;
	else if (!s->nshares)
		room = left - s->conf.segments / 4;
	return room > reserve ? room : reserve;
}

/* A flow has its window, if it can be; beyond that as much as is left for its share. */
bool share_may_queue(const struct flow *f)
{
	uint32_t room = room_of(f->share);

	return f->stack->segs.nfree && room && (f->nsegs < MACHNET_WINDOW || f->nsegs < room);
}

bool share_may_hold(const struct share *sh)
{
	return !sh->stack->nshares || sh->held < rest(sh->stack);
}

/* --- the wire: who is in whose way ------------------------------------------------------- */

static bool sees_a_queue(const struct flow *f)
{
	return f->rtt_ns > 2 * f->share->rtt_least_ns + QUEUE_NS;
}

/* A flow whose peer is slow has no more than its part of the share. */
static bool has_enough(const struct flow *f)
{
	uint32_t flows = f->share->pressing ? f->share->pressing : 1;
	uint32_t each = flows < MACHNET_WINDOW ? MACHNET_WINDOW / flows : 1;

	return f->share->under_way >= MACHNET_WINDOW || f->counted >= each;
}

bool share_has_room(const struct flow *f)
{
	return sees_a_queue(f) ? !has_enough(f) : f->share->under_way < MUCH;
}

/* --- the wire: turns --------------------------------------------------------------------- */

static void append_share(struct share *sh)
{
	struct stack *s = sh->stack;

	if (sh->waits)
		return;
	sh->waits = true;
	sh->next = NULL;
	*s->waiting_end = sh;
	s->waiting_end = &sh->next;
	s->nwaiting++;
}

static void leave_turns(struct share *sh)
{
	struct stack *s = sh->stack;

	for (struct share **at = &s->waiting; sh->waits; at = &(*at)->next) {
		if (*at != sh)
			continue;
		*at = sh->next;
		if (s->waiting_end == &sh->next)
			s->waiting_end = at;
		s->nwaiting--;
		sh->waits = false;
		return;
	}
}

void share_wait(struct flow *f)
{
	struct share *sh = f->share;

	if (f->waits)
		return;
	f->waits = true;
	f->wait_next = NULL;
	*sh->flows_end = f;
	sh->flows_end = &f->wait_next;
	sh->nwaiting++;
	append_share(sh);
}

static void unwait(struct flow *f)
{
	struct share *sh = f->share;

	for (struct flow **at = &sh->flows; f->waits; at = &(*at)->wait_next) {
		if (*at != f)
			continue;
		*at = f->wait_next;
		if (sh->flows_end == &f->wait_next)
			sh->flows_end = at;
		sh->nwaiting--;
		f->waits = false;
		return;
	}
}

static void go_on(struct flow *f)
{
	share_count(f);
	send_timer(f);
	if (send_may(f))
		share_wait(f);
}

/* Whether one of its flows sent a packet; that one is the last to send the next. */
static bool take_turn(struct share *sh)
{
	for (uint32_t n = sh->nwaiting; n && sh->flows; n--) {
		struct flow *f = sh->flows;
		bool may = send_may(f) && share_lets(f), sent = may && send_next(f);

		if (sh->stack->full)
			return false;
		unwait(f);
		go_on(f);
		if (sent || sh->under_way >= MACHNET_WINDOW)
			return sent;
	}
	return false;
}

/* Whom the port has no room for is the first when it has. */
void share_turns(struct stack *s)
{
	uint32_t idle = 0;

	s->full = false;
	while (s->waiting && idle < s->nwaiting) {
		struct share *sh = s->waiting;

		idle = take_turn(sh) ? 0 : idle + 1;
		if (s->full)
			return;
		leave_turns(sh);
		if (sh->flows)
			append_share(sh);
	}
}

/* --- life --------------------------------------------------------------------------------- */

/* There is one more, or one less. */
static void share_out(struct stack *s)
{
	uint32_t each = s->nshares ? s->conf.segments / 2 / s->nshares : 0;

	s->reserve = each < MACHNET_WINDOW ? each : MACHNET_WINDOW;
	s->reserved = 0;
	for (uint32_t i = 0; i < s->conf.shares; i++)
		s->reserved += s->shares[i].stack ? share_unused(&s->shares[i]) : 0;
}

static void begin(struct share *sh, struct stack *s)
{
	*sh = (struct share){ .stack = s };
	sh->flows_end = &sh->flows;
}

int shares_init(struct stack *s)
{
	s->waiting_end = &s->waiting;
	begin(&s->common, s);
	s->shares = calloc(s->conf.shares + 1, sizeof(*s->shares));
	return s->shares ? 0 : -ENOMEM;
}

struct share *share_new(struct stack *s)
{
	struct share *sh = s->shares;

	while (sh < s->shares + s->conf.shares && sh->stack)
		sh++;
	if (sh == s->shares + s->conf.shares)
		return NULL;
	begin(sh, s);
	sh->open = true;
	s->nshares++;
	share_out(s);
	return sh;
}

/* Once it is nobody's. */
static void end(struct share *sh)
{
	if (sh->open || sh->nflows || sh == &sh->stack->common)
		return;
	leave_turns(sh);
	sh->stack = NULL;
}

void share_free(struct share *sh)
{
	struct stack *s;

	if (!sh)
		return;
	s = sh->stack;
	sh->open = false;
	s->nshares--;
	share_out(s);
	end(sh);
}

void share_enter(struct flow *f, struct share *sh)
{
	f->share = sh;
	sh->nflows++;
}

void share_leave(struct flow *f)
{
	struct share *sh = f->share;

	unwait(f);
	/* Who still looks at a flow that is no more finds a share. */
	f->share = &f->stack->common;
	sh->nflows--;
	end(sh);
}

void flow_set_share(struct flow *f, struct share *sh)
{
	if (!sh || f->first || f->held)
		return;
	share_leave(f);
	share_enter(f, sh);
	if (f->rtt_ns)
		share_rtt(sh, f->rtt_ns);
}

void share_stats(const struct share *sh, struct share_stats *ret)
{
	*ret = (struct share_stats){ .flows = sh->nflows,
				     .queued = sh->queued,
				     .held = sh->held,
				     .under_way = sh->under_way,
				     .refused = sh->refused };
}
