/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages from and to reeved. */
#ifndef REEVE_CORE_LINK_H
#define REEVE_CORE_LINK_H

#include <stdint.h>

#include "base/err.h"

struct core;

int link_open(struct core *core, struct err *e);
void link_send(struct core *core, const void *msg);
/* The answer to PP_CONF: in force, or `r` and why not. */
void link_ready(struct core *core, uint32_t serial, int r, const struct err *e);
_Noreturn void link_lost(const char *why);

#endif
