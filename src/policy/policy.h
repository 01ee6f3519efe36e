/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may do what: from a peer's kernel identity and the config to a tenant,
 * a role and the CPUs it may lease. Pure; knows nothing of what is free.
 */
#ifndef REEVE_POLICY_POLICY_H
#define REEVE_POLICY_POLICY_H

#include <stdbool.h>

#include "model/conf.h"
#include "model/host.h"
#include "model/peer.h"
#include "model/rights.h"

/*
 * The index into c->tenants. The most specific rule wins, whatever the order in
 * the file: the longest matching cgroup, then uid, then gid (the peer's own
 * before supplementary ones); then TENANT_SYSTEM for uid 0 and the admin
 * group, and TENANT_DEFAULT for the rest. A cgroup matches itself and what is
 * below it.
 */
uint32_t policy_tenant(const struct conf *c, const struct peer *p);

/* uid 0 or a member of the admin group. */
bool policy_admin(const struct conf *c, const struct peer *p);

/*
 * The CPUs of c->tenants[tenant]. `may` = config cpus, usable and online, less
 * `never`, less what is kept for other tenants.
 */
void policy_rights(const struct conf *c, const struct host *h, uint32_t tenant, struct rights *ret);

#endif
