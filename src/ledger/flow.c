/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What leases over flows and IPv6 addresses are about: most are not, so that it has a
 * table of its own.
 */
#include <errno.h>
#include <string.h>

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

bool flow_fits(const struct flow_slot *f, const struct res *res)
{
	struct res named;

	if (res->kind == RES_FLOW)
		return flow_check(&f->flow) == 0;
	named = res_address(res->scope, &f->address);
	return named.id == res->id;
}

/* The slot of a lease's particulars, with nothing in it yet; 0: there are as many as can be. */
static uint32_t flow_begin(struct ledger *l, uint32_t lease)
{
	uint32_t at;

	make_room(l);
	at = l->flow_of[lease] ? l->flow_of[lease] : flow_make(l, lease);
	if (!at)
		return 0;
	keep(l, &l->flows[at]);
	l->flows[at].lease = slot_id(&l->leases[lease].slot, lease);
	memset(&l->flows[at].flow, 0, sizeof(l->flows[at].flow));
	return at;
}

int ledger_set_flow(struct ledger *l, ledger_id lease, const struct flow *flow)
{
	uint32_t n = lease_find(l, lease), at;

	if (!n)
		return -ENOENT;
	if (l->leases[n].res.kind != RES_FLOW || flow_check(flow) < 0)
		return -EINVAL;
	at = flow_begin(l, n);
	if (!at)
		return -ENOSPC;
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

/* An IPv4 one is its resource's id already. */
int ledger_set_address(struct ledger *l, ledger_id lease, const struct ipaddr *a)
{
	uint32_t n = lease_find(l, lease), at;
	struct res res;

	if (!n)
		return -ENOENT;
	res = res_address(l->leases[n].res.scope, a);
	if (l->leases[n].res.kind != RES_ADDRESS || l->leases[n].res.id != res.id)
		return -EINVAL;
	if (!has_particulars(&res))
		return 0;
	at = flow_begin(l, n);
	if (!at)
		return -ENOSPC;
	l->flows[at].address = *a;
	seal_flow(l, at);
	return 0;
}

struct ipaddr lease_address(const struct ledger *l, uint32_t lease)
{
	const struct res *res = &l->leases[lease].res;
	struct ipaddr a = { 0 };

	if (res->kind == RES_ADDRESS && !res_ipv4(res, &a) && l->flow_of[lease])
		a = l->flows[l->flow_of[lease]].address;
	return a;
}
