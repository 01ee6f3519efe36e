/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 and IPv6 packets in one form. Pure. Fragments are told apart and go no further:
 * whoever speaks here sends none, and putting them together is memory for strangers.
 */
#ifndef REEVE_WIRE_IP_H
#define REEVE_WIRE_IP_H

#include "model/ipaddr.h"

enum { IP4_HEADER = 20, IP6_HEADER = 40 };
enum { IP_ICMP = 1, IP_UDP = 17, IP_ICMP6 = 58 };
enum { IP_TTL = 64 };

struct ip {
	struct ipaddr src, dst;
	uint8_t proto, ttl;
	uint8_t *payload; /* in the packet; what pads the frame is not in it */
	uint32_t len;
};

/*
 * What stands behind the Ethernet header. Lengths and the header's checksum are
 * verified, options skipped. -EBADMSG: it is damaged; -EOPNOTSUPP: a fragment, or
 * of a kind that is not understood.
 */
int ip4_decode(uint8_t *at, uint32_t len, struct ip *ret);
int ip6_decode(uint8_t *at, uint32_t len, struct ip *ret);

/* Bytes of the header in front of such a packet. */
static inline uint32_t ip_header(const struct ip *h)
{
	return ipaddr_is4(&h->src) ? IP4_HEADER : IP6_HEADER;
}

/* The header of a packet with h->len bytes behind it. */
void ip_encode(uint8_t *at, const struct ip *h);

#endif
