/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tenants' cgroups that are under a cpuset, and what they had before. That
 * lies in a file of the runtime directory, so that it can be put back even when
 * this process was killed: then the next one does it.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "reeved.h"

static const struct cpuset none;

int cgroups_open(struct reeved *d, struct err *e)
{
	void *table;
	int r;

	d->cgroup_fd = cgroup_root("/");
	r = state_map(d, "cgroups", TENANT_MAX * sizeof(struct enforced_cgroup), &table, e);
	if (r < 0)
		return r;
	d->enforced = table;
	if (!d->adopting)
		cgroups_restore(d, true);
	return 0;
}

/* The entry for this cgroup, or a free one; NULL: none left. */
static struct enforced_cgroup *find(struct reeved *d, const char *path)
{
	struct enforced_cgroup *unused = NULL;

	for (int i = 0; i < TENANT_MAX; i++) {
		struct enforced_cgroup *f = &d->enforced[i];

		if (!strcmp(f->path, path))
			return f;
		if (!f->path[0])
			unused = f;
	}
	return unused;
}

/*
 * A cgroup that had no list of CPUs may have one of all that its parent can use
 * now, see cgroup_restore(). That must not overlap with a partition to come, and
 * may grow when one has gone.
 */
static void make_way(struct reeved *d, const struct cpuset *cpus)
{
	struct err e;

	for (int i = 0; i < TENANT_MAX; i++) {
		struct enforced_cgroup *f = &d->enforced[i];

		if (f->path[0] && f->now == ENFORCE_ADVISORY)
			cgroup_lift(d->cgroup_fd, f->path, cpus, &f->saved, &e);
	}
}

/* The path is there before anything changes, in case we are killed meanwhile. */
static int apply(struct reeved *d, struct enforced_cgroup *f, const char *path,
		 const struct pp_cpuset *m, enum enforce *ret, struct err *e)
{
	int r;

	str_copy(f->path, sizeof(f->path), path);
	r = cgroup_apply(d->cgroup_fd, path, &m->cpus, m->want, &f->saved, ret, e);
	if (r == 0)
		f->now = *ret;
	if (!f->saved.valid)
		f->path[0] = '\0';
	return r;
}

int cgroups_apply(struct reeved *d, const struct pp_cpuset *m, enum enforce *ret, struct err *e)
{
	const char *path = d->conf.tenants[m->tenant].cgroup;
	struct enforced_cgroup *f = find(d, path);
	bool isolated;
	int r;

	if (d->cgroup_fd < 0)
		return fail(e, EOPNOTSUPP, "no cgroup v2 is mounted");
	if (!f)
		return fail(e, ENOSPC, "too many cgroups are under a cpuset");
	isolated = m->want == ENFORCE_ISOLATED || f->now == ENFORCE_ISOLATED;
	if (isolated)
		make_way(d, &m->cpus);
	r = apply(d, f, path, m, ret, e);
	if (isolated)
		make_way(d, &none);
	return r;
}

static bool named_by_config(const struct reeved *d, const char *path)
{
	for (uint32_t i = 0; i < d->conf.ntenants; i++)
		if (d->conf.tenants[i].enforce != ENFORCE_ADVISORY &&
		    !strcmp(d->conf.tenants[i].cgroup, path))
			return true;
	return false;
}

static void restore(struct reeved *d, struct enforced_cgroup *f)
{
	struct err e;

	if (cgroup_restore(d->cgroup_fd, f->path, &f->saved, &e) < 0)
		log_say(LOG_WARN, "a cgroup could not be put back", "%s: %s", f->path, e.text);
	*f = (struct enforced_cgroup){ 0 };
}

/* Partitions first: what they had is then there for the others. */
void cgroups_restore(struct reeved *d, bool all)
{
	for (int i = 0; i < 2 * TENANT_MAX; i++) {
		struct enforced_cgroup *f = &d->enforced[i % TENANT_MAX];
		bool due = i >= TENANT_MAX || f->now == ENFORCE_ISOLATED;

		if (due && f->path[0] && (all || !named_by_config(d, f->path)))
			restore(d, f);
	}
}
