/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/policy.h"

#include <string.h>

/* No tenant: a loop went through all of them. */
#define NO_TENANT UINT32_MAX

static uint32_t ngroups(const struct peer *p)
{
	return p->ngroups < PEER_GROUPS_MAX ? p->ngroups : PEER_GROUPS_MAX;
}

/* The length of `above` when the path is it or lies below it, else 0. */
static size_t path_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	if (!len || strncmp(path, above, len))
		return 0;
	return path[len] == '\0' || path[len] == '/' ? len : 0;
}

static uint32_t by_cgroup(const struct conf *c, const struct peer *p)
{
	uint32_t best = NO_TENANT;
	size_t longest = 0;

	for (uint32_t i = 0; i < c->ntenants; i++) {
		size_t len = path_below(p->cgroup, c->tenants[i].cgroup);

		if (len > longest) {
			longest = len;
			best = i;
		}
	}
	return best;
}

static bool in_ranges(const struct id_range *ranges, uint32_t n, uint32_t id)
{
	for (uint32_t i = 0; i < n; i++)
		if (id >= ranges[i].first && id <= ranges[i].last)
			return true;
	return false;
}

static uint32_t by_uid(const struct conf *c, uint32_t uid)
{
	for (uint32_t i = 0; i < c->ntenants; i++)
		if (in_ranges(c->tenants[i].uids, c->tenants[i].nuids, uid))
			return i;
	return NO_TENANT;
}

static uint32_t by_gid(const struct conf *c, uint32_t gid)
{
	for (uint32_t i = 0; i < c->ntenants; i++)
		if (in_ranges(c->tenants[i].gids, c->tenants[i].ngids, gid))
			return i;
	return NO_TENANT;
}

/*
 * Of several supplementary groups that match, the lowest number decides: the
 * order of the tenants in the file must not, and the kernel's is not promised.
 */
static uint32_t by_groups(const struct conf *c, const struct peer *p)
{
	uint32_t lowest = 0, best = NO_TENANT;

	for (uint32_t i = 0; i < ngroups(p); i++) {
		uint32_t tenant = by_gid(c, p->groups[i]);

		if (tenant != NO_TENANT && (best == NO_TENANT || p->groups[i] < lowest)) {
			lowest = p->groups[i];
			best = tenant;
		}
	}
	return best;
}

uint32_t policy_tenant(const struct conf *c, const struct peer *p)
{
	uint32_t tenant = by_cgroup(c, p);

	if (tenant == NO_TENANT)
		tenant = by_uid(c, p->uid);
	if (tenant == NO_TENANT)
		tenant = by_gid(c, p->gid);
	if (tenant == NO_TENANT)
		tenant = by_groups(c, p);
	if (tenant == NO_TENANT)
		tenant = policy_admin(c, p) || p->uid == c->net_uid ? TENANT_SYSTEM
								    : TENANT_DEFAULT;
	return tenant;
}

bool policy_admin(const struct conf *c, const struct peer *p)
{
	if (p->uid == 0)
		return true;
	if (c->admin_gid == CONF_NO_GID)
		return false;
	if (p->gid == c->admin_gid)
		return true;
	for (uint32_t i = 0; i < ngroups(p); i++)
		if (p->groups[i] == c->admin_gid)
			return true;
	return false;
}

void policy_rights(const struct conf *c, const struct host *h, uint32_t tenant, struct rights *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->never = c->never;
	conf_reserved(c, tenant, &ret->reserved);
	if (tenant >= c->ntenants)
		return;
	ret->may = c->cpus;
	cpuset_and(&ret->may, &h->usable);
	cpuset_and(&ret->may, &h->online);
	cpuset_minus(&ret->may, &c->never);
	cpuset_minus(&ret->may, &ret->reserved);
	ret->own = c->tenants[tenant].cpus;
	cpuset_and(&ret->own, &ret->may);
}
