/* SPDX-License-Identifier: BSD-3-Clause */
/* An interface that netd has to itself; see way.h. */
#ifndef REEVE_NETD_ALONE_H
#define REEVE_NETD_ALONE_H

#include <stdatomic.h>
#include <stdint.h>

#include "xdp/xdp_loader.h"

struct alone {
	struct xdp_loader *xdp;
	int groups;		/* a socket by which the NIC lets IPv6 solicitations in; -1: none */
	uint32_t channels_were; /* 0: they are as they were */
	/*
	 * By port: a socket of the kernel's that keeps it for us on addresses that it has, too;
	 * 0: none. An element is the engine's that has the port. NULL: there is no such address.
	 */
	int *kept;
};

#endif
