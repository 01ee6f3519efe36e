/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A new config takes effect as a whole or not at all. What is leased stays
 * leased; quotas and reservations hold for what is asked from then on.
 */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "core.h"
#include "mech/cpu.h"
#include "policy/policy.h"
#include "record.h"

static void log_change(const char *what, const char *tenant, const char *from, const char *to)
{
	struct log_line line;

	log_begin(&line, LOG_INFO, "config changed");
	log_str(&line, "what", what);
	if (tenant)
		log_str(&line, "tenant", tenant);
	log_str(&line, "from", from);
	log_str(&line, "to", to);
	log_end(&line);
}

static void diff_cpus(const char *what, const char *tenant, const struct cpuset *a,
		      const struct cpuset *b)
{
	char from[256], to[256];

	if (cpuset_equal(a, b))
		return;
	cpuset_format(a, from, sizeof(from));
	cpuset_format(b, to, sizeof(to));
	log_change(what, tenant, from, to);
}

static void diff_text(const char *what, const char *tenant, const char *a, const char *b)
{
	if (strcmp(a, b))
		log_change(what, tenant, a, b);
}

static void diff_number(const char *what, const char *tenant, uint64_t a, uint64_t b)
{
	char from[24], to[24];

	if (a == b)
		return;
	snprintf(from, sizeof(from), "%" PRIu64, a);
	snprintf(to, sizeof(to), "%" PRIu64, b);
	log_change(what, tenant, from, to);
}

static const char *quota_text(uint32_t max, char buf[static 16])
{
	if (max == QUOTA_NONE)
		return "no limit";
	snprintf(buf, 16, "%" PRIu32, max);
	return buf;
}

static void diff_quota(const struct tenant_conf *a, const struct tenant_conf *b)
{
	for (uint32_t kind = 0; kind < RES_KIND_MAX; kind++) {
		char what[32], from[16], to[16];

		snprintf(what, sizeof(what), "quota %s", res_kind_name(kind));
		diff_text(what, b->name, quota_text(a->quota.max[kind], from),
			  quota_text(b->quota.max[kind], to));
	}
}

/* "1000,2000-2010"; what does not fit is cut. */
static const char *ranges_text(const struct id_range *r, uint32_t n, char buf[static 128])
{
	char one[32];

	str_copy(buf, 128, n ? "" : "none");
	for (uint32_t i = 0; i < n; i++) {
		snprintf(one, sizeof(one), "%s%" PRIu32, i ? "," : "", r[i].first);
		str_append(buf, 128, one);
		snprintf(one, sizeof(one), "-%" PRIu32, r[i].last);
		if (r[i].last != r[i].first)
			str_append(buf, 128, one);
	}
	return buf;
}

static void diff_members(const struct tenant_conf *a, const struct tenant_conf *b)
{
	char from[128], to[128];

	diff_text("uids", b->name, ranges_text(a->uids, a->nuids, from),
		  ranges_text(b->uids, b->nuids, to));
	diff_text("gids", b->name, ranges_text(a->gids, a->ngids, from),
		  ranges_text(b->gids, b->ngids, to));
}

static void diff_tenant(const struct tenant_conf *a, const struct tenant_conf *b)
{
	diff_members(a, b);
	diff_text("cgroup", b->name, a->cgroup, b->cgroup);
	diff_cpus("cpus", b->name, &a->cpus, &b->cpus);
	diff_text("enforce", b->name, enforce_name(a->enforce), enforce_name(b->enforce));
	diff_number("time limit ms", b->name, a->time_limit_ns / 1000000,
		    b->time_limit_ns / 1000000);
	diff_quota(a, b);
	diff_number("memory of channels", b->name, a->channel.memory, b->channel.memory);
	diff_number("rate of a channel", b->name, a->channel.rate, b->channel.rate);
	diff_number("ports of a channel", b->name, a->channel.ports, b->channel.ports);
}

static const struct tenant_conf *find_tenant(const struct conf *c, const char *name)
{
	for (uint32_t i = 0; i < c->ntenants; i++)
		if (!strcmp(c->tenants[i].name, name))
			return &c->tenants[i];
	return NULL;
}

static const char *gid_text(uint32_t gid, char buf[static 16])
{
	if (gid == CONF_NO_GID)
		return "none";
	snprintf(buf, 16, "%" PRIu32, gid);
	return buf;
}

