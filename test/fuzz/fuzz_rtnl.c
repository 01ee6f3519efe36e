/* SPDX-License-Identifier: BSD-3-Clause */
/* One datagram of rtnetlink, as if the kernel had sent it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "mech/rtnl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_link(void *arg, const struct rtnl_link *link)
{
	assert(link->ifindex > 0 && link->ifindex <= INT32_MAX);
	assert(nic_name_sound(link->name));
	assert(strnlen(link->kind, sizeof(link->kind)) < sizeof(link->kind));
	assert(link->xdp_mode < NIC_MODE_MAX);
	(*(unsigned *)arg)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned links = 0;
	int r = rtnl_decode(data, size, on_link, &links);

	assert(r == 0 || r == 1 || r == -EPROTO || r == -ENOBUFS);
	assert(links <= size / 16);
	return 0;
}
