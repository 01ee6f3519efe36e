/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of io.reeve that only look: everybody sees their own tenant, administrators all. */
#include "base/clock.h"
#include "call.h"
#include "nic.h"
#include "page.h"
#include "record.h"

static uint64_t to_wall(uint64_t boot_ns)
{
	return boot_ns ? clock_wall_ns() + boot_ns - clock_boot_ns() : 0;
}

json_t *lease_json(struct core *core, const struct lease *l)
{
	char name[TENANT_NAME_MAX];
	struct instance in;
	struct native_lease n = {
		.lease = l->id,
		.instance = l->instance,
		.res = l->res,
		.address = l->address,
		.tenant = tenant_name(core, l->tenant, name),
		.since_ns = l->since,
		.expires_ns = to_wall(l->expires),
		.whole_core = l->whole_core,
		.enforced = enforce_shown(core, l->tenant),
		.known = ledger_instance(core->ledger, l->instance, &in) == 0,
	};

	if (n.known) {
		n.uid = in.uid;
		n.pid = in.kind == INSTANCE_STACK ? in.claimed_pid : in.pid;
		n.name = in.name;
	}
	/* A bare id names no CPU that a cpuset could hold. */
	if (l->res.kind == RES_LCORE && !cpuset_has(&core->host.present, (unsigned)l->res.id))
		n.enforced = enforce_name(ENFORCE_ADVISORY);
	return native_lease_json(&n);
}

static json_t *cpu_json(struct conn *c, unsigned cpu, enum cpu_state state)
{
	struct core *core = c->core;
	const struct host *h = &core->host;
	struct res res = { .kind = RES_LCORE, .id = cpu };
	char name[TENANT_NAME_MAX];
	struct lease lease;
	struct native_cpu n = {
		.cpu = cpu,
		.package = h->package[cpu],
		.core = h->core[cpu],
		.node = h->node[cpu],
		.isolated = cpuset_has(&h->isolated, cpu),
		.state = cpu_state_name(state),
	};

	if (ledger_holder(core->ledger, &res, &lease) == 0 && may_see(c, lease.tenant)) {
		n.lease = lease.id;
		n.tenant = tenant_name(core, lease.tenant, name);
	}
	return native_cpu_json(&n);
}

json_t *cpus_json(struct conn *c, const struct lcore_want *want)
{
	const struct core *core = c->core;
	json_t *list = json_array();
	uint8_t states[CPU_MAX];
	unsigned cpu;

	lcore_states(core->ledger, &core->host, &core->tenants[c->tenant].rights, want, states);
	cpuset_for_each(cpu, &core->host.present)
		json_array_append_new(list, cpu_json(c, cpu, states[cpu]));
	return list;
}

void on_describe_host(struct conn *c, const struct native_request *q)
{
	const struct lcore_want any = { .count = 1, .node = NODE_NONE, .instance = c->instance };
	char leasable[1024];

	(void)q;
	cpuset_format(&c->core->tenants[c->tenant].rights.may, leasable, sizeof(leasable));
	call_reply(c, json_pack("{s:o, s:o, s:s}", "cpus", cpus_json(c, &any), "nics", nics_json(c),
				"leasable", leasable));
}

void on_list_leases(struct conn *c, const struct native_request *q)
{
	struct page p = { .rows = json_array(),
			  .tenant = q->list.tenant,
			  .kind = RES_KIND_MAX,
			  .at = q->list.after };
	struct lease l = { 0 };

	while (page_next_lease(c, &p, &l))
		json_array_append_new(p.rows, lease_json(c->core, &l));
	page_reply(c, &p, "leases");
}

static json_t *instance_json(struct core *core, const struct instance *in)
{
	char tenant[TENANT_NAME_MAX];
	struct native_instance n = {
		.instance = in->id,
		.kind = instance_kind_name(in->kind),
		.name = in->name,
		.tenant = tenant_name(core, in->tenant, tenant),
		.pid = in->pid,
		.uid = in->uid,
		.gid = in->gid,
		.claimed_pid = in->claimed_pid,
		.cgroup_id = in->cgroup_id,
		.since_ns = in->since,
		.leases = in->leases,
		.orphan = in->orphan,
	};

	return native_instance_json(&n);
}

void on_list_instances(struct conn *c, const struct native_request *q)
{
	struct page p = { .rows = json_array(), .tenant = q->list.tenant, .at = q->list.after };
	struct instance in = { 0 };

	while (page_next_instance(c, &p, &in))
		json_array_append_new(p.rows, instance_json(c->core, &in));
	page_reply(c, &p, "instances");
}

static json_t *tenant_json(struct core *core, uint32_t slot, const struct tenant *t)
{
	const struct tenant_rights *r = &core->tenants[slot];
	struct native_tenant n = {
		.name = t->name,
		.quota = &t->quota,
		.used = t->used,
		.instances = t->instances,
		.cpus = &r->rights.own,
		.cgroup = r->conf < TENANT_MAX ? core->conf.tenants[r->conf].cgroup : "",
		.enforced = enforce_shown(core, slot),
		.granted = t->granted,
		.refused = t->refused,
		.retired = t->retired,
	};

	return native_tenant_json(&n);
}

void on_list_tenants(struct conn *c, const struct native_request *q)
{
	json_t *list = json_array();
	struct tenant t;

	(void)q;
	for (uint32_t slot = 0; slot < TENANT_MAX; slot++)
		if (may_see(c, slot) && ledger_tenant(c->core->ledger, slot, &t) == 0)
			json_array_append_new(list, tenant_json(c->core, slot, &t));
	call_reply(c, json_pack("{s:o}", "tenants", list));
}

static void count_own(struct conn *c, struct ledger_totals *ret)
{
	struct tenant t;

	ledger_totals(c->core->ledger, ret);
	if (c->admin || ledger_tenant(c->core->ledger, c->tenant, &t) < 0)
		return;
	ret->instances = t.instances;
	ret->leases = 0;
	for (uint32_t kind = 0; kind < RES_KIND_MAX; kind++)
		ret->leases += t.used[kind];
}

static json_t *planes_on(const struct core *core)
{
	json_t *list = json_array();
	uint32_t on = core->conf.planes & ~core->conf.closed;

	for (uint32_t plane = 0; plane < PLANE_MAX; plane++)
		if (on & 1U << plane || core->plane_holders[plane])
			json_array_append_new(list, json_string(plane_name(plane)));
	return list;
}

void on_status(struct conn *c, const struct native_request *q)
{
	char name[TENANT_NAME_MAX], since[CLOCK_TEXT];
	struct ledger_totals totals;

	(void)q;
	count_own(c, &totals);
	clock_format(c->core->since_ns, since);
	call_reply(c, json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:o}", "version",
				REEVE_VERSION, "pid", (json_int_t)c->core->hello.pid, "since",
				since, "clients", (json_int_t)c->core->nconns, "instances",
				(json_int_t)totals.instances, "leases", (json_int_t)totals.leases,
				"seq", (json_int_t)totals.last_seq, "tenant",
				tenant_name(c->core, c->tenant, name), "admin", c->admin, "planes",
				planes_on(c->core)));
}
