/* SPDX-License-Identifier: BSD-3-Clause */
/* The options that acquire and explain share: what is wanted. */
#ifndef REEVE_TOOLS_WANT_H
#define REEVE_TOOLS_WANT_H

#include "cli.h"

struct want {
	struct cli *cli;
	uint64_t count, node, ttl_ms; /* count 0: not given */
	const char *cpus, *near, *name;
	bool has_node, whole_core;
};

/* Their argp; the input is the struct want, whose cli must be set. */
extern const struct argp want_argp;

/* The parameters of Acquire and Explain; NULL: out of memory, or not UTF-8. */
json_t *want_json(const struct want *w);

#endif
