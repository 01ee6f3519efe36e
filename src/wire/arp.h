/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP for IPv4 over Ethernet (RFC 826). Pure. */
#ifndef REEVE_WIRE_ARP_H
#define REEVE_WIRE_ARP_H

#include "model/ipaddr.h"
#include "wire/ether.h"

enum { ARP_BYTES = 28 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
	uint16_t op;
	struct mac sender_mac, target_mac;
	struct ipaddr sender, target;
};

/* What stands behind the Ethernet header. -EBADMSG: cut short; -EOPNOTSUPP: not of this kind. */
int arp_decode(const uint8_t *at, uint32_t len, struct arp *ret);
void arp_encode(uint8_t *at, const struct arp *a);

#endif
