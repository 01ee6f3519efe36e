/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lease is reserved, then committed or undone. A reservation counts for the
 * quota and keeps everybody else out, but makes no event and has no time limit
 * yet: the mechanism is still at work on it.
 */
#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "ledger/layout.h"

static void lease_copy(const struct ledger *l, uint32_t n, struct lease *ret)
{
	const struct lease_slot *s = &l->leases[n];
	const struct instance_slot *owner = &l->instances[s->instance];

	*ret = (struct lease){
		.id = slot_id(&s->slot, n),
		.instance = slot_id(&owner->slot, s->instance),
		.res = s->res,
		.address = lease_address(l, n),
		.tenant = owner->tenant,
		.state = (uint16_t)s->slot.state,
		.whole_core = s->whole_core,
		.uses = s->uses,
		.since = s->since,
		.expires = s->expires,
	};
}

static void set_prev(struct ledger *l, uint32_t lease, uint32_t prev)
{
	keep(l, &l->leases[lease].prev);
	l->leases[lease].prev = prev;
}

static void set_next(struct ledger *l, uint32_t lease, uint32_t next)
{
	keep(l, &l->leases[lease].next);
	l->leases[lease].next = next;
}

/* Of a lease whose slot is kept already. */
static void list_add(struct ledger *l, uint32_t lease)
{
	struct lease_slot *s = &l->leases[lease];
	struct instance_slot *owner = &l->instances[s->instance];

	s->prev = 0;
	s->next = owner->first;
	if (s->next)
		set_prev(l, s->next, lease);
	keep(l, &owner->first);
	owner->first = lease;
	owner->leases++;
}

static void list_del(struct ledger *l, uint32_t lease)
{
	struct lease_slot *s = &l->leases[lease];
	struct instance_slot *owner = &l->instances[s->instance];

	keep(l, &owner->first);
	if (s->next)
		set_prev(l, s->next, s->prev);
	if (s->prev)
		set_next(l, s->prev, s->next);
	else
		owner->first = s->next;
	owner->leases--;
}

/* Another instance's lease on a core of which one of the two wants the whole. */
static uint32_t sibling_conflict(const struct ledger *l, const struct host *host, uint32_t instance,
				 const struct lease_want *want)
{
	struct res other = want->res;
	unsigned cpu;

	if (!host || want->res.kind != RES_LCORE || want->res.id >= CPU_MAX ||
	    !cpuset_has(&host->present, (unsigned)want->res.id))
		return 0;
	cpuset_for_each(cpu, &host->present) {
		uint32_t n;

		if (!host_same_core(host, cpu, (unsigned)want->res.id))
			continue;
		other.id = cpu;
		n = index_find(l, &other);
		if (n && l->leases[n].instance != instance &&
		    (want->whole_core || l->leases[n].whole_core))
			return n;
	}
	return 0;
}

static bool want_sound(const struct lease_want *want)
{
	if (want->res.kind >= RES_KIND_MAX)
		return false;
	if (want->res.kind == RES_LCORE)
		return want->res.scope == 0;
	return !want->whole_core;
}

static int may_reserve(const struct ledger *l, const struct host *host,
		       const struct lease_want *want, uint32_t *ret_holder)
{
	uint32_t instance = instance_find(l, want->instance);
	const struct tenant_slot *t;
	uint32_t holder;

	if (!instance)
		return -ENOENT;
	if (!want_sound(want))
		return -EINVAL;
	t = &l->tenants[l->instances[instance].tenant];
	if (t->used[want->res.kind] >= t->quota.max[want->res.kind])
		return -EDQUOT;
	holder = index_find(l, &want->res);
	if (!holder)
		holder = sibling_conflict(l, host, instance, want);
	if (holder) {
		*ret_holder = holder;
		return -EBUSY;
	}
	return pool_next(&l->lease_pool, LEDGER_LEASES) ? 0 : -ENOSPC;
}

/* How many of a kind a tenant has: one more or one less. */
static void count_used(struct ledger *l, uint32_t instance, uint32_t kind, int more)
{
	uint32_t *used = &l->tenants[l->instances[instance].tenant].used[kind];

	keep(l, used);
	*used += (uint32_t)more;
}

void lease_enlist(struct ledger *l, uint32_t lease)
{
	list_add(l, lease);
	count_used(l, l->leases[lease].instance, l->leases[lease].res.kind, 1);
}

