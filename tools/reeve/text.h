/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts from elsewhere, made fit for a terminal and for people. */
#ifndef REEVE_TOOLS_TEXT_H
#define REEVE_TOOLS_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_MAX = 1024 };

/* What is not printable in this locale becomes \xNN; what does not fit is cut. */
void text_printable(const char *from, char to[static TEXT_MAX]);
void text_print(FILE *f, const char *text);

/* A member for people: yes and no, a number, a text; "-" when it is absent, null or empty. */
void text_member(const json_t *object, const char *name, char to[static TEXT_MAX]);

/* The same for a time: "2026-11-20 09:30:00", local. */
void text_time(const json_t *object, const char *name, char to[static TEXT_MAX]);

/* Seconds since 1970 from "2026-11-20T09:30:00.123Z"; -EINVAL. */
int64_t text_seconds(const char *time);

/* "1500ms", "90" or "90s", "10m", "2h", "1d" in milliseconds: 0 or -EINVAL. */
int text_duration(const char *text, uint64_t *ret_ms);

#endif
