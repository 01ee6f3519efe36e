/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects are built member by member; the first that can't be made spoils the
 * object, and only the end asks whether there is one.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "wire/native.h"

enum {
	ESCAPED_MAX = 4 * 256 + 1, /* the longest of our strings, all of it escaped */
	CPUS_TEXT = 4 * CPU_MAX,   /* the longest list: runs of two CPUs with gaps of one */
};

struct builder {
	json_t *object;
	bool bad;
};

static struct builder begin(void)
{
	json_t *object = json_object();

	return (struct builder){ .object = object, .bad = !object };
}

static json_t *end(struct builder *b)
{
	if (!b->bad)
		return b->object;
	json_decref(b->object);
	return NULL;
}

/* Takes the value over. */
static void add(struct builder *b, const char *key, json_t *value)
{
	if (json_object_set_new(b->object, key, value) < 0)
		b->bad = true;
}

static void add_int(struct builder *b, const char *key, int64_t value)
{
	add(b, key, json_integer(value));
}

/* Numbers of ours stay below 2^63. */
static void add_u64(struct builder *b, const char *key, uint64_t value)
{
	add_int(b, key, (int64_t)value);
}

/* 0 is no id: the member is left out. */
static void add_id(struct builder *b, const char *key, uint64_t id)
{
	if (id)
		add_u64(b, key, id);
}

static void add_bool(struct builder *b, const char *key, bool value)
{
	add(b, key, json_boolean(value));
}

bool native_text_plain(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		bool c0 = *p < 0x20 || *p == 0x7f;
		bool c1 = *p == 0xc2 && p[1] < 0xa0;

		if (c0 || c1)
			return false;
	}
	return true;
}

/*
 * Hostnames are bytes as a client sent them, and a sentence may be cut within
 * a character: what is not plain UTF-8 is shown escaped.
 */
static void add_text(struct builder *b, const char *key, const char *text)
{
	json_t *value = native_text_plain(text) ? json_string(text) : NULL;
	char escaped[ESCAPED_MAX];

	if (!value) {
		str_escape(escaped, sizeof(escaped), text, strlen(text));
		value = json_string(escaped);
	}
	add(b, key, value);
}

static void add_text_if(struct builder *b, const char *key, const char *text)
{
	if (text && text[0])
		add_text(b, key, text);
}

static void add_time(struct builder *b, const char *key, uint64_t wall_ns)
{
	char text[CLOCK_TEXT];

	clock_format(wall_ns, text);
	add_text(b, key, text);
}

static const char *known(const char *name)
{
	return name ? name : "unknown";
}

static void add_resource(struct builder *b, const struct res *res, const struct ipaddr *address)
{
	const char *kind = res_kind_name(res->kind);
	char text[RES_TEXT];

	res_format_address(res, address, text, sizeof(text));
	add_text(b, "kind", known(kind));
	add_text(b, "resource", text);
}

json_t *native_lease_json(const struct native_lease *l)
{
	struct builder b = begin();

	add_u64(&b, "lease", l->lease);
	add_resource(&b, &l->res, &l->address);
	add_text(&b, "tenant", l->tenant);
	add_u64(&b, "instance", l->instance);
	if (l->known) {
		add_int(&b, "uid", l->uid);
		add_int(&b, "pid", l->pid);
		add_text_if(&b, "name", l->name);
	}
	add_time(&b, "since", l->since_ns);
	if (l->expires_ns)
		add_time(&b, "expires", l->expires_ns);
	add_bool(&b, "whole_core", l->whole_core);
	add_text(&b, "enforced", l->enforced);
	return end(&b);
}

json_t *native_instance_json(const struct native_instance *i)
{
	struct builder b = begin();

	add_u64(&b, "instance", i->instance);
	add_text(&b, "kind", i->kind);
	add_text(&b, "name", i->name);
	add_text(&b, "tenant", i->tenant);
	add_int(&b, "pid", i->pid);
	add_int(&b, "uid", i->uid);
	add_int(&b, "gid", i->gid);
	add_u64(&b, "cgroup_id", i->cgroup_id);
	add_id(&b, "claimed_pid", i->claimed_pid);
	add_time(&b, "since", i->since_ns);
	add_int(&b, "leases", i->leases);
	add_bool(&b, "orphan", i->orphan);
	return end(&b);
}

json_t *native_cpu_json(const struct native_cpu *c)
{
	struct builder b = begin();

	add_int(&b, "cpu", c->cpu);
	add_int(&b, "node", c->node);
	add_int(&b, "package", c->package);
	add_int(&b, "core", c->core);
	add_bool(&b, "isolated", c->isolated);
	add_text(&b, "state", c->state);
	add_id(&b, "lease", c->lease);
	add_text_if(&b, "tenant", c->tenant);
	return end(&b);
}

