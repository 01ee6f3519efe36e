/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One datagram of generic netlink: as news, then its first message's attributes
 * as each kind of answer. The family is 30.
 */
#include <assert.h>
#include <errno.h>

#include "mech/ethnl_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FAMILY = 30 };

static void on_channels(void *arg, const struct ethnl_channels *c)
{
	assert(c->ifindex);
	assert(ethnl_queues(c) <= NIC_QUEUES_MAX);
	(*(unsigned *)arg)++;
}

static void decode_attrs(const void *attrs, size_t len)
{
	struct ethnl_family family;
	struct ethnl_channels channels;
	struct ethnl_ntuple ntuple;

	ethnl_decode_family(attrs, len, &family);
	if (ethnl_decode_channels(attrs, len, &channels) == 0)
		assert(channels.ifindex);
	if (ethnl_decode_ntuple(attrs, len, &ntuple) == 0)
		assert(ntuple.possible || !ntuple.on);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nlmsghdr *msg = (const void *)data;
	unsigned told = 0;
	const void *attrs;
	uint8_t cmd;
	size_t len;
	int r = ethnl_decode(FAMILY, data, size, on_channels, &told);

	assert(r == 0 || r == -EPROTO || r == -ENOBUFS);
	assert(told <= size / 16);
	if (size < sizeof(*msg) || msg->nlmsg_len < sizeof(*msg) || msg->nlmsg_len > size)
		return 0;
	attrs = ethnl_attrs(msg, &cmd, &len);
	if (attrs)
		decode_attrs(attrs, len);
	return 0;
}
