/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REEVE_CLIENT_QUEUE_H
#define REEVE_CLIENT_QUEUE_H

#include "client/client.h"
#include <reeve/xsk.h>

/* AcquireQueues with these parameters, which it takes; `count` leases must come of it. */
int queues_lease(struct reeve *r, json_t *parameters, struct reeve_queue *ret, size_t count);

#endif
