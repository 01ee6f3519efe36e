/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IP address of either version in 16 bytes, in network order: an IPv4 one is
 * ::ffff:a.b.c.d, so that two addresses are equal when their bytes are.
 */
#ifndef REEVE_MODEL_IPADDR_H
#define REEVE_MODEL_IPADDR_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

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

/* In words as they are compared: two of other sizes would have to be waited for. */
static inline void ipaddr_from4(struct ipaddr *ret, const uint8_t four[static 4])
{
	uint64_t words[2] = { 0 };
	uint32_t n;

	memcpy(&n, four, sizeof(n));
	words[1] = htobe64(UINT64_C(0xffff00000000) | be32toh(n));
	memcpy(ret->b, words, sizeof(words));
}

/* The four bytes of an IPv4 address. */
static inline const uint8_t *ipaddr_4(const struct ipaddr *a)
{
	return a->b + 12;
}

static inline bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* One that a packet may come from, and go to. */
bool ipaddr_is_unicast(const struct ipaddr *a);

/* Whether both begin with the same `bits`, counted within their version. */
bool ipaddr_same_net(const struct ipaddr *a, const struct ipaddr *b, unsigned bits);

#endif
