/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/ipaddr.h"

#include <arpa/inet.h>
#include <errno.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

_Static_assert(IPADDR_TEXT >= INET6_ADDRSTRLEN, "inet_ntop() has room");

bool ipaddr_is4(const struct ipaddr *a)
{
	return !memcmp(a->b, mapped, sizeof(mapped));
}

/* 0.x, 127.x and from 224.x on are nobody's over a wire; nor are ::, ::1 and ff00::/8. */
bool ipaddr_is_unicast(const struct ipaddr *a)
{
	static const uint8_t zero[15];
	uint8_t first = ipaddr_4(a)[0];

	if (ipaddr_is4(a))
		return first != 0 && first != 127 && first < 224;
	return a->b[0] != 0xff && (memcmp(a->b, zero, sizeof(zero)) != 0 || a->b[15] > 1);
}

bool ipaddr_same_net(const struct ipaddr *a, const struct ipaddr *b, unsigned bits)
{
	unsigned whole, rest;

	if (ipaddr_is4(a) != ipaddr_is4(b))
		return false;
	bits += ipaddr_is4(a) ? 96 : 0;
	whole = bits / 8;
	rest = bits % 8;
	return !memcmp(a->b, b->b, whole) &&
	       (!rest || (a->b[whole] ^ b->b[whole]) >> (8 - rest) == 0);
}

int ipaddr_parse(const char *text, struct ipaddr *ret)
{
	struct ipaddr a;

	if (inet_pton(AF_INET, text, a.b + sizeof(mapped)) == 1)
		memcpy(a.b, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, text, a.b) != 1 || ipaddr_is4(&a))
		return -EINVAL;
	*ret = a;
	return 0;
}

void ipaddr_format(const struct ipaddr *a, char ret[static IPADDR_TEXT])
{
	if (ipaddr_is4(a))
		inet_ntop(AF_INET, a->b + sizeof(mapped), ret, IPADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->b, ret, IPADDR_TEXT);
}
