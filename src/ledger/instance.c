/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "ledger/layout.h"

static const char *const start_why[] = {
	[INSTANCE_MTL] = "the client registered",
	[INSTANCE_NATIVE] = "the client asked for its first lease",
	[INSTANCE_STACK] = "the message stack acts for it",
};
_Static_assert(sizeof(start_why) / sizeof(start_why[0]) == INSTANCE_KIND_MAX, "a reason for each");

static const char *const kind_names[] = {
	[INSTANCE_MTL] = "mtl",
	[INSTANCE_NATIVE] = "native",
	[INSTANCE_STACK] = "stack",
};
_Static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == INSTANCE_KIND_MAX, "a name for each");

const char *instance_kind_name(uint32_t kind)
{
	return kind < INSTANCE_KIND_MAX ? kind_names[kind] : NULL;
}

static void instance_name(struct instance_slot *s, const char *name)
{
	memcpy(s->name, name, sizeof(s->name) - 1);
	s->name[sizeof(s->name) - 1] = '\0';
}

static void instance_fill(struct instance_slot *s, const struct instance *in)
{
	s->kind = (uint8_t)in->kind;
	s->orphan = 0;
	s->tenant = (uint16_t)in->tenant;
	s->pid = in->pid;
	s->uid = in->uid;
	s->gid = in->gid;
	s->claimed_pid = in->claimed_pid;
	s->leases = 0;
	s->first = 0;
	s->start_time = in->start_time;
	s->cgroup_id = in->cgroup_id;
	s->since = in->since;
	instance_name(s, in->name);
}

static void instance_copy(const struct ledger *l, uint32_t n, struct instance *ret)
{
	const struct instance_slot *s = &l->instances[n];

	*ret = (struct instance){
		.id = slot_id(&s->slot, n),
		.kind = s->kind,
		.tenant = s->tenant,
		.pid = s->pid,
		.uid = s->uid,
		.gid = s->gid,
		.claimed_pid = s->claimed_pid,
		.start_time = s->start_time,
		.cgroup_id = s->cgroup_id,
		.since = s->since,
		.leases = s->leases,
		.orphan = s->orphan,
	};
	memcpy(ret->name, s->name, sizeof(ret->name));
}

void instance_describe(const struct ledger *l, uint32_t instance, struct event *ev)
{
	const struct instance_slot *s = &l->instances[instance];

	ev->tenant = s->tenant;
	ev->instance = slot_id(&s->slot, instance);
	ev->res.kind = RES_KIND_MAX;
	ev->uid = s->uid;
	ev->pid = s->pid;
}

static void instance_event(struct ledger *l, uint32_t instance, struct event *ev, const char *why)
{
	instance_describe(l, instance, ev);
	str_copy(ev->why, sizeof(ev->why), why ? why : "");
	event_add(l, ev);
}

int ledger_instance_start(struct ledger *l, const struct instance *in, ledger_id *ret)
{
	struct event ev = { .type = EVENT_INSTANCE_START, .wall_ns = in->since };
	uint32_t n = pool_next(&l->instance_pool, LEDGER_INSTANCES);
	struct instance_slot *s = &l->instances[n];

	if (in->kind >= INSTANCE_KIND_MAX)
		return -EINVAL;
	if (in->tenant >= TENANT_MAX || l->tenants[in->tenant].state != TENANT_LIVE)
		return -ENOENT;
	if (!n)
		return -ENOSPC;
	make_room(l);
	keep(l, s);
	keep(l, &l->tenants[in->tenant].instances);
	pool_take(l, &l->instance_pool, n, &s->slot);
	instance_fill(s, in);
	s->slot.state = INSTANCE_LIVE;
	seal_instance(l, n);
	l->tenants[in->tenant].instances++;
	instance_event(l, n, &ev, start_why[in->kind]);
	*ret = slot_id(&s->slot, n);
	return 0;
}

int ledger_instance_claim(struct ledger *l, ledger_id id, uint32_t claimed_pid,
			  const char name[static LEDGER_NAME_MAX])
{
	uint32_t n = instance_find(l, id);

	if (!n)
		return -ENOENT;
	make_room(l);
	keep(l, &l->instances[n]);
	l->instances[n].claimed_pid = claimed_pid;
	instance_name(&l->instances[n], name);
	return 0;
}

static void end_leases(struct ledger *l, uint32_t instance, uint64_t wall_ns, const char *why)
{
	uint32_t lease;

	while ((lease = l->instances[instance].first)) {
		struct event ev = { .type = EVENT_RELEASE, .wall_ns = wall_ns };
		bool held = l->leases[lease].slot.state == LEASE_HELD;

		lease_describe(l, lease, &ev);
		str_copy(ev.why, sizeof(ev.why), why ? why : "");
		make_room(l);
		lease_end(l, lease);
		if (held)
			event_add(l, &ev);
	}
}

int ledger_instance_end(struct ledger *l, ledger_id id, uint64_t wall_ns, const char *why)
{
	struct event ev = { .type = EVENT_INSTANCE_END, .wall_ns = wall_ns };
	uint32_t n = instance_find(l, id);
	struct instance_slot *s = &l->instances[n];

	if (!n)
		return -ENOENT;
	end_leases(l, n, wall_ns, why);
	make_room(l);
	instance_event(l, n, &ev, why);
	keep(l, &s->slot);
	keep(l, &l->tenants[s->tenant].instances);
	s->slot.state = SLOT_FREE;
	seal_instance(l, n);
	pool_give(l, &l->instance_pool, n, &s->slot);
	l->tenants[s->tenant].instances--;
	tenant_drop_idle(l, s->tenant);
	return 0;
}

static void undo_leases(struct ledger *l, uint32_t instance)
{
	uint32_t next;

	for (uint32_t n = l->instances[instance].first; n; n = next) {
		next = l->leases[n].next;
		if (l->leases[n].slot.state != LEASE_RESERVED)
			continue;
		make_room(l);
		lease_end(l, n);
	}
}

int ledger_instance_orphan(struct ledger *l, ledger_id id, uint64_t wall_ns, const char *why)
{
	struct event ev = { .type = EVENT_ORPHAN, .wall_ns = wall_ns };
	uint32_t n = instance_find(l, id);

	if (!n)
		return -ENOENT;
	undo_leases(l, n);
	if (l->instances[n].orphan)
		return 0;
	make_room(l);
	keep(l, &l->instances[n].orphan);
	l->instances[n].orphan = 1;
	seal_instance(l, n);
	instance_event(l, n, &ev, why);
	return 0;
}

int ledger_instance(const struct ledger *l, ledger_id id, struct instance *ret)
{
	uint32_t n = instance_find(l, id);

	if (!n)
		return -ENOENT;
	instance_copy(l, n, ret);
	return 0;
}

int ledger_next_instance(const struct ledger *l, ledger_id after, struct instance *ret)
{
	for (uint64_t n = (uint64_t)slot_of(after) + 1; n <= l->instance_pool.high; n++) {
		if (l->instances[n].slot.state == SLOT_FREE)
			continue;
		instance_copy(l, (uint32_t)n, ret);
		return 0;
	}
	return -ENOENT;
}

uint32_t ledger_instance_number(ledger_id id)
{
	return slot_of(id);
}
