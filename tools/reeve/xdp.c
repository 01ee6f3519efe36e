/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "base/cpuset.h"
#include "cli.h"
#include "nic.h"
#include "table.h"

/* What the three tables are made of, from one connection and so from about one time. */
struct view {
	json_t *nics;	/* those with a program */
	json_t *owners; /* leases over an interface */
	json_t *queues; /* leases over a queue */
	json_t *ports;	/* the answer of ListPorts */
};

static void view_free(struct view *v)
{
	json_decref(v->nics);
	json_decref(v->owners);
	json_decref(v->queues);
	json_decref(v->ports);
}

/* Foreign programs too: they are why reeve can't have the interface. */
static json_t *nics_with_program(const json_t *nics)
{
	json_t *list = json_array();
	const json_t *nic;
	size_t i;

	json_array_foreach(nics, i, nic)
		if (json_integer_value(json_object_get(nic, "program")) ||
		    json_integer_value(json_object_get(nic, "users")))
			json_array_append(list, (json_t *)nic);
	return list;
}

static int look(struct cli *cli, struct view *v)
{
	_cleanup_json_ json_t *nics = NULL, *leases = NULL;
	_cleanup_reeve_ struct reeve *r = NULL;
	int status = cli_open(cli, &r);

	if (!status)
		status = cli_ask(cli, r, "ListNics", NULL, &nics);
	if (!status)
		status = cli_ask_all(cli, r, "ListLeases", NULL, &leases);
	if (!status)
		status = cli_ask_all(cli, r, "ListPorts", NULL, &v->ports);
	if (status)
		return status;
	v->nics = nics_with_program(json_object_get(nics, "nics"));
	v->owners = leases_of_kind(json_object_get(leases, "leases"), "xdp");
	v->queues = leases_of_kind(json_object_get(leases, "leases"), "queue");
	return EXIT_SUCCESS;
}

static int show_nics(const struct view *v)
{
	static const struct column columns[] = { { "NIC" },	{ "FORM" },
						 { "MODE" },	{ "PROGRAM", true },
						 { "FOREIGN" }, { "USERS", true } };
	static const char *const members[] = {
		"name", "form", "mode", "program", "foreign", "users"
	};
	const json_t *nic;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(v->nics, i, nic)
		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			table_member(&t, nic, members[k]);
	return table_end(&t);
}

/* The queues that the owner has on that interface, as a list. */
static void put_queues(struct table *t, const struct view *v, const json_t *nic,
		       const json_t *owner)
{
	json_int_t instance = json_integer_value(json_object_get(owner, "instance"));
	struct cpuset set = { 0 };
	const json_t *lease;
	char cell[256];
	size_t i;

	json_array_foreach(v->queues, i, lease) {
		unsigned queue = 0;

		if (nic && nic_of_lease(v->nics, lease, &queue) == nic &&
		    json_integer_value(json_object_get(lease, "instance")) == instance)
			cpuset_add(&set, queue);
	}
	cpuset_format(&set, cell, sizeof(cell));
	table_text(t, cell);
}

static int show_owners(const struct view *v)
{
	static const struct column columns[] = {
		{ "NIC" }, { "INSTANCE", true }, { "TENANT" }, { "QUEUES" }, { "SINCE" }
	};
	const json_t *owner;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(v->owners, i, owner) {
		const json_t *nic = nic_of_lease(v->nics, owner, NULL);

		nic_cell(&t, nic);
		table_member(&t, owner, "instance");
		table_member(&t, owner, "tenant");
		put_queues(&t, v, nic, owner);
		table_time(&t, owner, "since");
	}
	return table_end(&t);
}

static int show(const struct view *v)
{
	int status = show_nics(v);

	puts("\nOwners:");
	status = status ?: show_owners(v);
	puts("\nPorts:");
	return status ?: port_show(v->ports);
}

static int print_json(const struct view *v)
{
	_cleanup_json_ json_t *all = json_pack("{s:O, s:O, s:O, s:O}", "nics", v->nics, "owners",
					       v->owners, "queues", v->queues, "ports",
					       json_object_get(v->ports, "ports"));

	return cli_print_json(all);
}

int xdp_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_(view_free) struct view v = { 0 };
	int status;

	cli_parse(cli, "Tell which XDP programs sit where, and whose frames they pass on.", argc,
		  argv);
	status = look(cli, &v);
	if (status)
		return status;
	return cli->json ? print_json(&v) : show(&v);
}
