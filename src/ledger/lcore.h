/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which CPUs a request for lcores gets. Pure and deterministic: the same
 * ledger, host and request always give the same answer.
 */
#ifndef REEVE_LEDGER_LCORE_H
#define REEVE_LEDGER_LCORE_H

#include "ledger/ledger.h"
#include "model/rights.h"

/*
 * The first that fits is a CPU's state, in this order and `free` last; names as
 * in io.reeve.CpuState. A CPU that the host lacks is offline, whoever holds a
 * lease of that number; `outside` is said only of one that is online. To who
 * wants whole cores, a CPU is reserved as well when a sibling of it is: the
 * lease would otherwise lock another tenant out of what is kept for it.
 */
enum cpu_state {
	CPU_FREE,
	CPU_LEASED,
	CPU_SIBLING,
	CPU_RESERVED,
	CPU_NEVER,
	CPU_OUTSIDE,
	CPU_OFFLINE,
	CPU_STATE_MAX,
};

const char *cpu_state_name(enum cpu_state s);

struct lcore_want {
	ledger_id instance;  /* 0: none yet; its own leases don't count as siblings in the way */
	uint32_t count;	     /* any so many ... */
	struct cpuset exact; /* ... or exactly these, when not empty */
	int32_t node;	     /* only CPUs of this node; NODE_NONE: any */
	bool whole_core;     /* nobody else has or may come to have a CPU of the same core */
};

struct lcore_answer {
	struct cpuset cpus; /* what is or would be granted */
	int error;     /* 0, or what to refuse with: EBUSY ENOENT EDQUOT ENOSPC EACCES EINVAL */
	char why[192]; /* a sentence either way */
};

enum cpu_state lcore_state(const struct ledger *l, const struct host *host,
			   const struct rights *rights, const struct lcore_want *want,
			   unsigned cpu);

/* lcore_state() of every CPU number, at the cost of one pass over the host. */
void lcore_states(const struct ledger *l, const struct host *host, const struct rights *rights,
		  const struct lcore_want *want, uint8_t ret[static CPU_MAX]);

/*
 * Chooses, changes nothing. Of the CPUs that are free for the tenant it takes,
 * in this order: those kept for it alone, isolated ones, those whose siblings
 * are all free, and the lowest number. With whole_core it takes one CPU of
 * each core as long as cores last. Quota is looked at for `tenant`.
 */
void lcore_choose(const struct ledger *l, const struct host *host, uint32_t tenant,
		  const struct rights *rights, const struct lcore_want *want,
		  struct lcore_answer *ret);

#endif
