/* SPDX-License-Identifier: BSD-3-Clause */
#include "endpoint.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "endpoint_impl.h"
#include "stack/hash.h"
#include "wire/be.h"

enum { MESSAGES = 64 }; /* of the application's ring, in one turn */

/* What has become due meanwhile goes at once, so that sleep is not cut into pieces. */
#define HELD_NS UINT64_C(100000)

/* --- life --------------------------------------------------------------------------------- */

static int allocate(struct endpoint *ep, uint32_t flows)
{
	uint32_t size = 1;

	while (size < flows)
		size *= 2;
	ep->max_flows = flows;
	ep->table_mask = size - 1;
	ep->flows = calloc(flows, sizeof(*ep->flows));
	ep->table = calloc(size, sizeof(struct ep_flow *));
	ep->queued = malloc(ep->ch->nbufs * sizeof(*ep->queued));
	ep->chain = calloc(ep->ch->nbufs, sizeof(*ep->chain));
	return ep->flows && ep->table && ep->queued && ep->chain ? 0 : -ENOMEM;
}

static void release(struct endpoint *ep)
{
	free(ep->flows);
	free(ep->table);
	free(ep->queued);
	free(ep->chain);
	free(ep);
}

int endpoint_new(struct channel *ch, bool rings, uint32_t flows, uint64_t seed,
		 struct endpoint **ret)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));

	if (!ep)
		return -ENOMEM;
	ep->ch = ch;
	ep->rings = rings;
	ep->bell = -1;
	ep->seed = seed;
	if (allocate(ep, flows) < 0) {
		release(ep);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < ch->nbufs; i++)
		ep->queued[i] = EP_NOT_QUEUED;
	ep->trash = (struct ep_queue){ CHAN_NONE, CHAN_NONE };
	ep->trash_out.buf = CHAN_NONE;
	ep->send_end = &ep->send_first;
	ep->starved_end = &ep->starved_first;
	*ret = ep;
	return 0;
}

void endpoint_set_terms(struct endpoint *ep, const struct ep_terms *terms)
{
	ep->terms = *terms;
	ep->paid_ns = 0;
}

void endpoint_free(struct endpoint *ep)
{
	if (!ep)
		return;
	channel_free(ep->ch);
	release(ep);
}

void ep_break(struct endpoint *ep)
{
	atomic_store(&ep->broken, true);
}

/* --- flows ----------------------------------------------------------------------------------- */

void ep_address(uint32_t ip, struct ipaddr *ret)
{
	const uint8_t four[4] = { (uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8),
				  (uint8_t)ip };

	ipaddr_from4(ret, four);
}

static struct ep_flow **place_of(const struct endpoint *ep, const struct chan_flow *key)
{
	uint64_t hash = hash_mix(ep->seed, (uint64_t)key->src_ip << 32 | key->dst_ip);

	hash = hash_mix(hash, (uint64_t)key->src_port << 16 | key->dst_port);
	return &ep->table[hash >> 32 & ep->table_mask];
}

static bool same(const struct chan_flow *a, const struct chan_flow *b)
{
	return a->src_ip == b->src_ip && a->dst_ip == b->dst_ip && a->src_port == b->src_port &&
	       a->dst_port == b->dst_port;
}

struct ep_flow *ep_flow_find(const struct endpoint *ep, const struct chan_flow *key)
{
	struct ep_flow *f = *place_of(ep, key);

	while (f && !same(&f->key, key))
		f = f->hash_next;
	return f;
}

struct ep_flow *ep_flow_new(struct endpoint *ep)
{
	struct ep_flow *f = ep->free_flows;

	if (f)
		ep->free_flows = f->next_free;
	else if (ep->used_flows < ep->max_flows)
		f = &ep->flows[ep->used_flows++];
	else
		return NULL;
	*f = (struct ep_flow){ .ep = ep, .first = CHAN_NONE, .last = CHAN_NONE };
	ep_send_reset(f);
	ep->nflows++;
	return f;
}

void ep_flow_know(struct ep_flow *f)
{
	const struct flow_name *name = flow_name(f->flow);
	struct ep_flow **at;

	f->key = (struct chan_flow){ .src_ip = be32_get(ipaddr_4(&name->local)),
				     .dst_ip = be32_get(ipaddr_4(&name->remote)),
				     .src_port = name->local_port,
				     .dst_port = name->remote_port };
	at = place_of(f->ep, &f->key);
	f->hash_next = *at;
	*at = f;
	f->known = true;
}

void ep_flow_unknow(struct ep_flow *f)
{
	struct ep_flow **at = place_of(f->ep, &f->key);

	if (!f->known)
		return;
	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
	f->known = false;
}

static void leave_lists(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;

	for (struct ep_flow **at = &ep->send_first; f->sending; at = &(*at)->send_next)
		if (*at == f) {
			*at = f->send_next;
			if (ep->send_end == &f->send_next)
				ep->send_end = at;
			f->sending = false;
			break;
		}
	for (struct ep_flow **at = &ep->starved_first; f->starved; at = &(*at)->starved_next)
		if (*at == f) {
			*at = f->starved_next;
			if (ep->starved_end == &f->starved_next)
				ep->starved_end = at;
			f->starved = false;
			break;
		}
}

void ep_flow_free(struct ep_flow *f)
{
	struct endpoint *ep = f->ep;

	ep_flow_unknow(f);
	leave_lists(f);
	ep_send_drop(f);
	ep_recv_drop(f);
	ep->nconnects -= f->connecting;
	ep->nown -= f->own;
	ep->nclosing -= f->closing;
	ep->nflows--;
	f->flow = NULL;
	f->next_free = ep->free_flows;
	ep->free_flows = f;
}