static void diff_planes(const char *what, uint32_t a, uint32_t b)
{
	for (uint32_t plane = 0; plane < PLANE_MAX; plane++) {
		bool was = a & 1U << plane, is = b & 1U << plane;

		diff_text(what, NULL, was ? plane_name(plane) : "none",
			  is ? plane_name(plane) : "none");
	}
}

static void log_diff(const struct conf *a, const struct conf *b)
{
	char from[16], to[16];

	diff_cpus("cpus", NULL, &a->cpus, &b->cpus);
	diff_cpus("never", NULL, &a->never, &b->never);
	diff_text("mtl socket", NULL, a->mtl_path, b->mtl_path);
	diff_planes("planes", a->planes, b->planes);
	diff_planes("closed planes", a->closed, b->closed);
	diff_text("admin group", NULL, gid_text(a->admin_gid, from), gid_text(b->admin_gid, to));
	diff_text("log level", NULL, log_level_name(conf_log_level(a, LOG_LEVEL_MAX)),
		  log_level_name(conf_log_level(b, LOG_LEVEL_MAX)));
	diff_text("log format", NULL, log_format_name(conf_log_format(a, LOG_FORMAT_MAX)),
		  log_format_name(conf_log_format(b, LOG_FORMAT_MAX)));
	for (uint32_t i = 0; i < a->ntenants; i++)
		if (!find_tenant(b, a->tenants[i].name))
			log_change("tenant", a->tenants[i].name, "there", "gone");
	for (uint32_t i = 0; i < b->ntenants; i++) {
		const struct tenant_conf *old = find_tenant(a, b->tenants[i].name);

		if (old)
			diff_tenant(old, &b->tenants[i]);
		else
			log_change("tenant", b->tenants[i].name, "not there", "there");
	}
}

void policy_work_out_rights(struct core *core)
{
	for (uint32_t slot = 0; slot < TENANT_MAX; slot++)
		core->tenants[slot].conf = TENANT_MAX;
	for (uint32_t i = 0; i < core->conf.ntenants; i++) {
		struct tenant_rights *t = &core->tenants[core->slots[i]];

		t->conf = i;
		policy_rights(&core->conf, &core->host, i, &t->rights);
	}
}

/* By name: a slot that nobody needs any more is given to another tenant. */
static void find_fresh_slots(struct core *core, const struct conf *next)
{
	for (uint32_t slot = 0; slot < TENANT_MAX; slot++)
		core->tenants[slot].fresh = false;
	for (uint32_t i = 0; i < next->ntenants; i++) {
		struct tenant_rights *t = &core->tenants[core->slots[i]];

		t->fresh = t->conf < core->conf.ntenants &&
			   strcmp(core->conf.tenants[t->conf].name, next->tenants[i].name) != 0;
	}
}

static int probe_host(struct core *core, bool first, struct err *e)
{
	int r;

	if (first) {
		r = cpu_usable(&core->usable, e);
		if (r < 0)
			return r;
	}
	return cpu_probe("/", &core->usable, &core->host, e);
}

int policy_apply(struct core *core, const struct conf *c, uint32_t serial, struct err *e)
{
	bool first = !core->conf_serial;
	int r;

	r = probe_host(core, first, e);
	if (r < 0)
		return r;
	r = ledger_set_tenants(core->ledger, c, core->slots);
	if (r < 0)
		return fail(e, -r,
			    "too many tenants that are no longer in the config still hold leases");
	log_setup(STDOUT_FILENO, conf_log_format(c, core->hello.log_format),
		  conf_log_level(c, core->hello.log_level));
	if (!first)
		log_diff(&core->conf, c);
	find_fresh_slots(core, c);
	core->conf = *c;
	core->conf_serial = serial;
	policy_work_out_rights(core);
	conns_match_tenants(core);
	if (first)
		record_event(core, EVENT_START, core->slots[TENANT_SYSTEM], "reeve %s, pid %u%s",
			     REEVE_VERSION, core->hello.pid,
			     core->journal.taken_over ? ": a new core has taken over" : "");
	else
		record_event(core, EVENT_RELOAD, core->slots[TENANT_SYSTEM], "%u tenants",
			     c->ntenants);
	return 0;
}
