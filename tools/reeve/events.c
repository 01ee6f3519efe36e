/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli.h"
#include "text.h"

struct options {
	struct cli *cli;
	const char *tenant;
	uint64_t since;
	bool follow;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'f':
		o->follow = true;
		return 0;
	case 'n':
		if (str_u64(arg, INT64_MAX, &o->since) < 0)
			argp_error(state, "'%s' is not the number of an event", arg);
		return 0;
	case 't':
		o->tenant = arg;
		return 0;
	default:
		return cli_parse_rest(key, arg, state, o->cli);
	}
}

static const struct argp_option options[] = {
	{ "since", 'n', "N", 0, "Only events after number N", 0 },
	{ "follow", 'f', NULL, 0, "Go on with what happens next", 0 },
	{ "tenant", 't', "TENANT", 0, "Only events of this tenant", 0 },
	{ 0 },
};

static void say_titles(void)
{
	printf("%-19s %7s %-14s %-12s %-10s %-12s %s\n", "TIME", "EVENT", "TYPE", "TENANT",
	       "RESOURCE", "ERROR", "WHY");
}

static void say_event(const json_t *reply)
{
	const json_t *ev = json_object_get(reply, "event");
	json_int_t lost = json_integer_value(json_object_get(reply, "lost"));
	static const struct {
		const char *member;
		int width;
	} rows[] = { { "seq", 7 },
		     { "type", -14 },
		     { "tenant", -12 },
		     { "resource", -10 },
		     { "error", -12 } };
	char text[TEXT_MAX];

	if (lost > 0)
		printf("(%" JSON_INTEGER_FORMAT " older events are no longer there)\n", lost);
	text_time(ev, "time", text);
	printf("%-19s", text);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		text_member(ev, rows[i].member, text);
		printf(" %*s", rows[i].width, text);
	}
	text_member(ev, "why", text);
	printf(" %s\n", text);
}

static bool wanted(const struct options *o, const json_t *reply)
{
	const json_t *ev = json_object_get(reply, "event");
	const char *tenant = json_string_value(json_object_get(ev, "tenant"));

	return !o->tenant || (tenant && !strcmp(tenant, o->tenant));
}

/* One line, and out with it: somebody may be waiting at the other end of a pipe. */
static int show(const struct options *o, const json_t *reply)
{
	_cleanup_free_ char *line = NULL;

	if (!wanted(o, reply))
		return EXIT_SUCCESS;
	if (o->cli->json) {
		line = json_dumps(reply, JSON_COMPACT | JSON_ENSURE_ASCII);
		if (!line)
			return cli_fail("out of memory");
		puts(line);
	} else {
		say_event(reply);
	}
	return fflush(stdout) ? cli_fail("stdout: %s", strerror(errno)) : EXIT_SUCCESS;
}

/* Reads one reply; *ret_seq is the number of its event. */
static int take(const struct options *o, const char *text, uint64_t *ret_seq)
{
	_cleanup_json_ json_t *reply = json_loads(text, 0, NULL);
	json_int_t seq = json_integer_value(
		json_object_get(json_object_get(reply, "event"), "seq"));

	if (seq <= 0)
		return cli_fail("the daemon's answer was not understood");
	*ret_seq = (uint64_t)seq;
	return show(o, reply);
}

/* One call for each event, up to the newest. */
static int history(const struct options *o, struct reeve *r)
{
	uint64_t since = o->since;
	int status = EXIT_SUCCESS;

	while (!status) {
		_cleanup_free_ char *text = NULL;
		char request[64];
		int n;

		snprintf(request, sizeof(request), "{\"since\":%" PRIu64 "}", since);
		n = reeve_call(r, "Events", request, false, &text);
		if (n == -ENODATA)
			break;
		status = n < 0 ? cli_refused(o->cli, r) : take(o, text, &since);
	}
	return status;
}

/* Until the daemon's end, or ours by a signal. */
static int follow(const struct options *o, struct reeve *r)
{
	_cleanup_free_ char *text = NULL;
	int status = EXIT_SUCCESS;
	char request[64];
	uint64_t seq;
	int n;

	snprintf(request, sizeof(request), "{\"since\":%" PRIu64 "}", o->since);
	reeve_set_timeout(r, -1);
	n = reeve_call(r, "Events", request, true, &text);
	while (n == 0 && !status) {
		status = take(o, text, &seq);
		free(take_ptr(&text));
		if (!status)
			n = reeve_call_next(r, -1, &text);
	}
	return status ?: cli_refused(o->cli, r);
}

int events_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Tell what was granted, refused and given back.",
		.children = cli_common,
	};
	_cleanup_reeve_ struct reeve *r = NULL;
	struct options o = { .cli = cli };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = cli_open(cli, &r);
	if (status)
		return status;
	if (!cli->json)
		say_titles();
	fflush(stdout);
	return o.follow ? follow(&o, r) : history(&o, r);
}
