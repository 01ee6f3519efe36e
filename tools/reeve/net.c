/* SPDX-License-Identifier: BSD-3-Clause */
/* reeve net: what the message stack (reeve-netd, machnet) knows of itself. */
#include "net.h"

static int status_of(struct cli *cli, int argc, char **argv)
{
	_cleanup_conn_ struct conn c = { .fd = -1 };
	_cleanup_json_ json_t *reply = NULL;
	int status;

	cli_parse(cli, "Tell of netd's interfaces, and what their engines counted.", argc, argv);
	status = net_open(cli, &c);
	if (!status)
		status = net_ask(cli, &c, "Status", NULL, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : net_show_status(reply);
}

/* --- lists ---------------------------------------------------------------------------------- */

struct options {
	struct cli *cli;
	const char *iface;
};

static const struct argp_option options[] = {
	{ "interface", 'i', "IFACE", 0, "Only those of this interface", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (key != 'i')
		return cli_parse_rest(key, arg, state, o->cli);
	o->iface = arg;
	return 0;
}

struct list {
	const char *method, *doc;
	int (*show)(const json_t *reply);
};

static int list_of(struct cli *cli, const struct list *list, int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = list->doc, .children = cli_common
	};
	struct options o = { .cli = cli };
	_cleanup_json_ json_t *reply = NULL;
	json_t *parameters = NULL;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.iface) {
		parameters = json_pack("{s:s}", "interface", o.iface);
		if (!parameters)
			return cli_fail("'%s' is no name of an interface", o.iface);
	}
	status = net_ask_all(cli, list->method, parameters, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : list->show(reply);
}

static int flows_main(struct cli *cli, int argc, char **argv)
{
	static const struct list list = { "ListFlows", "List the flows of netd's stacks.",
					  net_show_flows };

	return list_of(cli, &list, argc, argv);
}

static int neighbours_main(struct cli *cli, int argc, char **argv)
{
	static const struct list list = { "ListNeighbours",
					  "List whom netd's stacks know on their links.",
					  net_show_neighbours };

	return list_of(cli, &list, argc, argv);
}

static int channels_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	cli_parse(cli, "List the applications that are attached, and their channels.", argc, argv);
	status = net_ask_all(cli, "ListChannels", NULL, &reply);
	if (status)
		return status;
	return cli->json ? cli_print_json(reply) : net_show_channels(reply);
}

int net_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "status", "interfaces, engines, and what they counted", status_of },
		{ "flows", "the flows of its stacks", flows_main },
		{ "neighbours", "whom they know on their links", neighbours_main },
		{ "channels", "the applications, and what they send", channels_main },
		{ "trace", "what passes an interface, as pcap-ng", net_trace_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands,
			    "Look at the message stack (netd, machnet). Its socket is " NETD_SOCKET
			    " unless --socket names another.",
			    argc, argv);
}
