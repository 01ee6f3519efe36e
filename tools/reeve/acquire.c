/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "hold.h"
#include "text.h"
#include "want.h"

struct options {
	struct want want;
	struct hold_args args;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	return hold_parse_rest(key, arg, state, &o->args, &o->want);
}

static int hold_cpus(struct hold *h, const json_t *reply, char **command)
{
	const char *cpus = json_string_value(json_object_get(reply, "cpus"));
	char what[TEXT_MAX];
	int status;

	if (!cpus || cpuset_parse(cpus, &h->cpus) < 0 || cpuset_empty(&h->cpus))
		return cli_fail("the daemon's answer was not understood");
	status = hold_add(h, json_object_get(reply, "leases"));
	snprintf(what, sizeof(what), "CPU %s", cpus);
	return status ?: hold_until(h, reply, what, command);
}

int lease_acquire_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &want_argp }, { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "[-- COMMAND [ARG...]]",
		.doc = "Lease CPUs and run COMMAND on them, or hold them until interrupted.",
		.children = children,
	};
	_cleanup_(hold_end) struct hold h = HOLD_INIT(cli);
	_cleanup_json_ json_t *reply = NULL, *parameters = NULL;
	struct options o = { .want.cli = cli };
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	parameters = want_json(&o.want);
	if (!parameters)
		return cli_fail("a name that is not UTF-8 text");
	status = hold_begin(&h);
	if (!status)
		status = cli_ask(cli, h.daemon, "Acquire", take_ptr(&parameters), &reply);
	return status ?: hold_cpus(&h, reply, o.args.command);
}
