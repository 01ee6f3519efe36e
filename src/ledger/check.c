/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A check word for each slot, over what is the truth in it and over its number:
 * a slot that was copied to another place does not fit there. It tells damage,
 * not malice. The words lie apart from the slots, so that a page that is lost
 * takes one of the two and not both; particulars, of which more can't be lost than
 * itself, has its own with it.
 */
#include <string.h>

#include "ledger/layout.h"

/* One to one in `word`: two slots that differ in one word differ here. */
static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static uint64_t pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

/* 0 is the check of nothing at all, and of no slot. */
static uint32_t fold(uint64_t h)
{
	uint32_t check = (uint32_t)(mix(h, 0) >> 32);

	return check ? check : 1;
}

static uint64_t mix_bytes(uint64_t h, const void *bytes, size_t words)
{
	uint64_t word;

	for (size_t i = 0; i < words; i++) {
		memcpy(&word, (const char *)bytes + i * sizeof(word), sizeof(word));
		h = mix(h, word);
	}
	return h;
}

uint32_t check_tenant(const struct ledger *l, uint32_t n)
{
	const struct tenant_slot *t = &l->tenants[n];

	if (t->state == TENANT_UNUSED)
		return 0;
	return fold(mix_bytes(mix(n, t->state), t->name, sizeof(t->name) / sizeof(uint64_t)));
}

uint32_t check_instance(const struct ledger *l, uint32_t n)
{
	const struct instance_slot *s = &l->instances[n];
	uint64_t h = mix(n, pair(s->slot.generation, s->slot.state));

	h = mix(h, pair((uint32_t)s->kind << 8 | s->orphan, s->tenant));
	h = mix(h, pair(s->pid, s->uid));
	h = mix(h, s->gid);
	h = mix(h, s->start_time);
	return fold(mix(h, s->cgroup_id));
}

uint32_t check_lease(const struct ledger *l, uint32_t n)
{
	const struct lease_slot *s = &l->leases[n];
	uint64_t h = mix(n, pair(s->slot.generation, s->slot.state));

	h = mix(h, pair(s->instance, s->whole_core));
	h = mix(h, pair(s->res.kind, s->res.scope));
	h = mix(h, s->res.id);
	h = mix(h, s->since);
	return fold(mix(h, s->expires));
}

uint32_t check_flow(const struct ledger *l, uint32_t n)
{
	const struct flow_slot *f = &l->flows[n];

	return fold(mix_bytes(mix(n, f->lease), &f->flow, sizeof(f->flow) / sizeof(uint64_t)));
}

static void seal(struct ledger *l, uint32_t *place, uint32_t check)
{
	keep(l, place);
	*place = check;
}

void seal_tenant(struct ledger *l, uint32_t n)
{
	seal(l, &l->tenant_checks[n], check_tenant(l, n));
}

void seal_instance(struct ledger *l, uint32_t n)
{
	seal(l, &l->instance_checks[n], check_instance(l, n));
}

void seal_lease(struct ledger *l, uint32_t n)
{
	seal(l, &l->lease_checks[n], check_lease(l, n));
}

void seal_flow(struct ledger *l, uint32_t n)
{
	seal(l, &l->flows[n].check, check_flow(l, n));
}
