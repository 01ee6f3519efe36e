/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: where the frames of one queue come from, and where they go. The stack knows
 * this much of a NIC and no more. Backends: simnet.h (a network within the process,
 * under a clock of its own) and af_xdp.h.
 *
 * One thread at a time has a port. Nothing is allocated once it is open, and no call
 * waits. Frames are what is on the wire from the destination MAC on, without FCS.
 */
#ifndef REEVE_PORT_PORT_H
#define REEVE_PORT_PORT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PORT_BURST = 32,	/* frames that are best taken at once */
	PORT_ETHER_HEADER = 14, /* of a frame besides what its MTU allows */
	PORT_MTU_MIN = 576,
	PORT_MTU_MAX = 3498, /* with its header in a frame of 4 KiB behind the kernel's headroom */
};

struct port;

struct frame {
	uint8_t *data; /* may be written to, up to len */
	uint32_t len;
};

struct port_ops {
	unsigned (*rx)(struct port *p, struct frame *ret, unsigned max);
	uint8_t *(*tx_room)(struct port *p);
	void (*tx)(struct port *p, uint32_t len);
	void (*flush)(struct port *p);
	void (*close)(struct port *p);
};

struct port_stats {
	uint64_t rx_frames, rx_bytes;
	uint64_t tx_frames, tx_bytes;
	uint64_t tx_full; /* times that no room was left to send */
};

struct port {
	const struct port_ops *ops;
	uint8_t mac[6];
	uint16_t mtu; /* bytes of a frame behind its Ethernet header */
	/* Who sends may have left UDP checksums to a device that does not exist (veth, tap). */
	bool partial_sums;
	int wait_fd; /* for poll(2): readable when frames are there; -1: there is none */
	struct port_stats stats;
};

/* Up to `max` frames that have come; they are the caller's until the next call of this. */
static inline unsigned port_rx(struct port *p, struct frame *ret, unsigned max)
{
	return p->ops->rx(p, ret, max);
}

/*
 * Where the next frame is to be written: PORT_ETHER_HEADER + mtu bytes, the same
 * place until port_tx(). NULL: no room now; after some time there will be.
 */
static inline uint8_t *port_tx_room(struct port *p)
{
	return p->ops->tx_room(p);
}

/* What was written there is a frame of that many bytes; it goes with the next flush at the latest.
 */
static inline void port_tx(struct port *p, uint32_t len)
{
	p->ops->tx(p, len);
}

static inline void port_flush(struct port *p)
{
	p->ops->flush(p);
}

/* Frames that were not flushed may be lost. */
static inline void port_close(struct port *p)
{
	p->ops->close(p);
}

#endif
