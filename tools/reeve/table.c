/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdio.h>

#include "cli.h"
#include "text.h"

void table_begin(struct table *t, const struct column *columns, size_t n)
{
	*t = (struct table){ .scols = scols_new_table(), .ncols = n };
	t->failed = !t->scols;
	for (size_t i = 0; i < n && !t->failed; i++)
		t->failed = !scols_table_new_column(t->scols, columns[i].title, 0,
						    columns[i].right ? SCOLS_FL_RIGHT : 0);
}

static void put(struct table *t, const char *printable)
{
	if (t->failed)
		return;
	if (t->at == 0)
		t->line = scols_table_new_line(t->scols, NULL);
	t->failed = !t->line || scols_line_set_data(t->line, t->at, printable) < 0;
	t->at = (t->at + 1) % t->ncols;
}

void table_text(struct table *t, const char *text)
{
	char cell[TEXT_MAX];

	text_printable(text[0] ? text : "-", cell);
	put(t, cell);
}

void table_member(struct table *t, const json_t *object, const char *name)
{
	char cell[TEXT_MAX];

	text_member(object, name, cell);
	put(t, cell);
}

void table_node(struct table *t, const json_t *object)
{
	if (json_integer_value(json_object_get(object, "node")) < 0)
		put(t, "-");
	else
		table_member(t, object, "node");
}

void table_time(struct table *t, const json_t *object, const char *name)
{
	char cell[TEXT_MAX];

	text_time(object, name, cell);
	put(t, cell);
}

int table_end(struct table *t)
{
	bool failed = t->failed || scols_print_table(t->scols) < 0;

	/* libsmartcols prints nothing at all then, which looks like a failure. */
	if (!failed && scols_table_is_empty(t->scols))
		puts("none");
	scols_unref_table(t->scols);
	return failed ? cli_fail("out of memory") : EXIT_SUCCESS;
}
