/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's processors and NICs, read from sysfs. Needs no privilege.
 */
#ifndef REEVE_MECH_CPU_H
#define REEVE_MECH_CPU_H

#include "base/err.h"
#include "model/host.h"

/*
 * `root` is "/" or a tree that looks like it (tests). `usable` is what
 * cpu_usable() gave. A host without NUMA, SMT files or NICs is described as
 * one node, single-threaded cores and no NICs; one without sysfs as the usable
 * CPUs. Where there are nodes, a CPU that none lists (an offline one) is of
 * NODE_NONE. Network interfaces are those of the caller's network namespace that
 * have a device behind them, the lowest ifindex first.
 */
int cpu_probe(const char *root, const struct cpuset *usable, struct host *ret, struct err *e);

/*
 * The cpuset this process was put in, whatever affinity it was started with:
 * asks for every CPU in a child process and reads what it got.
 */
int cpu_usable(struct cpuset *ret, struct err *e);

#endif
