/* SPDX-License-Identifier: BSD-3-Clause */
#include "doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "table.h"
#include "text.h"

enum { OPT_ROOT = 256 };

struct options {
	struct cli *cli;
	const char *root;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (key == OPT_ROOT) {
		o->root = arg;
		return 0;
	}
	return cli_parse_rest(key, arg, state, o->cli);
}

static const struct argp_option options[] = {
	{ "root", OPT_ROOT, "DIR", OPTION_HIDDEN, "Look at the tree below DIR", 0 },
	{ 0 },
};

static int show_findings(const json_t *findings)
{
	static const struct column columns[] = { { "CHECK" }, { "VERDICT" }, { "WHAT" } };
	const json_t *finding;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(findings, i, finding) {
		table_member(&t, finding, "check");
		table_member(&t, finding, "verdict");
		table_member(&t, finding, "what");
	}
	return table_end(&t);
}

/* Below the table, each on a line of its own, to be copied. */
static void show_commands(const json_t *findings)
{
	const char *title = "\nWhat would mend it:\n";
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding) {
		const char *mend = json_string_value(json_object_get(finding, "mend"));

		if (!mend || !mend[0])
			continue;
		printf("%s  ", title);
		text_print(stdout, mend);
		printf("\n");
		title = "";
	}
}

static int show(const struct cli *cli, const struct doctor *d)
{
	_cleanup_json_ json_t *all = NULL;
	int status;

	if (d->failed)
		return cli_fail("out of memory");
	if (cli->json) {
		all = json_pack("{s:O, s:i}", "findings", d->findings, "missing", (int)d->missing);
		status = cli_print_json(all);
	} else {
		status = show_findings(d->findings);
		show_commands(d->findings);
	}
	if (status || !d->missing)
		return status;
	return EXIT_FAILURE;
}

int doctor_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Tell what this host can do, what it lacks, and what would mend that. Works "
		       "without the daemon; some of it only root can find out. Changes nothing.",
		.children = cli_common,
	};
	_cleanup_(doctor_close) struct doctor d = { .root = -1 };
	struct options o = { .cli = cli, .root = "/" };
	int r;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	r = doctor_open(&d, o.root, cli->socket ?: REEVE_SOCKET);
	if (r < 0)
		return cli_fail("%s: %s", o.root, strerror(-r));
	doctor_all(&d);
	return show(cli, &d);
}
