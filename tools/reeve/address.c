/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "hold.h"
#include "nic.h"
#include "table.h"
#include "text.h"

enum { ADDRESSES_MAX = 64 };

struct options {
	struct hold_args args;
	const char *name;
	const char *addresses[ADDRESSES_MAX];
	size_t n;
};

static void add_argument(struct options *o, const char *arg, struct argp_state *state)
{
	if (o->n == ADDRESSES_MAX)
		argp_error(state, "more than %d addresses", ADDRESSES_MAX);
	o->addresses[o->n++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'l':
		o->name = arg;
		return 0;
	case ARGP_KEY_ARG:
		/* Behind "--" stands the command. */
		if (!o->args.nic || (state->quoted && state->next > state->quoted))
			break;
		add_argument(o, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (o->args.nic && !o->n)
			argp_error(state, "which address?");
		break;
	default:
		break;
	}
	return hold_parse_rest(key, arg, state, &o->args, o->args.cli);
}

static const struct argp_option options[] = {
	{ "name", 'l', "TEXT", 0, "What lists show for this instance", 0 },
	{ 0 },
};

static int acquire(struct hold *h, const struct options *o, const char *address, json_t *leases)
{
	_cleanup_json_ json_t *reply = NULL;
	json_t *parameters = json_pack("{s:s, s:s, s:s*}", "nic", o->args.nic, "address", address,
				       "name", o->name);
	int status;

	if (!parameters)
		return cli_fail("a name or an address that is not UTF-8 text");
	status = cli_ask(h->cli, h->daemon, "AcquireAddress", parameters, &reply);
	if (!status)
		status = hold_add(h, json_object_get(reply, "lease"));
	if (!status && json_array_append(leases, json_object_get(reply, "lease")) < 0)
		status = cli_fail("out of memory");
	return status;
}

static int acquire_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "NIC ADDRESS... [-- COMMAND [ARG...]]",
		.doc = "Lease IP addresses as a whole, which the host's kernel does not have: ARP, "
		       "neighbour discovery, echo and UDP to them come to queues of the same "
		       "connection, for as long as COMMAND runs, or until interrupted.",
		.children = cli_common,
	};
	_cleanup_(hold_end) struct hold h = HOLD_INIT(cli);
	_cleanup_json_ json_t *leases = json_array(), *reply = json_pack("{s:O}", "leases", leases);
	struct options o = { .args = { .cli = cli, .of_nic = true } };
	char what[TEXT_MAX];
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	status = hold_begin(&h);
	for (size_t i = 0; !status && i < o.n; i++)
		status = acquire(&h, &o, o.addresses[i], leases);
	if (status)
		return status;
	snprintf(what, sizeof(what), "address %.100s%s of %.100s", o.addresses[0],
		 o.n > 1 ? " and others" : "", o.args.nic);
	return hold_until(&h, reply, what, o.args.command);
}

/* "address 10.0.0.1 of if 2": the word in the middle. */
static void address_cell(struct table *t, const json_t *lease)
{
	const char *text = json_string_value(json_object_get(lease, "resource")) ?: "";
	const char *from = strncmp(text, "address ", 8) ? text : text + 8;
	char cell[TEXT_MAX];

	snprintf(cell, sizeof(cell), "%.*s", (int)strcspn(from, " "), from);
	table_text(t, cell);
}

static int show(const json_t *leases, const json_t *nics)
{
	static const struct column columns[] = { { "NIC" },	    { "ADDRESS" },
						 { "TENANT" },	    { "INSTANCE", true },
						 { "LEASE", true }, { "SINCE" },
						 { "EXPIRES" } };
	const json_t *lease;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(leases, i, lease) {
		nic_cell(&t, nic_of_lease(nics, lease, NULL));
		address_cell(&t, lease);
		table_member(&t, lease, "tenant");
		table_member(&t, lease, "instance");
		table_member(&t, lease, "lease");
		table_time(&t, lease, "since");
		table_time(&t, lease, "expires");
	}
	return table_end(&t);
}

static int list_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *all = NULL, *nics = NULL, *reply = NULL;
	json_t *leases;
	int status;

	status = cli_ask_list(cli, "List the IP addresses that are leased.", "ListLeases", argc,
			      argv, &all);
	if (!status)
		status = cli_ask_once(cli, "ListNics", NULL, &nics);
	if (status)
		return status;
	leases = leases_of_kind(json_object_get(all, "leases"), "address");
	reply = json_pack("{s:o}", "leases", leases);
	if (cli->json)
		return cli_print_json(reply);
	return show(leases, json_object_get(nics, "nics"));
}

int address_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "the IP addresses that are leased", list_main },
		{ "add", "lease IP addresses as a whole", acquire_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "List and add IP addresses.", argc, argv);
}
