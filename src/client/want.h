/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The structs in which a program says what it wants grow at their end from one
 * version to the next, and each says how large the program knows it.
 */
#ifndef REEVE_CLIENT_WANT_H
#define REEVE_CLIENT_WANT_H

#include <stddef.h>

#include "base/err.h"

/*
 * Copies what begins with its own size in `size` bytes to *ret of `known`. A
 * program built with an older header passes less: what it does not know is zero.
 * One built with a newer header may use nothing that we don't know. `first`: the
 * size when it was first published. -EINVAL.
 */
int want_take(const void *want, size_t first, void *ret, size_t known, struct err *e);

#endif
