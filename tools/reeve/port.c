/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "base/str.h"
#include "hold.h"
#include "nic.h"
#include "table.h"
#include "text.h"

struct options {
	struct hold_args args;
	uint64_t port;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (key == ARGP_KEY_ARG && o->args.nic && !o->port) {
		if (str_u64(arg, UINT16_MAX, &o->port) < 0 || !o->port)
			argp_error(state, "'%s' is not a UDP port", arg);
		return 0;
	}
	if (key == ARGP_KEY_END && o->args.nic && !o->port)
		argp_error(state, "which port?");
	return hold_parse_rest(key, arg, state, &o->args, o->args.cli);
}

static int add_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "NIC PORT [-- COMMAND [ARG...]]",
		.doc = "Ask for the frames of a UDP port that come to queues of the same "
		       "connection, for as long as COMMAND runs, or until interrupted.",
		.children = cli_common,
	};
	_cleanup_(hold_end) struct hold h = HOLD_INIT(cli);
	_cleanup_json_ json_t *reply = NULL;
	struct options o = { .args = { .cli = cli, .of_nic = true } };
	char what[TEXT_MAX];
	json_t *parameters;
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	status = hold_begin(&h);
	if (status)
		return status;
	parameters = json_pack("{s:s, s:I}", "nic", o.args.nic, "port", (json_int_t)o.port);
	status = cli_ask(cli, h.daemon, "AddPort", parameters, &reply);
	if (!status)
		status = hold_add(&h, json_object_get(reply, "lease"));
	snprintf(what, sizeof(what), "port %u of %.200s", (unsigned)o.port, o.args.nic);
	return status ?: hold_until(&h, reply, what, o.args.command);
}

int port_show(const json_t *reply)
{
	static const struct column columns[] = { { "NIC" },	      { "PORT", true },
						 { "PACKETS", true }, { "BYTES", true },
						 { "TENANT" },	      { "INSTANCE", true },
						 { "LEASE", true },   { "USES", true } };
	static const char *const members[] = { "nic",	 "port",     "packets", "bytes",
					       "tenant", "instance", "lease",	"uses" };
	const json_t *port;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(reply, "ports"), i, port)
		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			table_member(&t, port, members[k]);
	return table_end(&t);
}

static int list_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	status = cli_ask_list(cli, "List the UDP ports, and what came for them.", "ListPorts", argc,
			      argv, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : port_show(reply);
}

int port_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "the UDP ports, and what came for them", list_main },
		{ "add", "ask for the frames of a UDP port", add_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "List and add UDP ports.", argc, argv);
}
