/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tenants whose cgroup is put under a cpuset. The set is always worked out anew
 * from the ledger: what the tenant holds (or has reserved) and what is kept for
 * it. One request for each tenant is under way at a time; what changes
 * meanwhile is sent in the next one.
 *
 * Where the kernel or the cgroup's owner does not offer a cpuset, or where there
 * is no such cgroup and so nobody to hold to it, leases stay advisory and the
 * lists say so. Any other failure refuses the grant.
 */
#include <errno.h>

#include "core.h"
#include "link.h"
#include "record.h"
#include "txn.h"

bool enforce_wanted(const struct core *core, uint32_t tenant)
{
	uint32_t i = core->tenants[tenant].conf;

	return i < TENANT_MAX && core->conf.tenants[i].enforce != ENFORCE_ADVISORY;
}

const char *enforce_shown(const struct core *core, uint32_t tenant)
{
	return enforce_name(core->enforced[tenant].now);
}

static void held_cpus(const struct core *core, uint32_t tenant, struct cpuset *ret)
{
	struct lease lease = { 0 };

	*ret = core->tenants[tenant].rights.own;
	while (ledger_next_lease(core->ledger, lease.id, &lease) == 0)
		if (lease.tenant == tenant && lease.res.kind == RES_LCORE &&
		    cpuset_has(&core->host.present, (unsigned)lease.res.id))
			cpuset_add(ret, (unsigned)lease.res.id);
}

static void push(struct txn **list, struct txn *t)
{
	*txn_next(t) = *list;
	*list = t;
}

static void send_request(struct core *core, uint32_t tenant)
{
	struct enforced *f = &core->enforced[tenant];
	struct pp_cpuset m = {
		.head = { .type = PP_CPUSET, .serial = ask_serial(core) },
		.tenant = core->tenants[tenant].conf,
		.want = core->conf.tenants[core->tenants[tenant].conf].enforce,
		.conf_serial = core->conf_serial,
	};

	held_cpus(core, tenant, &m.cpus);
	f->serial = m.head.serial;
	f->conf = core->conf_serial;
	f->dirty = false;
	f->waiting = f->next;
	f->next = NULL;
	link_send(core, &m);
}

void enforce_apply(struct core *core, uint32_t tenant, struct txn *t)
{
	struct enforced *f = &core->enforced[tenant];

	if (t)
		push(&f->next, t);
	f->dirty = true;
	if (!f->serial)
		send_request(core, tenant);
}

static uint32_t find_request(const struct core *core, uint32_t serial)
{
	for (uint32_t tenant = 0; tenant < TENANT_MAX; tenant++)
		if (serial && core->enforced[tenant].serial == serial)
			return tenant;
	return TENANT_MAX;
}

static void note_change(struct core *core, uint32_t tenant, enum enforce now, const char *why)
{
	struct enforced *f = &core->enforced[tenant];

	if (f->now == now && (f->told || !why[0]))
		return;
	f->now = now;
	f->told = true;
	record_event(core, EVENT_ENFORCE, tenant, "leases are %s%s%s", enforce_name(now),
		     why[0] ? ": " : "", why);
}

static void settle(struct core *core, uint32_t tenant, const struct pp_result *m)
{
	struct txn *waiting = take_ptr(&core->enforced[tenant].waiting);

	switch (m->error) {
	case 0:
		note_change(core, tenant, (enum enforce)m->value, m->why);
		txn_finish(core, waiting, 0, "");
		break;
	case EOPNOTSUPP:
	case ENOENT:
		note_change(core, tenant, ENFORCE_ADVISORY, m->why);
		txn_finish(core, waiting, 0, "");
		break;
	case ESTALE:
		txn_finish(core, waiting, EBUSY, "the config has just changed");
		break;
	default:
		txn_finish(core, waiting, m->error, m->why);
	}
}

/* The newest comes first in these lists. */
static void wait_again(struct enforced *f)
{
	struct txn **end = &f->next;

	while (*end)
		end = txn_next(*end);
	*end = take_ptr(&f->waiting);
	f->dirty = true;
}

bool enforce_result(struct core *core, const struct pp_result *m)
{
	uint32_t tenant = find_request(core, m->head.serial);
	struct enforced *f;

	if (tenant == TENANT_MAX)
		return false;
	f = &core->enforced[tenant];
	f->serial = 0;
	/* Unless it is our config that is old, the same can be asked by the new one. */
	if (m->error == ESTALE && f->conf != core->conf_serial)
		wait_again(f);
	else
		settle(core, tenant, m);
	if (f->serial)
		return true;
	if (!enforce_wanted(core, tenant))
		txn_finish(core, take_ptr(&f->next), 0, "");
	else if (f->dirty)
		send_request(core, tenant);
	return true;
}

void enforce_all(struct core *core)
{
	for (uint32_t tenant = 0; tenant < TENANT_MAX; tenant++) {
		core->enforced[tenant].told = false;
		if (enforce_wanted(core, tenant))
			enforce_apply(core, tenant, NULL);
		else
			core->enforced[tenant].now = ENFORCE_ADVISORY;
	}
}
