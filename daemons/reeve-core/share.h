/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of us one uid or tenant may take. */
#ifndef REEVE_CORE_SHARE_H
#define REEVE_CORE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rate.h"

struct core;
struct conn;

enum { UID_BUCKETS = 1024 };

/* What is done for clients only so often, whoever asks. */
enum use { USE_LOG_CHANGE, USE_LOG_REFUSAL, USE_LOOK, USE_MAX };

/* How often one uid in one tenant had us do it. */
struct uid_uses {
	uint32_t uid, tenant;
	struct rate rates[USE_MAX];
};

void shares_init(struct core *core);
/* One more connection for the uid and the tenant; false: they have their share. */
bool share_take(struct conn *c);
void share_give_back(struct conn *c);
/* It becomes another uid's and tenant's, with so many bytes; false: those have their share. */
bool share_move(struct conn *c, uint32_t uid, uint32_t tenant, size_t bytes);
/* Memory that a client makes us keep. false: its uid has its share; close it then. */
bool share_charge(struct conn *c, size_t bytes);
/* The same for what an earlier core kept: it was within the share then. */
void share_charge_kept(struct conn *c, size_t bytes);
void share_refund(struct conn *c, size_t bytes);
/*
 * Once more for the uid and its tenant; false: they had it too often. *ret_held
 * (may be NULL): how often they were told so since the last true.
 */
bool share_use(struct core *core, uint32_t uid, uint32_t tenant, enum use use, uint32_t *ret_held);

#endif
