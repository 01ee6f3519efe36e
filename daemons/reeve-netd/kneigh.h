/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours of addresses that the kernel has, too: it answers for them, and so it is
 * the one who may ask. An engine's question goes by a pipe to the control thread, which has
 * the kernel look; what that hears is told to all engines of the interface.
 */
#ifndef REEVE_NETD_KNEIGH_H
#define REEVE_NETD_KNEIGH_H

#include "base/err.h"
#include "engine.h"
#include "loop/loop.h"

struct netd;

struct kneigh {
	struct watch questions, news;
	int pipe[2];
	int sock;
};

/* Before there are engines. kneigh_close() when there are none any more. */
int kneigh_open(struct netd *d, struct err *e);
void kneigh_close(struct netd *d);

/* From an engine's thread. A question that does not fit is asked again: the stack does so. */
void kneigh_resolve(struct netd *d, const struct engine *e, const struct ipaddr *ip);

#endif
