/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the stack to the application. Each packet gets a buffer; the message is the
 * application's when it is whole. Without a buffer, or room in the ring, the flow waits, and
 * with it its peer.
 *
 * Several long messages at once could fill all buffers with parts and none ever become
 * whole. So a flow may have a few; more than that only while the longest message would
 * find room beside all parts, or one alone of a channel. That one has not for ever: its peer
 * may have stopped, or send a packet now and then. If even so there are only parts left, one
 * is given up, with its flow: of those whose peers owe us the rest the one that has waited
 * for it longest.
 */
#include <errno.h>

#include "base/clock.h"
#include "endpoint_impl.h"

enum {
	FEW = 16,
	LONGEST = (CHAN_MESSAGE_MAX + CHAN_MSS - 1) / CHAN_MSS,
	STALLED_S = 1,
	BIG_S = 10, /* while others wait */
};

static uint32_t few(const struct endpoint *ep)
{
	return ep->ch->nbufs / 32 < FEW ? ep->ch->nbufs / 32 : FEW;
}

/* --- who waits --------------------------------------------------------------------------- */

static bool starve(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;

	if (!f->starved) {
		f->starved = true;
		f->starved_next = NULL;
		*ep->starved_end = f;
		ep->starved_end = &f->starved_next;
	}
	return false;
}

/* All but what each side may keep in its cache is parts. */
static bool is_hopeless(const struct endpoint *ep, uint32_t parts)
{
	uint32_t others = CHAN_CACHE + few(ep) + 1;

	return parts + others >= ep->ch->nbufs;
}

static bool had_its_time(const struct endpoint *ep, const struct ep_flow *big)
{
	bool stalled = !big->starved && ep->now_ns - big->came_ns > STALLED_S * NS_PER_S;

	return stalled || ep->now_ns - ep->big_ns > BIG_S * NS_PER_S;
}

static bool may_grow(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;

	if (f->parts < few(ep) || !is_hopeless(ep, ep->parts + LONGEST))
		return true;
	if (!ep->big || (ep->big != f && had_its_time(ep, ep->big))) {
		ep->big = f;
		ep->big_ns = ep->now_ns;
	}
	return ep->big == f;
}

/* --- parts ------------------------------------------------------------------------------- */

/* They are the application's, or nobody's. */
static void forget_parts(struct ep_flow *f)
{
	f->ep->parts -= f->parts;
	f->first = f->last = CHAN_NONE;
	f->parts = f->bytes = 0;
	if (f->ep->big == f)
		f->ep->big = NULL;
}

void ep_recv_drop(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;
	uint32_t buf = f->first;

	/* Counted, as a buffer that was given to us twice may lead in circles. */
	for (uint32_t i = 0; i < f->parts; i++) {
		uint32_t next = ep->chain[buf];

		channel_give(ep->ch, buf);
		buf = next;
	}
	forget_parts(f);
}

static void add_part(struct ep_flow *f, uint32_t buf, uint8_t flags, const uint8_t *data,
		     uint32_t len)
{
	struct endpoint *ep = f->ep;
	const struct chan_flow from = { .src_ip = f->key.dst_ip,
					.dst_ip = f->key.src_ip,
					.src_port = f->key.dst_port,
					.dst_port = f->key.src_port };

	channel_write(ep->ch, buf, flags, &from, data, len);
	ep->chain[buf] = buf;
	if (f->parts) {
		channel_chain(ep->ch, f->last, buf);
		ep->chain[f->last] = buf;
	} else {
		f->first = buf;
	}
	f->came_ns = ep->now_ns;
	f->last = buf;
	f->parts++;
	f->bytes += len;
	ep->parts++;
}

static void hand_over(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;

	if (ring_put(&ep->ch->rx, &f->first) <= 0) {
		ep_break(ep);
		return;
	}
	ep->stats.rx_messages++;
	ep->stats.rx_bytes += f->bytes;
	ep->told = true;
	forget_parts(f);
}

bool endpoint_received(void *arg, struct flow *flow, uint8_t flags, const uint8_t *data,
		       uint32_t len)
{
	struct ep_flow *f = flow_user(flow);
	struct endpoint *ep = f ? f->ep : NULL;
	uint32_t buf;
	int r;

	(void)arg;
	if (!f || f->closing || ep->lingers || ep->broken)
		return true;
	if (f->bytes + len > CHAN_MESSAGE_MAX) {
		ep_flow_abort(f);
		return false;
	}
	if ((flags & MACHNET_LAST && !ring_has_room(&ep->ch->rx)) || !may_grow(f))
		return starve(f);
	r = channel_take(ep->ch, &buf);
	if (r < 0) {
		ep->choked = true;
		if (r != -EAGAIN)
			ep_break(ep);
		return starve(f);
	}
	add_part(f, buf, flags, data, len);
	if (flags & MACHNET_LAST)
		hand_over(f);
	return true;
}

/* --- what had no room -------------------------------------------------------------------- */

/* The long one is the last to go; before it those that would go on if there were room. */
static int worth(const struct ep_flow *f)
{
	return f == f->ep->big ? 2 : f->starved;
}

static struct ep_flow *least_worth(struct endpoint *ep)
{
	struct ep_flow *found = NULL;

	for (uint32_t i = 0; i < ep->used_flows; i++) {
		struct ep_flow *f = &ep->flows[i];
		int more = found ? worth(f) - worth(found) : -1;

		if (f->flow && f->parts && (more < 0 || (!more && f->came_ns < found->came_ns)))
			found = f;
	}
	return found;
}

static void unchoke(struct endpoint *ep)
{
	struct ep_flow *f = NULL;

	if (ep->choked && !channel_has_free(ep->ch) && is_hopeless(ep, ep->parts))
		f = least_worth(ep);
	if (f)
		ep_flow_abort(f);
	ep->choked = f != NULL;
}

static bool feed(struct ep_flow *f)
{
	if (!may_grow(f))
		return starve(f);
	flow_resume(f->flow);
	return true;
}

static struct ep_flow *next_starved(struct endpoint *ep)
{
	struct ep_flow *f = ep->starved_first;

	ep->starved_first = f->starved_next;
	if (!ep->starved_first)
		ep->starved_end = &ep->starved_first;
	f->starved = false;
	return f;
}

/* Each that waits now once: it may wait again, behind the others. */
bool ep_feed(struct endpoint *ep)
{
	uint32_t n = 0;
	bool any = false;

	if (!ep->starved_first)
		return false;
	unchoke(ep);
	for (struct ep_flow *f = ep->starved_first; f; f = f->starved_next)
		n++;
	while (n-- && ep->starved_first && channel_has_free(ep->ch) && ring_has_room(&ep->ch->rx))
		any |= feed(next_starved(ep));
	return any;
}
