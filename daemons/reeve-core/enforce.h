/* SPDX-License-Identifier: BSD-3-Clause */
/* Tenants' cgroups under a cpuset. */
#ifndef REEVE_CORE_ENFORCE_H
#define REEVE_CORE_ENFORCE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/conf.h"
#include "privproto/privproto.h"

struct core;
struct txn;

struct enforced {
	uint32_t serial; /* of the request under way; 0: none */
	uint32_t conf;	 /* serial of the config that it was made by */
	bool dirty;	 /* something changed since it was sent */
	bool told;	 /* that there is no cpuset for it, since the last config */
	enum enforce now;
	struct txn *waiting; /* for the request under way */
	struct txn *next;    /* for the one after it */
};

bool enforce_wanted(const struct core *core, uint32_t tenant);
/* Puts the tenant's cgroup under what it holds now; `t` waits for that. May be NULL. */
void enforce_apply(struct core *core, uint32_t tenant, struct txn *t);
/* false: it answers something else. */
bool enforce_result(struct core *core, const struct pp_result *m);
void enforce_all(struct core *core);
const char *enforce_shown(const struct core *core, uint32_t tenant);

#endif
