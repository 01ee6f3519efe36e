/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

struct options {
	struct cli *cli;
	const char *tenant;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 't':
		o->tenant = arg;
		return 0;
	default:
		return cli_parse_rest(key, arg, state, o->cli);
	}
}

static const struct argp_option options[] = {
	{ "tenant", 't', "TENANT", 0, "Only those of this tenant", 0 },
	{ 0 },
};

int cli_ask_list(struct cli *cli, const char *doc, const char *method, int argc, char **argv,
		 json_t **ret)
{
	struct argp argp = {
		.options = options, .parser = parse, .doc = doc, .children = cli_common
	};
	struct options o = { .cli = cli };
	json_t *parameters = NULL;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.tenant) {
		parameters = json_pack("{s:s}", "tenant", o.tenant);
		if (!parameters)
			return cli_fail("'%s' is no name of a tenant", o.tenant);
	}
	return cli_ask_once(cli, method, parameters, ret);
}
