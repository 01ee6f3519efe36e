/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <stdio.h>

#include "table.h"
#include "text.h"

/* "2 of 4", "2" without a limit. */
static void put_kind(struct table *t, const json_t *tenant, const char *kind)
{
	const json_t *quota = json_object_get(json_object_get(tenant, "quota"), kind);
	char used[TEXT_MAX], cell[TEXT_MAX];

	text_member(json_object_get(tenant, "used"), kind, used);
	if (json_integer_value(quota) < 0)
		snprintf(cell, sizeof(cell), "%.32s", used);
	else
		snprintf(cell, sizeof(cell), "%.32s of %" JSON_INTEGER_FORMAT, used,
			 json_integer_value(quota));
	table_text(t, cell);
}

static int show(const json_t *reply)
{
	static const struct column columns[] = {
		{ "TENANT" },	   { "LCORES", true },	  { "NICS", true },    { "QUEUES", true },
		{ "PORTS", true }, { "ADDRESSES", true }, { "FLOWS", true },   { "CHANNELS", true },
		{ "OWN CPUS" },	   { "INSTANCES", true }, { "GRANTED", true }, { "REFUSED", true },
		{ "ENFORCED" },	   { "CGROUP" },	  { "RETIRED" }
	};
	static const char *const kinds[] = { "lcore",	"xdp",	"queue",  "udp_port",
					     "address", "flow", "channel" };
	static const char *const members[] = { "cpus",	   "instances", "granted", "refused",
					       "enforced", "cgroup",	"retired" };
	_Static_assert(ARRAY_SIZE(columns) == 1 + ARRAY_SIZE(kinds) + ARRAY_SIZE(members),
		       "a column for each");
	const json_t *tenant;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(reply, "tenants"), i, tenant) {
		table_member(&t, tenant, "name");
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			put_kind(&t, tenant, kinds[k]);
		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			table_member(&t, tenant, members[k]);
	}
	return table_end(&t);
}

static int list_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	cli_parse(cli, "List the tenants, their quotas and what they use.", argc, argv);
	status = cli_ask_once(cli, "ListTenants", NULL, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : show(reply);
}

int tenant_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "tenants, their quotas and what they use", list_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "Look at the tenants.", argc, argv);
}
