/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The four rings of an AF_XDP socket, as mapped: one writer, one reader, the
 * kernel is the other. Its index is read before the entries and written after
 * them (acquire, release); ours is kept here as well and never read back.
 */
#ifndef REEVE_MECH_RING_H
#define REEVE_MECH_RING_H

#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ring {
	uint32_t *producer, *consumer;
	uint32_t *flags;
	void *entries; /* uint64_t of fill and completion, struct xdp_desc of rx and tx */
	uint32_t mask; /* entries - 1 */
	uint32_t own;  /* the index that we write */
	void *map;
	size_t map_len;
};

struct rings {
	struct ring rx, tx, fill, comp;
};

/* `n`: entries of each, a power of two. Nothing is left mapped on failure. */
int rings_map(int sock, uint32_t n, struct rings *ret, struct err *e);
/* Accepts what was never mapped. */
void rings_unmap(struct rings *r);

/* Entries that the kernel has put in, for the ring's reader (rx, comp). */
static inline uint32_t ring_filled(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - r->own;
}

/* Entries that there is room for, for the ring's writer (fill, tx). */
static inline uint32_t ring_room(const struct ring *r)
{
	return r->mask + 1 - (r->own - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE));
}

/* `n` were read: the kernel may have their places. */
static inline void ring_taken(struct ring *r, uint32_t n)
{
	r->own += n;
	__atomic_store_n(r->consumer, r->own, __ATOMIC_RELEASE);
}

/* `n` were written: the kernel may have them. */
static inline void ring_put(struct ring *r, uint32_t n)
{
	r->own += n;
	__atomic_store_n(r->producer, r->own, __ATOMIC_RELEASE);
}

/* The i-th from where we are. */
static inline uint64_t *ring_address(const struct ring *r, uint32_t i)
{
	return (uint64_t *)r->entries + ((r->own + i) & r->mask);
}

static inline struct xdp_desc *ring_desc(const struct ring *r, uint32_t i)
{
	return (struct xdp_desc *)r->entries + ((r->own + i) & r->mask);
}

static inline bool ring_sleeps(const struct ring *r)
{
	return __atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

#endif
