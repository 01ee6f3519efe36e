/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ceilings. Stated from the config alone and without a look at what the
 * core's own policy would say: this is what still holds when the core does not.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

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

/* Whether the way it is to be opened is one that the config leaves open. */
static int check_form(const struct nic_conf *nic, uint32_t form, const char *name, struct err *e)
{
	if (form == NIC_WANT_AUTO || form >= NIC_WANT_MAX)
		return fail(e, EINVAL, "%" PRIu32 " is no way to open an interface", form);
	if (nic->form != NIC_WANT_AUTO && nic->form != form)
		return fail(e, EPERM, "the configuration opens %s as \"%s\" only", name,
			    nic_want_form_name(nic->form));
	return 0;
}

int pp_allow_nic_open(const struct conf *c, const struct pp_nic_open *m, const char *name,
		      struct err *e)
{
	if (strcmp(m->name, name))
		return fail(e, ENODEV, "interface %" PRIu32 " is not the one it was", m->ifindex);
	if (!conf_may_use_nic(c, name))
		return fail(e, EPERM, "the configuration keeps reeve from %s", name);
	return check_form(conf_nic(c, name), m->form, name, e);
}

int pp_allow_nic_owner(const struct conf *c, const struct pp_nic_owner *m, const char *name,
		       struct err *e)
{
	if (m->tenant >= c->ntenants)
		return fail(e, EINVAL, "there is no tenant %" PRIu32, m->tenant);
	if (!conf_tenant_may_use_nic(c, m->tenant, name))
		return fail(e, EPERM, "%s is not for tenant \"%s\"", name,
			    c->tenants[m->tenant].name);
	return 0;
}

int pp_allow_nic_queue(const struct conf *c, const struct pp_nic_queue *m, const char *name,
		       struct err *e)
{
	if (m->on && m->queue < conf_nic(c, name)->system_queues)
		return fail(e, EPERM, "queue %" PRIu32 " of %s is kept for the system", m->queue,
			    name);
	return 0;
}

int pp_allow_nic_address(const struct conf *c, const struct pp_nic_address *m, const char *tenant,
			 struct err *e)
{
	uint32_t i = conf_tenant(c, tenant);
	char text[IPADDR_TEXT];

	if (!m->on || conf_tenant_may_have_address(c, i, &m->address))
		return 0;
	ipaddr_format(&m->address, text);
	return fail(e, EPERM, "address %s is not for tenant \"%s\"", text, tenant);
}

int pp_allow_nic_flow(const struct conf *c, const struct pp_nic_flow *m, const char *name,
		      struct err *e)
{
	if (m->on && m->soft && !conf_nic(c, name)->soft_flows)
		return fail(e, EPERM, "the configuration has no software flows on %s", name);
	return 0;
}
