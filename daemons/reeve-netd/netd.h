/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reeve-netd, also known as machnet: the message stack as a program. The control
 * thread has all that is here; engines have their stacks.
 */
#ifndef REEVE_NETD_NETD_H
#define REEVE_NETD_NETD_H

#include "channels.h"
#include "ctrl.h"
#include "iface.h"
#include "kneigh.h"
#include "links.h"
#include "loop/loop.h"
#include "status.h"
#include "tenancy.h"
#include "tracer.h"

struct netd {
	struct loop *loop;
	struct tenancy tenancy; /* path NULL: netd stands alone */
	struct net_conf conf;
	struct iface ifaces[NET_IFACES_MAX];
	uint32_t nifaces;
	bool log_on_stderr;
	int notices[2]; /* sentences of engines */
	struct watch signal_watch, notices_watch;
	int cgroup_fd;	   /* cgroup v2; -1: none is to be had, or looked at */
	uint64_t since_ns; /* CLOCK_BOOTTIME */
	struct status status;
	struct ctrl ctrl;
	struct channels channels;
	struct tracer tracers[TRACERS_MAX];
	struct links links;
	struct kneigh kneigh;
};

/* Opens the interface of f->conf and has its engines run; iface_close() after a failure. */
int netd_take(struct netd *d, struct iface *f, struct err *e);

#endif
