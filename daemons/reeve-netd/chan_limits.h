/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may have how much of the message stack: each uid, and all together. */
#ifndef REEVE_NETD_CHAN_LIMITS_H
#define REEVE_NETD_CHAN_LIMITS_H

#include <stdint.h>

struct chan_limit {
	uint64_t each, all;
};

struct chan_limits {
	struct chan_limit conns, channels;
	struct chan_limit bytes; /* of channels */
	uint32_t flows;		 /* of a channel */
	uint32_t buffers;	 /* of a channel whose application does not say how many */
};

/* For a host with that much memory, and a process with so many descriptors. */
void chan_limits_default(uint64_t memory, uint64_t descriptors, struct chan_limits *ret);

struct chan_use {
	uint64_t each, all;
};

/* The same for who may have `own`; 0: as everybody. */
struct chan_limit chan_limit_own(const struct chan_limit *l, uint64_t own);

static inline int chan_limit_allows(const struct chan_limit *l, struct chan_use use, uint64_t more)
{
	return use.each + more <= l->each && use.all + more <= l->all;
}

#endif
