/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/control.h"

#include "shim/wait.h"

enum { ERRNO_MAX = 4095 };

/* As the reference's, this call is not one that signals end. */
static int wait_on(struct channel *c, const struct wait *w, uint64_t deadline)
{
	int r;

	do
		r = wait_until(c, w, deadline);
	while (r == -EINTR);
	return r;
}

static int put(struct channel *c, struct chan_ctrl *request, uint64_t deadline)
{
	int r = wait_on(c, &wait_request, deadline);

	if (r < 0)
		return r;
	request->id = c->req_id++;
	__atomic_store_n(&c->view.ctx->req_id, c->req_id, __ATOMIC_RELAXED);
	r = ring_put_one(&c->view.sq, request);
	if (r < 0)
		return channel_break(c, r);
	channel_wake(c);
	return 0;
}

static int take(struct channel *c, uint64_t deadline, struct chan_ctrl *ret)
{
	int r = wait_on(c, &wait_completion, deadline);

	if (r == 0)
		r = ring_take_one(&c->view.cq, ret);
	return r == -EPROTO ? channel_break(c, r) : r;
}

/*
 * The last word is only there where the daemon is a reeve. ENOTCONN means to our callers
 * that the daemon itself is gone, so a flow that is not there has another one.
 */
static int result(const struct channel *c, const struct chan_ctrl *end)
{
	if (end->status == CHAN_OK)
		return 0;
	if (!c->view.stats || !end->error || end->error > ERRNO_MAX)
		return -ECONNREFUSED;
	return end->error == ENOTCONN ? -ENOENT : -(int)end->error;
}

int control_ask(struct channel *c, struct chan_ctrl *request, struct chan_ctrl *ret_end)
{
	uint64_t deadline = wait_deadline(CONTROL_PATIENCE_MS);
	struct chan_ctrl end = { 0 };
	int r = channel_check(c);

	if (r == 0)
		r = put(c, request, deadline);
	while (r == 0) {
		r = take(c, deadline, &end);
		if (r == 0 && end.op == CHAN_STATUS && end.id == request->id)
			break;
	}
	if (r == 0)
		r = result(c, &end);
	if (r == 0 && ret_end)
		*ret_end = end;
	return r;
}
