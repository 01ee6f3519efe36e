/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core that has taken over names to reeved all that it still holds; what reeved
 * holds beyond that was asked for by a request whose answer nobody has. Clients are
 * served when both agree.
 */
#ifndef REEVE_CORE_RESYNC_H
#define REEVE_CORE_RESYNC_H

struct core;

enum resync_stage { RESYNC_NICS, RESYNC_OWNERS, RESYNC_HELD, RESYNC_SWEEP, RESYNC_DONE };

/* Ends with PP_READY. */
void resync_start(struct core *core);

#endif
