/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "base/str.h"
#include "hold.h"
#include "nic.h"
#include "table.h"
#include "text.h"

struct options {
	struct hold_args args;
	const char *queues, *name;
	uint64_t count, ttl_ms;
};

static const char *queue_list(const char *arg, struct argp_state *state)
{
	struct cpuset set;

	if (cpuset_parse(arg, &set) < 0 || cpuset_empty(&set))
		argp_error(state, "'%s' is not a list of queues such as 1-3", arg);
	return arg;
}

static void check(const struct options *o, struct argp_state *state)
{
	if (o->count && o->queues)
		argp_error(state, "--count and --queues exclude each other");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'n':
		if (str_u64(arg, UINT16_MAX, &o->count) < 0 || !o->count)
			argp_error(state, "'%s' is not a number of queues", arg);
		return 0;
	case 'q':
		o->queues = queue_list(arg, state);
		return 0;
	case 't':
		if (text_duration(arg, &o->ttl_ms) < 0 || !o->ttl_ms)
			argp_error(state, "'%s' is not a time such as 90s, 10m, 2h", arg);
		return 0;
	case 'l':
		o->name = arg;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		break;
	default:
		break;
	}
	return hold_parse_rest(key, arg, state, &o->args, o->args.cli);
}

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Any N queues (1)", 0 },
	{ "queues", 'q', "LIST", 0, "Exactly these queues, such as 1-3", 0 },
	{ "ttl", 't', "TIME", 0, "End by itself after 90s, 10m, 2h, 1d, 500ms", 0 },
	{ "name", 'l', "TEXT", 0, "What lists show for this instance", 0 },
	{ 0 },
};

static json_t *want_json(const struct options *o)
{
	_cleanup_json_ json_t *j = json_pack("{s:s, s:s*, s:s*}", "nic", o->args.nic, "queues",
					     o->queues, "name", o->name);
	int bad = !j;

	if (j && o->count)
		bad |= json_object_set_new(j, "count", json_integer((json_int_t)o->count));
	if (j && o->ttl_ms)
		bad |= json_object_set_new(j, "ttl_ms", json_integer((json_int_t)o->ttl_ms));
	return bad ? NULL : take_ptr(&j);
}

static int hold_queues(struct hold *h, const struct options *o, const json_t *reply)
{
	const char *queues = json_string_value(json_object_get(reply, "queues"));
	int status = hold_add(h, json_object_get(reply, "leases"));
	char what[TEXT_MAX];

	snprintf(what, sizeof(what), "queue %.200s of %.200s", queues ?: "?", o->args.nic);
	return status ?: hold_until(h, reply, what, o->args.command);
}

static int acquire_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "NIC [-- COMMAND [ARG...]]",
		.doc = "Lease receive queues of NIC for as long as COMMAND runs, or hold them "
		       "until interrupted. Programs that use libreeve lease theirs by themselves.",
		.children = cli_common,
	};
	_cleanup_(hold_end) struct hold h = HOLD_INIT(cli);
	_cleanup_json_ json_t *reply = NULL, *parameters = NULL;
	struct options o = { .args = { .cli = cli, .of_nic = true } };
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	parameters = want_json(&o);
	if (!parameters)
		return cli_fail("a name that is not UTF-8 text");
	status = hold_begin(&h);
	if (!status)
		status = cli_ask(cli, h.daemon, "AcquireQueues", take_ptr(&parameters), &reply);
	return status ?: hold_queues(&h, &o, reply);
}

static int show(const json_t *leases, const json_t *nics)
{
	static const struct column columns[] = { { "LEASE", true },    { "NIC" },
						 { "QUEUE", true },    { "TENANT" },
						 { "INSTANCE", true }, { "SINCE" },
						 { "EXPIRES" } };
	const json_t *lease;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(leases, i, lease) {
		unsigned queue = 0;
		const json_t *nic = nic_of_lease(nics, lease, &queue);
		char cell[16];

		snprintf(cell, sizeof(cell), "%u", queue);
		table_member(&t, lease, "lease");
		nic_cell(&t, nic);
		table_text(&t, cell);
		table_member(&t, lease, "tenant");
		table_member(&t, lease, "instance");
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

	status = cli_ask_list(cli, "List the receive queues that are leased.", "ListLeases", argc,
			      argv, &all);
	if (!status)
		status = cli_ask_once(cli, "ListNics", NULL, &nics);
	if (status)
		return status;
	leases = leases_of_kind(json_object_get(all, "leases"), "queue");
	reply = json_pack("{s:o}", "leases", leases);
	if (cli->json)
		return cli_print_json(reply);
	return show(leases, json_object_get(nics, "nics"));
}

int queue_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "the receive queues that are leased", list_main },
		{ "acquire", "lease receive queues of a NIC", acquire_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "List and acquire receive queues.", argc, argv);
}
