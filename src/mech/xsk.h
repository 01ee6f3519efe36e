/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AF_XDP sockets for clients that may not make one: made here, with memory and
 * rings in place, tied to one interface. From Linux 6.4 on the rings can be
 * mapped when the socket is bound, so it is bound here, to the one queue; before,
 * the client maps them first and binds it itself: SO_BINDTODEVICE then keeps it
 * to the interface, not to the queue.
 */
#ifndef REEVE_MECH_XSK_H
#define REEVE_MECH_XSK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
	XSK_FRAMES_MAX = 16384,
	XSK_RING_MAX = 4096,
};

struct xsk_want {
	uint32_t ifindex, queue;
	const char *ifname;
	uint32_t frames, frame_size; /* a power of two; 2048 or 4096 */
	uint32_t rx, tx, fill, comp; /* ring entries, powers of two; tx and comp 0: receive only */
	bool leave_unbound;	     /* as before Linux 6.4 */
};

struct xsk {
	int sock;   /* AF_XDP */
	int memory; /* memfd of frames * frame_size bytes, sealed against change of size */
	bool bound;
};

/*
 * -EINVAL for sizes that can't be, before anything is asked of the kernel; -EBUSY
 * when the queue has a socket; -ENODEV when there is no such interface, or its
 * name and number are no longer one. Bound without a mode: the kernel uses zero
 * copy where the driver can, else it copies. Nothing is left behind on failure.
 * The caller owns both descriptors.
 */
int xsk_make(const struct xsk_want *want, struct xsk *ret, struct err *e);

/* What xsk_make() left to be done where it says that the socket is not bound. */
int xsk_bind(int sock, const struct xsk_want *want, struct err *e);

#endif
