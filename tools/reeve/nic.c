/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "text.h"

int nic_show(const json_t *nics)
{
	static const struct column columns[] = {
		{ "NIC" },	    { "IFINDEX", true }, { "NODE", true }, { "KIND" }, { "UP" },
		{ "QUEUES", true }, { "LEASABLE" },	 { "FREE" },	   { "FORM" }, { "MODE" },
		{ "FLOWS" },	    { "USERS", true },	 { "WHY NOT" }
	};
	static const char *const members[] = { "kind", "up",   "queues", "leasable", "free",
					       "form", "mode", "flows",	 "users",    "why" };
	const json_t *nic;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(nics, i, nic) {
		table_member(&t, nic, "name");
		table_member(&t, nic, "ifindex");
		table_node(&t, nic);
		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			table_member(&t, nic, members[k]);
	}
	return table_end(&t);
}

static const json_t *nic_by_index(const json_t *nics, unsigned long ifindex)
{
	const json_t *nic;
	size_t i;

	json_array_foreach(nics, i, nic)
		if (json_integer_value(json_object_get(nic, "ifindex")) == (json_int_t)ifindex)
			return nic;
	return NULL;
}

/* "queue 3 of if 2", "xdp of if 2" */
const json_t *nic_of_lease(const json_t *nics, const json_t *lease, unsigned *ret_id)
{
	const char *text = json_string_value(json_object_get(lease, "resource")) ?: "";
	const char *of = strstr(text, " of if ");

	if (!of)
		return NULL;
	if (ret_id)
		*ret_id = (unsigned)strtoul(strchr(text, ' '), NULL, 10);
	return nic_by_index(nics, strtoul(of + strlen(" of if "), NULL, 10));
}

void nic_cell(struct table *t, const json_t *nic)
{
	if (nic)
		table_member(t, nic, "name");
	else
		table_text(t, "");
}

json_t *leases_of_kind(const json_t *leases, const char *kind)
{
	json_t *list = json_array();
	const json_t *lease;
	size_t i;

	json_array_foreach(leases, i, lease) {
		const char *has = json_string_value(json_object_get(lease, "kind"));

		if (has && !strcmp(has, kind))
			json_array_append(list, (json_t *)lease);
	}
	return list;
}

static int list_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	cli_parse(cli, "List the network interfaces, and what of them can be leased.", argc, argv);
	status = cli_ask_once(cli, "ListNics", NULL, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : nic_show(json_object_get(reply, "nics"));
}

int nic_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "the interfaces, and what of them can be leased", list_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "Look at the network interfaces.", argc, argv);
}
