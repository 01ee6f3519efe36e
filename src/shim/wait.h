/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for the daemon: a few microseconds by looking, then asleep. Where it can't wake
 * us, or says nothing of what is waited for, we sleep briefly and look again.
 */
#ifndef REEVE_SHIM_WAIT_H
#define REEVE_SHIM_WAIT_H

#include "shim/channel.h"

#define WAIT_FOR_EVER UINT64_MAX

struct wait {
	bool (*ready)(const struct channel *c);
	/* NULL: as soon as it is so. Else this is waited for as long as it comes soon. */
	bool (*worthwhile)(const struct channel *c);
	bool told; /* the daemon wakes us for it */
};

/* Something is to be received; a request has ended; there is room for what had none. */
extern const struct wait wait_message, wait_completion, wait_request, wait_room;

/* Monotonic. */
uint64_t wait_deadline(int timeout_ms);

/* 0: it is so; -ETIMEDOUT, -EINTR, or what broke the channel. */
int wait_until(struct channel *c, const struct wait *w, uint64_t deadline_ns);

#endif