static uint32_t lease_make(struct ledger *l, uint32_t instance, const struct lease_want *want)
{
	uint32_t n = pool_next(&l->lease_pool, LEDGER_LEASES);
	struct lease_slot *s = &l->leases[n];

	keep(l, s);
	pool_take(l, &l->lease_pool, n, &s->slot);
	s->instance = instance;
	s->res = want->res;
	s->since = want->wall_ns;
	s->expires = want->expires;
	s->timer = 0;
	s->whole_core = want->whole_core;
	s->uses = 1;
	if (has_particulars(&s->res))
		flow_clear(l, n);
	s->slot.state = LEASE_RESERVED;
	seal_lease(l, n);
	lease_enlist(l, n);
	index_add(l, n);
	return n;
}

void lease_end(struct ledger *l, uint32_t lease)
{
	struct lease_slot *s = &l->leases[lease];

	keep(l, s);
	s->slot.state = SLOT_FREE;
	seal_lease(l, lease);
	count_used(l, s->instance, s->res.kind, -1);
	if (s->timer)
		timer_del(l, lease);
	if (has_particulars(&s->res))
		flow_drop(l, lease);
	index_del(l, lease);
	list_del(l, lease);
	pool_give(l, &l->lease_pool, lease, &s->slot);
}

void lease_describe(const struct ledger *l, uint32_t lease, struct event *ev)
{
	const struct lease_slot *s = &l->leases[lease];

	instance_describe(l, s->instance, ev);
	ev->lease = slot_id(&s->slot, lease);
	ev->res = s->res;
	ev->address = lease_address(l, lease);
}

int ledger_reserve(struct ledger *l, const struct host *host, const struct lease_want *want,
		   ledger_id *ret, ledger_id *ret_holder)
{
	uint32_t holder = 0, n;
	int r;

	r = may_reserve(l, host, want, &holder);
	if (holder && ret_holder)
		*ret_holder = slot_id(&l->leases[holder].slot, holder);
	if (r < 0)
		return r;
	make_room(l);
	n = lease_make(l, instance_find(l, want->instance), want);
	*ret = slot_id(&l->leases[n].slot, n);
	return 0;
}

static const char *const grant_text[2][2] = {
	{ "leased", "leased for a time" },
	{ "leased with its whole core", "leased with its whole core for a time" },
};

int ledger_commit(struct ledger *l, ledger_id lease)
{
	struct event ev = { .type = EVENT_GRANT };
	uint32_t n = lease_find(l, lease);
	struct lease_slot *s = &l->leases[n];

	if (!n || s->slot.state != LEASE_RESERVED)
		return -ENOENT;
	lease_describe(l, n, &ev);
	ev.wall_ns = s->since;
	str_copy(ev.why, sizeof(ev.why), grant_text[s->whole_core != 0][s->expires != 0]);
	make_room(l);
	keep(l, s);
	keep(l, &l->tenants[ev.tenant].granted);
	s->slot.state = LEASE_HELD;
	seal_lease(l, n);
	if (s->expires)
		timer_add(l, n);
	l->tenants[ev.tenant].granted++;
	event_add(l, &ev);
	return 0;
}

int ledger_undo(struct ledger *l, ledger_id lease)
{
	uint32_t n = lease_find(l, lease);

	if (!n || l->leases[n].slot.state != LEASE_RESERVED)
		return -ENOENT;
	make_room(l);
	lease_end(l, n);
	return 0;
}

void ledger_undo_reserved(struct ledger *l)
{
	for (uint32_t n = 1; n <= l->lease_pool.high; n++) {
		if (l->leases[n].slot.state != LEASE_RESERVED)
			continue;
		make_room(l);
		lease_end(l, n);
	}
}

int ledger_rename(struct ledger *l, ledger_id lease, uint64_t res_id)
{
	uint32_t n = lease_find(l, lease), holder;
	struct lease_slot *s = &l->leases[n];
	struct res to = s->res;

	if (!n || s->slot.state != LEASE_RESERVED)
		return -ENOENT;
	if (s->res.kind == RES_LCORE || s->res.kind == RES_ADDRESS)
		return -EINVAL;
	to.id = res_id;
	holder = index_find(l, &to);
	if (holder)
		return holder == n ? 0 : -EBUSY;
	make_room(l);
	keep(l, s);
	index_del(l, n);
	s->res.id = res_id;
	seal_lease(l, n);
	index_add(l, n);
	return 0;
}

