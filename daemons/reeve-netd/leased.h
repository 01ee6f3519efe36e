/* SPDX-License-Identifier: BSD-3-Clause */
/* An interface of which netd has what it leased from reeved; see way.h. */
#ifndef REEVE_NETD_LEASED_H
#define REEVE_NETD_LEASED_H

#include <stdbool.h>
#include <stdint.h>

#include <reeve/xsk.h>

#include "net_conf.h"

struct leased {
	uint32_t use; /* of the tenancy's connections: the one that these are held by */
	struct reeve_queue queues[NET_THREADS_MAX]; /* by engine */
	uint32_t nqueues;
	struct reeve_lease cores[NET_THREADS_MAX]; /* likewise; of all engines, or of none */
	uint32_t ncores;
	uint64_t addresses[NET_ADDRS_MAX]; /* 0: none */
	uint32_t nports;		   /* of those in the config: so many are leased */
	enum nic_mode mode;
};

#endif
