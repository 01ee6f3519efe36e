/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a frame port has to know of an interface, asked for once by ioctl(2): in the network
 * namespace of the caller, without privilege.
 */
#ifndef REEVE_MECH_NETDEV_H
#define REEVE_MECH_NETDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct netdev {
	uint32_t ifindex, mtu;
	uint8_t mac[6];
	char driver[32]; /* "veth", "tun", "mlx5_core"; "" where the kernel knows none */
	/*
	 * No wire behind it: who sends into it may leave the checksums to hardware
	 * that will never see the frame.
	 */
	bool is_virtual;
};

/* -ENODEV; -EINVAL: no Ethernet. */
int netdev_read(const char *name, struct netdev *ret, struct err *e);

#endif
