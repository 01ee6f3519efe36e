/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels (queues) and features of a NIC, by ethtool netlink. Any process may
 * ask and listen; setting needs CAP_NET_ADMIN. Uses libmnl: not linked by reeved.
 */
#ifndef REEVE_MECH_ETHNL_H
#define REEVE_MECH_ETHNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/nic.h"

struct ethnl_channels {
	uint32_t ifindex;
	uint32_t rx, tx, combined; /* 0 also where the driver has no such kind */
	uint32_t max_rx, max_tx, max_combined;
};

/* Receive queues that an AF_XDP socket can have: combined, or rx where there are none. */
static inline uint32_t ethnl_queues(const struct ethnl_channels *c)
{
	uint32_t n = c->combined ? c->combined : c->rx;

	return n < NIC_QUEUES_MAX ? n : NIC_QUEUES_MAX;
}

/* Of one NETLINK_GENERIC socket. */
struct ethnl {
	int sock;
	uint16_t family;  /* 0: the kernel has no ethtool netlink */
	uint32_t monitor; /* multicast group */
	uint32_t seq;
	bool lost; /* ethnl_read() has to tell of -ENOBUFS */
};

/* The socket alone: for a process that makes it for another. -errno. */
int ethnl_socket(void);
/*
 * Looks up the family over `sock`, which stays the caller's; `monitor`: joins the
 * group of changes. -EOPNOTSUPP: the kernel has no ethtool netlink.
 */
int ethnl_open(struct ethnl *n, int sock, bool monitor, struct err *e);

/*
 * None of the calls below waits: the kernel has answered when the request is
 * sent. -EAGAIN: there is no answer, which should not be. One socket may be asked
 * and listened to: news that come in between are asked for again, so that
 * ethnl_read() finds them with the state of now; nothing is lost, and the socket
 * is readable.
 */

/* -EOPNOTSUPP: the driver has no channels to tell of; -ENODEV. */
int ethnl_get_channels(struct ethnl *n, uint32_t ifindex, struct ethnl_channels *ret);
/* `count` combined ones, or rx and tx where the driver has no combined. -EINVAL, -EOPNOTSUPP ... */
int ethnl_set_channels(struct ethnl *n, uint32_t ifindex, uint32_t count, struct err *e);

/* Whether flow rules are switched on, and whether they could be. */
int ethnl_get_ntuple(struct ethnl *n, uint32_t ifindex, bool *ret_on, bool *ret_possible);

/*
 * One datagram: `fn` for each interface whose channels changed, or may have. 0;
 * -EAGAIN none is there; -ENOBUFS changes were lost: ask for the channels of
 * every interface; -EPROTO not understood (skipped).
 */
int ethnl_read(struct ethnl *n, void (*fn)(void *arg, const struct ethnl_channels *c), void *arg);
/* The decoder alone: a whole datagram, aligned to 4. */
int ethnl_decode(uint16_t family, const void *buf, size_t len,
		 void (*fn)(void *arg, const struct ethnl_channels *c), void *arg);

#endif
