/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's control socket: a connection by which the process is registered, and one
 * for each channel. Functions return 0 or a negative errno; nothing is left behind on failure.
 */
#ifndef REEVE_SHIM_DOOR_H
#define REEVE_SHIM_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/channel.h"

/* In place of CHAN_SOCKET; not for programs with more rights than who started them. */
#define DOOR_ENV "REEVE_MACHNET_SOCKET"

enum { DOOR_PATIENCE_MS = 11000 };

int door_connect(int *ret_sock);

/*
 * Sends *request and waits for its answer. With ret_fd, the descriptor that comes with it,
 * or -EPROTO if none does. -ECONNREFUSED: the daemon says no.
 */
int door_ask(int sock, const struct chan_msg *request, int *ret_fd);

/* Whether the other end hung up; takes nothing. */
bool door_is_open(int sock);

#endif
