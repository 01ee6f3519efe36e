/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <stdio.h>

#include "nic.h"
#include "table.h"
#include "text.h"

struct options {
	struct cli *cli;
	bool cpus, nics;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->cpus = true;
		return 0;
	case 'n':
		o->nics = true;
		return 0;
	default:
		return cli_parse_rest(key, arg, state, o->cli);
	}
}

static const struct argp_option options[] = {
	{ "cpus", 'c', NULL, 0, "Only the CPUs", 0 },
	{ "nics", 'n', NULL, 0, "Only the NICs", 0 },
	{ 0 },
};

static int show_cpus(const json_t *reply)
{
	static const struct column columns[] = { { "CPU", true },     { "NODE", true },
						 { "PACKAGE", true }, { "CORE", true },
						 { "ISOLATED" },      { "STATE" },
						 { "LEASE", true },   { "TENANT" } };
	const json_t *cpu;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(reply, "cpus"), i, cpu) {
		table_member(&t, cpu, "cpu");
		table_node(&t, cpu);
		table_member(&t, cpu, "package");
		table_member(&t, cpu, "core");
		table_member(&t, cpu, "isolated");
		table_member(&t, cpu, "state");
		table_member(&t, cpu, "lease");
		table_member(&t, cpu, "tenant");
	}
	return table_end(&t);
}

static int show(const struct options *o, const json_t *reply)
{
	bool all = o->cpus == o->nics;
	char leasable[TEXT_MAX];
	int status = EXIT_SUCCESS;

	if (o->cpus || all)
		status = show_cpus(reply);
	if (all && !status) {
		text_member(reply, "leasable", leasable);
		printf("\nLeasable: %s\n\n", leasable);
	}
	if ((o->nics || all) && !status)
		status = nic_show(json_object_get(reply, "nics"));
	return status;
}

int host_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Describe the CPUs and NICs of this host, and who has them.",
		.children = cli_common,
	};
	_cleanup_json_ json_t *reply = NULL;
	struct options o = { .cli = cli };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = cli_ask_once(cli, "DescribeHost", NULL, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : show(&o, reply);
}
