/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IP address of either version in 16 bytes, in network order: an IPv4 one is
 * ::ffff:a.b.c.d, so that two addresses are equal when their bytes are.
 */
#ifndef REEVE_WIRE_IPADDR_H
#define REEVE_WIRE_IPADDR_H

#include <stdbool.h>
#include <stdint.h>

enum { IPADDR_TEXT = 46 };

struct ipaddr {
	uint8_t b[16];
};

/*
 * "10.0.0.1" or "fd00::1". -EINVAL: anything else, also ::ffff:10.0.0.1, so that an
 * IPv4 address has one spelling. *ret is untouched then.
 */
int ipaddr_parse(const char *text, struct ipaddr *ret);

/* As ipaddr_parse() reads it. */
void ipaddr_format(const struct ipaddr *a, char ret[static IPADDR_TEXT]);

bool ipaddr_is4(const struct ipaddr *a);

#endif
