/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network interfaces as rtnetlink tells of them: a dump, then every change. The
 * socket is made by whoever may (rtnl_socket()), and read by the core.
 */
#ifndef REEVE_MECH_RTNL_H
#define REEVE_MECH_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nic.h"

struct rtnl_link {
	uint32_t ifindex;
	char name[NIC_NAME_MAX];
	char kind[16]; /* "veth", "bridge", ...; "" for hardware */
	bool gone;     /* RTM_DELLINK */
	bool up, loopback;
	bool has_mac; /* and it is one of Ethernet */
	uint8_t mac[6];
	uint32_t mtu;
	/* Of what is attached, whoever did. Not every attachment is told of: dump to know. */
	uint32_t xdp_mode;    /* enum nic_mode */
	uint32_t xdp_prog_id; /* 0: nothing */
};

/* A NETLINK_ROUTE socket in the group of link changes; only kernel headers. -errno. */
int rtnl_socket(void);

/*
 * Asks for all links. They come as rtnl_read() has them, among changes. Only when
 * no dump is under way: at first, and after rtnl_read() said -EAGAIN.
 */
int rtnl_dump(int sock);

/*
 * One datagram; calls `fn` for each link in it. 0; 1 likewise, and the dump ends
 * here: a link that has not been told of since rtnl_dump() is gone. -EAGAIN none
 * is there; -ENOBUFS changes were lost: read on until -EAGAIN, then dump again;
 * -EPROTO something was not understood (skipped).
 */
int rtnl_read(int sock, void (*fn)(void *arg, const struct rtnl_link *link), void *arg);

/* The decoder alone, for rtnl_read() and the fuzz target: a whole datagram, aligned to 4. */
int rtnl_decode(const void *buf, size_t len, void (*fn)(void *arg, const struct rtnl_link *link),
		void *arg);

#endif
