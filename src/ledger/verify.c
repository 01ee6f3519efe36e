/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every invariant of the memory, checked as if an enemy had written it. The
 * order matters: a word is used as a slot number only after it was found to be
 * in range, and every walk has an end that the walked memory can't move:
 *   - a free list is walked for at most as many steps as there are free slots;
 *   - a lease list is checked backwards at each step, which a loop can't pass;
 *   - a hash chain ascends strictly, which a loop can't do;
 *   - each timer and its lease point at one another.
 * Whoever is on no list is found by counting. Nothing above the high-water
 * marks is read.
 */
#include <errno.h>
#include <string.h>

#include "ledger/layout.h"

struct count {
	uint32_t instances[TENANT_MAX];
	uint32_t used[TENANT_MAX][RES_KIND_MAX];
	uint32_t listed; /* leases found on the lists of instances */
	uint32_t timed;
	uint32_t flows;
};

typedef const struct slot *(*slot_fn)(const struct ledger *l, uint32_t n);

static const struct slot *instance_slot(const struct ledger *l, uint32_t n)
{
	return &l->instances[n].slot;
}

static const struct slot *lease_slot(const struct ledger *l, uint32_t n)
{
	return &l->leases[n].slot;
}

static const struct slot *flow_slot(const struct ledger *l, uint32_t n)
{
	return &l->flows[n].slot;
}

static bool free_list_sound(const struct ledger *l, const struct pool *p, slot_fn at,
			    uint32_t nfree)
{
	for (uint32_t n = p->free; n; n = at(l, n)->link) {
		if (!nfree-- || n > p->high)
			return false;
		if (at(l, n)->state != SLOT_FREE || at(l, n)->generation == UINT32_MAX)
			return false;
	}
	return nfree == 0;
}

static bool pool_sound(const struct ledger *l, const struct pool *p, uint32_t max, slot_fn at)
{
	uint32_t used = 0, nfree = 0;

	if (p->high > max)
		return false;
	for (uint32_t n = 1; n <= p->high; n++) {
		if (!at(l, n)->generation)
			return false;
		if (at(l, n)->state != SLOT_FREE)
			used++;
		else if (at(l, n)->generation != UINT32_MAX)
			nfree++;
	}
	return used == p->used && free_list_sound(l, p, at, nfree);
}

static bool lease_list_sound(const struct ledger *l, uint32_t instance, struct count *c)
{
	const struct instance_slot *s = &l->instances[instance];
	uint32_t found = 0, prev = 0;

	for (uint32_t n = s->first; n; n = l->leases[n].next) {
		if (n > l->lease_pool.high || l->leases[n].slot.state == SLOT_FREE)
			return false;
		if (l->leases[n].instance != instance || l->leases[n].prev != prev)
			return false;
		prev = n;
		found++;
	}
	c->listed += found;
	return found == s->leases;
}

static bool instance_sound(const struct ledger *l, uint32_t n, struct count *c)
{
	const struct instance_slot *s = &l->instances[n];

	if (s->slot.state != INSTANCE_LIVE || s->kind >= INSTANCE_KIND_MAX || s->orphan > 1 ||
	    s->tenant >= TENANT_MAX || s->name[LEDGER_NAME_MAX - 1])
		return false;
	c->instances[s->tenant]++;
	return lease_list_sound(l, n, c);
}

static bool timer_matches(const struct ledger *l, uint32_t n, struct count *c)
{
	const struct lease_slot *s = &l->leases[n];

	if (s->slot.state != LEASE_HELD || !s->expires)
		return s->timer == 0;
	c->timed++;
	return s->timer && s->timer <= l->ntimers && l->timers[s->timer - 1] == n;
}

/* A lease and its particulars point at one another; who points at none is found by counting. */
static bool flow_matches(const struct ledger *l, uint32_t n, struct count *c)
{
	uint32_t at = l->flow_of[n];
	const struct flow_slot *f;

	if (!has_particulars(&l->leases[n].res) || !at)
		return true;
	if (at > l->flow_pool.high)
		return false;
	f = &l->flows[at];
	c->flows++;
	return f->slot.state == FLOW_LIVE && f->lease == slot_id(&l->leases[n].slot, n) &&
	       f->check == check_flow(l, at) && flow_fits(f, &l->leases[n].res);
}

bool lease_words_sound(const struct ledger *l, const struct lease_slot *s)
{
	if (s->slot.state != LEASE_RESERVED && s->slot.state != LEASE_HELD)
		return false;
	if (!s->instance || s->instance > l->instance_pool.high ||
	    l->instances[s->instance].slot.state == SLOT_FREE)
		return false;
	if (s->res.kind >= RES_KIND_MAX || s->whole_core > 1)
		return false;
	return s->res.kind == RES_LCORE ? !s->res.scope : !s->whole_core;
}

static bool lease_sound(const struct ledger *l, uint32_t n, struct count *c)
{
	const struct lease_slot *s = &l->leases[n];

	if (!lease_words_sound(l, s))
		return false;
	/* Asking for it again is for leases that are held. */
	if (!s->uses || (s->uses > 1 && s->slot.state != LEASE_HELD))
		return false;
	c->used[l->instances[s->instance].tenant][s->res.kind]++;
	return flow_matches(l, n, c) && timer_matches(l, n, c);
}

/* Free slots too: their generation must not be lost. */
static bool checks_fit(const struct ledger *l)
{
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		if (l->tenant_checks[t] != check_tenant(l, t))
			return false;
	for (uint32_t n = 1; n <= l->instance_pool.high; n++)
		if (l->instance_checks[n] != check_instance(l, n))
			return false;
	for (uint32_t n = 1; n <= l->lease_pool.high; n++)
		if (l->lease_checks[n] != check_lease(l, n))
			return false;
	return true;
}

