/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP and ICMPv6 echo, and ICMPv6 neighbour discovery (RFC 4861) as far as hosts need it. Pure. */
#ifndef REEVE_WIRE_ICMP_H
#define REEVE_WIRE_ICMP_H

#include <stdbool.h>

#include "wire/ether.h"
#include "wire/ip.h"

enum { ICMP_HEADER = 8 };

enum icmp_kind { ICMP_OTHER, ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_SOLICIT, ICMP_ADVERT };

struct icmp {
	enum icmp_kind kind;
	/* echo */
	uint16_t id, seq;
	uint8_t *data;
	uint32_t len;
	/* neighbour discovery */
	struct ipaddr target;
	bool has_mac;
	struct mac mac;
	bool solicited, override; /* of an advertisement */
};

/* -EBADMSG: it is damaged, or of neighbour discovery and comes from beyond the link. */
int icmp_decode(const struct ip *ip, struct icmp *ret);

/* Bytes that icmp_encode() will write. */
uint32_t icmp_bytes(const struct icmp *m);
/* `ip`: its addresses; ip->len is what icmp_bytes() says. m->data may overlap. */
void icmp_encode(uint8_t *at, const struct ip *ip, const struct icmp *m);

#endif
