/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a channel, and the only code of the stack that touches it. It lies as in
 * wire/channel.h, with the pool on a page of its own; where is what is known from the
 * number of buffers alone, so that nothing of it is ever read back.
 *
 * The application has it, too, and can't shrink it: it is sealed. What is read from it
 * is a copy that was read once.
 *
 * One thread at a time has a channel; none of the calls once it has begun, channel_free()
 * aside, is a system call or allocates.
 */
#ifndef REEVE_CHANNEL_CHANNEL_H
#define REEVE_CHANNEL_CHANNEL_H

#include "channel/ring.h"
#include "wire/chan_msg.h"

struct channel {
	uint8_t *base;
	size_t size;
	uint32_t nbufs;
	struct chan_ctx *ctx;
	struct chan_stats *stats;
	struct ring sq, cq; /* struct chan_ctrl */
	struct ring rx, tx; /* first buffers of messages: to the application, from it */
	struct shared_ring free;
	uint8_t *pool;

	uint32_t *spare; /* buffers that are nobody's and nobody else knows of */
	uint32_t nspare, spare_most;
	uint32_t held; /* the first so many: whoever counts the ring's room still counts them */
};

/*
 * All of its memory is there when this returns. *ret_fd is to be given to the application
 * after channel_begin(). -EINVAL: `buffers` is no power of two from CHAN_BUFS_MIN to
 * CHAN_BUFS_MAX; -ENOMEM, -ENOSPC, -EMFILE and the like.
 */
int channel_new(uint32_t buffers, struct channel **ret, int *ret_fd);
/* Whose it is; `rings`: as in wire/channel.h. */
void channel_begin(struct channel *c, const uint8_t id[static CHAN_UUID], bool rings);
/*
 * The latter half of its pages leaves our page tables, and does not count as this process's: they
 * come back when they are touched, or all at once by the other, which any thread may call
 * as long as the channel is there.
 */
void channel_park(const struct channel *c);
void channel_unpark(const struct channel *c);
void channel_free(struct channel *c); /* accepts NULL */
/* Of one with so many, and what is kept for it besides. */
size_t channel_bytes(uint32_t buffers);

/* --- buffers ---------------------------------------------------------------------------- */

/* One that is ours from now on. -EAGAIN: none; -EPROTO: the ring of free ones is broken. */
int channel_take(struct channel *c, uint32_t *ret);
/* Whether there seems to be one. */
bool channel_has_free(const struct channel *c);
/* It is nobody's any more. */
void channel_give(struct channel *c, uint32_t buf);
/*
 * At times: brings what channel_give() has gathered to the ring, but for some that stay ours
 * to receive with; all of it while the application, which may wait for buffers, has so much to
 * read that no more can come. -EPROTO. *ret_waits: a thread of the application is in the way,
 * so it is to be called again.
 */
int channel_settle(struct channel *c, bool *ret_waits);

/* A copy of its header; `buf` is one. */
void channel_read(const struct channel *c, uint32_t buf, struct chan_buf *ret);
/* What that header says is in it; NULL: it says nonsense. May change while it is read. */
const uint8_t *channel_data(const struct channel *c, uint32_t buf, const struct chan_buf *head);
/* A packet of a message that came. At most CHAN_MSS bytes. */
void channel_write(struct channel *c, uint32_t buf, uint8_t flags, const struct chan_flow *flow,
		   const void *data, uint32_t len);
/* `next` follows `buf`. */
void channel_chain(struct channel *c, uint32_t buf, uint32_t next);

/* --- words ----------------------------------------------------------------------------------- */

/* Where the application finds them, and nobody reads them back. */
void channel_tell_stats(struct channel *c, uint64_t drops, uint64_t messages, uint64_t bytes);
void channel_tell_sleep(struct channel *c, bool sleeps);
/* Whether the application said that it waits; it is taken as told. */
bool channel_app_waits(struct channel *c);

#endif
