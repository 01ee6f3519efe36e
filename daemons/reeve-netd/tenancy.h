/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netd as a tenant of reeved: the connection by which it leases. What is leased is held by
 * the process as well, so when reeved is killed the engines go on; the connection is
 * made anew as soon as there is a reeved.
 *
 * Calls wait for their answers, on the control thread; engines do not notice.
 */
#ifndef REEVE_NETD_TENANCY_H
#define REEVE_NETD_TENANCY_H

#include "base/err.h"
#include "loop/loop.h"
#include <reeve/reeve.h>

#define TENANCY_NAME "reeve-netd" /* for reeved's lists */

struct tenancy {
	const char *path;    /* of reeved's socket */
	struct reeve *reeve; /* NULL: there is none now */
	uint32_t use;	     /* counts connections: which of them a lease belongs to */
	struct watch watch, timer_watch;
	int timer;
	void (*back)(void *arg); /* may be NULL: the connection was made anew */
	void *back_arg;
};

/* There must be a reeved. tenancy_close() afterwards, whatever this returned. */
int tenancy_open(struct tenancy *t, const char *path, struct loop *loop, struct err *e);
/* All that was leased is given back. */
void tenancy_close(struct tenancy *t);

/* -ENOTCONN with the sentence. */
int tenancy_get(struct tenancy *t, struct reeve **ret, struct err *e);
/* A call failed: its sentence, as one of ours. Returns `r`. */
int tenancy_fail(struct tenancy *t, int r, const char *what, struct err *e);

#endif
