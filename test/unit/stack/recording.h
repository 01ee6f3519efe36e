/* SPDX-License-Identifier: BSD-3-Clause */
/* What two daemons of the reference said to each other (test/data/machnet). */
#ifndef TEST_STACK_RECORDING_H
#define TEST_STACK_RECORDING_H

#include "raw.h"

enum { RECORDED_MAX = 160 };
/* Kinds of packets, as the description of the protocol has them. */
enum { DATA = 0, SYN = 1, ACK = 2, SYN_ACK = 3, RST = 0x80 };

struct recorded {
	struct raw_frame frame;
	struct raw_packet p; /* if is_machnet */
	bool is_machnet, by_client;
};

struct recording {
	uint32_t n;
	struct recorded all[RECORDED_MAX];
};

extern const uint8_t recording_client_mac[6], recording_server_mac[6];

void recording_load(struct recording *r, const char *name);
/*
 * Without what means nothing: the bitmap and its count, which the reference leaves from
 * something else, and checksums, which its NIC would have made.
 */
void recording_mask(struct raw_frame *f);
/* The first of that side, kind and (of data) number; NULL: there is none. */
const struct recorded *recording_find(const struct recording *r, bool by_client, uint8_t kind,
				      uint32_t seq);

#endif
