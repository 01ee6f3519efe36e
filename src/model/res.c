/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/res.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
	[RES_LCORE] = "lcore", [RES_QUEUE] = "queue",
	[RES_FLOW] = "flow",   [RES_UDP_PORT] = "udp_port",
	[RES_XDP] = "xdp",     [RES_QP] = "qp",
	[RES_VM] = "vm",       [RES_CHANNEL] = "channel",
};
_Static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == RES_KIND_MAX, "a name for each kind");

const char *res_kind_name(uint32_t kind)
{
	return kind < RES_KIND_MAX ? kind_names[kind] : NULL;
}

int res_kind_parse(const char *name)
{
	for (int kind = 0; kind < RES_KIND_MAX; kind++)
		if (!strcmp(name, kind_names[kind]))
			return kind;
	return -ENOENT;
}

size_t res_format(const struct res *res, char *buf, size_t size)
{
	const char *name = res_kind_name(res->kind);
	int n;

	if (res->scope)
		n = snprintf(buf, size, "%s %" PRIu64 " of if %" PRIu32, name ? name : "?", res->id,
			     res->scope);
	else
		n = snprintf(buf, size, "%s %" PRIu64, name ? name : "?", res->id);
	return (size_t)n < size ? (size_t)n : size - 1;
}
