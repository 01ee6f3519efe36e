/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: recorded, logged, streamed. */
#ifndef REEVE_CORE_RECORD_H
#define REEVE_CORE_RECORD_H

#include <stdint.h>

#include "base/cleanup.h"
#include "model/conf.h"
#include "model/event.h"
#include "model/res.h"

struct core;
struct conn;

void record_refusal(struct conn *c, const struct res *res, int error, const char *why);
/* The same with the address that `res` is about. */
void record_refusal_address(struct conn *c, const struct res *res, const struct ipaddr *address,
			    int error, const char *why);
void record_event(struct core *core, enum event_type type, uint32_t tenant, const char *fmt, ...)
	_printf_(4, 5);
/* Logs and streams what is new; the loop's idle call. */
void record_publish(void *arg);
const char *tenant_name(const struct core *core, uint32_t tenant, char buf[static TENANT_NAME_MAX]);

#endif
