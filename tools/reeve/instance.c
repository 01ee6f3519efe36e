/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <string.h>

#include "table.h"

/* An application of the message stack is known by its own pid, not by the stack's. */
static const char *pid_member(const json_t *instance)
{
	const char *kind = json_string_value(json_object_get(instance, "kind"));

	return kind && !strcmp(kind, "stack") ? "claimed_pid" : "pid";
}

static int show(const json_t *reply)
{
	static const struct column columns[] = { { "INSTANCE", true }, { "KIND" },
						 { "NAME" },	       { "TENANT" },
						 { "PID", true },      { "UID", true },
						 { "LEASES", true },   { "ORPHAN" },
						 { "SINCE" } };
	static const char *const before[] = { "instance", "kind", "name", "tenant" };
	static const char *const behind[] = { "uid", "leases", "orphan" };
	const json_t *instance;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(reply, "instances"), i, instance) {
		for (size_t k = 0; k < ARRAY_SIZE(before); k++)
			table_member(&t, instance, before[k]);
		table_member(&t, instance, pid_member(instance));
		for (size_t k = 0; k < ARRAY_SIZE(behind); k++)
			table_member(&t, instance, behind[k]);
		table_time(&t, instance, "since");
	}
	return table_end(&t);
}

static int list_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	status = cli_ask_list(cli, "List the clients of the daemon.", "ListInstances", argc, argv,
			      &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : show(reply);
}

int instance_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "who they are, and how many leases they hold", list_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "Look at the clients of the daemon.", argc, argv);
}
