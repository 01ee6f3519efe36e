/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an application asks for, and how it ended. There is room for one completion in its
 * memory; those that wait here are few, and while one does, nothing more is asked.
 *
 * The reference's library looks for its answer for ten seconds, and takes one that comes
 * later for the next one's; so an attempt to connect ends before that.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "endpoint_impl.h"

enum { ASKS = 4 /* in one turn */, CONNECT_S = 9, CLOSE_S = 5 };

/* --- completions ------------------------------------------------------------------------------ */

static struct chan_ctrl *complete(struct endpoint *ep, uint64_t id, int error)
{
	struct chan_ctrl *done = &ep->done[ep->ndone];

	*done = (struct chan_ctrl){ .id = id,
				    .op = CHAN_STATUS,
				    .status = error ? CHAN_ERROR : CHAN_OK,
				    .error = (uint32_t)error };
	/* As many as may be asked for at a time; see may_ask(). */
	if (ep->ndone < EP_DONE - 1)
		ep->ndone++;
	return done;
}

void ep_fail_connect(struct ep_flow *f, int error)
{
	if (f->connecting)
		complete(f->ep, f->id, error);
}

bool ep_complete(struct endpoint *ep)
{
	int r = 1;

	while (ep->ndone && r > 0) {
		r = ring_put(&ep->ch->cq, &ep->done[0]);
		if (r <= 0)
			break;
		ep->ndone--;
		memmove(ep->done, ep->done + 1, ep->ndone * sizeof(ep->done[0]));
		ep->told = true;
	}
	if (r < 0)
		ep_break(ep);
	return ep->told;
}

/* --- requests -----------------------------------------------------------------------------------
 */

/* One more is within its terms. */
static bool may_have_port(const struct endpoint *ep)
{
	return !ep->terms.ports || ep->nlisteners + ep->nown < ep->terms.ports;
}

static int ask_connect(struct endpoint *ep, const struct chan_ctrl *c, uint64_t now)
{
	struct ep_flow *f = may_have_port(ep) ? ep_flow_new(ep) : NULL;
	struct ipaddr local, remote;
	int r;

	if (!f)
		return -EMFILE;
	ep_address(c->flow.src_ip, &local);
	ep_address(c->flow.dst_ip, &remote);
	r = stack_connect(ep->stack, &local, &remote, c->flow.dst_port, f, &f->flow);
	if (r < 0) {
		ep_flow_free(f);
		return r;
	}
	flow_set_share(f->flow, ep->share);
	f->id = c->id;
	f->connecting = f->own = true;
	f->deadline_ns = now + CONNECT_S * NS_PER_S;
	ep->nconnects++;
	ep->nown++;
	return 0;
}

static struct ep_listener *free_listener(struct endpoint *ep)
{
	for (uint32_t i = 0; i < EP_LISTENERS; i++)
		if (!ep->listeners[i].used)
			return &ep->listeners[i];
	return NULL;
}

static int ask_listen(struct endpoint *ep, const struct chan_ctrl *c)
{
	struct ep_listener *l = free_listener(ep);
	struct ipaddr ip;
	int r;

	if (!l || !may_have_port(ep))
		return -EMFILE;
	if (!c->listener.port)
		return -EINVAL;
	ep_address(c->listener.ip, &ip);
	r = stack_listen(ep->stack, &ip, c->listener.port, l);
	if (r < 0)
		return r;
	*l = (struct ep_listener){
		.ep = ep, .ip = c->listener.ip, .port = c->listener.port, .used = true
	};
	ep->nlisteners++;
	return 0;
}

static int ask_unlisten(struct endpoint *ep, const struct chan_ctrl *c)
{
	struct ipaddr ip;

	for (uint32_t i = 0; i < EP_LISTENERS; i++) {
		struct ep_listener *l = &ep->listeners[i];

		if (!l->used || l->ip != c->listener.ip || l->port != c->listener.port)
			continue;
		ep_address(l->ip, &ip);
		l->used = false;
		ep->nlisteners--;
		return stack_unlisten(ep->stack, &ip, l->port);
	}
	return -ENOENT;
}

