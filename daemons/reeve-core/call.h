/* SPDX-License-Identifier: BSD-3-Clause */
/* Between call.c and list.c: how a method answers. */
#ifndef REEVE_CORE_CALL_H
#define REEVE_CORE_CALL_H

#include "core.h"
#include "wire/native.h"

typedef void call_fn(struct conn *c, const struct native_request *q);

/* Takes the reference; NULL is "out of memory" and ends the connection. */
void call_reply(struct conn *c, json_t *parameters);

call_fn on_describe_host, on_list_leases, on_list_instances, on_list_tenants, on_status;

json_t *lease_json(struct core *core, const struct lease *l);
/* Each CPU of the host, and where it stands for who wants that. */
json_t *cpus_json(struct conn *c, const struct lcore_want *want);

#endif
