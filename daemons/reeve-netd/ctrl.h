/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machnet's control socket: connections of applications. All of it is the control
 * thread's, which waits for nobody. Identity is what the kernel says of who connected.
 *
 * A connection registers one application, whose it then is, or gets one channel. When
 * all places are taken, one that has neither makes room, the oldest first.
 */
#ifndef REEVE_NETD_CTRL_H
#define REEVE_NETD_CTRL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/rate.h"
#include "closer.h"
#include "door.h"
#include "loop/loop.h"
#include "wire/chan_msg.h"

struct app;
struct chan;
struct netd;

struct ctrl_conn {
	struct watch watch;
	struct netd *netd;
	uid_t uid;
	pid_t pid;
	bool foreign_fds; /* as of its door */
	struct chan_inbox in;
	struct app *app;
	struct chan *chan; /* whose bell it is */
	struct ctrl_conn *next, *prev;
};

struct ctrl {
	struct door door;
	struct watch door_watch;
	struct closer closer;		/* if descriptors may come in */
	struct ctrl_conn *first, *last; /* the oldest first */
	uint32_t n;
	struct rate refusals;
};

/* At `path`, or `fd`, which listens already. ctrl_close() afterwards, whatever this returned. */
int ctrl_open(struct netd *d, const char *path, int fd, struct err *e);
void ctrl_close(struct netd *d);

#endif
