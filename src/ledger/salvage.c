/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound ledger out of an unsound one. A slot is believed when its check fits
 * and its words make sense; all that is derived is made anew from those slots.
 *
 * The undo log plays no part: what is proven is not written to, what is not is
 * dropped, so that whoever is killed in here leaves to the next one what it
 * found itself. Of a slot that proves nothing the generation is not known
 * either; it is worn out, for an id must not be given out twice.
 */
#include <stdio.h>
#include <string.h>

#include "ledger/layout.h"

/* A number of an event that leaves room for more than will ever be made. */
#define SEQ_PLAUSIBLE (LEDGER_SEQ_LAST / 2)

/*
 * Nothing is left of a slot, its check word neither: what was lost, or was never
 * used while one far above it is damaged. To wear these out could take the whole
 * table; instead, their ids go on further than they can have got.
 */
#define GENERATION_UNKNOWN (1U << 20)

static bool slot_blank(const struct slot *s, uint32_t check)
{
	return !s->generation && !s->link && !s->state && !check;
}

/*
 * The number of those that were used is believed, as far as it can be: what is left of the
 * last of them may be nothing. One that is too high makes ids longer, and no more.
 */
static void pool_begin(struct pool *p, uint32_t max)
{
	*p = (struct pool){ .high = p->high <= max ? p->high : 0 };
}

/* Used or below one that was. The slots are looked at from the last to the first. */
static bool slot_used(struct pool *p, uint32_t n, bool blank)
{
	if (n > p->high && !blank)
		p->high = n;
	return n <= p->high;
}

static void slot_reset(struct slot *s, bool blank)
{
	s->generation = blank ? GENERATION_UNKNOWN : UINT32_MAX;
	s->state = SLOT_FREE;
}

static void pool_add(struct pool *p, uint32_t n, struct slot *s)
{
	s->link = 0;
	if (s->state != SLOT_FREE) {
		p->used++;
	} else if (s->generation != UINT32_MAX) {
		s->link = p->free;
		p->free = n;
	}
}

/* --- instances ------------------------------------------------------------- */

static bool instance_proven(const struct ledger *l, uint32_t n)
{
	const struct instance_slot *s = &l->instances[n];

	if (!s->slot.generation || l->instance_checks[n] != check_instance(l, n))
		return false;
	return s->slot.state == SLOT_FREE ||
	       (s->slot.state == INSTANCE_LIVE && s->kind < INSTANCE_KIND_MAX && s->orphan <= 1 &&
		s->tenant < TENANT_MAX);
}

static void instance_salvage(struct ledger *l, uint32_t n, struct ledger_loss *loss)
{
	struct instance_slot *s = &l->instances[n];
	bool blank = slot_blank(&s->slot, l->instance_checks[n]);

	if (!slot_used(&l->instance_pool, n, blank))
		return;
	if (!instance_proven(l, n)) {
		loss->instances += !blank;
		slot_reset(&s->slot, blank);
		seal_instance(l, n);
	}
	pool_add(&l->instance_pool, n, &s->slot);
	if (s->slot.state == SLOT_FREE)
		return;
	l->tenants[s->tenant].instances++;
	s->leases = s->first = 0;
	s->name[LEDGER_NAME_MAX - 1] = '\0';
}

static void instances_salvage(struct ledger *l, struct ledger_loss *loss)
{
	pool_begin(&l->instance_pool, LEDGER_INSTANCES);
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		l->tenants[t].instances = 0;
	for (uint32_t n = LEDGER_INSTANCES; n; n--)
		instance_salvage(l, n, loss);
}

/* --- leases ----------------------------------------------------------------- */

static bool lease_proven(const struct ledger *l, uint32_t n)
{
	return l->leases[n].slot.generation && l->lease_checks[n] == check_lease(l, n);
}

static bool lease_kept(const struct ledger *l, uint32_t n)
{
	const struct lease_slot *s = &l->leases[n];

	return s->slot.state == LEASE_HELD && lease_words_sound(l, s);
}

static void lease_free(struct ledger *l, uint32_t n)
{
	l->leases[n].slot.state = SLOT_FREE;
	seal_lease(l, n);
}

/*
 * Two over one resource: nothing is granted that is held, so the later one was
 * granted when the earlier could not be found any more.
 */
static uint32_t lease_later(const struct ledger *l, uint32_t a, uint32_t b)
{
	if (l->leases[a].since != l->leases[b].since)
		return l->leases[a].since > l->leases[b].since ? a : b;
	return a > b ? a : b;
}

static void lease_index(struct ledger *l, uint32_t n, struct ledger_loss *loss)
{
	uint32_t other = index_find(l, &l->leases[n].res), later;

	if (!other) {
		index_add(l, n);
		return;
	}
	loss->leases++;
	later = lease_later(l, n, other);
	if (later == other) {
		index_del(l, other);
		index_add(l, n);
	}
	lease_free(l, later);
}

/* A reservation is no loss: who was at work on it is dead. */
static void lease_salvage(struct ledger *l, uint32_t n, struct ledger_loss *loss)
{
	struct lease_slot *s = &l->leases[n];
	bool blank = slot_blank(&s->slot, l->lease_checks[n]);

	if (!slot_used(&l->lease_pool, n, blank))
		return;
	if (!lease_proven(l, n)) {
		loss->leases += !blank;
		slot_reset(&s->slot, blank);
		seal_lease(l, n);
	} else if (lease_kept(l, n)) {
		lease_index(l, n, loss);
	} else if (s->slot.state != SLOT_FREE) {
		loss->leases += s->slot.state != LEASE_RESERVED;
		lease_free(l, n);
	}
}