/* The slot of a held lease; 0: there is none. */
static uint32_t held_find(const struct ledger *l, ledger_id lease)
{
	uint32_t n = lease_find(l, lease);

	return n && l->leases[n].slot.state == LEASE_HELD ? n : 0;
}

static void set_uses(struct ledger *l, uint32_t lease, uint32_t uses)
{
	make_room(l);
	keep(l, &l->leases[lease].uses);
	l->leases[lease].uses = (uint16_t)uses;
}

int ledger_use(struct ledger *l, ledger_id lease, uint32_t *ret)
{
	uint32_t n = held_find(l, lease);

	if (!n)
		return -ENOENT;
	if (l->leases[n].uses == UINT16_MAX)
		return -EOVERFLOW;
	set_uses(l, n, l->leases[n].uses + 1U);
	*ret = l->leases[n].uses;
	return 0;
}

int ledger_unuse(struct ledger *l, ledger_id lease, uint32_t *ret)
{
	uint32_t n = held_find(l, lease);

	if (!n)
		return -ENOENT;
	*ret = l->leases[n].uses - 1U;
	if (*ret)
		set_uses(l, n, *ret);
	return 0;
}

int ledger_release(struct ledger *l, ledger_id instance, ledger_id lease, uint64_t wall_ns,
		   const char *why)
{
	struct event ev = { .type = EVENT_RELEASE };
	uint32_t n = held_find(l, lease);

	if (!n)
		return -ENOENT;
	lease_describe(l, n, &ev);
	return instance == ev.instance ? ledger_revoke(l, lease, wall_ns, why) : -EPERM;
}

int ledger_revoke(struct ledger *l, ledger_id lease, uint64_t wall_ns, const char *why)
{
	struct event ev = { .type = EVENT_RELEASE, .wall_ns = wall_ns };
	uint32_t n = held_find(l, lease);

	if (!n)
		return -ENOENT;
	lease_describe(l, n, &ev);
	str_copy(ev.why, sizeof(ev.why), why ? why : "");
	make_room(l);
	lease_end(l, n);
	event_add(l, &ev);
	return 0;
}

int ledger_expire(struct ledger *l, uint64_t boot_ns, uint64_t wall_ns, struct lease *ret)
{
	struct event ev = { .type = EVENT_EXPIRE, .wall_ns = wall_ns };
	char name[RES_TEXT];
	uint32_t n;

	if (!l->ntimers || ledger_next_expiry(l) > boot_ns)
		return -ENOENT;
	n = l->timers[0];
	lease_copy(l, n, ret);
	lease_describe(l, n, &ev);
	res_format_address(&ev.res, &ev.address, name, sizeof(name));
	snprintf(ev.why, sizeof(ev.why), "the time limit of %s was reached", name);
	make_room(l);
	lease_end(l, n);
	event_add(l, &ev);
	return 0;
}

static int copy_if(const struct ledger *l, uint32_t n, struct lease *ret)
{
	if (!n)
		return -ENOENT;
	lease_copy(l, n, ret);
	return 0;
}

int ledger_lease(const struct ledger *l, ledger_id id, struct lease *ret)
{
	return copy_if(l, lease_find(l, id), ret);
}

int ledger_holder(const struct ledger *l, const struct res *res, struct lease *ret)
{
	return copy_if(l, index_find(l, res), ret);
}

int ledger_next_lease(const struct ledger *l, ledger_id after, struct lease *ret)
{
	for (uint64_t n = (uint64_t)slot_of(after) + 1; n <= l->lease_pool.high; n++)
		if (l->leases[n].slot.state != SLOT_FREE)
			return copy_if(l, (uint32_t)n, ret);
	return -ENOENT;
}

int ledger_instance_next_lease(const struct ledger *l, ledger_id instance, ledger_id after,
			       struct lease *ret)
{
	uint32_t owner = instance_find(l, instance);
	uint32_t n = lease_find(l, after);

	if (!owner)
		return -ENOENT;
	if (!after)
		return copy_if(l, l->instances[owner].first, ret);
	if (!n || l->leases[n].instance != owner)
		return -ENOENT;
	return copy_if(l, l->leases[n].next, ret);
}
