/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the members of a reply. A member that is missing or of the wrong
 * type turns the reader bad and fills in the sentence; what is read from then
 * on is zero, so one look at `bad` at the end is enough.
 */
#ifndef REEVE_CLIENT_MEMBER_H
#define REEVE_CLIENT_MEMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct members {
	const json_t *object; /* borrowed; what is no object turns the reader bad */
	struct err *e;
	bool bad;
};

uint64_t member_u64(struct members *m, const char *name, uint64_t max);
bool member_bool(struct members *m, const char *name);
const char *member_text(struct members *m, const char *name); /* never NULL */
const json_t *member_array(struct members *m, const char *name);
const json_t *member_object(struct members *m, const char *name);

/* Those that may be absent or null: 0 and "" then. */
uint64_t member_opt_u64(struct members *m, const char *name, uint64_t max);
const char *member_opt_text(struct members *m, const char *name);

#endif
