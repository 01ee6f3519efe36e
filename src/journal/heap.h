/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pieces of memory that outlives its writer, for what has no fixed size. Which are
 * in use is known to this process alone: whatever refers to a piece says where it
 * is, and a successor claims all that are referred to. So nothing leaks by a kill
 * between taking a piece and referring to it, nor between the other two.
 *
 * The lowest free place is taken, so that the memory stays dense. Pure; one thread.
 */
#ifndef REEVE_JOURNAL_HEAP_H
#define REEVE_JOURNAL_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HEAP_UNIT = 256,
	HEAP_UNITS = 1 << 18, /* 64 MiB */
};
#define HEAP_BYTES ((size_t)HEAP_UNIT * HEAP_UNITS)

/* In units. `units` 0: none. */
struct extent {
	uint32_t at, units;
};

struct heap {
	uint8_t *mem;
	uint32_t lowest; /* nothing below is free */
	uint32_t used;
	uint64_t map[HEAP_UNITS / 64];
};

/* Nothing is in use. `mem`: HEAP_BYTES. */
void heap_init(struct heap *h, void *mem);
/* At least so many bytes; false: there is no such piece. */
bool heap_take(struct heap *h, size_t bytes, struct extent *ret);
void heap_give(struct heap *h, const struct extent *e);
/* A piece that is referred to. -EBADMSG: it is none, or another refers to it too. */
int heap_claim(struct heap *h, const struct extent *e);

static inline size_t extent_bytes(const struct extent *e)
{
	return (size_t)e->units * HEAP_UNIT;
}

static inline void *heap_at(const struct heap *h, const struct extent *e)
{
	return h->mem + (size_t)e->at * HEAP_UNIT;
}

#endif
