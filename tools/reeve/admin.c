/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli.h"

static int upgrade_main(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *reply = NULL;
	int status;

	cli_parse(cli,
		  "Have the daemon start anew from the program that is installed now. "
		  "Leases and connections stay.",
		  argc, argv);
	status = cli_ask_once(cli, "Upgrade", NULL, &reply);
	if (status || cli->json)
		return status ? status : cli_print_json(reply);
	printf("reeved %s has taken over\n", json_string_value(json_object_get(reply, "version")));
	return EXIT_SUCCESS;
}

struct stop {
	struct cli *cli;
	bool keep;
};

static const struct argp_option stop_options[] = {
	{ "keep", 'k', NULL, 0, "Leave all that is set up as it is, for the next start", 0 },
	{ 0 },
};

static error_t parse_stop(int key, char *arg, struct argp_state *state)
{
	struct stop *o = state->input;

	if (key != 'k')
		return cli_parse_rest(key, arg, state, o->cli);
	o->keep = true;
	return 0;
}

static int stop_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp parser = { .options = stop_options,
					    .parser = parse_stop,
					    .children = cli_common,
					    .doc = "End the daemon." };
	_cleanup_json_ json_t *reply = NULL;
	struct stop o = { .cli = cli };
	int status;

	argp_parse(&parser, argc, argv, 0, NULL, &o);
	status = cli_ask_once(cli, "Stop", json_pack("{s:b}", "keep", o.keep), &reply);
	if (status || cli->json)
		return status ? status : cli_print_json(reply);
	printf(o.keep ? "reeved ends; leases and interfaces stay as they are\n" : "reeved ends\n");
	return EXIT_SUCCESS;
}

int admin_main(struct cli *cli, int argc, char **argv)
{
	static const struct command commands[] = {
		{ "upgrade", "another program in the place of this one, and nobody notices",
		  upgrade_main },
		{ "stop", "end it, with all it has set up or without", stop_main },
		{ 0 },
	};

	return cli_dispatch(cli, commands, "Look after the daemon itself.", argc, argv);
}
