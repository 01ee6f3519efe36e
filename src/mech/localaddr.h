/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether an IP address is one that the kernel of this network namespace answers for. */
#ifndef REEVE_MECH_LOCALADDR_H
#define REEVE_MECH_LOCALADDR_H

#include <stdint.h>

#include "model/ipaddr.h"

/*
 * 1: it has it, or hears what is sent there as a broadcast; 0: it does not; or -errno.
 * A link-local one is looked for on that interface, any other one on all.
 */
int localaddr_has(const struct ipaddr *a, uint32_t ifindex);

#endif
