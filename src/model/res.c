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

/* What of the id a person knows it by: of some, the owner's number is a part. */
static void format_id(const struct res *res, char *buf, size_t size)
{
	const char *name = res_kind_name(res->kind);

	switch (res->kind) {
	case RES_XDP:
		snprintf(buf, size, "%s", name);
		break;
	case RES_UDP_PORT:
		snprintf(buf, size, "%s %u", name, (unsigned)(res->id & 0xffff));
		break;
	case RES_FLOW:
		snprintf(buf, size, "%s%s %" PRIu32, res->id & RES_FLOW_SOFT ? "soft " : "", name,
			 (uint32_t)res->id);
		break;
	default:
		snprintf(buf, size, "%s %" PRIu64, name ? name : "?", res->id);
	}
}

size_t res_format(const struct res *res, char *buf, size_t size)
{
	char what[40];
	int n;

	format_id(res, what, sizeof(what));
	if (res->scope)
		n = snprintf(buf, size, "%s of if %" PRIu32, what, res->scope);
	else
		n = snprintf(buf, size, "%s", what);
	return (size_t)n < size ? (size_t)n : size - 1;
}
