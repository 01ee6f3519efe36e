/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's processors and NICs as plain data. Filled by mech, read by all. */
#ifndef REEVE_MODEL_HOST_H
#define REEVE_MODEL_HOST_H

#include <stdint.h>

#include "base/cpuset.h"

enum { HOST_NIC_MAX = 128, NODE_NONE = -1 };

struct host_nic {
	char name[16];
	uint32_t ifindex;
	int32_t node; /* NODE_NONE: not tied to one */
};

struct host {
	struct cpuset present;	/* exist on this machine */
	struct cpuset online;	/* are running */
	struct cpuset isolated; /* kept from the scheduler (isolcpus=, isolated partitions) */
	struct cpuset usable;	/* the cpuset that reeve itself was given */
	int16_t node[CPU_MAX];
	uint16_t package[CPU_MAX];
	uint16_t core[CPU_MAX]; /* lowest-numbered SMT sibling: equal means same core */
	uint32_t nnics;
	struct host_nic nics[HOST_NIC_MAX];
};

static inline int host_same_core(const struct host *h, unsigned a, unsigned b)
{
	return a < CPU_MAX && b < CPU_MAX && h->core[a] == h->core[b];
}

#endif
