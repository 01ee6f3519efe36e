/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <errno.h>

#include "base/str.h"
#include "table.h"

static int show(const json_t *reply)
{
	static const struct column columns[] = {
		{ "LEASE", true }, { "RESOURCE" },   { "TENANT" },  { "INSTANCE", true },
		{ "UID", true },   { "PID", true },  { "NAME" },    { "SINCE" },
		{ "EXPIRES" },	   { "WHOLE CORE" }, { "ENFORCED" }
	};
	const json_t *lease;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(reply, "leases"), i, lease) {
		table_member(&t, lease, "lease");
		table_member(&t, lease, "resource");
		table_member(&t, lease, "tenant");
		table_member(&t, lease, "instance");
		table_member(&t, lease, "uid");
		table_member(&t, lease, "pid");
		table_member(&t, lease, "name");
		table_time(&t, lease, "since");
		table_time(&t, lease, "expires");
		table_member(&t, lease, "whole_core");
		table_member(&t, lease, "enforced");
	}
	return table_end(&t);
}

static int list_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	status = cli_ask_list(cli, "List the leases that are held.", "ListLeases", argc, argv,
			      &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : show(reply);
}

struct release {
	struct cli *cli;
	uint64_t lease;
	bool given;
};

static error_t parse_release(int key, char *arg, struct argp_state *state)
{
	struct release *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o->cli;
		return 0;
	case ARGP_KEY_ARG:
		if (o->given)
			argp_error(state, "'%s' is one argument too many", arg);
		if (str_u64(arg, INT64_MAX, &o->lease) < 0)
			argp_error(state, "'%s' is not the number of a lease", arg);
		o->given = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->given)
			argp_error(state, "which lease?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int release_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_release,
		.args_doc = "LEASE",
		.doc = "Give a lease back. Whoever holds it does so by itself; this is for "
		       "administrators.",
		.children = cli_common,
	};
	_cleanup_json_ json_t *reply = NULL;
	struct release o = { .cli = cli };
	json_t *parameters;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	parameters = json_pack("{s:I}", "lease", (json_int_t)o.lease);
	status = cli_ask_once(cli, "Release", parameters, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : EXIT_SUCCESS;
}

int lease_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "who holds what", list_main },
		{ "explain", "what acquire would get, or why not", lease_explain_main },
		{ "acquire", "lease cores, and run a command on them", lease_acquire_main },
		{ "release", "give a lease back", release_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "List, explain, acquire and release leases.", argc,
			    argv);
}
