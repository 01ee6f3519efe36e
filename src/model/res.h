/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be leased: the closed set of resource kinds and their names. */
#ifndef REEVE_MODEL_RES_H
#define REEVE_MODEL_RES_H

#include <stddef.h>
#include <stdint.h>

enum res_kind {
	RES_LCORE,
	RES_QUEUE,
	RES_FLOW,
	RES_UDP_PORT,
	RES_XDP,
	RES_QP,
	RES_VM,
	RES_CHANNEL,
	RES_KIND_MAX,
};

/*
 * One resource. `scope` is the ifindex for queue, flow, UDP port and XDP, the
 * device for a QP, and 0 for the rest; `id` is the CPU number, queue, rule
 * location, port and so on. Two leases conflict when all three are equal.
 */
struct res {
	uint32_t kind;
	uint32_t scope;
	uint64_t id;
};

_Static_assert(sizeof(struct res) == 16, "struct res stands in the ledger's memory");

#define QUOTA_NONE UINT32_MAX /* no limit */

struct quota {
	uint32_t max[RES_KIND_MAX];
};

/* "lcore", ... ; NULL for a number that is no kind. */
const char *res_kind_name(uint32_t kind);
/* -ENOENT for a name that is no kind. */
int res_kind_parse(const char *name);

/* "lcore 5", "queue 3 of if 2". Returns the length. */
size_t res_format(const struct res *res, char *buf, size_t size);

#endif
