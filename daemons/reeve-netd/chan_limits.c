/* SPDX-License-Identifier: BSD-3-Clause */
#include "chan_limits.h"

#include "wire/channel.h"

/* OURS: descriptors of interfaces, engines and the status socket. */
enum { CHANNELS = 2048, CONNS = 2 * CHANNELS, FLOWS = 1024, OURS = 256 };

/* The rest is for others. */
static struct chan_limit most(uint64_t all)
{
	return (struct chan_limit){ .each = all / 4 * 3, .all = all };
}

struct chan_limit chan_limit_own(const struct chan_limit *l, uint64_t own)
{
	return (struct chan_limit){ .each = own ? own : l->each, .all = l->all };
}

void chan_limits_default(uint64_t memory, uint64_t descriptors, struct chan_limits *ret)
{
	uint64_t conns = descriptors > OURS ? descriptors - OURS : 0;

	*ret = (struct chan_limits){ .conns = most(conns < CONNS ? conns : CONNS),
				     .channels = most(CHANNELS),
				     .bytes = most(memory / 4),
				     .flows = FLOWS,
				     .buffers = CHAN_BUFS_MAX };
}
