/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/ipaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

_Static_assert(IPADDR_TEXT >= INET6_ADDRSTRLEN, "inet_ntop() has room");

bool ipaddr_is4(const struct ipaddr *a)
{
	return !memcmp(a->b, mapped, sizeof(mapped));
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