static void add_cpus(struct builder *b, const char *key, const struct cpuset *set)
{
	char text[CPUS_TEXT];

	cpuset_format(set, text, sizeof(text));
	add_text(b, key, text);
}

json_t *native_nic_json(const struct native_nic *n)
{
	struct builder b = begin();

	add_text(&b, "name", n->name);
	add_int(&b, "ifindex", n->ifindex);
	add_int(&b, "node", n->node);
	add_text(&b, "kind", n->kind);
	add_bool(&b, "up", n->up);
	add_bool(&b, "usable", n->usable);
	add_text(&b, "why", n->why);
	add_int(&b, "queues", n->queues);
	add_cpus(&b, "leasable", n->leasable);
	add_cpus(&b, "free", n->free);
	add_text(&b, "form", known(nic_form_name(n->form)));
	add_text(&b, "mode", known(nic_mode_name(n->mode)));
	add_int(&b, "program", n->program);
	add_bool(&b, "foreign", n->foreign);
	add_int(&b, "users", n->users);
	add_text(&b, "flows", n->flows);
	return end(&b);
}

json_t *native_port_json(const struct native_port *p)
{
	struct builder b = begin();

	add_u64(&b, "lease", p->lease);
	add_text(&b, "nic", p->nic);
	add_int(&b, "ifindex", p->ifindex);
	add_int(&b, "port", p->port);
	add_text(&b, "tenant", p->tenant);
	add_u64(&b, "instance", p->instance);
	add_int(&b, "uses", p->uses);
	if (p->counted) {
		add_u64(&b, "packets", p->packets & INT64_MAX);
		add_u64(&b, "bytes", p->bytes & INT64_MAX);
	}
	return end(&b);
}

/* "" for any. */
static void add_address(struct builder *b, const char *key, bool ipv6, const uint8_t address[16])
{
	static const uint8_t any[16];
	char text[INET6_ADDRSTRLEN] = "";

	if (memcmp(address, any, sizeof(any)) != 0)
		inet_ntop(ipv6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	add_text(b, key, text);
}

json_t *native_flow_json(const struct native_flow *f)
{
	struct builder b = begin();

	add_u64(&b, "lease", f->lease);
	add_text(&b, "nic", f->nic);
	add_int(&b, "ifindex", f->ifindex);
	add_int(&b, "rule", f->rule);
	add_text(&b, "by", f->soft ? "software" : "nic");
	add_int(&b, "queue", f->flow->queue);
	add_address(&b, "source", f->flow->ipv6, f->flow->src);
	add_int(&b, "source_port", f->flow->src_port);
	add_address(&b, "destination", f->flow->ipv6, f->flow->dst);
	add_int(&b, "destination_port", f->flow->dst_port);
	add_text(&b, "tenant", f->tenant);
	add_u64(&b, "instance", f->instance);
	return end(&b);
}

/* One member for each kind; no limit is -1. */
static json_t *kinds_json(const uint32_t value[static RES_KIND_MAX])
{
	struct builder b = begin();

	for (uint32_t kind = 0; kind < RES_KIND_MAX; kind++) {
		int64_t shown = value[kind];

		add_int(&b, res_kind_name(kind), shown == QUOTA_NONE ? -1 : shown);
	}
	return end(&b);
}

json_t *native_tenant_json(const struct native_tenant *t)
{
	struct builder b = begin();

	add_text(&b, "name", t->name);
	add(&b, "quota", kinds_json(t->quota->max));
	add(&b, "used", kinds_json(t->used));
	add_int(&b, "instances", t->instances);
	add_cpus(&b, "cpus", t->cpus);
	add_text_if(&b, "cgroup", t->cgroup);
	add_text(&b, "enforced", t->enforced);
	add_u64(&b, "granted", t->granted);
	add_u64(&b, "refused", t->refused);
	add_bool(&b, "retired", t->retired);
	return end(&b);
}

json_t *native_event_json(const struct event *ev, const char *tenant)
{
	const char *type = event_type_name(ev->type);
	struct builder b = begin();

	add_u64(&b, "seq", ev->seq);
	add_time(&b, "time", ev->wall_ns);
	add_text(&b, "type", known(type));
	add_text(&b, "tenant", tenant);
	add_id(&b, "instance", ev->instance);
	add_id(&b, "lease", ev->lease);
	if (ev->res.kind < RES_KIND_MAX)
		add_resource(&b, &ev->res, &ev->address);
	add_int(&b, "uid", ev->uid);
	add_int(&b, "pid", ev->pid);
	add_text_if(&b, "error", event_error_name(ev->error));
	add_text(&b, "why", ev->why);
	return end(&b);
}
