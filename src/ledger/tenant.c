/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tenants keep their slot for as long as the config names them or an instance
 * of theirs lives. A slot that is given up keeps its events until the next
 * tenant takes it: that one must not read what happened before it.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "ledger/layout.h"

/* What ledger_set_tenants() is going to do, made up before anything is done. */
struct plan {
	uint32_t slot[TENANT_MAX];
	bool fresh[TENANT_MAX]; /* by place in the config: the tenant is new */
	bool keep[TENANT_MAX];	/* by slot */
};

static uint32_t tenant_named(const struct ledger *l, const char *name)
{
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		if (l->tenants[t].state != TENANT_UNUSED &&
		    !strncmp(l->tenants[t].name, name, TENANT_NAME_MAX))
			return t;
	return TENANT_MAX;
}

static uint64_t newest_seq(const struct ledger *l, uint32_t tenant)
{
	uint32_t kept = event_kept(l, tenant);

	return kept ? event_at(l, tenant, kept - 1)->seq : 0;
}

/* Of the slots nobody needs, the one whose history is the oldest. */
static uint32_t plan_pick(const struct ledger *l, const struct plan *p)
{
	uint32_t best = TENANT_MAX;

	for (uint32_t t = 0; t < TENANT_MAX; t++) {
		if (p->keep[t] || l->tenants[t].instances)
			continue;
		if (best == TENANT_MAX || newest_seq(l, t) < newest_seq(l, best))
			best = t;
	}
	return best;
}

static int plan_make(const struct ledger *l, const struct conf *c, struct plan *p)
{
	for (uint32_t i = 0; i < c->ntenants; i++) {
		p->slot[i] = tenant_named(l, c->tenants[i].name);
		p->fresh[i] = p->slot[i] == TENANT_MAX;
		if (!p->fresh[i])
			p->keep[p->slot[i]] = true;
	}
	for (uint32_t i = 0; i < c->ntenants; i++) {
		if (!p->fresh[i])
			continue;
		p->slot[i] = plan_pick(l, p);
		if (p->slot[i] == TENANT_MAX)
			return -ENOSPC;
		p->keep[p->slot[i]] = true;
	}
	return 0;
}

static void tenant_drop(struct ledger *l, uint32_t tenant)
{
	struct tenant_slot *t = &l->tenants[tenant];

	keep(l, t);
	*t = (struct tenant_slot){ .events = t->events, .lost_seq = t->lost_seq };
	seal_tenant(l, tenant);
}

void tenant_drop_idle(struct ledger *l, uint32_t tenant)
{
	if (l->tenants[tenant].state == TENANT_RETIRED && !l->tenants[tenant].instances)
		tenant_drop(l, tenant);
}

static void tenant_make(struct ledger *l, uint32_t tenant, const struct tenant_conf *conf)
{
	struct tenant_slot *t = &l->tenants[tenant];

	keep(l, t);
	*t = (struct tenant_slot){ .state = TENANT_LIVE };
	str_copy(t->name, sizeof(t->name), conf->name);
	seal_tenant(l, tenant);
}

static void set_state(struct ledger *l, uint32_t tenant, uint32_t state)
{
	if (l->tenants[tenant].state == state)
		return;
	keep(l, &l->tenants[tenant].state);
	l->tenants[tenant].state = state;
	seal_tenant(l, tenant);
}

static void tenant_retire(struct ledger *l, uint32_t tenant)
{
	if (l->tenants[tenant].state == TENANT_LIVE)
		set_state(l, tenant, TENANT_RETIRED);
	tenant_drop_idle(l, tenant);
}

int ledger_set_tenants(struct ledger *l, const struct conf *c, uint32_t slot[static TENANT_MAX])
{
	struct plan plan = { 0 };
	int r;

	if (c->ntenants > TENANT_MAX)
		return -EINVAL;
	r = plan_make(l, c, &plan);
	if (r < 0)
		return r;
	make_room(l);
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		if (!plan.keep[t])
			tenant_retire(l, t);
	for (uint32_t i = 0; i < c->ntenants; i++) {
		struct tenant_slot *t = &l->tenants[plan.slot[i]];

		if (plan.fresh[i])
			tenant_make(l, plan.slot[i], &c->tenants[i]);
		keep(l, &t->quota);
		t->quota = c->tenants[i].quota;
		set_state(l, plan.slot[i], TENANT_LIVE);
	}
	memcpy(slot, plan.slot, c->ntenants * sizeof(slot[0]));
	return 0;
}

int ledger_tenant(const struct ledger *l, uint32_t tenant, struct tenant *ret)
{
	const struct tenant_slot *t;

	if (tenant >= TENANT_MAX || l->tenants[tenant].state == TENANT_UNUSED)
		return -ENOENT;
	t = &l->tenants[tenant];
	*ret = (struct tenant){
		.retired = t->state == TENANT_RETIRED,
		.quota = t->quota,
		.instances = t->instances,
		.granted = t->granted,
		.refused = t->refused,
	};
	memcpy(ret->name, t->name, sizeof(ret->name));
	memcpy(ret->used, t->used, sizeof(ret->used));
	return 0;
}
