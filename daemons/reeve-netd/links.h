/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interfaces that change while netd runs. One that goes is given up; when there is one
 * again that the config means, it is taken anew. A new MAC is the engines', too.
 */
#ifndef REEVE_NETD_LINKS_H
#define REEVE_NETD_LINKS_H

#include "base/err.h"
#include "loop/loop.h"

struct netd;

struct links {
	struct watch watch, timer_watch;
	int sock, timer;
	uint64_t retry_ns; /* CLOCK_BOOTTIME: the next try is not before */
	bool lost;	   /* of what the kernel told; a dump is to come */
	bool complained;   /* of an interface that could not be taken */
};

/* Once the interfaces are open. links_close() afterwards, whatever this returned. */
int links_open(struct netd *d, struct err *e);
void links_close(struct netd *d);

#endif
