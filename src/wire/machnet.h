/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machnet's header behind UDP: 54 bytes, numbers big endian (facts: the reference's
 * headers compiled and printed, and packets of two running daemons). Pure.
 *
 * Neither the length nor the version of anything is in it: what follows is payload.
 * Of `sack` the reference reads and writes different bits for the same packet, and
 * crashes over some; so we send none, and look at none.
 */
#ifndef REEVE_WIRE_MACHNET_H
#define REEVE_WIRE_MACHNET_H

#include <stdbool.h>
#include <stdint.h>

enum {
	MACHNET_HEADER = 54,
	MACHNET_MSS = 1418,   /* most bytes behind it in one packet */
	MACHNET_WINDOW = 32,  /* packets under way that the reference sends at most */
	MACHNET_REORDER = 64, /* it keeps packets up to so far behind one that is missing */
	MACHNET_MESSAGE_MAX = 8 << 20,
};
#define MACHNET_NO_ACK UINT32_MAX /* in data: it acknowledges nothing */

/* Compared whole, not bit by bit. */
enum machnet_kind {
	MACHNET_DATA = 0x00,
	MACHNET_SYN = 0x01,
	MACHNET_ACK = 0x02,
	MACHNET_SYN_ACK = 0x03,
	MACHNET_RST = 0x80,
};

enum {
	MACHNET_FIRST = 0x01, /* of a message */
	MACHNET_MORE = 0x02,
	MACHNET_LAST = 0x04,
};

struct machnet {
	uint8_t kind;  /* enum machnet_kind, or any other */
	uint8_t flags; /* of data; the reference sets more than those above */
	uint32_t seq, ack;
	/*
	 * It had gone before, and reeve sent it: whoever sends that again can bear any
	 * number of answers. Written where the reference has bytes that it left from
	 * something else, and never looks.
	 */
	bool again;
};

/* -EBADMSG: cut short, or no Machnet packet. */
int machnet_decode(const uint8_t *at, uint32_t len, struct machnet *ret);
void machnet_encode(uint8_t at[static MACHNET_HEADER], const struct machnet *m);

#endif
