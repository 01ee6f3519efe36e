/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the application to the stack. The ring has first buffers of messages; each goes to
 * the queue of the flow that it names, so a flow whose peer takes nothing keeps no other
 * one waiting. Flows take turns, and a turn of a channel has a limit in bytes and buffers, so that
 * neither a flow nor a channel keeps the others from theirs.
 *
 * Of a channel with a rate what was sent counts as time, which has to pass; whoever has sent
 * nothing for a while has some of it to spare.
 *
 * What is not to be sent (any more) is walked along likewise, to have its buffers back.
 */
#include <string.h>

#include "base/clock.h"

#include "endpoint_impl.h"

enum { TURN_BYTES = 64 << 10, TURN_BUFS = 256 };
enum { SOON = 16 }; /* flows that are looked at in one turn */

#define SPARE_NS (10 * NS_PER_MS)

struct budget {
	uint32_t bytes, bufs;
};

/* --- queues ------------------------------------------------------------------------------------
 */

/* false: it is in one already. */
static bool enqueue(struct endpoint *ep, struct ep_queue *q, uint32_t buf)
{
	if (ep->queued[buf] != EP_NOT_QUEUED)
		return false;
	ep->queued[buf] = CHAN_NONE;
	if (ep_queue_empty(q))
		q->first = buf;
	else
		ep->queued[q->last] = buf;
	q->last = buf;
	return true;
}

static uint32_t dequeue(struct endpoint *ep, struct ep_queue *q)
{
	uint32_t buf = q->first;

	q->first = ep->queued[buf];
	ep->queued[buf] = EP_NOT_QUEUED;
	return buf;
}

static void append(struct endpoint *ep, struct ep_queue *to, struct ep_queue *from)
{
	if (ep_queue_empty(from))
		return;
	if (ep_queue_empty(to))
		to->first = from->first;
	else
		ep->queued[to->last] = from->first;
	to->last = from->last;
	from->first = from->last = CHAN_NONE;
}

void ep_send_reset(struct ep_flow *f)
{
	f->queue = (struct ep_queue){ CHAN_NONE, CHAN_NONE };
	f->out = (struct ep_out){ .buf = CHAN_NONE };
}

bool ep_send_idle(const struct ep_flow *f)
{
	return ep_queue_empty(&f->queue) && f->out.buf == CHAN_NONE;
}

static void want_send(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;

	if (f->sending || f->full || ep_send_idle(f))
		return;
	f->sending = true;
	f->send_next = NULL;
	*ep->send_end = f;
	ep->send_end = &f->send_next;
}

static void has_room(struct ep_flow *f)
{
	f->full = false;
	want_send(f);
}

static struct ep_flow *next_sender(struct endpoint *ep)
{
	struct ep_flow *f = ep->send_first;

	if (!f)
		return NULL;
	ep->send_first = f->send_next;
	if (!ep->send_first)
		ep->send_end = &ep->send_first;
	f->sending = false;
	return f;
}

/* --- what is not sent -------------------------------------------------------------------- */

static void drop(struct endpoint *ep, uint32_t buf)
{
	ep->stats.tx_drops++;
	enqueue(ep, &ep->trash, buf);
}

/* The message under way is the rest of one. */
void ep_send_drop(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;

	if (f->out.buf != CHAN_NONE)
		drop(ep, f->out.buf);
	for (uint32_t buf = f->queue.first; buf != CHAN_NONE; buf = ep->queued[buf])
		ep->stats.tx_drops++;
	append(ep, &ep->trash, &f->queue);
	ep_send_reset(f);
}

static uint32_t next_of(const struct endpoint *ep, const struct ep_out *out)
{
	bool more = out->head.flags & CHAN_MORE && out->count < ep->ch->nbufs;

	return more && out->head.next < ep->ch->nbufs ? out->head.next : CHAN_NONE;
}

static bool take_out_trash(struct endpoint *ep, struct budget *b)
{
	struct ep_out *out = &ep->trash_out;
	bool any = false;

	while (b->bufs && (out->buf != CHAN_NONE || !ep_queue_empty(&ep->trash))) {
		uint32_t buf;

		if (out->buf == CHAN_NONE)
			*out = (struct ep_out){ .buf = dequeue(ep, &ep->trash) };
		buf = out->buf;
		channel_read(ep->ch, buf, &out->head);
		out->count++;
		out->buf = next_of(ep, out);
		/* It is in a queue itself: what is said to be one message are two. */
		if (out->buf != CHAN_NONE && ep->queued[out->buf] != EP_NOT_QUEUED)
			out->buf = CHAN_NONE;
		channel_give(ep->ch, buf);
		b->bufs--;
		any = true;
	}
	return any;
}

/* --- from the ring ----------------------------------------------------------------------- */

static void route(struct endpoint *ep, uint32_t buf)
{
	struct chan_buf head;
	struct ep_flow *f;

	if (buf >= ep->ch->nbufs) {
		ep->stats.tx_drops++;
		return;
	}
	channel_read(ep->ch, buf, &head);
	f = ep_flow_find(ep, &head.flow);
	if (!f) {
		drop(ep, buf);
		return;
	}
	if (!enqueue(ep, &f->queue, buf))
		ep->stats.tx_drops++;
	want_send(f);
}

