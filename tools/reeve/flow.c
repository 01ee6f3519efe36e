/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "hold.h"
#include "table.h"
#include "text.h"

struct options {
	struct hold_args args;
	const char *source, *destination;
	uint64_t queue, source_port, destination_port;
	bool has_queue;
};

static uint64_t number(const char *arg, uint64_t max, const char *what, struct argp_state *state)
{
	uint64_t n = 0;

	if (str_u64(arg, max, &n) < 0)
		argp_error(state, "'%s' is not %s", arg, what);
	return n;
}

static uint64_t port_number(const char *arg, struct argp_state *state)
{
	uint64_t n = number(arg, UINT16_MAX, "a UDP port", state);

	if (!n)
		argp_error(state, "'%s' is not a UDP port", arg);
	return n;
}

static void check(const struct options *o, struct argp_state *state)
{
	if (!o->has_queue)
		argp_error(state, "to which --queue?");
	if (!o->source && !o->destination && !o->source_port && !o->destination_port)
		argp_error(state, "which flow? --src, --dst, --sport, --dport");
}

enum { OPT_SRC = 256, OPT_DST, OPT_SPORT, OPT_DPORT };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'q':
		o->queue = number(arg, UINT16_MAX, "the number of a queue", state);
		o->has_queue = true;
		return 0;
	case OPT_SRC:
		o->source = arg;
		return 0;
	case OPT_DST:
		o->destination = arg;
		return 0;
	case OPT_SPORT:
		o->source_port = port_number(arg, state);
		return 0;
	case OPT_DPORT:
		o->destination_port = port_number(arg, state);
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
	{ "queue", 'q', "QUEUE", 0, "Where its frames go; leased as well", 0 },
	{ "src", OPT_SRC, "ADDRESS", 0, "Only from this address", 0 },
	{ "dst", OPT_DST, "ADDRESS", 0, "Only to this address", 0 },
	{ "sport", OPT_SPORT, "PORT", 0, "Only from this UDP port", 0 },
	{ "dport", OPT_DPORT, "PORT", 0, "Only to this UDP port", 0 },
	{ 0 },
};

static json_t *queue_json(const struct options *o)
{
	char queue[8];

	snprintf(queue, sizeof(queue), "%u", (unsigned)o->queue);
	return json_pack("{s:s, s:s, s:s}", "nic", o->args.nic, "queues", queue, "name",
			 "reeve flow");
}

static json_t *flow_json(const struct options *o)
{
	_cleanup_json_ json_t *j = json_pack("{s:s, s:I, s:s*, s:s*}", "nic", o->args.nic, "queue",
					     (json_int_t)o->queue, "source", o->source,
					     "destination", o->destination);
	int bad = !j;

	if (j && o->source_port)
		bad |= json_object_set_new(j, "source_port",
					   json_integer((json_int_t)o->source_port));
	if (j && o->destination_port)
		bad |= json_object_set_new(j, "destination_port",
					   json_integer((json_int_t)o->destination_port));
	return bad ? NULL : take_ptr(&j);
}

/* A flow goes to a queue of the same connection, so the queue is leased first. */
static int get_flow(struct hold *h, const struct options *o, json_t *flow, json_t **ret)
{
	_cleanup_json_ json_t *wanted = flow, *queues = NULL;
	int status = cli_ask(h->cli, h->daemon, "AcquireQueues", queue_json(o), &queues);

	if (!status)
		status = hold_add(h, json_object_get(queues, "leases"));
	if (!status)
		status = cli_ask(h->cli, h->daemon, "AddFlow", take_ptr(&wanted), ret);
	return status ?: hold_add(h, json_object_get(*ret, "lease"));
}

static int add_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "NIC --queue=QUEUE [-- COMMAND [ARG...]]",
		.doc = "Lease a receive queue of NIC and steer a UDP flow to it, for as long as "
		       "COMMAND runs, or until interrupted.",
		.children = cli_common,
	};
	_cleanup_(hold_end) struct hold h = HOLD_INIT(cli);
	_cleanup_json_ json_t *reply = NULL, *flow = NULL;
	struct options o = { .args = { .cli = cli, .of_nic = true } };
	char by[TEXT_MAX], what[TEXT_MAX];
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	flow = flow_json(&o);
	if (!flow)
		return cli_fail("a name or an address that is not UTF-8 text");
	status = hold_begin(&h);
	if (!status)
		status = get_flow(&h, &o, take_ptr(&flow), &reply);
	if (status)
		return status;
	text_member(reply, "by", by);
	snprintf(what, sizeof(what), "the flow to queue %u of %.200s, by %.32s", (unsigned)o.queue,
		 o.args.nic, by);
	return hold_until(&h, reply, what, o.args.command);
}

/* --- the list ------------------------------------------------------------------ */

/* "192.0.2.1:5000", "*:5000", "*" */
static void put_end(struct table *t, const json_t *flow, const char *address, const char *port)
{
	const char *at = json_string_value(json_object_get(flow, address));
	json_int_t udp_port = json_integer_value(json_object_get(flow, port));
	char cell[TEXT_MAX];

	at = at && at[0] ? at : "*";
	if (!udp_port)
		snprintf(cell, sizeof(cell), "%.100s", at);
	else
		snprintf(cell, sizeof(cell), strchr(at, ':') ? "[%.100s]:%d" : "%.100s:%d", at,
			 (int)udp_port);
	table_text(t, cell);
}

static int show(const json_t *reply)
{
	static const struct column columns[] = { { "LEASE", true },   { "NIC" },
						 { "SOURCE" },	      { "DESTINATION" },
						 { "QUEUE", true },   { "BY" },
						 { "RULE", true },    { "TENANT" },
						 { "INSTANCE", true } };
	static const char *const members[] = { "queue", "by", "rule", "tenant", "instance" };
	const json_t *flow;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(reply, "flows"), i, flow) {
		table_member(&t, flow, "lease");
		table_member(&t, flow, "nic");
		put_end(&t, flow, "source", "source_port");
		put_end(&t, flow, "destination", "destination_port");
		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			table_member(&t, flow, members[k]);
	}
	return table_end(&t);
}

static int list_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	status = cli_ask_list(cli, "List the flows that are steered.", "ListFlows", argc, argv,
			      &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : show(reply);
}

int flow_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "the flows that are steered", list_main },
		{ "add", "steer a UDP flow to a receive queue", add_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "List and add flows.", argc, argv);
}
