/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests through the channel's control rings: one at a time. Each has a number of its
 * own, and what ends with another number, after we had given up on it, is skipped.
 */
#ifndef REEVE_SHIM_CONTROL_H
#define REEVE_SHIM_CONTROL_H

#include "shim/channel.h"

enum { CONTROL_PATIENCE_MS = 11000 }; /* the reference's */

/*
 * Sets the request's id and waits for its end: 0 with *ret_end (may be NULL), -ETIMEDOUT,
 * the daemon's errno, -ECONNREFUSED where it tells none, or what broke the channel.
 */
int control_ask(struct channel *c, struct chan_ctrl *request, struct chan_ctrl *ret_end);

#endif
