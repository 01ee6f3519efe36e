/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const struct argp_option common_options[] = {
	{ "socket", 's', "PATH", 0, "Talk to the daemon at PATH instead of " REEVE_SOCKET, -1 },
	{ "json", 'j', NULL, 0, "Print the daemon's answer as JSON", -1 },
	{ 0 },
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case 's':
		cli->socket = arg;
		return 0;
	case 'j':
		cli->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common_argp = { .options = common_options, .parser = parse_common };

const struct argp_child cli_common[] = { { .argp = &common_argp }, { 0 } };

error_t cli_parse_rest(int key, char *arg, struct argp_state *state, void *child)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = child;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_nothing(int key, char *arg, struct argp_state *state)
{
	return cli_parse_rest(key, arg, state, state->input);
}

void cli_parse(struct cli *cli, const char *doc, int argc, char **argv)
{
	struct argp argp = { .parser = parse_nothing, .doc = doc, .children = cli_common };

	argp_parse(&argp, argc, argv, 0, NULL, cli);
}

struct dispatch {
	struct cli *cli;
	const struct command *table, *chosen;
	int at; /* where in argv the chosen one is named */
};

static const struct command *find(const struct command *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

static error_t parse_command(int key, char *arg, struct argp_state *state)
{
	struct dispatch *d = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = d->cli;
		return 0;
	case ARGP_KEY_ARG:
		d->chosen = find(d->table, arg);
		if (!d->chosen)
			argp_error(state, "there is no command '%s'", arg);
		d->at = state->next - 1;
		state->next = state->argc; /* the rest is for the command */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command?");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* argp frees what is not the text it passed. */
static char *list_commands(int key, const char *text, void *input)
{
	const struct dispatch *d = input;
	char *list = NULL;
	size_t len;
	FILE *f;

	if (key != ARGP_KEY_HELP_POST_DOC || !d)
		return (char *)text;
	f = open_memstream(&list, &len);
	if (!f)
		return (char *)text;
	fputs("Commands:\n", f);
	for (const struct command *c = d->table; c->name; c++)
		fprintf(f, "  %-10s %s\n", c->name, c->does);
	fclose(f);
	return list;
}

int cli_dispatch(struct cli *cli, const struct command *table, const char *doc, int argc,
		 char **argv)
{
	struct dispatch d = { .cli = cli, .table = table };
	struct argp argp = { .parser = parse_command,
			     .args_doc = "COMMAND [OPTION...]",
			     .doc = doc,
			     .children = cli_common,
			     .help_filter = list_commands };
	size_t n = strlen(cli->name);

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &d);
	snprintf(cli->name + n, sizeof(cli->name) - n, " %s", d.chosen->name);
	argv[d.at] = cli->name;
	return d.chosen->run(cli, argc - d.at, argv + d.at);
}

int cli_fail(const char *fmt, ...)
{
	char sentence[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fputs("reeve: ", stderr);
	text_print(stderr, sentence);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

int cli_open(const struct cli *cli, struct reeve **ret)
{
	const char *path = cli->socket ?: REEVE_SOCKET;
	struct reeve *r = NULL;
	int n = reeve_open(path, &r);

	if (n == 0) {
		*ret = r;
		return EXIT_SUCCESS;
	}
	if (n == -ENOENT || n == -ECONNREFUSED) {
		cli_fail(
			"no daemon answers at %s; start it with 'sudo reeved' or 'systemctl start reeved'",
			path);
		reeve_close(r);
		return EXIT_NO_DAEMON;
	}
	cli_fail("%s", r ? reeve_error(r) : "out of memory");
	reeve_close(r);
	return EXIT_FAILURE;
}

int cli_refused(const struct cli *cli, const struct reeve *r)
{
	_cleanup_json_ json_t *j = NULL;

	if (cli->json && reeve_error_name(r)[0]) {
		j = json_pack("{s:s, s:s}", "error", reeve_error_name(r), "why", reeve_error(r));
		cli_print_json(j);
	}
	return cli_fail("%s", reeve_error(r));
}

int cli_ask(const struct cli *cli, struct reeve *r, const char *method, json_t *parameters,
	    json_t **ret)
{
	_cleanup_json_ json_t *taken = parameters;
	_cleanup_free_ char *request = json_dumps(taken, JSON_COMPACT);
	_cleanup_free_ char *text = NULL;
	json_t *reply;

	if (reeve_call(r, method, request, false, &text) < 0)
		return cli_refused(cli, r);
	reply = json_loads(text, 0, NULL);
	if (!reply)
		return cli_fail("out of memory");
	*ret = reply;
	return EXIT_SUCCESS;
}

int cli_ask_once(const struct cli *cli, const char *method, json_t *parameters, json_t **ret)
{
	_cleanup_reeve_ struct reeve *r = NULL;
	int status = cli_open(cli, &r);

	if (status) {
		json_decref(parameters);
		return status;
	}
	return cli_ask(cli, r, method, parameters, ret);
}

int cli_print_json(const json_t *value)
{
	_cleanup_free_ char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	if (!text)
		return cli_fail("out of memory");
	puts(text);
	return EXIT_SUCCESS;
}
