/* SPDX-License-Identifier: BSD-3-Clause */
/* What the process gives up before it meets a client. */
#ifndef REEVE_CORE_SANDBOX_H
#define REEVE_CORE_SANDBOX_H

#include "base/err.h"

int sandbox_enter(struct err *e);

#endif
