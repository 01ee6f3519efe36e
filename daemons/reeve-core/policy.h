/* SPDX-License-Identifier: BSD-3-Clause */
/* The config in force, and what it means for each tenant. */
#ifndef REEVE_CORE_POLICY_H
#define REEVE_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conn.h"
#include "model/conf.h"
#include "model/rights.h"

/* What the config means for one ledger slot, worked out once. */
struct tenant_rights {
	uint32_t conf;	/* index into conf.tenants; TENANT_MAX: not in the config */
	uint32_t conns; /* open connections */
	bool fresh;	/* until this config the slot was another tenant's */
	struct rights rights;
};

int policy_apply(struct core *core, const struct conf *c, uint32_t serial, struct err *e);
/* Works out what the config and the host mean for each tenant. */
void policy_work_out_rights(struct core *core);
/* Whether the caller may see what belongs to the tenant. */
static inline bool may_see(const struct conn *c, uint32_t tenant)
{
	return c->admin || c->tenant == tenant;
}

#endif
