/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network within the process, as a backend of port.h: switches, links with faults,
 * and a clock that goes only when it is told to. Any number of hosts run on it in one
 * thread. The same seed and the same calls give the same frames at the same times.
 *
 * Nothing is allocated but by simnet_new() and simnet_attach(). A frame leaves with
 * port_flush(), no sooner (a forgotten one shows), and no call of the sender's delivers
 * it, not even without any delay: simnet_advance() does.
 *
 * Ports of one segment are on one switch. Those of them with the same MAC are the
 * queues of one NIC: it gets a frame once, on the queue that a hash of the bytes 26 to
 * 37 chooses (addresses and UDP ports, as RSS has it), and none of its own. A MAC is
 * what stands in port->mac when a frame arrives; it may be written to. So may port->mtu.
 */
#ifndef REEVE_PORT_SIMNET_H
#define REEVE_PORT_SIMNET_H

#include "port/port.h"

/* No time at all: simnet_next() of a silent network. */
#define SIMNET_NEVER UINT64_MAX

enum {
	/* Frames at a port: more to be read are dropped, so many to be sent are flushed. */
	SIMNET_RING = 1024,
	SIMNET_MTU = 1500, /* of a port whose link says nothing */
};

struct simnet;

/* What happens to the frames that a port sends, between it and the switch. Zero: nothing. */
struct simnet_link {
	/* Of a million frames. */
	uint32_t loss_ppm, duplicate_ppm;
	uint32_t corrupt_ppm; /* one bit flipped, anywhere: what no checksum may miss */
	uint32_t reorder_ppm; /* held back by up to reorder_ns; all others keep their order */
	uint32_t busy_ppm;    /* of a million calls of port_tx_room(): there is none */
	uint64_t delay_ns, jitter_ns, reorder_ns;
	uint64_t bits_per_s;  /* of frames as they are in memory; 0: no limit */
	uint32_t queue_bytes; /* what may wait for the line; 0: no limit */
	uint16_t mtu; /* also the port's, when it is attached; 0: no limit, and SIMNET_MTU */
};

/*
 * Every frame is counted once where it comes from, the first three, and once where it
 * ends. What is missing is on its way.
 */
struct simnet_stats {
	uint64_t sent;
	uint64_t duplicated;
	uint64_t copied; /* by a switch, for a second receiver and so on */

	uint64_t delivered; /* to a port, read or not */
	uint64_t lost;
	uint64_t down;	     /* the cable of sender or receiver is pulled */
	uint64_t length;     /* beyond an MTU, or no whole Ethernet header */
	uint64_t queue_full; /* of a link with a limited rate */
	uint64_t ring_full;  /* of a receiver that does not read */
	uint64_t pool_full;
	uint64_t nowhere; /* nobody else is there, or to the MAC it came from */

	/* Of these, so many were changed or held back. */
	uint64_t corrupted, reordered;
};

typedef void (*simnet_tap_fn)(void *arg, uint64_t ns, const struct port *from, const uint8_t *frame,
			      uint32_t len);

/* `frames`: what there is memory for, on its way and in ports; each port keeps one of them. */
int simnet_new(uint64_t seed, uint32_t frames, struct simnet **ret);

/* Closes the ports that are still open. */
void simnet_free(struct simnet *n);

/*
 * A port with a MAC of its own, made from its number: 02:00 and four bytes. -ENOBUFS:
 * no frame is left for it; -EINVAL: link->mtu is none that a port may have.
 * link == NULL: a perfect one.
 */
int simnet_attach(struct simnet *n, uint32_t segment, const struct simnet_link *link,
		  struct port **ret);

/* From 0 on in the order they were attached; none is given twice. */
uint32_t simnet_number(const struct port *p);

/* For frames that are flushed from now on; those on their way stay ahead but for reorder_ppm. */
void simnet_set_link(struct port *p, const struct simnet_link *link);

/* A pulled cable lets nothing in or out; what is on the wire or in the ring already goes on. */
void simnet_set_up(struct port *p, bool up);

/* Nanoseconds; 0 in the beginning. */
uint64_t simnet_now(const struct simnet *n);

/*
 * Goes to the next instant when frames reach a port, and delivers all of that instant:
 * true. If there is none up to `until_ns`, the clock goes there: false. It never goes
 * back, and with SIMNET_NEVER it stays at the last arrival.
 */
bool simnet_advance(struct simnet *n, uint64_t until_ns);

/* When the next frame comes to its switch. */
uint64_t simnet_next(const struct simnet *n);

/* Frames are there for port_rx(). */
bool simnet_waiting(const struct port *p);

/*
 * Of the ports that got frames since they were last named here, the one that waits
 * longest; NULL: no more. A port that was not read to its end is not named again for
 * what was left.
 */
struct port *simnet_ready(struct simnet *n);

/* Sees each frame as it leaves its port, before anything happens to it; sends nothing itself. */
void simnet_tap(struct simnet *n, simnet_tap_fn tap, void *arg);

const struct simnet_stats *simnet_stats(const struct simnet *n);

/* From the seed as well, for decisions of the simulation's own. */
uint64_t simnet_random(struct simnet *n);

#endif
