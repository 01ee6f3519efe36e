/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands about network interfaces share. */
#ifndef REEVE_TOOLS_NIC_H
#define REEVE_TOOLS_NIC_H

#include <jansson.h>

#include "table.h"

/* A table of an array of Nic. An exit status. */
int nic_show(const json_t *nics);

/*
 * Of the array of Nic `nics` the one that a lease over a queue, port, flow or
 * interface is about; NULL: unknown. *ret_id (may be NULL): the queue's number.
 */
const json_t *nic_of_lease(const json_t *nics, const json_t *lease, unsigned *ret_id);
/* A table of the answer of ListPorts. */
int port_show(const json_t *reply);

/* Its name, or "-". */
void nic_cell(struct table *t, const json_t *nic);

/* Those of the array of Lease that are of this kind; a new array, NULL: out of memory. */
json_t *leases_of_kind(const json_t *leases, const char *kind);

#endif
