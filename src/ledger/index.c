/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash index over resources. Each chain is in strictly ascending order of
 * the resource: that makes a second lease over one resource impossible to link,
 * and both that and a loop easy to see in memory one doesn't trust.
 */
#include "ledger/layout.h"

uint32_t index_bucket(const struct res *res)
{
	uint64_t h = res->id ^ (uint64_t)res->scope << 32 ^ (uint64_t)res->kind << 56;

	h ^= h >> 32;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	h ^= h >> 29;
	h *= UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(h >> 32) % LEDGER_BUCKETS;
}

int index_compare(const struct res *a, const struct res *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->scope != b->scope)
		return a->scope < b->scope ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return 0;
}

uint32_t index_find(const struct ledger *l, const struct res *res)
{
	uint32_t n = l->buckets[index_bucket(res)];
	int order;

	for (; n; n = l->leases[n].slot.link) {
		order = index_compare(&l->leases[n].res, res);
		if (order >= 0)
			return order ? 0 : n;
	}
	return 0;
}

/* The link that points, or would point, to the lease over `res`. */
static uint32_t *index_place(struct ledger *l, const struct res *res)
{
	uint32_t *link = &l->buckets[index_bucket(res)];

	while (*link && index_compare(&l->leases[*link].res, res) < 0)
		link = &l->leases[*link].slot.link;
	return link;
}

void index_add(struct ledger *l, uint32_t lease)
{
	uint32_t *link = index_place(l, &l->leases[lease].res);

	keep(l, link);
	l->leases[lease].slot.link = *link;
	*link = lease;
}

void index_del(struct ledger *l, uint32_t lease)
{
	uint32_t *link = index_place(l, &l->leases[lease].res);

	keep(l, link);
	*link = l->leases[lease].slot.link;
}
