/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One ring of events for each tenant, one sequence for all. Within a ring the
 * numbers ascend, so that a place is found by bisection; the rings are merged
 * when they are read.
 */
#include <errno.h>

#include "ledger/layout.h"

uint32_t event_kept(const struct ledger *l, uint32_t tenant)
{
	uint64_t made = l->tenants[tenant].events;

	return made < LEDGER_EVENTS ? (uint32_t)made : LEDGER_EVENTS;
}

const struct event *event_at(const struct ledger *l, uint32_t tenant, uint32_t n)
{
	uint64_t first = l->tenants[tenant].events - event_kept(l, tenant);

	return &l->events[tenant][(first + n) % LEDGER_EVENTS];
}

void event_add(struct ledger *l, struct event *ev)
{
	struct tenant_slot *t = &l->tenants[ev->tenant];
	struct event *place = &l->events[ev->tenant][t->events % LEDGER_EVENTS];

	keep(l, place);
	keep(l, &t->events);
	keep(l, &l->last_seq);
	ev->seq = l->last_seq + 1;
	ev->pad = 0;
	ev->why[EVENT_WHY_MAX - 1] = '\0';
	if (t->events >= LEDGER_EVENTS)
		t->lost_seq = place->seq;
	*place = *ev;
	t->events++;
	l->last_tenant = ev->tenant;
	l->last_seq = ev->seq;
	if (ev->type != EVENT_REFUSE)
		return;
	keep(l, &t->refused);
	t->refused++;
}

uint64_t ledger_event(struct ledger *l, struct event *ev)
{
	if (ev->tenant >= TENANT_MAX || ev->type >= EVENT_TYPE_MAX || ev->res.kind > RES_KIND_MAX)
		return 0;
	make_room(l);
	event_add(l, ev);
	return ev->seq;
}

/* The oldest of one tenant above `after`, or NULL. */
static const struct event *event_above(const struct ledger *l, uint32_t tenant, uint64_t after)
{
	uint32_t kept = event_kept(l, tenant);
	uint32_t low = 0, high = kept;

	/* A reader is mostly up to date. */
	if (!kept || event_at(l, tenant, kept - 1)->seq <= after)
		return NULL;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (event_at(l, tenant, middle)->seq > after)
			high = middle;
		else
			low = middle + 1;
	}
	return low < kept ? event_at(l, tenant, low) : NULL;
}

static const struct event *event_merge(const struct ledger *l, uint64_t after)
{
	const struct event *first = NULL;

	/* A reader that follows closely misses only the last one. */
	if (after >= l->last_seq)
		return NULL;
	if (after + 1 == l->last_seq)
		return event_above(l, l->last_tenant, after);

	for (uint32_t t = 0; t < TENANT_MAX; t++) {
		const struct event *ev = NULL;

		if (l->tenants[t].events)
			ev = event_above(l, t, after);
		if (ev && (!first || ev->seq < first->seq))
			first = ev;
	}
	return first;
}

/*
 * The numbers of what was overwritten are gone, so for one tenant this is the
 * most it can have been: what it lost ever, or all numbers up to the newest
 * lost one. It is 0 exactly when nothing above `after` was lost.
 */
static uint64_t tenant_lost(const struct ledger *l, uint32_t tenant, uint64_t after)
{
	const struct tenant_slot *t = &l->tenants[tenant];
	uint64_t ever = t->events - event_kept(l, tenant);

	if (t->lost_seq <= after)
		return 0;
	return ever < t->lost_seq - after ? ever : t->lost_seq - after;
}

int ledger_next_event(const struct ledger *l, uint32_t tenant, uint64_t after, struct event *ret,
		      uint64_t *ret_lost)
{
	const struct event *ev = NULL;

	if (tenant == LEDGER_ALL_TENANTS)
		ev = event_merge(l, after);
	else if (tenant < TENANT_MAX)
		ev = event_above(l, tenant, after);
	if (!ev)
		return -ENOENT;
	*ret = *ev;
	if (ret_lost)
		*ret_lost = tenant == LEDGER_ALL_TENANTS ? ev->seq - after - 1
							 : tenant_lost(l, tenant, after);
	return 0;
}
