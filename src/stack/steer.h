/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several engines of one interface, each with a queue of its own. A NIC spreads
 * packets over queues as it likes; a UDP port belongs to one engine. Whoever gets a
 * packet for a port of another's puts a copy into that one's inbox. What all have to
 * know, as ARP, all get.
 *
 * Made before the engines and freed after them. Thread-safe by itself: between each
 * two engines there is a ring with one writer and one reader.
 */
#ifndef REEVE_STACK_STEER_H
#define REEVE_STACK_STEER_H

#include <stdint.h>

struct steering;

/*
 * Called by an engine that put something into `engine`'s inbox while that may sleep.
 * From any thread; may be NULL.
 */
typedef void steering_wake(void *arg, uint32_t engine);

/* -ENOMEM, -EINVAL. `frame`: bytes that a frame has at most. */
int steering_new(uint32_t engines, uint32_t frame, steering_wake *wake, void *arg,
		 struct steering **ret);
void steering_free(struct steering *t);

#endif
