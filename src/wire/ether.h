/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet II headers. Pure. */
#ifndef REEVE_WIRE_ETHER_H
#define REEVE_WIRE_ETHER_H

#include <stdbool.h>
#include <stdint.h>

enum { ETHER_HEADER = 14, ETHER_MAC = 6 };
enum { ETHER_IPV4 = 0x0800, ETHER_ARP = 0x0806, ETHER_IPV6 = 0x86dd };

struct mac {
	uint8_t b[ETHER_MAC];
};

struct ether {
	struct mac dst, src;
	uint16_t type; /* ETHER_*, or another; below 0x600 it is a length */
};

/* -EBADMSG: cut short. */
int ether_decode(const uint8_t *frame, uint32_t len, struct ether *ret);
void ether_encode(uint8_t *frame, const struct ether *h);

static inline bool mac_is_group(const struct mac *m)
{
	return m->b[0] & 1;
}

/* One that a station may have. */
bool mac_is_station(const struct mac *m);

#endif
