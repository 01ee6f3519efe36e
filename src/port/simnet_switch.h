/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a simnet: its ports, and the switch of each segment, which finds those
 * that get a frame. Ports with one MAC are the queues of one NIC. MACs may change
 * without a word, so a switch looks at all of them before it believes its groups.
 */
#ifndef REEVE_PORT_SIMNET_SWITCH_H
#define REEVE_PORT_SIMNET_SWITCH_H

#include <string.h>

#include "port/simnet_frames.h"
#include "port/simnet_path.h"

struct simport {
	struct port port;
	struct simnet *net;
	struct segment *segment;
	struct simport *next;	    /* segment::ports */
	struct simport *next_ready; /* simnet::ready */
	uint32_t number;
	bool up, ready, room_given;
	uint32_t room; /* the frame behind port_tx_room() */
	struct path path;
	struct frame_list sending; /* until the next flush */
	struct frame_list waiting; /* for port_rx() */
	struct frame_list taken;   /* until the next port_rx() */

	/* As the switch saw it last. */
	uint64_t mac;
	struct simport *nic;	    /* the first port with this MAC */
	struct simport *next_queue; /* of the same NIC */
	unsigned queues;	    /* of the first port only */
};

struct segment {
	struct segment *next; /* simnet::segments */
	uint32_t number;
	bool stale; /* ports came or went since they were grouped */
	struct simport *ports;
};

static inline uint64_t mac_load(const uint8_t mac[6])
{
	uint64_t value = 0;

	memcpy(&value, mac, 6);
	return value;
}

void segment_add(struct segment *s, struct simport *p);
void segment_remove(struct segment *s, struct simport *p);

/* Groups the ports by what their MACs are now. Before each of those below. */
void segment_look(struct segment *s);

/* The first queue of the NIC that has it; NULL: none has. */
struct simport *segment_find(const struct segment *s, uint64_t mac);

/* The one of its queues that gets this frame. */
struct simport *nic_queue(struct simport *nic, const uint8_t *frame, uint32_t len);

#endif
