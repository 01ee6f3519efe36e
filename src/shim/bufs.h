/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of the channel's pool. Each is at one place: in the ring of free ones, in a
 * message, with the daemon, or in our cache, which is ours alone: no more than CHAN_CACHE.
 */
#ifndef REEVE_SHIM_BUFS_H
#define REEVE_SHIM_BUFS_H

#include "shim/channel.h"

/* n of them into c->chain: all, or -EAGAIN and none. n < c->view.bufs. */
int bufs_take(struct channel *c, uint32_t n);
void bufs_give(struct channel *c, const uint32_t *bufs, uint32_t n);

/* The cache goes back. */
void bufs_flush(struct channel *c);

#endif