static void lease_link(struct ledger *l, uint32_t n)
{
	struct lease_slot *s = &l->leases[n];

	l->lease_pool.used++;
	if (!s->uses)
		s->uses = 1;
	s->timer = 0;
	lease_enlist(l, n);
	if (s->expires)
		timer_add(l, n);
}

static void leases_salvage(struct ledger *l, struct ledger_loss *loss)
{
	pool_begin(&l->lease_pool, LEDGER_LEASES);
	l->ntimers = 0;
	memset(l->buckets, 0, sizeof(l->buckets));
	memset(l->flow_of, 0, sizeof(l->flow_of));
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		memset(l->tenants[t].used, 0, sizeof(l->tenants[t].used));
	for (uint32_t n = LEDGER_LEASES; n; n--)
		lease_salvage(l, n, loss);
	for (uint32_t n = l->lease_pool.high; n; n--) {
		if (l->leases[n].slot.state == SLOT_FREE)
			pool_add(&l->lease_pool, n, &l->leases[n].slot);
		else
			lease_link(l, n);
	}
}

/* --- flows ------------------------------------------------------------------ */

static bool flow_kept(const struct ledger *l, uint32_t n)
{
	const struct flow_slot *f = &l->flows[n];
	uint32_t lease = lease_find(l, f->lease);

	return f->slot.state == FLOW_LIVE && f->slot.generation && f->check == check_flow(l, n) &&
	       lease && has_particulars(&l->leases[lease].res) && !l->flow_of[lease] &&
	       flow_fits(f, &l->leases[lease].res);
}

/* No id has to do with the generation of a flow. */
static void flow_salvage(struct ledger *l, uint32_t n)
{
	struct flow_slot *f = &l->flows[n];

	if (!slot_used(&l->flow_pool, n, slot_blank(&f->slot, f->check)))
		return;
	if (flow_kept(l, n))
		l->flow_of[lease_find(l, f->lease)] = (uint16_t)n;
	else
		f->slot = (struct slot){ .generation = 1 };
	pool_add(&l->flow_pool, n, &f->slot);
}

static void flows_salvage(struct ledger *l, struct ledger_loss *loss)
{
	pool_begin(&l->flow_pool, LEDGER_FLOWS);
	for (uint32_t n = LEDGER_FLOWS; n; n--)
		flow_salvage(l, n);
	for (uint32_t n = 1; n <= l->lease_pool.high; n++)
		loss->flows += l->leases[n].slot.state != SLOT_FREE &&
			       has_particulars(&l->leases[n].res) && !l->flow_of[n];
}

/* --- tenants ---------------------------------------------------------------- */

static bool tenant_proven(const struct ledger *l, uint32_t n)
{
	const struct tenant_slot *t = &l->tenants[n];

	return t->state <= TENANT_RETIRED && l->tenant_checks[n] == check_tenant(l, n) &&
	       !t->name[TENANT_NAME_MAX - 1] && (t->state != TENANT_UNUSED || !t->instances);
}

static void tenant_salvage(struct ledger *l, uint32_t n, struct ledger_loss *loss)
{
	struct tenant_slot *t = &l->tenants[n];

	if (!tenant_proven(l, n)) {
		loss->tenants++;
		t->state = TENANT_RETIRED;
		t->quota = (struct quota){ 0 };
		memset(t->name, 0, sizeof(t->name));
		snprintf(t->name, sizeof(t->name), "lost-%u", n);
		seal_tenant(l, n);
	}
	tenant_drop_idle(l, n);
}

/* --- events ----------------------------------------------------------------- */

static void ring_empty(struct ledger *l, uint32_t tenant, struct ledger_loss *loss)
{
	l->tenants[tenant].events = 0;
	l->tenants[tenant].lost_seq = 0;
	loss->rings++;
}

static void rings_empty_unsound(struct ledger *l, struct ledger_loss *loss)
{
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		if (!ring_sound(l, t))
			ring_empty(l, t, loss);
}

static uint64_t ring_newest(const struct ledger *l, uint32_t tenant)
{
	uint32_t kept = event_kept(l, tenant);

	return kept ? event_at(l, tenant, kept - 1)->seq : 0;
}

/* Of the ring that has the newest event, and an empty one when there is no such ring. */
static uint32_t last_tenant(const struct ledger *l)
{
	uint32_t empty = 0;

	for (uint32_t t = 0; t < TENANT_MAX; t++) {
		if (ring_newest(l, t) == l->last_seq)
			return t;
		if (!event_kept(l, t))
			empty = t;
	}
	return empty;
}

/* The header's number counts where an event may have gone with its ring. */
static uint64_t last_seq(const struct ledger *l, uint64_t header)
{
	uint64_t newest = 0;
	bool gone = false;

	for (uint32_t t = 0; t < TENANT_MAX; t++) {
		if (ring_newest(l, t) > newest)
			newest = ring_newest(l, t);
		gone |= !event_kept(l, t);
	}
	return gone && header <= SEQ_PLAUSIBLE && header > newest ? header : newest;
}

static void events_salvage(struct ledger *l, struct ledger_loss *loss)
{
	uint64_t header = l->last_seq;
	uint32_t clash;

	l->last_seq = SEQ_PLAUSIBLE;
	rings_empty_unsound(l, loss);
	while ((clash = rings_clash(l)) < TENANT_MAX)
		ring_empty(l, clash, loss);
	l->last_seq = last_seq(l, header);
	/* A count of more events than were ever made. */
	rings_empty_unsound(l, loss);
	l->last_tenant = last_tenant(l);
}

void ledger_rebuild(struct ledger *l, struct ledger_loss *loss)
{
	l->undo = 0;
	instances_salvage(l, loss);
	leases_salvage(l, loss);
	flows_salvage(l, loss);
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		tenant_salvage(l, t, loss);
	events_salvage(l, loss);
}
