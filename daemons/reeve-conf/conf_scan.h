/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pass over a config's bytes before libconfuse sees them. It refuses what
 * libconfuse would take without a word and what makes a file depend on where
 * it is read: bytes that are no text, "${VARIABLE}", escapes (one of them is a
 * NUL), a key path with "|", characters outside every token, a string or
 * brace that is never closed. Comments come out as blanks, lines stay lines.
 *
 * An empty list comes out as a value that no file can contain: of "{}" itself
 * libconfuse keeps neither the line nor that it stood there.
 */
#ifndef REEVE_CONF_SCAN_H
#define REEVE_CONF_SCAN_H

#include <stddef.h>

#include "base/err.h"

#define CONF_EMPTY_LIST "\x01"

/* *ret: `len` bytes and a NUL, malloc'ed. -EINVAL with "reeve.conf:LINE: ...". */
int conf_scan(const char *text, size_t len, char **ret, struct err *e);

#endif
