/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP. Pure. */
#ifndef REEVE_WIRE_UDP_H
#define REEVE_WIRE_UDP_H

#include <stdbool.h>

#include "wire/ip.h"

enum { UDP_HEADER = 8 };

struct udp {
	uint16_t src, dst;
	uint8_t *payload;
	uint32_t len;
};

/*
 * `partial_sums`: the sender may have left the checksum to a device that does not
 * exist; then the sum of the pseudo-header alone stands there, and is as good as right.
 * -EBADMSG: lengths or checksum are wrong. Over IPv4 it may be without.
 */
int udp_decode(const struct ip *ip, bool partial_sums, struct udp *ret);

/* The header in front of u->payload, which has u->len bytes; with its checksum. */
void udp_encode(uint8_t *at, const struct ip *ip, const struct udp *u);

#endif
