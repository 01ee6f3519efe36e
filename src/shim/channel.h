/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One channel. What the library knows of it lies right before the mapped memory: so a
 * program gets the memory's address, as it does from the reference (whose machnet_bind()
 * tells its length, too), and the way from there to what is ours needs no table and no
 * lock. Nothing of ours lies where the daemon could write.
 *
 * One thread at a time. Functions return 0 or a negative errno.
 */
#ifndef REEVE_SHIM_CHANNEL_H
#define REEVE_SHIM_CHANNEL_H

#include <machnet.h>

#include "shim/view.h"

enum {
	CHANNEL_MARK = 0x6d6e6368,
	CHANNEL_LOOK_MS = 10, /* so often we look whether the daemon is there, and busy */
};

/* Of the address space. */
struct region {
	void *at;
	size_t len;
};

struct channel {
	_Alignas(64) uint32_t mark;
	struct view view;
	struct region region; /* this, the memory, and what aligns them */
	size_t size;	      /* of the memory */

	int sock;	  /* of the request for the channel; -1: none */
	bool armed;	  /* we said that we sleep */
	int broken;	  /* 0, or what every call says from now on */
	uint64_t look_ns; /* when we look next whether the daemon is there */
	uint64_t req_id;
	struct machnet_stats counts;
	uint32_t wanted; /* buffers, by the message that had no room */

	uint32_t cached;
	uint32_t cache[CHAN_CACHE];
	/* Of the message at work; and behind it what fills the cache in the same go. */
	uint32_t chain[CHAN_BUFS_MAX + CHAN_CACHE];
};

/* Maps the file. Takes `sock` (-1: none) if it succeeds; fd stays the caller's. */
int channel_map(int fd, int sock, struct channel **ret);
/* Buffers that we keep go back. Accepts NULL. */
void channel_unmap(struct channel *c);

void *channel_ctx(struct channel *c);
/* NULL: it is none. */
struct channel *channel_of(const void *ctx);

/* What can't go on any more says so from now on: returns r. */
int channel_break(struct channel *c, int r);

/* Whether the daemon is still there; bytes that it woke us by are taken. */
int channel_check(struct channel *c);
/* The same, but a system call only every CHANNEL_LOOK_MS. */
int channel_look(struct channel *c);

/* To be called when something was put into a ring. */
void channel_wake(struct channel *c);

/* We sleep; who calls it looks at the rings once more, and then polls `sock`. */
int channel_arm(struct channel *c);
void channel_disarm(struct channel *c);

static inline bool channel_rings(const struct channel *c)
{
	return c->view.stats && c->sock >= 0;
}

#endif
