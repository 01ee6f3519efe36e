/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/arp.h"

#include <errno.h>
#include <string.h>

#include "wire/be.h"

enum { HARDWARE_ETHERNET = 1 };

int arp_decode(const uint8_t *at, uint32_t len, struct arp *ret)
{
	if (len < ARP_BYTES)
		return -EBADMSG;
	if (be16_get(at) != HARDWARE_ETHERNET || be16_get(at + 2) != ETHER_IPV4 ||
	    at[4] != ETHER_MAC || at[5] != 4)
		return -EOPNOTSUPP;
	ret->op = be16_get(at + 6);
	if (ret->op != ARP_REQUEST && ret->op != ARP_REPLY)
		return -EOPNOTSUPP;
	memcpy(ret->sender_mac.b, at + 8, ETHER_MAC);
	ipaddr_from4(&ret->sender, at + 14);
	memcpy(ret->target_mac.b, at + 18, ETHER_MAC);
	ipaddr_from4(&ret->target, at + 24);
	return 0;
}

void arp_encode(uint8_t *at, const struct arp *a)
{
	be16_put(at, HARDWARE_ETHERNET);
	be16_put(at + 2, ETHER_IPV4);
	at[4] = ETHER_MAC;
	at[5] = 4;
	be16_put(at + 6, a->op);
	memcpy(at + 8, a->sender_mac.b, ETHER_MAC);
	memcpy(at + 14, ipaddr_4(&a->sender), 4);
	memcpy(at + 18, a->target_mac.b, ETHER_MAC);
	memcpy(at + 24, ipaddr_4(&a->target), 4);
}
