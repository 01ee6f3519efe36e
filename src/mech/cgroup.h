/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting a tenant's cgroup under a cpuset, and undoing it. The only writer of
 * cgroup files; linked by reeved alone. Touches just cpuset.cpus and
 * cpuset.cpus.partition of the one cgroup it is given, and never enables a
 * controller: where cpuset is not delegated to that cgroup the answer is
 * -EOPNOTSUPP and the lease stays advisory.
 */
#ifndef REEVE_MECH_CGROUP_H
#define REEVE_MECH_CGROUP_H

#include "base/cpuset.h"
#include "base/err.h"
#include "model/conf.h"

/* What the cgroup had before reeve changed it. */
struct cgroup_saved {
	bool valid;
	char cpus[4096];    /* cpuset.cpus */
	char partition[32]; /* cpuset.cpus.partition, "" where the kernel has none */
};

/*
 * The mount point of cgroup v2: below `root`, sys/fs/cgroup or
 * sys/fs/cgroup/unified. Returns a directory descriptor, -ENOENT without one.
 */
int cgroup_root(const char *root);

/*
 * Gives the cgroup `path` (absolute, as in struct tenant_conf) these CPUs;
 * `want` ISOLATED also makes it an isolated partition where the kernel has
 * those. An empty set puts back what was there before. *saved is filled before the first
 * change. *ret is what is in force now: ISOLATED falls back to CPUSET when the
 * kernel refuses the partition, and *e then says why although 0 is returned.
 * -EOPNOTSUPP: no cpuset here; -ENOENT: no such cgroup; -ERANGE: its parent has
 * none of these CPUs, so that nothing would hold; or the kernel's errno.
 * On failure the cgroup is as it was.
 */
int cgroup_apply(int root_fd, const char *path, const struct cpuset *cpus, enum enforce want,
		 struct cgroup_saved *saved, enum enforce *ret, struct err *e);

/*
 * Puts back what was saved; a cgroup that is gone is no error. A cgroup that had
 * no list of CPUs and has tasks in it is left with a list of what its parent can
 * use now, because the kernel takes no empty one then.
 */
int cgroup_restore(int root_fd, const char *path, struct cgroup_saved *saved, struct err *e);

/*
 * The same for a while: *saved stays valid, and a list of what the parent can
 * use leaves out `keep_off`, which is about to become a partition beside it.
 */
int cgroup_lift(int root_fd, const char *path, const struct cpuset *keep_off,
		const struct cgroup_saved *saved, struct err *e);

#endif
