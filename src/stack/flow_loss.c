/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is taken for lost, and what that does to the window. No more than the reference's
 * window is ever under way, less after losses: halved by each, and grown back by what
 * arrives.
 *
 * What waits in a long queue looks lost, too. So when one that went again is acknowledged,
 * but not when an answer to it would come, a new one goes in place of the next that seems
 * lost. If then what went once is acknowledged, nothing was lost, and the window is what it
 * was (as RFC 5682 does by order alone).
 */
#include "stack/impl.h"

enum {
	RTO_LEAST_MS = 10,
	RTO_SLACK_MS = 5, /* what a peer without a core of its own may take longer */
	RTO_FIRST_MS = 200,
	RTO_MOST_MS = 500,
	HURRY_LEAST_MS = 2,
	DOUBLED_MOST = 6, /* times that what is overdue is so later */
	PERHAPS_MS = 6,	  /* at most, since in a lossy network it would be lost time */
	MISFITS = 8,	  /* that are chance */
	MISFITS_MOST = 20,
	DUPS = 3,
	WINDOW_LEAST = 8,
};

static uint64_t clamp(uint64_t ns, uint32_t least_ms, uint32_t most_ms)
{
	if (ns < least_ms * NS_PER_MS)
		return least_ms * NS_PER_MS;
	return ns > most_ms * NS_PER_MS ? most_ms * NS_PER_MS : ns;
}

/* --- how long it takes ------------------------------------------------------------------- */

/* RFC 6298, but for the limits: these are networks of one site. */
void loss_rtt(struct flow *f, uint64_t took_ns)
{
	uint64_t off = took_ns > f->rtt_ns ? took_ns - f->rtt_ns : f->rtt_ns - took_ns;

	if (!f->rtt_ns) {
		f->rtt_ns = took_ns;
		f->rtt_var_ns = took_ns / 2;
	} else {
		f->rtt_var_ns = (3 * f->rtt_var_ns + off) / 4;
		f->rtt_ns = (7 * f->rtt_ns + took_ns) / 8;
	}
	share_rtt(f->share, took_ns);
}

/* It would be no surprise if an answer came so long after what it answers. */
static uint64_t usual_ns(const struct flow *f)
{
	return f->rtt_ns + 2 * f->rtt_var_ns + NS_PER_MS / 5;
}

/* The one that went last was answered, as far as can be told by when that was. */
static bool fits_the_last(const struct flow *f, const struct loss_sample *s)
{
	uint64_t took = f->stack->now - s->last_ns;

	return took >= f->rtt_ns / 2 && took <= usual_ns(f);
}

static void learn(struct flow *f, const struct loss_sample *s)
{
	f->perhaps_ns = 0;
	f->hurries = 0;
	if (s->tries == 1)
		loss_rtt(f, f->stack->now - s->last_ns);
	if (s->tries == 1 || fits_the_last(f, s)) {
		f->misfits = 0;
	} else {
		f->perhaps_ns = clamp(f->stack->now - s->first_ns, 0, PERHAPS_MS);
		f->misfits += f->misfits < MISFITS_MOST;
	}
}

/* One such answer may be chance; where all are such, it takes longer than is known. */
static uint64_t slack_ns(const struct flow *f)
{
	return f->misfits > MISFITS ? (f->misfits - MISFITS) * NS_PER_MS : 0;
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

uint64_t loss_wait_ns(struct flow *f)
{
	uint64_t ns;

	if (f->rtt_ns)
		f->rto_ns = clamp(f->rtt_ns + 4 * f->rtt_var_ns + RTO_SLACK_MS * NS_PER_MS,
				  RTO_LEAST_MS, RTO_MOST_MS);
	else
		f->rto_ns = RTO_FIRST_MS * NS_PER_MS;
	ns = wait_ns(f);
	return f->doubtful && f->perhaps_ns > ns ? f->perhaps_ns : ns;
}

static bool is_overdue(const struct flow *f)
{
	uint32_t again = f->first->tries > 2 ? f->first->tries - 2 : 0;
	uint64_t ns = (usual_ns(f) + slack_ns(f)) << (again < DOUBLED_MOST ? again : DOUBLED_MOST);

	return f->stack->now - f->first->sent_ns > ns;
}

/* --- the window ------------------------------------------------------------------------- */

static void shrink(struct flow *f, uint32_t window)
{
	f->kept_window = f->window;
	f->kept_threshold = f->threshold;
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

/* --- by number ------------------------------------------------------------------------------ */

/* The third in a row says that one is missing; where so many can't come, the last does. */
static bool says_loss(const struct flow *f)
{
	uint32_t others = f->nxt - f->una - 1;

	return f->dups >= DUPS || (!f->unsent && others && f->dups >= others);
}

/* What was no loss went twice all the same, and is answered twice. */
static bool is_echo(struct flow *f)
{
	if (!f->echoes)
		return false;
	f->echoes--;
	return true;
}

bool loss_by_number(struct flow *f)
{
	if (is_echo(f))
		return false;
	f->dups++;
	f->doubtful = false;
	if (f->recovering)
		return is_overdue(f);
	if (!says_loss(f))
		return false;
	shrink(f, 0);
	return true;
}

/* --- by time --------------------------------------------------------------------------------- */

static void by_time(struct flow *f)
{
	f->doubtful = false;
	if (f->recovering)
		f->window = WINDOW_LEAST;
	else
		shrink(f, WINDOW_LEAST);
}

uint64_t loss_hurry(struct flow *f)
{
	if (!may_hurry(f))
		return 0;
	f->hurries++;
	/* One is lost now and then; two in a row are more than chance. */
	if (f->hurries > 1)
		by_time(f);
	return wait_ns(f);
}

uint64_t loss_timeout(struct flow *f)
{
	by_time(f);
	f->dups = 0;
	f->rto_ns = clamp(2 * f->rto_ns, RTO_LEAST_MS, RTO_MOST_MS);
	return f->rto_ns;
}

/* --- what has arrived ------------------------------------------------------------------------ */

static void take_back(struct flow *f)
{
	f->doubtful = false;
	f->window = f->kept_window;
	f->threshold = f->kept_threshold;
	f->recovering = false;
	f->echoes = f->again;
}

/* Some have arrived, but not all that were under way when one seemed lost. */
static enum loss_next go_on(struct flow *f, const struct loss_sample *s)
{
	if (f->doubtful && s->tries == 1) {
		take_back(f);
		return LOSS_NOTHING;
	}
	f->doubtful = s->tries > 1 && !f->dups && !fits_the_last(f, s);
	f->again = s->tries - 1;
	if (f->doubtful)
		return LOSS_TRY;
	return is_overdue(f) ? LOSS_AGAIN : LOSS_NOTHING;
}

enum loss_next loss_acked(struct flow *f, uint32_t n, const struct loss_sample *s)
{
	enum loss_next next = LOSS_NOTHING;

	if ((int32_t)(f->una - f->recover) > 0)
		f->echoes = 0;
	if (!f->recovering)
		grow(f, n);
	else if ((int32_t)(f->una - f->recover) >= 0)
		f->recovering = false;
	else
		next = go_on(f, s);
	f->dups = 0;
	f->doubtful &= f->recovering;
	learn(f, s);
	return next;
}
