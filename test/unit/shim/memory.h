/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel's memory in a file of its own, as a daemon makes it, and the daemon's side of
 * it in the same process: what is sent comes back. Every failure here is the test's.
 */
#ifndef TEST_SHIM_MEMORY_H
#define TEST_SHIM_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/channel.h"

struct memory {
	int fd;
	uint8_t *at;
	uint64_t size;
	uint32_t buffers;
	struct chan_ctx *ctx;
	struct chan_stats *stats;
	struct chan_ring *sq, *cq, *rx, *tx, *free;
};

void memory_make(struct memory *m, uint32_t buffers);
void memory_close(struct memory *m);

/* One entry of a ring; false: there is none, or no room. */
bool memory_take(struct chan_ring *r, void *ret_entry);
bool memory_put(struct chan_ring *r, const void *entry);
uint32_t memory_count(const struct chan_ring *r);

struct chan_buf *memory_buf(const struct memory *m, uint32_t index);
uint8_t *memory_data(const struct memory *m, uint32_t index);

/* Sends back what was sent, from where it was to go; how many messages. */
uint32_t memory_bounce(struct memory *m);

/* A message of one buffer with these bytes; its index. */
uint32_t memory_deliver(struct memory *m, const void *bytes, uint32_t len);

#endif
