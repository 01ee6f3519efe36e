/* SPDX-License-Identifier: BSD-3-Clause */
#include "want.h"

#include "base/cpuset.h"
#include "base/str.h"
#include "text.h"

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Any N CPUs (1)", 0 },
	{ "cpus", 'c', "LIST", 0, "Exactly these CPUs, such as 4-7,12", 0 },
	{ "node", 'N', "NODE", 0, "Only CPUs of this NUMA node", 0 },
	{ "near", 'i', "NIC", 0, "Only CPUs of this NIC's NUMA node", 0 },
	{ "whole-core", 'w', NULL, 0, "Share no core with anybody", 0 },
	{ "ttl", 't', "TIME", 0, "End by itself after 90s, 10m, 2h, 1d, 500ms", 0 },
	{ "name", 'l', "TEXT", 0, "What lists show for this instance", 0 },
	{ 0 },
};

static uint64_t number(const char *arg, uint64_t max, const char *what, struct argp_state *state)
{
	uint64_t n = 0;

	if (str_u64(arg, max, &n) < 0)
		argp_error(state, "'%s' is not %s", arg, what);
	return n;
}

static const char *cpu_list(const char *arg, struct argp_state *state)
{
	struct cpuset set;

	if (cpuset_parse(arg, &set) < 0 || cpuset_empty(&set))
		argp_error(state, "'%s' is not a list of CPUs such as 4-7,12", arg);
	return arg;
}

static void check(const struct want *w, struct argp_state *state)
{
	if (w->count && w->cpus)
		argp_error(state, "--count and --cpus exclude each other");
	if (w->has_node && w->near)
		argp_error(state, "--node and --near exclude each other");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct want *w = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = w->cli;
		return 0;
	case 'n':
		w->count = number(arg, CPU_MAX, "a number of CPUs", state);
		if (!w->count)
			argp_error(state, "zero CPUs can't be leased");
		return 0;
	case 'c':
		w->cpus = cpu_list(arg, state);
		return 0;
	case 'N':
		w->node = number(arg, INT16_MAX, "the number of a node", state);
		w->has_node = true;
		return 0;
	case 'i':
		w->near = arg;
		return 0;
	case 'w':
		w->whole_core = true;
		return 0;
	case 't':
		if (text_duration(arg, &w->ttl_ms) < 0 || !w->ttl_ms)
			argp_error(state, "'%s' is not a time such as 90s, 10m, 2h", arg);
		return 0;
	case 'l':
		w->name = arg;
		return 0;
	case ARGP_KEY_END:
		check(w, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp want_argp = { .options = options, .parser = parse, .children = cli_common };

static int add_numbers(json_t *o, const struct want *w)
{
	int bad = 0;

	if (!w->cpus)
		bad |= json_object_set_new(o, "count", json_integer(w->count ? (int)w->count : 1));
	if (w->has_node)
		bad |= json_object_set_new(o, "node", json_integer((json_int_t)w->node));
	if (w->whole_core)
		bad |= json_object_set_new(o, "whole_core", json_true());
	if (w->ttl_ms)
		bad |= json_object_set_new(o, "ttl_ms", json_integer((json_int_t)w->ttl_ms));
	return bad;
}

json_t *want_json(const struct want *w)
{
	_cleanup_json_ json_t *o = NULL;

	o = json_pack("{s:s, s:s*, s:s*, s:s*}", "kind", "lcore", "cpus", w->cpus, "near", w->near,
		      "name", w->name);
	return o && !add_numbers(o, w) ? take_ptr(&o) : NULL;
}
