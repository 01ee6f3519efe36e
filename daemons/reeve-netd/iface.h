/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interface under netd: an engine on each of the queues that it takes there. Also what
 * `ping` and `pktgen` open.
 */
#ifndef REEVE_NETD_IFACE_H
#define REEVE_NETD_IFACE_H

#include "alone.h"
#include "engine.h"
#include "leased.h"
#include "net_conf.h"
#include "way.h"

struct iface {
	const struct net_iface *conf;
	char name[NIC_NAME_MAX];
	uint32_t ifindex;
	uint8_t mac[6];
	bool up, gone; /* as the kernel told last; by whoever listens to it */
	const struct way *way;
	void *tenant; /* of `way`, common to all interfaces */
	bool taken;
	union { /* the way's */
		struct alone alone;
		struct leased leased;
	};
	struct steering *steering;
	struct engine engines[NET_THREADS_MAX];
	uint32_t nengines;
	bool shared[NET_ADDRS_MAX]; /* the kernel has that address, too */
};

/* The interface that the config means. -ENODEV with the sentence. */
int iface_find(const struct net_iface *conf, char ret[static NIC_NAME_MAX], struct err *e);

/*
 * Queues, addresses and stacks; threads start with iface_run(). `user` is told with the
 * engine as its argument. iface_close() afterwards, whatever this returned.
 */
int iface_open(struct iface *f, const struct way *way, void *tenant, const struct net_iface *conf,
	       const struct stack_user *user, struct err *e);
int iface_run(struct iface *f, struct err *e);
void iface_close(struct iface *f);

#endif
