/* SPDX-License-Identifier: BSD-3-Clause */
/* Text in buffers of fixed size: always NUL-terminated, never past the end. */
#ifndef REEVE_BASE_STR_H
#define REEVE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies at most size - 1 bytes; true when all of `from` fitted. */
bool str_copy(char *to, size_t size, const char *from);

/* The same behind what is in `to` already, of which `size` is the whole room. */
bool str_append(char *to, size_t size, const char *from);

/*
 * Makes `len` foreign bytes fit to stand in one log line: printable ASCII
 * stays, everything else (quotes and backslashes too) becomes \xNN. Stops at
 * the first NUL. Returns the length written.
 */
size_t str_escape(char *to, size_t size, const void *from, size_t len);

/* The whole text as an unsigned decimal number up to max: 0, -EINVAL or -ERANGE. */
int str_u64(const char *text, uint64_t max, uint64_t *ret);

#endif
