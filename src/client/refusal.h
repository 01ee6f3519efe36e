/* SPDX-License-Identifier: BSD-3-Clause */
/* From the error names of the interface to errno and a sentence; the only such table. */
#ifndef REEVE_CLIENT_REFUSAL_H
#define REEVE_CLIENT_REFUSAL_H

#include <jansson.h>

#include "base/err.h"

/* An error reply: fills *e and returns its negative errno; -EPROTO for a name not known. */
int refusal(const char *name, const json_t *parameters, struct err *e);

/*
 * The negative errno for what Explain calls an `error`: the full name, the part
 * after the last dot, or the short name that events use. -EPROTO otherwise.
 */
int refusal_code(const char *name);

/* The full name of a refusal by any of its names; NULL for one not known. */
const char *refusal_name(const char *name);

#endif
