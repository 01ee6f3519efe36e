/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An AF_XDP socket with its memory. The frames are in two parts that never mix:
 * those to receive into, and the last quarter to send from. Each frame is at one
 * place: in a ring, with the kernel, with the program, or on a stack here.
 */
#ifndef REEVE_CLIENT_XSK_H
#define REEVE_CLIENT_XSK_H

#include "client/client.h"
#include "mech/ring.h"
#include <reeve/xsk.h>

struct frame_stack {
	uint64_t *addresses;
	uint32_t n, size;
};

struct reeve_xsk {
	struct reeve *daemon;
	uint64_t lease;
	unsigned queue;
	char nic[16];
	uint16_t *ports; /* asked for, once each */
	size_t nports;

	int sock;
	char *memory;
	size_t memory_len;
	uint32_t frame_size;
	struct rings rings;
	struct frame_stack spare; /* to receive into, while the fill ring has no room */
	struct frame_stack to_send;
};

/* Splits the frames and has the kernel fill as many as its ring has room for. */
int xsk_frames_init(struct reeve_xsk *x, uint32_t frames);

#endif
