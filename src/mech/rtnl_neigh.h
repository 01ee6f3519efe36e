/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's neighbours: having it find one, and hearing of those it knows. */
#ifndef REEVE_MECH_RTNL_NEIGH_H
#define REEVE_MECH_RTNL_NEIGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtnl_neigh {
	uint32_t ifindex;
	bool ipv6;
	uint8_t address[16]; /* network order; an IPv4 one in the first four */
	bool known;	     /* it has a MAC that frames are sent to */
	bool sure;	     /* and the kernel need not ask whether that is still so */
	bool asked;	     /* this answers rtnl_neigh_ask() */
	uint8_t mac[6];
};

/* A NETLINK_ROUTE socket in the group of neighbours; only kernel headers. -errno. */
int rtnl_neigh_socket(void);

/*
 * What the kernel knows of that neighbour comes by rtnl_neigh_read(); of one that it
 * never heard of it begins to look for it. Needs CAP_NET_ADMIN.
 */
int rtnl_neigh_ask(int sock, const struct rtnl_neigh *n);

/*
 * The same for who has no capability: an empty datagram to its port 9, discard, of the kernel's
 * own, which goes no further than the link.
 */
int rtnl_neigh_nudge(const struct rtnl_neigh *n);

/*
 * It looks whether one that it knows is still there. Not of one that is sure: an entry
 * that an administrator made would no longer be permanent.
 */
int rtnl_neigh_confirm(int sock, const struct rtnl_neigh *n);

/*
 * One datagram; calls `fn` for each neighbour in it that is known or was asked for. 0;
 * -EAGAIN none is there; -ENOBUFS news were lost; -EPROTO something was not understood.
 */
int rtnl_neigh_read(int sock, void (*fn)(void *arg, const struct rtnl_neigh *n), void *arg);

/* The decoder alone: a whole datagram, aligned to 4. */
int rtnl_neigh_decode(const void *buf, size_t len,
		      void (*fn)(void *arg, const struct rtnl_neigh *n), void *arg);

#endif
