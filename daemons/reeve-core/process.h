/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes behind the connections, and what their lcore ids mean. */
#ifndef REEVE_CORE_PROCESS_H
#define REEVE_CORE_PROCESS_H

#include <stdint.h>

#include "loop/loop.h"
#include "mech/lcore.h"

struct core;
struct conn;

enum {
	PROCESS_BUCKETS = 1024,
	PROCESS_IDLE_MAX = 64, /* processes kept without a connection */
};

/* What lcore ids were found to mean. */
struct meanings {
	uint16_t n;
	struct meaning {
		uint16_t lcore, cpu;
	} * all;
};

/*
 * A process that is connected, or was a moment ago. When it ends so do its
 * connections, whoever else holds their sockets by then.
 */
struct process {
	struct core *core;
	struct watch watch;			/* its pidfd */
	struct process *next;			/* same bucket */
	struct process *idle_next, **idle_prev; /* core::idle, while not connected */
	struct conn *conns;
	struct lcore_map *lcores; /* NULL until its first GET_LCORE */
	struct meanings meanings; /* as long as `lcores` is fresh */
	uint64_t lcores_ns;	  /* when they were looked at; boot clock */
	uint64_t use;
	uint32_t pid;
};

/* Takes the pidfd; -1 (an old kernel, another pid namespace) leaves c->process NULL. */
int process_join(struct conn *c, int pidfd);
/* The same for a client of an earlier core. -ESRCH: the process has ended. */
int process_rejoin(struct conn *c);
void process_leave(struct conn *c);
/* Those that have no connection are not kept any longer. */
void processes_forget_idle(struct core *core);

#endif
