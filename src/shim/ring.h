/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings of a channel as the application uses them. Their ends lie in memory that
 * another process writes: each is read once, and what can't be is an error. Sizes are
 * those that view.c has found right, never those in the memory.
 *
 * 0, or -EAGAIN: no room, or not so many; -EPROTO: the ends make no sense, or the other
 * side has stopped half way. Never waits longer than for another thread's few stores.
 */
#ifndef REEVE_SHIM_RING_H
#define REEVE_SHIM_RING_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "wire/channel.h"

struct ring {
	struct chan_ring *shared;
	uint32_t slots, entry_size;
};

enum {
	/* Numbers that contradict each other so often in a row weren't just being changed. */
	RING_TRIES = 1000,
	/* As often we look whether the other one is done; beyond the first part, yielding. */
	RING_SPINS = 1000,
	RING_PATIENCE = 100000,
};

static inline void ring_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static inline uint32_t ring_load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline uint8_t *ring_slot(const struct ring *r, uint32_t at)
{
	return (uint8_t *)(r->shared + 1) + (size_t)(at & (r->slots - 1)) * r->entry_size;
}

/* How many are there for who dequeues; of a ring that others use, at this moment. */
static inline uint32_t ring_count(const struct ring *r)
{
	uint32_t head = ring_load(&r->shared->cons.head);
	uint32_t n = ring_load(&r->shared->prod.tail) - head;

	return n < r->slots ? n : 0;
}

/* --- where we are the only one at our end ------------------------------------------------- */

/* Room for so many; negative: the ends make no sense. */
static inline int ring_room(const struct ring *r)
{
	uint32_t tail = ring_load(&r->shared->cons.tail);
	uint32_t used = ring_load(&r->shared->prod.head) - tail;

	return used < r->slots ? (int)(r->slots - 1 - used) : -EPROTO;
}

static inline int ring_put_one(const struct ring *r, const void *entry)
{
	uint32_t head = ring_load(&r->shared->prod.head);
	int room = ring_room(r);

	if (room <= 0)
		return room < 0 ? room : -EAGAIN;
	__atomic_store_n(&r->shared->prod.head, head + 1, __ATOMIC_RELAXED);
	memcpy(ring_slot(r, head), entry, r->entry_size);
	__atomic_store_n(&r->shared->prod.tail, head + 1, __ATOMIC_RELEASE);
	return 0;
}

static inline int ring_take_one(const struct ring *r, void *ret_entry)
{
	uint32_t head = ring_load(&r->shared->cons.head);
	uint32_t n = ring_load(&r->shared->prod.tail) - head;

	if (n == 0 || n >= r->slots)
		return n ? -EPROTO : -EAGAIN;
	__atomic_store_n(&r->shared->cons.head, head + 1, __ATOMIC_RELAXED);
	memcpy(ret_entry, ring_slot(r, head), r->entry_size);
	__atomic_store_n(&r->shared->cons.tail, head + 1, __ATOMIC_RELEASE);
	return 0;
}

/* --- where the daemon is at the same end, too: all n of 32 bits, or none ---------------------- */

int ring_put_many(const struct ring *r, const uint32_t *entries, uint32_t n);
int ring_take_many(const struct ring *r, uint32_t *ret_entries, uint32_t n);

#endif
