/* SPDX-License-Identifier: BSD-3-Clause */
/* What leases over flows are about: most leases are not, so that it has a table of its own. */
#include <errno.h>

#include "ledger/layout.h"

static uint32_t flow_make(struct ledger *l, uint32_t lease)
{
	uint32_t n = pool_next(&l->flow_pool, LEDGER_FLOWS);

	if (!n)
		return 0;
	keep(l, &l->flow_of[lease]);
	keep(l, &l->flows[n]);
	pool_take(l, &l->flow_pool, n, &l->flows[n].slot);
	l->flows[n].slot.state = FLOW_LIVE;
	l->flow_of[lease] = (uint16_t)n;
	return n;
}

void flow_clear(struct ledger *l, uint32_t lease)
{
	keep(l, &l->flow_of[lease]);
	l->flow_of[lease] = 0;
}

void flow_drop(struct ledger *l, uint32_t lease)
{
	uint32_t n = l->flow_of[lease];

	if (!n)
		return;
	keep(l, &l->flows[n]);
	l->flows[n].slot.state = SLOT_FREE;
	pool_give(l, &l->flow_pool, n, &l->flows[n].slot);
}

int ledger_set_flow(struct ledger *l, ledger_id lease, const struct flow *flow)
{
	uint32_t n = lease_find(l, lease), at;

	if (!n)
		return -ENOENT;
	if (l->leases[n].res.kind != RES_FLOW || flow_check(flow) < 0)
		return -EINVAL;
	make_room(l);
	at = l->flow_of[n] ? l->flow_of[n] : flow_make(l, n);
	if (!at)
		return -ENOSPC;
	keep(l, &l->flows[at]);
	l->flows[at].lease = lease;
	l->flows[at].flow = *flow;
	seal_flow(l, at);
	return 0;
}

int ledger_flow(const struct ledger *l, ledger_id lease, struct flow *ret)
{
	uint32_t n = lease_find(l, lease);

	if (!n || l->leases[n].res.kind != RES_FLOW || !l->flow_of[n])
		return -ENOENT;
	*ret = l->flows[l->flow_of[n]].flow;
	return 0;
}