/* Its user is nobody any more, in case the stack still tells of it. */
static void let_go(struct ep_flow *f, void (*how)(struct flow *f))
{
	struct flow *flow = f->flow;

	ep_flow_free(f);
	flow_set_user(flow, NULL);
	how(flow);
}

void ep_flow_abort(struct ep_flow *f)
{
	f->ep->stats.aborted++;
	let_go(f, flow_abort);
}

/* --- an engine ---------------------------------------------------------------------------------
 */

static void listen_again(struct endpoint *ep)
{
	for (uint32_t i = 0; i < EP_LISTENERS; i++) {
		struct ep_listener *l = &ep->listeners[i];
		struct ipaddr ip;

		if (!l->used)
			continue;
		ep_address(l->ip, &ip);
		if (stack_listen(ep->stack, &ip, l->port, l) < 0) {
			l->used = false;
			ep->nlisteners--;
		}
	}
}

void endpoint_join(struct endpoint *ep, struct stack *s)
{
	ep->stack = s;
	ep->share = share_new(s);
	listen_again(ep);
}

static void close_listeners(struct endpoint *ep)
{
	for (uint32_t i = 0; i < EP_LISTENERS; i++) {
		struct ipaddr ip;

		if (!ep->listeners[i].used)
			continue;
		ep_address(ep->listeners[i].ip, &ip);
		stack_unlisten(ep->stack, &ip, ep->listeners[i].port);
	}
}

/* Set before the look that the application may take at what was put. */
static void ring(struct endpoint *ep)
{
	ep->told = false;
	if (!ep->rings || ep->bell < 0)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (channel_app_waits(ep->ch))
		send(ep->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Nobody looks after it until another engine does, so what is under way ends here. */
static void end_connects(struct endpoint *ep)
{
	for (uint32_t i = 0; i < ep->used_flows; i++)
		if (ep->flows[i].flow)
			ep_fail_connect(&ep->flows[i], ENETDOWN);
	ep_complete(ep);
	if (ep->told)
		ring(ep);
}

void endpoint_leave(struct endpoint *ep)
{
	if (!ep->lingers && !atomic_load(&ep->broken))
		end_connects(ep);
	for (uint32_t i = 0; i < ep->used_flows; i++)
		if (ep->flows[i].flow)
			let_go(&ep->flows[i], flow_close);
	close_listeners(ep);
	share_free(ep->share);
	ep->share = NULL;
	ep->stack = NULL;
}

void endpoint_linger(struct endpoint *ep, uint64_t until_ns)
{
	ep_route(ep, CHAN_RING_SLOTS);
	close_listeners(ep);
	memset(ep->listeners, 0, sizeof(ep->listeners));
	ep->nlisteners = 0;
	ep->lingers = true;
	ep->linger_ns = until_ns;
}

/* --- a turn --------------------------------------------------------------------------------------
 */

/* When all that was sent is with the stack, or time is up. */
static bool linger(struct endpoint *ep, uint64_t now)
{
	bool any = ep_route(ep, MESSAGES);

	any |= ep_send(ep);
	for (uint32_t i = 0; i < ep->used_flows; i++) {
		struct ep_flow *f = &ep->flows[i];

		if (f->flow && (f->connecting || ep_send_idle(f)))
			let_go(f, flow_close);
	}
	if ((!ep->nflows && !any) || now >= ep->linger_ns)
		ep_break(ep);
	return any;
}

static bool serve(struct endpoint *ep, uint64_t now)
{
	bool any = !endpoint_is_held(ep) && ep_route(ep, MESSAGES);

	any |= ep_ask(ep, now);
	if (ep->starved_first && !channel_has_free(ep->ch))
		ep_send_soon(ep);
	any |= ep_send(ep);
	any |= ep_feed(ep);
	any |= ep_expire(ep, now);
	return ep_complete(ep) || any;
}

bool endpoint_turn(struct endpoint *ep, uint64_t now_ns)
{
	bool any;

	if (atomic_load_explicit(&ep->broken, memory_order_relaxed))
		return false;
	ep->now_ns = now_ns;
	any = ep->lingers ? linger(ep, now_ns) : serve(ep, now_ns);
	if (channel_settle(ep->ch, &ep->waits) < 0)
		ep_break(ep);
	if (any)
		channel_tell_stats(ep->ch, ep->stats.tx_drops, ep->stats.tx_messages,
				   ep->stats.tx_bytes);
	if (ep->told)
		ring(ep);
	return any;
}

bool endpoint_wants_polls(const struct endpoint *ep)
{
	return !atomic_load_explicit(&ep->broken, memory_order_relaxed) &&
	       (!ep->rings || ep->polled || ep->waits || ep->starved_first || ep->ndone ||
		ep->lingers);
}

uint64_t endpoint_deadline(const struct endpoint *ep)
{
	uint64_t next = ep->lingers ? ep->linger_ns : UINT64_MAX;

	if (endpoint_is_held(ep) && ep->paid_ns + HELD_NS < next)
		next = ep->paid_ns + HELD_NS;
	for (uint32_t i = 0; (ep->nconnects || ep->nclosing) && i < ep->used_flows; i++) {
		const struct ep_flow *f = &ep->flows[i];

		if (f->flow && (f->connecting || f->closing) && f->deadline_ns < next)
			next = f->deadline_ns;
	}
	return next;
}
