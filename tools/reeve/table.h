/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table on stdout, filled cell by cell; a row begins by itself when the one
 * before is full. Running out of memory is told once, by table_end().
 */
#ifndef REEVE_TOOLS_TABLE_H
#define REEVE_TOOLS_TABLE_H

#include <jansson.h>
#include <libsmartcols.h>
#include <stdbool.h>
#include <stddef.h>

struct table {
	struct libscols_table *scols;
	struct libscols_line *line;
	size_t ncols, at;
	bool failed;
};

struct column {
	const char *title;
	bool right;
};

void table_begin(struct table *t, const struct column *columns, size_t n);
void table_text(struct table *t, const char *text); /* made printable; "-" for "" */
void table_member(struct table *t, const json_t *object, const char *name);
void table_node(struct table *t, const json_t *object); /* "-" for no NUMA node */
void table_time(struct table *t, const json_t *object, const char *name);

/* Prints it, "none" without a row, and frees it. An exit status. */
int table_end(struct table *t);

#endif