static bool tables_sound(const struct ledger *l, struct count *c)
{
	if (!checks_fit(l))
		return false;
	for (uint32_t n = 1; n <= l->instance_pool.high; n++)
		if (l->instances[n].slot.state != SLOT_FREE && !instance_sound(l, n, c))
			return false;
	for (uint32_t n = 1; n <= l->lease_pool.high; n++)
		if (l->leases[n].slot.state != SLOT_FREE && !lease_sound(l, n, c))
			return false;
	return c->listed == l->lease_pool.used && c->timed == l->ntimers &&
	       c->flows == l->flow_pool.used;
}

/* tables_sound() has seen that every timer belongs to a lease of its own. */
static bool timers_ordered(const struct ledger *l)
{
	for (uint32_t i = 1; i < l->ntimers; i++)
		if (l->leases[l->timers[i]].expires < l->leases[l->timers[(i - 1) / 2]].expires)
			return false;
	return true;
}

static bool index_sound(const struct ledger *l)
{
	uint32_t found = 0;

	for (uint32_t b = 0; b < LEDGER_BUCKETS; b++) {
		const struct res *before = NULL;

		for (uint32_t n = l->buckets[b]; n; n = l->leases[n].slot.link) {
			const struct res *res;

			if (n > l->lease_pool.high || l->leases[n].slot.state == SLOT_FREE)
				return false;
			res = &l->leases[n].res;
			if (index_bucket(res) != b || (before && index_compare(before, res) >= 0))
				return false;
			before = res;
			found++;
		}
	}
	return found == l->lease_pool.used;
}

static bool tenant_sound(const struct ledger *l, uint32_t tenant, const struct count *c)
{
	const struct tenant_slot *t = &l->tenants[tenant];

	if (t->state > TENANT_RETIRED || t->name[TENANT_NAME_MAX - 1])
		return false;
	if (t->instances != c->instances[tenant] ||
	    memcmp(t->used, c->used[tenant], sizeof(t->used)))
		return false;
	/* A live one may have no instances; the other two say something about that. */
	if (t->state == TENANT_LIVE)
		return true;
	return (t->state == TENANT_RETIRED) == (t->instances != 0);
}

bool ring_sound(const struct ledger *l, uint32_t tenant)
{
	const struct tenant_slot *t = &l->tenants[tenant];
	uint32_t kept = event_kept(l, tenant);
	uint64_t before = t->lost_seq;

	if (t->events > l->last_seq || (before != 0) != (t->events > LEDGER_EVENTS))
		return false;
	for (uint32_t n = 0; n < kept; n++) {
		const struct event *ev = event_at(l, tenant, n);

		if (ev->seq <= before || ev->seq > l->last_seq || ev->tenant != tenant)
			return false;
		if (ev->type >= EVENT_TYPE_MAX || ev->res.kind > RES_KIND_MAX ||
		    ev->why[EVENT_WHY_MAX - 1])
			return false;
		before = ev->seq;
	}
	return true;
}

/* Where the merge has got to in one ring. */
struct cursor {
	uint32_t tenant, at;
	uint64_t seq;
};

static bool cursor_next(const struct ledger *l, struct cursor *c)
{
	if (++c->at >= event_kept(l, c->tenant))
		return false;
	c->seq = event_at(l, c->tenant, c->at)->seq;
	return true;
}

/* No number stands in two rings: merging them never meets one twice. */
uint32_t rings_clash(const struct ledger *l)
{
	struct cursor rings[TENANT_MAX];
	uint64_t before = 0;
	uint32_t nrings = 0;

	for (uint32_t t = 0; t < TENANT_MAX; t++)
		if (event_kept(l, t))
			rings[nrings++] = (struct cursor){ t, 0, event_at(l, t, 0)->seq };
	while (nrings) {
		struct cursor *first = rings;

		for (uint32_t i = 1; i < nrings; i++)
			if (rings[i].seq < first->seq)
				first = &rings[i];
		if (first->seq <= before)
			return first->tenant;
		before = first->seq;
		if (!cursor_next(l, first))
			*first = rings[--nrings];
	}
	return TENANT_MAX;
}

/* A ring that is empty again (its slot was given to a new tenant) is no contradiction. */
static bool last_event_sound(const struct ledger *l)
{
	uint32_t kept = event_kept(l, l->last_tenant);

	return !kept || event_at(l, l->last_tenant, kept - 1)->seq == l->last_seq;
}

static bool tenants_sound(const struct ledger *l, const struct count *c)
{
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		if (!tenant_sound(l, t, c) || !ring_sound(l, t))
			return false;
	return rings_clash(l) == TENANT_MAX && last_event_sound(l);
}

bool header_ours(const struct ledger *l)
{
	return l->magic == LEDGER_MAGIC && l->version == LEDGER_VERSION &&
	       l->size == ledger_bytes();
}

static bool header_sound(const struct ledger *l)
{
	return header_ours(l) && l->ntimers <= LEDGER_LEASES && l->last_tenant < TENANT_MAX;
}

int ledger_verify(const struct ledger *l)
{
	struct count c = { 0 };

	if (!header_sound(l) ||
	    !pool_sound(l, &l->instance_pool, LEDGER_INSTANCES, instance_slot) ||
	    !pool_sound(l, &l->lease_pool, LEDGER_LEASES, lease_slot) ||
	    !pool_sound(l, &l->flow_pool, LEDGER_FLOWS, flow_slot))
		return -EBADMSG;
	if (!tables_sound(l, &c) || !timers_ordered(l) || !index_sound(l) || !tenants_sound(l, &c))
		return -EBADMSG;
	return 0;
}
