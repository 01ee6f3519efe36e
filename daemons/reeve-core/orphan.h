/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instances whose connection is gone for good though their process lives: reeved
 * itself was killed, and nobody kept the socket. They hold what they had until the
 * process ends.
 */
#ifndef REEVE_CORE_ORPHAN_H
#define REEVE_CORE_ORPHAN_H

#include "ledger/ledger.h"

struct core;
struct kept;
struct peer;

/* When all clients that were kept have come: what of the others is to stay, and what ends. */
void orphans_find(struct core *core);
/* What the connection of that record had ends: its peer sees that it is closed. */
void orphan_closed(struct core *core, const struct kept *k);
/*
 * Those of the message stack's applications whose lost connections were of this process. The
 * lease over one resource is given back, where there is one; or all of it, and how many
 * instances that were.
 */
void orphans_give_back_one(struct core *core, const struct peer *process, const struct res *res);
uint32_t orphans_give_back(struct core *core, const struct peer *process);
/* They are not watched any more. */
void orphans_forget(struct core *core);

#endif
