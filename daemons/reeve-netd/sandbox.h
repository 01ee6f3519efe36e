/* SPDX-License-Identifier: BSD-3-Clause */
/* What netd gives up before it takes an interface. */
#ifndef REEVE_NETD_SANDBOX_H
#define REEVE_NETD_SANDBOX_H

#include "base/err.h"

/* `runtime_dir`: where its socket is. Before any thread is started. */
int sandbox_enter(const char *runtime_dir, struct err *e);

#endif
