/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port over an AF_XDP socket of one queue. Which frames come to it is decided by
 * whoever puts the socket (its wait_fd) into an XSKMAP; what is sent goes out as it is.
 *
 * Where the driver can't do zero copy the kernel sends within port_flush(), a system
 * call for each 32 frames. What it did not take then is tried again by the next
 * port_rx(), port_flush() or poll(2).
 *
 * An interface that goes down or away takes nothing along: what is to be sent is
 * dropped then, and nothing comes. poll(2) does not tell; af_xdp_stats() does.
 */
#ifndef REEVE_PORT_AF_XDP_H
#define REEVE_PORT_AF_XDP_H

#include "base/err.h"
#include "port/port.h"

struct af_xdp_want {
	const char *ifname;
	uint32_t queue;
	uint32_t frames; /* in memory, a power of two; 0: 4096. Half of them to receive */
	uint32_t ring;	 /* entries of each of the four, likewise; 0: 2048 */
	/*
	 * A socket and its memory as xsk_make() makes them, which become the port's on success;
	 * then `frames` and `ring` are what they were made with. -1: they are made here.
	 */
	int sock, memory;
	uint32_t frame_size; /* 2048 or 4096; 0: by the MTU */
	bool bound;	     /* the socket that is given */
};

/* All that is not set here is 0. */
#define AF_XDP_WANT(name, number)                                             \
	{                                                                     \
		.ifname = (name), .queue = (number), .sock = -1, .memory = -1 \
	}

struct af_xdp_stats {
	uint64_t rx_dropped;	/* they did not fit into a frame */
	uint64_t rx_ring_full;	/* they came faster than port_rx() */
	uint64_t rx_fill_empty; /* zero copy: the NIC had no frame to fill */
	uint64_t tx_invalid;
	uint64_t tx_down; /* dropped: there was no interface, or it was down */
	bool zero_copy;
	bool gone; /* the interface; it will not come back to this port */
};

/*
 * The port's MTU is the interface's, PORT_MTU_MAX at most. -EBUSY: the queue has a
 * socket; -ENODEV; -EINVAL: no such queue, no Ethernet, an MTU below PORT_MTU_MIN or
 * one that frames of the given size can't hold; -EPERM. Nothing is left behind on failure.
 */
int af_xdp_open(const struct af_xdp_want *want, struct port **ret, struct err *e);

/* Bytes of a frame on an interface of that MTU: 2048 or 4096. */
uint32_t af_xdp_frame_size(uint32_t mtu);

/* Of a port that was opened here; a few system calls. */
void af_xdp_stats(struct port *p, struct af_xdp_stats *ret);

#endif
