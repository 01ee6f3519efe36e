/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists, which the daemon gives out page by page. */
#include "cli.h"

/* Adds the rows of a page to those of the pages before it; the first is where they go. */
static int add_page(json_t **all, json_t *page)
{
	const char *name;
	json_t *rows;

	if (!*all) {
		*all = json_incref(page);
		return 0;
	}
	json_object_foreach(page, name, rows)
		if (json_is_array(rows) && json_array_extend(json_object_get(*all, name), rows) < 0)
			return -1;
	return 0;
}

/* Whether there is a page behind this one: then `asked` is about that. Or negative. */
static int turn_page(json_t *asked, json_t *page)
{
	json_t *next = json_object_get(page, "next");
	bool more = json_is_integer(next);
	int r = more ? json_object_set(asked, "after", next) : 0;

	json_object_del(page, "next");
	return r < 0 ? r : more;
}

int cli_ask_all(const struct cli *cli, struct reeve *r, const char *method, json_t *parameters,
		json_t **ret)
{
	_cleanup_json_ json_t *asked = parameters ?: json_object();
	_cleanup_json_ json_t *all = NULL;
	int more;

	do {
		_cleanup_json_ json_t *page = NULL;
		int status = cli_ask(cli, r, method, json_incref(asked), &page);

		if (status)
			return status;
		more = turn_page(asked, page);
		if (more < 0 || add_page(&all, page) < 0)
			return cli_fail("out of memory");
	} while (more);
	*ret = take_ptr(&all);
	return EXIT_SUCCESS;
}

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
	_cleanup_reeve_ struct reeve *r = NULL;
	json_t *parameters = NULL;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.tenant) {
		parameters = json_pack("{s:s}", "tenant", o.tenant);
		if (!parameters)
			return cli_fail("'%s' is no name of a tenant", o.tenant);
	}
	status = cli_open(cli, &r);
	if (status) {
		json_decref(parameters);
		return status;
	}
	return cli_ask_all(cli, r, method, parameters, ret);
}
