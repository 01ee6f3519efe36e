/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ceilings. Stated from the config alone and without a look at what the
 * core's own policy would say: this is what still holds when the core does not.
 */
#include <errno.h>
#include <inttypes.h>

#include "privproto/privproto.h"

/* Every CPU a cgroup of this tenant could ever be given. */
static void ceiling(const struct conf *c, uint32_t tenant, struct cpuset *ret)
{
	struct cpuset reserved;

	conf_reserved(c, tenant, &reserved);
	*ret = c->cpus;
	cpuset_minus(ret, &c->never);
	cpuset_minus(ret, &reserved);
}

static int check_strength(const struct tenant_conf *t, const struct pp_cpuset *m, struct err *e)
{
	if (m->want >= ENFORCE_MAX)
		return fail(e, EINVAL, "%" PRIu32 " is no way to enforce", m->want);
	if (t->enforce == ENFORCE_ADVISORY || !t->cgroup[0])
		return fail(e, EPERM, "tenant \"%s\" is not to be enforced", t->name);
	if (m->want > t->enforce)
		return fail(e, EPERM, "tenant \"%s\" is to be enforced by \"%s\" at most", t->name,
			    enforce_name(t->enforce));
	/* Taking the limit away only leads back to where the administrator left it. */
	if (m->want == ENFORCE_ADVISORY && !cpuset_empty(&m->cpus))
		return fail(e, EINVAL, "advisory leases change no cgroup");
	return 0;
}

int pp_allow_cpuset(const struct conf *c, const struct pp_cpuset *m, struct err *e)
{
	struct cpuset may, beyond = m->cpus;
	char list[64];
	int r;

	if (m->tenant >= c->ntenants)
		return fail(e, EINVAL, "there is no tenant %" PRIu32, m->tenant);
	r = check_strength(&c->tenants[m->tenant], m, e);
	if (r < 0)
		return r;
	ceiling(c, m->tenant, &may);
	cpuset_minus(&beyond, &may);
	if (cpuset_empty(&beyond))
		return 0;
	cpuset_format(&beyond, list, sizeof(list));
	return fail(e, EPERM, "CPUs %s are not for tenant \"%s\"", list,
		    c->tenants[m->tenant].name);
}

int pp_allow_plane(const struct conf *c, const struct pp_plane *m, struct err *e)
{
	if (m->plane >= PLANE_MAX)
		return fail(e, EINVAL, "there is no plane %" PRIu32, m->plane);
	if (m->on > 1)
		return fail(e, EINVAL, "a plane is on or off, not %" PRIu32, m->on);
	if (m->on && (c->closed & 1U << m->plane))
		return fail(e, EPERM, "the configuration keeps plane \"%s\" closed",
			    plane_name(m->plane));
	return 0;
}
