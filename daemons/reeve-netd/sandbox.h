/* SPDX-License-Identifier: BSD-3-Clause */
/* What netd gives up before it takes an interface. */
#ifndef REEVE_NETD_SANDBOX_H
#define REEVE_NETD_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/*
 * `runtime_dir`: where its socket is made; NULL: nowhere. `ctrl_socket`: the other socket that
 * it made; NULL: none. `alone`: it takes interfaces by
 * itself. Before any thread is started.
 */
int sandbox_enter(const char *runtime_dir, const char *ctrl_socket, bool alone, struct err *e);

/* The closer's, which opens no file and makes no socket: capabilities and system calls. */
int sandbox_enter_closer(struct err *e);

/* Of these, the last: what is no system call of ours fails from now on, in all threads. */
int sandbox_limit_calls(struct err *e);
int sandbox_limit_closer(struct err *e);

#endif