bool ep_route(struct endpoint *ep, uint32_t most)
{
	uint32_t buf, n = 0;
	int r = 1;

	while (n < most && (r = ring_take(&ep->ch->tx, &buf)) > 0) {
		route(ep, buf);
		n++;
	}
	if (r < 0)
		ep_break(ep);
	return n;
}

/* --- a message --------------------------------------------------------------------------- */

/* All of it is held against the one header that was read; false: it makes no sense. */
static bool open_buffer(const struct endpoint *ep, struct ep_out *out, uint32_t buf)
{
	bool first = !out->count, last;

	channel_read(ep->ch, buf, &out->head);
	if (first)
		out->left = out->head.msg_len;
	out->buf = buf;
	out->at = 0;
	out->count++;
	out->data = channel_data(ep->ch, buf, &out->head);
	if (!out->data || !out->left || out->left > CHAN_MESSAGE_MAX ||
	    out->head.data_len > out->left)
		return false;
	last = out->head.data_len == out->left;
	return !!(out->head.flags & CHAN_FIRST) == first &&
	       !!(out->head.flags & CHAN_MORE) == !last &&
	       !!(out->head.flags & CHAN_LAST) == last && (last || next_of(ep, out) != CHAN_NONE);
}

static bool begin(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;
	uint32_t buf = dequeue(ep, &f->queue);

	f->out = (struct ep_out){ .buf = CHAN_NONE };
	if (open_buffer(ep, &f->out, buf))
		return true;
	f->out.buf = CHAN_NONE;
	drop(ep, buf);
	return false;
}

/* The buffer is done with. false: the chain lies, and the flow is no more. */
static bool go_on(struct ep_flow *f, struct budget *b)
{
	struct endpoint *ep = f->ep;
	struct ep_out *out = &f->out;
	uint32_t buf = out->buf, next = next_of(ep, out);

	channel_give(ep->ch, buf);
	b->bufs--;
	out->buf = CHAN_NONE;
	if (!out->left) {
		ep->stats.tx_messages++;
		return true;
	}
	if (ep->queued[next] == EP_NOT_QUEUED && open_buffer(ep, out, next))
		return true;
	ep->stats.tx_drops++;
	out->buf = CHAN_NONE;
	ep_flow_abort(f);
	return false;
}

/* false: the stack takes no more, or there is no flow any more. */
static bool put(struct ep_flow *f, struct budget *b)
{
	struct ep_out *out = &f->out;
	uint32_t len = out->head.data_len - out->at;
	uint32_t n = (uint32_t)flow_put(f->flow, out->data + out->at, len, len == out->left);

	out->at += n;
	out->left -= n;
	f->ep->stats.tx_bytes += n;
	b->bytes -= n < b->bytes ? n : b->bytes;
	if (n == len)
		return go_on(f, b);
	f->full = true;
	return false;
}

/* Up to its share; then it is the next one's turn. */
static bool send_some(struct ep_flow *f, struct budget *b)
{
	uint32_t share = b->bytes / 4 + CHAN_MSS, before = b->bytes;
	bool any = false;

	while (b->bytes && b->bufs && before - b->bytes < share) {
		if (f->out.buf == CHAN_NONE && ep_queue_empty(&f->queue))
			return any;
		any = true;
		if (f->out.buf == CHAN_NONE && !begin(f)) {
			b->bufs--;
			continue;
		}
		if (!put(f, b))
			return any;
	}
	want_send(f);
	return any;
}

/* --- the rate -------------------------------------------------------------------------------
 */

static uint32_t allowance(struct endpoint *ep)
{
	uint64_t now = ep->now_ns, n;

	if (!ep->terms.rate)
		return TURN_BYTES;
	if (endpoint_is_held(ep))
		return 0;
	if (now - ep->paid_ns > SPARE_NS)
		ep->paid_ns = now - SPARE_NS;
	n = (now - ep->paid_ns) * ep->terms.rate / NS_PER_S;
	if (n > TURN_BYTES)
		return TURN_BYTES;
	return n ? (uint32_t)n : 1;
}

static void pay(struct endpoint *ep, uint64_t bytes)
{
	if (ep->terms.rate)
		ep->paid_ns += bytes * NS_PER_S / ep->terms.rate;
}

/*
 * Where two send each other all that they have, there is nothing to receive with but what
 * comes back from the stack. It tells of room when half of a flow's is free, which may
 * be more than ever comes back without us receiving.
 */
void ep_send_soon(struct endpoint *ep)
{
	for (uint32_t i = 0; i < SOON && i < ep->used_flows; i++) {
		struct ep_flow *f = &ep->flows[ep->soon_at++ % ep->used_flows];

		if (f->flow && f->full && flow_has_room(f->flow))
			has_room(f);
	}
}

bool ep_send(struct endpoint *ep)
{
	struct budget b = { allowance(ep), TURN_BUFS };
	uint64_t before = ep->stats.tx_bytes;
	bool any = take_out_trash(ep, &b);
	struct ep_flow *f;

	while (b.bytes && b.bufs && (f = next_sender(ep)))
		any |= send_some(f, &b);
	pay(ep, ep->stats.tx_bytes - before);
	return any;
}

void endpoint_sendable(void *arg, struct flow *flow)
{
	struct ep_flow *f = flow_user(flow);

	(void)arg;
	if (f)
		has_room(f);
}
