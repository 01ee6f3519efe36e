/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where things are in a channel's memory: read once, when the channel comes, and held
 * against the size of the memory. Whatever is written there later moves nothing.
 */
#ifndef REEVE_SHIM_VIEW_H
#define REEVE_SHIM_VIEW_H

#include "shim/ring.h"

struct view {
	struct chan_ctx *ctx;
	struct ring sq, cq; /* requests, and how they ended */
	struct ring rx, tx; /* indices of messages' first buffers */
	struct ring free;   /* indices of buffers that are nobody's */
	uint8_t *pool;
	uint32_t bufs;		  /* every index is below; one is never in `free` */
	uint32_t buf_size;	  /* header, headroom, payload */
	uint32_t mss;		  /* payload of one that is full */
	struct chan_stats *stats; /* where both sides say that they sleep; NULL: they can't */
};

/* 0, or -EPROTO with *ret untouched. `memory` is aligned as a page. */
int view_read(struct view *ret, void *memory, uint64_t size);

/* index < bufs */
static inline struct chan_buf *view_buf(const struct view *v, uint32_t index)
{
	return (struct chan_buf *)(v->pool + (size_t)index * v->buf_size);
}

/* What of a buffer is headroom and payload. */
static inline uint32_t view_room(const struct view *v)
{
	return v->buf_size - (uint32_t)sizeof(struct chan_buf);
}

#endif
