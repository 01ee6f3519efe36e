/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections are shared out by one rule without a setting: a uid may hold at
 * most UID_FACTOR times what is still free, a tenant TENANT_FACTOR times. A
 * single greedy uid gets most of them, many greedy ones get ever less each; and
 * however many uids a tenant can show, there is something left for the others.
 *
 * Memory for what clients make us keep is shared out in the same way, with a
 * factor of one.
 *
 * What costs time or room in the log is shared out as so many a second, for each
 * uid and, above that, for each tenant. These numbers outlive the connections:
 * else a uid would have all of it again each time it connects.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "core.h"

enum {
	UID_FACTOR = 4,
	TENANT_FACTOR = 16,
	FDS_OF_OUR_OWN = 64 + PROCESS_IDLE_MAX,
	BYTES_MAX = 64 << 20, /* for all clients' unfinished calls and unread answers */
};

struct share {
	struct share *next;
	uint32_t uid;
	uint32_t conns;
	size_t bytes;
};

void shares_init(struct core *core)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur > FDS_OF_OUR_OWN)
		core->fd_budget = (uint32_t)lim.rlim_cur - FDS_OF_OUR_OWN;
}

static struct share **find(struct core *core, uint32_t uid)
{
	struct share **s = &core->shares[uid % UID_BUCKETS];

	while (*s && (*s)->uid != uid)
		s = &(*s)->next;
	return s;
}

static uint32_t conns_free(const struct core *core)
{
	uint32_t used = core->nconns + core->nprocesses - core->nidle;
	uint32_t slots = PP_CLIENTS_MAX - core->nconns;

	if (used + 2 > core->fd_budget)
		return 0;
	return core->fd_budget - used < slots ? core->fd_budget - used : slots;
}

static struct share *add(struct core *core, uint32_t uid)
{
	struct share *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->uid = uid;
	s->next = core->shares[uid % UID_BUCKETS];
	core->shares[uid % UID_BUCKETS] = s;
	return s;
}

/* One more; NULL: they have their share. */
static struct share *take_one(struct core *core, uint32_t uid, uint32_t tenant)
{
	struct share *s = *find(core, uid);
	uint32_t left = conns_free(core);

	if (!left || core->tenants[tenant].conns / TENANT_FACTOR >= left ||
	    (s && s->conns / UID_FACTOR >= left))
		return NULL;
	if (!s)
		s = add(core, uid);
	if (!s)
		return NULL;
	s->conns++;
	core->tenants[tenant].conns++;
	return s;
}

static void give_one_back(struct core *core, struct share *s, uint32_t tenant)
{
	struct share **at;

	core->tenants[tenant].conns--;
	if (--s->conns)
		return;
	at = find(core, s->uid);
	*at = s->next;
	free(s);
}

bool share_take(struct conn *c)
{
	c->share = take_one(c->core, c->who->uid, c->tenant);
	return c->share;
}

void share_give_back(struct conn *c)
{
	give_one_back(c->core, c->share, c->tenant);
	c->share = NULL;
}

bool share_move(struct conn *c, uint32_t uid, uint32_t tenant, size_t bytes)
{
	struct share *next = take_one(c->core, uid, tenant);

	if (!next)
		return false;
	next->bytes += bytes;
	c->share->bytes -= bytes;
	give_one_back(c->core, c->share, c->tenant);
	c->share = next;
	return true;
}

void share_charge_kept(struct conn *c, size_t bytes)
{
	c->core->bytes += bytes;
	c->share->bytes += bytes;
}

bool share_charge(struct conn *c, size_t bytes)
{
	struct core *core = c->core;

	if (bytes > BYTES_MAX - core->bytes ||
	    c->share->bytes + bytes > BYTES_MAX - core->bytes - bytes)
		return false;
	share_charge_kept(c, bytes);
	return true;
}

void share_refund(struct conn *c, size_t bytes)
{
	c->core->bytes -= bytes;
	c->share->bytes -= bytes;
}

/* --- so many a second ------------------------------------------------------- */

struct pace {
	uint32_t burst, per_s;
};

/*
 * What changes who holds what is logged apart from refusals, of which a client
 * can make as many as it likes: they hide nothing.
 */
static const struct pace uid_pace[USE_MAX] = {
	[USE_LOG_CHANGE] = { 200, 20 },
	[USE_LOG_REFUSAL] = { 200, 20 },
	[USE_LOOK] = { 50, 5 },
};

static const struct pace tenant_pace[USE_MAX] = {
	[USE_LOG_CHANGE] = { 1000, 100 },
	[USE_LOG_REFUSAL] = { 1000, 100 },
	[USE_LOOK] = { 200, 40 },
};

static bool take(struct rate *r, const struct pace *p, uint32_t *ret_held)
{
	return rate_take(r, clock_boot_ns(), p->burst, p->per_s, ret_held);
}

/* Two that share a place drive each other out; the tenant's rates still bound both. */
static struct uid_uses *uses_of(struct core *core, uint32_t uid, uint32_t tenant)
{
	struct uid_uses *u = &core->uid_uses[(uid + 61 * tenant) % UID_BUCKETS];

	if (u->uid == uid && u->tenant == tenant)
		return u;
	for (uint32_t use = 0; use < USE_MAX; use++)
		core->tenant_uses[u->tenant][use].held += u->rates[use].held;
	*u = (struct uid_uses){ .uid = uid, .tenant = tenant };
	return u;
}

bool share_use(struct core *core, uint32_t uid, uint32_t tenant, enum use use, uint32_t *ret_held)
{
	struct uid_uses *u = uses_of(core, uid, tenant);
	struct rate *all = &core->tenant_uses[tenant][use];
	uint32_t held = 0, held_all = 0;

	if (!take(&u->rates[use], &uid_pace[use], &held))
		return false;
	if (!take(all, &tenant_pace[use], &held_all)) {
		all->held += held;
		return false;
	}
	if (ret_held)
		*ret_held = held + held_all;
	return true;
}
