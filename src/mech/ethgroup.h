/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast groups of Ethernet that an interface is to let in, for as long as a socket
 * is open. No frame comes by that socket. Needs CAP_NET_RAW.
 */
#ifndef REEVE_MECH_ETHGROUP_H
#define REEVE_MECH_ETHGROUP_H

#include <stdint.h>

/* A descriptor, or -errno. */
int ethgroup_socket(void);
/* Any number of them. -errno. */
int ethgroup_join(int sock, uint32_t ifindex, const uint8_t group[static 6]);
/* As often as it was joined by this socket. */
int ethgroup_leave(int sock, uint32_t ifindex, const uint8_t group[static 6]);

#endif