/* What it has sent before goes, so that is taken off the ring first. */
static int ask_disconnect(struct endpoint *ep, const struct chan_ctrl *c, uint64_t now)
{
	struct ep_flow *f;

	ep_route(ep, CHAN_RING_SLOTS);
	f = ep_flow_find(ep, &c->flow);
	if (!f)
		return -ENOENT;
	ep_flow_unknow(f);
	ep_recv_drop(f);
	f->closing = true;
	f->deadline_ns = now + CLOSE_S * NS_PER_S;
	ep->nclosing++;
	return 0;
}

static void answer(struct endpoint *ep, const struct chan_ctrl *c, int r)
{
	complete(ep, c->id, -r);
}

static void ask(struct endpoint *ep, const struct chan_ctrl *c, uint64_t now)
{
	int r;

	switch (c->op) {
	case CHAN_CONNECT:
		r = ask_connect(ep, c, now);
		if (r < 0)
			answer(ep, c, r);
		break;
	case CHAN_LISTEN:
		answer(ep, c, ask_listen(ep, c));
		break;
	case CHAN_UNLISTEN:
		answer(ep, c, ask_unlisten(ep, c));
		break;
	case CHAN_DISCONNECT:
		r = ask_disconnect(ep, c, now);
		/* The reference has no answer to it, and nobody would take it off the ring. */
		if (ep->rings)
			answer(ep, c, r);
		break;
	default:
		answer(ep, c, -EOPNOTSUPP);
	}
}

static bool may_ask(const struct endpoint *ep)
{
	return !ep->ndone && ep->nconnects < EP_CONNECTS;
}

bool ep_ask(struct endpoint *ep, uint64_t now)
{
	struct chan_ctrl c;
	int r = 0;

	for (int i = 0; i < ASKS && may_ask(ep); i++) {
		r = ring_take(&ep->ch->sq, &c);
		if (r <= 0)
			break;
		ask(ep, &c, now);
	}
	if (r < 0)
		ep_break(ep);
	return r > 0;
}

/* --- how it ended ------------------------------------------------------------------------ */

void endpoint_connected(void *arg, struct flow *flow, int error)
{
	struct ep_flow *f = flow_user(flow);
	struct endpoint *ep;

	(void)arg;
	if (!f)
		return;
	ep = f->ep;
	ep->nconnects--;
	f->connecting = false;
	if (error) {
		complete(ep, f->id, error);
		ep_flow_free(f);
		return;
	}
	ep_flow_know(f);
	complete(ep, f->id, 0)->flow = f->key;
}

bool endpoint_accepted(void *arg, struct flow *flow, void *listener)
{
	struct endpoint *ep = ((struct ep_listener *)listener)->ep;
	struct ep_flow *f = ep_flow_new(ep);

	(void)arg;
	if (!f)
		return false;
	f->flow = flow;
	flow_set_user(flow, f);
	flow_set_share(flow, ep->share);
	ep_flow_know(f);
	return true;
}

void endpoint_closed(void *arg, struct flow *flow, int error)
{
	struct ep_flow *f = flow_user(flow);

	(void)arg;
	(void)error;
	if (f)
		ep_flow_free(f);
}

static void give_up(struct ep_flow *f)
{
	struct flow *flow = f->flow;

	ep_fail_connect(f, ETIMEDOUT);
	ep_flow_free(f);
	flow_set_user(flow, NULL);
	flow_close(flow);
}

bool ep_expire(struct endpoint *ep, uint64_t now)
{
	bool any = false;

	for (uint32_t i = 0; (ep->nconnects || ep->nclosing) && i < ep->used_flows; i++) {
		struct ep_flow *f = &ep->flows[i];
		bool late = now >= f->deadline_ns;

		if (!f->flow || !(f->connecting || f->closing))
			continue;
		if (late || (f->closing && ep_send_idle(f))) {
			give_up(f);
			any = true;
		}
	}
	return any;
}
