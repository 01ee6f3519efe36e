/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which CPU a DPDK process means by an lcore id.
 *
 * Up to DPDK 25.07 an lcore id is a CPU number unless --lcores says otherwise;
 * with --remap-lcore-ids (which libmtl passes from DPDK 25.11 on) ids are
 * 0..N-1 over the CPUs the process may run on. The client does not say which,
 * so the evidence is looked at, best first:
 *   THREAD    a thread of the process is named after the lcore ("dpdk-worker7",
 *             "rte-worker-7", "lcore-worker-7", "lcore-slave-7") and is pinned
 *             to one CPU: that CPU
 *   REMAPPED  the id is not a CPU the process may run on, but counts one of them
 *   CPU       the id is a CPU the process may run on, or nothing is known
 *             (another pid namespace): the number itself
 *   BARE      the host has no such CPU: the number itself, as a name only
 * What a process shows of itself is its own claim: it decides what its lease is
 * over, never whether it may have it.
 */
#ifndef REEVE_MECH_LCORE_H
#define REEVE_MECH_LCORE_H

#include <stdint.h>

#include "model/host.h"

enum lcore_how { LCORE_BY_CPU, LCORE_BY_THREAD, LCORE_BY_REMAP, LCORE_BARE, LCORE_HOW_MAX };

enum { LCORE_MAP_MAX = 128 }; /* threads looked at: DPDK's RTE_MAX_LCORE by default */

/* What is known of one process; about 1.5 KiB. Zeroed, it says that nothing is. */
struct lcore_map {
	uint16_t nthreads;
	uint16_t remapped; /* an id was seen that only remapping explains */
	uint32_t has_allowed;
	struct cpuset allowed; /* what its threads may run on, read at the first need */
	struct {
		uint16_t lcore, cpu;
	} thread[LCORE_MAP_MAX];
};

/*
 * Looks at /proc/<pid> below `proc_root` ("/proc"); pid 0 or a process that
 * hides gives an empty map, which resolves to LCORE_BY_CPU or LCORE_BARE.
 */
void lcore_map_read(const char *proc_root, uint32_t pid, struct lcore_map *ret);

/*
 * The CPU for `lcore`. Reads the allowed CPUs of the process into *map when no
 * thread tells, once for each map: a look costs at most a few hundred small
 * reads, whatever the process does. Once an id could only be explained by
 * remapping, map->remapped is set and later ids are read that way too.
 */
uint16_t lcore_resolve(const char *proc_root, uint32_t pid, const struct host *host,
		       struct lcore_map *map, uint16_t lcore, enum lcore_how *ret_how);

/* "thread name", "remapped ids", "cpu number", "no such cpu" */
const char *lcore_how_name(enum lcore_how how);

#endif
