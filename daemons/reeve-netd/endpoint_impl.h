/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of an endpoint. endpoint.c has its life and its flows; endpoint_ask.c what is
 * asked for, endpoint_send.c and endpoint_recv.c the messages.
 */
#ifndef REEVE_NETD_ENDPOINT_IMPL_H
#define REEVE_NETD_ENDPOINT_IMPL_H

#include "endpoint.h"

#define EP_NOT_QUEUED (UINT32_MAX - 1)

static inline bool ep_queue_empty(const struct ep_queue *q)
{
	return q->first == CHAN_NONE;
}

/* --- endpoint.c ------------------------------------------------------------------------- */

/* NULL: there are as many as may be. */
struct ep_flow *ep_flow_new(struct endpoint *ep);
/* It gets a name: the application can use it. */
void ep_flow_know(struct ep_flow *f);
/* It gets none any more. */
void ep_flow_unknow(struct ep_flow *f);
/* It is no more, here; to the stack it is not any more, or is being told. */
void ep_flow_free(struct ep_flow *f);
/* The channel can't go on with it: the peer is told. */
void ep_flow_abort(struct ep_flow *f);
struct ep_flow *ep_flow_find(const struct endpoint *ep, const struct chan_flow *key);
void ep_break(struct endpoint *ep);
void ep_address(uint32_t ip, struct ipaddr *ret);

/* --- endpoint_ask.c ----------------------------------------------------------------------- */

bool ep_ask(struct endpoint *ep, uint64_t now);
/* If it is under way: that is how it ended. */
void ep_fail_connect(struct ep_flow *f, int error);
bool ep_complete(struct endpoint *ep);
bool ep_expire(struct endpoint *ep, uint64_t now);

/* --- endpoint_send.c ------------------------------------------------------------------------ */

/* Messages to their flows: up to so many. */
bool ep_route(struct endpoint *ep, uint32_t most);
/* Flows that wait for much room take what there is: their buffers are needed. */
void ep_send_soon(struct endpoint *ep);
/* From flows to the stack. */
bool ep_send(struct endpoint *ep);
void ep_send_reset(struct ep_flow *f);
/* What was to be sent is nobody's now. */
void ep_send_drop(struct ep_flow *f);
bool ep_send_idle(const struct ep_flow *f);

/* --- endpoint_recv.c ------------------------------------------------------------------------ */

/* There may be room for what had none. */
bool ep_feed(struct endpoint *ep);
void ep_recv_drop(struct ep_flow *f);

#endif
