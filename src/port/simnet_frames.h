/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of a simnet: a pool of fixed size, lists of them, and those on their way in
 * the order of their arrival. A frame is a number. It is in one place at a time, so no
 * list needs memory of its own and the heap can't be full.
 */
#ifndef REEVE_PORT_SIMNET_FRAMES_H
#define REEVE_PORT_SIMNET_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "port/port.h"

enum {
	/* In whole cache lines, and an odd number of them: frames spread over all sets of a cache.
	 */
	FRAME_BYTES = 55 * 64,
};

_Static_assert(FRAME_BYTES >= PORT_ETHER_HEADER + PORT_MTU_MAX, "the longest frame fits");

#define FRAME_NONE UINT32_MAX

struct simport;
struct segment;

struct frame_info {
	struct simport *from; /* NULL: it was closed since */
	struct segment *segment;
	uint32_t len;
	uint32_t next; /* in its list */
};

/* First in, first out. All zero: empty. */
struct frame_list {
	uint32_t first, last, count;
};

struct frame_event {
	uint64_t at, order;
	uint32_t frame;
};

struct frames {
	uint8_t *bytes;
	struct frame_info *info;
	struct frame_event *heap;
	uint32_t free; /* the one to be used next, still in the cache */
	uint32_t on_way, total;
	uint64_t order; /* of frames for the same instant */
};

/* 0, or -ENOMEM with nothing allocated. */
int frames_init(struct frames *f, uint32_t total);
void frames_fini(struct frames *f);

static inline uint8_t *frame_data(const struct frames *f, uint32_t frame)
{
	return f->bytes + (size_t)frame * FRAME_BYTES;
}

/*
 * Lets the first bytes of a frame be used and no others: under AddressSanitizer, a host that
 * writes beyond its frame or reads one it has no more is found, as with memory of its own.
 */
void frame_open(const struct frames *f, uint32_t frame, uint32_t bytes);

/* FRAME_NONE: the pool is empty. All of a taken frame is open, of a copy what was copied. */
uint32_t frames_take(struct frames *f);
uint32_t frames_copy(struct frames *f, uint32_t frame);
void frames_give(struct frames *f, uint32_t frame);

void list_put(struct frames *f, struct frame_list *l, uint32_t frame);

/* Only of a list that is not empty. */
uint32_t list_take(struct frames *f, struct frame_list *l);

/* Back to the pool with all of them. */
void list_give(struct frames *f, struct frame_list *l);

void frames_depart(struct frames *f, uint32_t frame, uint64_t at);

/* When the first one arrives; UINT64_MAX: none is on its way. */
static inline uint64_t frames_next(const struct frames *f)
{
	return f->on_way ? f->heap[0].at : UINT64_MAX;
}

/* Takes the first one; only if there is one. */
uint32_t frames_arrive(struct frames *f);

/* Its frames go on without it. */
void frames_orphan(struct frames *f, const struct simport *from);

#endif
