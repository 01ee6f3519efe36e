/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include "mech/xsk.h"

int socket_make(const struct loader_request *q, struct attached *ret, bool *ret_bound,
		struct err *e)
{
	const struct loader_xsk *x = &q->xsk;
	const struct xsk_want want = { .ifindex = q->ifindex,
				       .ifname = x->name,
				       .queue = x->queue,
				       .frames = x->frames,
				       .frame_size = x->frame_size,
				       .rx = x->rx,
				       .tx = x->tx,
				       .fill = x->fill,
				       .comp = x->comp };
	struct xsk made;
	int r = xsk_make(&want, &made, e);

	if (r < 0)
		return r;
	ret->fds[LOADER_FD_SOCK] = made.sock;
	ret->fds[LOADER_FD_MEMORY] = made.memory;
	ret->nfds = LOADER_FD_MEMORY + 1;
	*ret_bound = made.bound;
	return 0;
}
