/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections are shared out by one rule without a setting: a uid may hold at
 * most UID_FACTOR times what is still free, a tenant TENANT_FACTOR times. A
 * single greedy uid gets most of them, many greedy ones get ever less each; and
 * however many uids a tenant can show, there is something left for the others.
 *
 * Memory for what clients make us keep is shared out in the same way, with a
 * factor of one.
 */
#include <stdlib.h>
#include <sys/resource.h>

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

bool share_take(struct conn *c)
{
	struct core *core = c->core;
	struct share *s = *find(core, c->peer.uid);
	uint32_t left = conns_free(core);

	if (!left || core->tenants[c->tenant].conns / TENANT_FACTOR >= left ||
	    (s && s->conns / UID_FACTOR >= left))
		return false;
	if (!s)
		s = add(core, c->peer.uid);
	if (!s)
		return false;
	s->conns++;
	core->tenants[c->tenant].conns++;
	c->share = s;
	return true;
}

void share_give_back(struct conn *c)
{
	struct share *s = c->share, **at;

	c->core->tenants[c->tenant].conns--;
	c->share = NULL;
	if (--s->conns)
		return;
	at = find(c->core, s->uid);
	*at = s->next;
	free(s);
}

bool share_charge(struct conn *c, size_t bytes)
{
	struct core *core = c->core;

	if (bytes > BYTES_MAX - core->bytes ||
	    c->share->bytes + bytes > BYTES_MAX - core->bytes - bytes)
		return false;
	core->bytes += bytes;
	c->share->bytes += bytes;
	return true;
}

void share_refund(struct conn *c, size_t bytes)
{
	c->core->bytes -= bytes;
	c->share->bytes -= bytes;
}
