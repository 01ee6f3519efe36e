/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings of a channel, as the stack uses them: see wire/channel.h. The other side
 * can write anything anywhere in them at any time. So our ends of rings that are single
 * at our side are ours alone: written out, never read back; the other's are read once and
 * held against what there can be. No call waits for the other side.
 *
 * 1: done; 0: full, empty, or not now; -EPROTO: the other end makes no sense.
 */
#ifndef REEVE_CHANNEL_RING_H
#define REEVE_CHANNEL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/channel.h"

struct ring {
	struct chan_ring *shared;
	uint32_t slots, entry_size; /* a power of two */
	uint32_t at;		    /* our end */
};

struct ring_kind {
	uint32_t slots, entry_size;
	bool prod_single, cons_single;
};

size_t ring_bytes(const struct ring_kind *kind);
/* An empty one in zeroed memory. */
void ring_make(struct ring *r, void *at, const struct ring_kind *kind);

/* We are the only one to dequeue. */
int ring_take(struct ring *r, void *ret_entry);
/* Whether there is anything, or the other end makes no sense. */
bool ring_has(const struct ring *r);
/* We are the only one to enqueue. */
int ring_put(struct ring *r, const void *entry);
/* Whether ring_put() would not return 0. */
bool ring_has_room(const struct ring *r);

/* --- both sides at both ends -------------------------------------------------------------- */

/*
 * What we have reserved becomes visible to the other side only after what was reserved
 * before, by a thread of the application that may have been stopped or killed since. So
 * it is kept in mind, and settled when that is done; until then there is nothing more to
 * be had at that end.
 */
struct ring_pending {
	uint32_t at, n; /* n 0: nothing */
};

struct shared_ring {
	struct ring ring;
	struct ring_pending put, take;
};

/* Of 32 bits: 0 to n-1, those that are nobody's at first. */
void shared_ring_make(struct shared_ring *r, void *at, uint32_t slots);
/* Up to n of them, which are ours then: how many. */
int shared_ring_take(struct shared_ring *r, uint32_t *ret_entries, uint32_t n);
/* Up to n of them, which are the ring's then: how many. */
int shared_ring_put(struct shared_ring *r, const uint32_t *entries, uint32_t n);
/* Whether nothing is pending (any more). */
bool shared_ring_settle(struct shared_ring *r);
/* How many are there at this moment, as far as can be told. */
uint32_t shared_ring_count(const struct shared_ring *r);

#endif
