/* SPDX-License-Identifier: BSD-3-Clause */
/* One datagram of rtnetlink about neighbours, as if the kernel had sent it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "mech/rtnl_neigh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An IPv4 address is the first four bytes, and the rest is nothing. */
static void on_neigh(void *arg, const struct rtnl_neigh *n)
{
	static const uint8_t none[12];

	assert(n->ifindex > 0 && n->ifindex <= INT32_MAX);
	assert(n->known || n->asked);
	assert(n->known || !n->sure);
	assert(n->ipv6 || !memcmp(n->address + 4, none, sizeof(none)));
	(*(unsigned *)arg)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned neighbours = 0;
	int r = rtnl_neigh_decode(data, size, on_neigh, &neighbours);

	assert(r == 0 || r == -EPROTO);
	/* Header, family and an address at least. */
	assert(neighbours <= size / 36);
	return 0;
}
