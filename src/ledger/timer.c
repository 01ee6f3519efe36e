/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The leases with a time limit, as a binary heap of slot numbers: no entry ends
 * before its parent. Each lease knows its place, so that it can leave early.
 */
#include "ledger/layout.h"

static void timer_put(struct ledger *l, uint32_t place, uint32_t lease)
{
	keep(l, &l->timers[place]);
	keep(l, &l->leases[lease].timer);
	l->timers[place] = lease;
	l->leases[lease].timer = place + 1;
}

static uint64_t timer_at(const struct ledger *l, uint32_t place)
{
	return l->leases[l->timers[place]].expires;
}

static void timer_up(struct ledger *l, uint32_t place, uint32_t lease)
{
	uint32_t parent;

	for (; place; place = parent) {
		parent = (place - 1) / 2;
		if (timer_at(l, parent) <= l->leases[lease].expires)
			break;
		timer_put(l, place, l->timers[parent]);
	}
	timer_put(l, place, lease);
}

static void timer_down(struct ledger *l, uint32_t place, uint32_t lease)
{
	uint32_t child;

	for (child = 2 * place + 1; child < l->ntimers; child = 2 * place + 1) {
		if (child + 1 < l->ntimers && timer_at(l, child + 1) < timer_at(l, child))
			child++;
		if (l->leases[lease].expires <= timer_at(l, child))
			break;
		timer_put(l, place, l->timers[child]);
		place = child;
	}
	timer_put(l, place, lease);
}

void timer_add(struct ledger *l, uint32_t lease)
{
	keep(l, &l->ntimers);
	timer_up(l, l->ntimers++, lease);
}

void timer_del(struct ledger *l, uint32_t lease)
{
	uint32_t place = l->leases[lease].timer - 1;
	uint32_t last = l->timers[l->ntimers - 1];

	keep(l, &l->ntimers);
	l->ntimers--;
	l->leases[lease].timer = 0;
	if (last == lease)
		return;
	if (place && l->leases[last].expires < timer_at(l, (place - 1) / 2))
		timer_up(l, place, last);
	else
		timer_down(l, place, last);
}

uint64_t ledger_next_expiry(const struct ledger *l)
{
	return l->ntimers ? timer_at(l, 0) : 0;
}
