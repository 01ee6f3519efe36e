/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "base/cpuset.h"
#include "table.h"
#include "text.h"
#include "want.h"

static const char *reason(const char *state)
{
	static const struct {
		const char *state, *reason;
	} rows[] = {
		{ "free", "could be yours" },
		{ "leased", "somebody holds it" },
		{ "sibling", "shares a core with a lease that does not share" },
		{ "reserved", "kept for another tenant" },
		{ "never", "the config says it is never leased" },
		{ "outside", "reeve may not use it" },
		{ "offline", "it is not running" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].state, state))
			return rows[i].reason;
	return "";
}

static void show_cpu(struct table *t, const json_t *cpu, const struct cpuset *granted)
{
	json_int_t n = json_integer_value(json_object_get(cpu, "cpu"));
	const char *state = json_string_value(json_object_get(cpu, "state"));

	table_member(t, cpu, "cpu");
	table_node(t, cpu);
	table_member(t, cpu, "core");
	table_text(t, n >= 0 && n < CPU_MAX && cpuset_has(granted, (unsigned)n) ? "yes" : "-");
	table_member(t, cpu, "state");
	table_member(t, cpu, "lease");
	table_member(t, cpu, "tenant");
	table_text(t, reason(state ?: ""));
}

static int show_cpus(const json_t *reply)
{
	static const struct column columns[] = { { "CPU", true },  { "NODE", true },
						 { "CORE", true }, { "GRANT" },
						 { "STATE" },	   { "LEASE", true },
						 { "TENANT" },	   { "WHY" } };
	const char *cpus = json_string_value(json_object_get(reply, "cpus"));
	struct cpuset granted = { 0 };
	const json_t *cpu;
	struct table t;
	size_t i;

	/* A list that can't be read marks no CPU. */
	if (json_is_true(json_object_get(reply, "granted")))
		cpuset_parse(cpus ?: "", &granted);
	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(reply, "candidates"), i, cpu)
		show_cpu(&t, cpu, &granted);
	return table_end(&t);
}

static int show(const json_t *reply)
{
	bool granted = json_is_true(json_object_get(reply, "granted"));
	char cpus[TEXT_MAX], why[TEXT_MAX], error[TEXT_MAX];

	text_member(reply, "cpus", cpus);
	text_member(reply, "why", why);
	text_member(reply, "error", error);
	if (granted)
		printf("Would be granted: CPU %s (%s)\n\n", cpus, why);
	else
		printf("Would be refused (%s): %s\n\n", error, why);
	return show_cpus(reply);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	return cli_parse_rest(key, arg, state, state->input);
}

int lease_explain_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &want_argp }, { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.doc = "Tell what 'lease acquire' would get now, or why not. The exit status is 0 "
		       "when it would be granted.",
		.children = children,
	};
	_cleanup_json_ json_t *reply = NULL;
	struct want w = { .cli = cli };
	json_t *parameters;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &w);
	parameters = want_json(&w);
	if (!parameters)
		return cli_fail("a name that is not UTF-8 text");
	status = cli_ask_once(cli, "Explain", parameters, &reply);
	if (!status)
		status = cli->json ? cli_print_json(reply) : show(reply);
	if (!status && !json_is_true(json_object_get(reply, "granted")))
		status = EXIT_FAILURE;
	return status;
}
