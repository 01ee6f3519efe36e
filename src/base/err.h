/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An error that a person will read: a code for the program and the sentence,
 * made at the place that knows most. Callers that need no sentence pass NULL.
 */
#ifndef REEVE_BASE_ERR_H
#define REEVE_BASE_ERR_H

#include "base/cleanup.h"

struct err {
	int code; /* positive errno, 0 while nothing failed */
	char text[256];
};

/* Fills *e (which may be NULL) and returns -code. */
int fail(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);

#endif
