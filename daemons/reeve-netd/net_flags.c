/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-netd/net_flags.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

enum { SHOWN = 60, STD_MAX = 32, LEVEL_MAX = 3, VERBOSE_MAX = 1000 };

static struct net_std_flags unused; /* only its addresses are asked for, by net_flags_print() */

struct parse {
	const struct net_flag *own;
	struct net_flag std[STD_MAX];
	int argc, at;
	char *const *argv;
	struct err *e;
};

/* One argument, or a variable of the environment. */
struct given {
	const struct net_flag *flag;
	char name[SHOWN]; /* for sentences: escaped */
	const char *value;
};

static void std_flags(struct net_std_flags *s, struct net_flag ret[static STD_MAX])
{
	static const char *ignored;
	static bool ignored_on;
	const struct net_flag table[] = {
		{ "config_json", .text = &s->config, .help = "the config" },
		{ "config_file", .text = &s->config, .help = "the same" },
		{ "help", .on = &s->help, .help = "this text" },
		{ "helpfull", .on = &s->help },
		{ "helpshort", .on = &s->help },
		{ "version", .on = &s->version, .help = "the version" },
		{ "logtostderr", .on = &s->logtostderr, .help = "log to stderr, not to a file" },
		{ "alsologtostderr", .on = &s->alsologtostderr, .help = "the same" },
		{ "log_dir", .text = &s->log_dir, .help = "where log files go" },
		{ "log_json", .on = &s->log_json, .help = "log JSON, an object a line" },
		{ "minloglevel", .number = &s->minloglevel, .max = LEVEL_MAX,
		  .help = "0: all, 1: warnings and errors, 2: errors" },
		{ "v", .number = &s->v, .max = VERBOSE_MAX, .help = "above 0: log more" },
		/* Of glog and gflags, without a meaning here: text, so that any value will do. */
		{ "stderrthreshold", .text = &ignored },
		{ "vmodule", .text = &ignored },
		{ "logbuflevel", .text = &ignored },
		{ "logbufsecs", .text = &ignored },
		{ "max_log_size", .text = &ignored },
		{ "log_link", .text = &ignored },
		{ "undefok", .text = &ignored },
		{ "colorlogtostderr", .on = &ignored_on },
		{ "log_prefix", .on = &ignored_on },
		{ "stop_logging_if_full_disk", .on = &ignored_on },
		{ NULL },
	};
	_Static_assert(ARRAY_SIZE(table) <= STD_MAX, "room for all");

	memcpy(ret, table, sizeof(table));
}

static void show(char to[static SHOWN], const char *text, size_t len)
{
	str_escape(to, SHOWN, text, len);
}

/* --- values --------------------------------------------------------------- */

/* As gflags takes them, in any case. */
static int parse_bool(const char *text, bool *ret)
{
	static const char *const words[] = { "0", "1",	   "f",	   "t",	 "n",
					     "y", "false", "true", "no", "yes" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(text, words[i])) {
			*ret = i % 2;
			return 0;
		}
	return -EINVAL;
}

static int bad_value(const struct given *g, const char *wanted, struct err *e)
{
	char value[SHOWN];

	show(value, g->value, strlen(g->value));
	return fail(e, EINVAL, "%s is %s, not '%s'", g->name, wanted, value);
}

static int set_value(const struct given *g, struct err *e)
{
	char wanted[64];

	if (g->flag->text)
		*g->flag->text = g->value;
	else if (g->flag->on && parse_bool(g->value, g->flag->on) < 0)
		return bad_value(g, "true or false", e);
	else if (g->flag->number && str_u64(g->value, g->flag->max, g->flag->number) < 0) {
		snprintf(wanted, sizeof(wanted), "a whole number up to %" PRIu64, g->flag->max);
		return bad_value(g, wanted, e);
	}
	return 0;
}

/* --- the environment ------------------------------------------------------ */

/* glog's rule for truth values is another than gflags': the first letter, or nothing at all. */
static int set_from_env(const struct net_flag *flag, const char *variable, struct err *e)
{
	struct given g = { .flag = flag, .value = getenv(variable) };

	if (!g.value)
		return 0;
	if (flag->on) {
		*flag->on = !*g.value || strchr("tTyY1", *g.value);
		return 0;
	}
	str_copy(g.name, sizeof(g.name), variable);
	return *g.value ? set_value(&g, e) : 0;
}

static int read_env(struct parse *p)
{
	static const char *const names[] = { "logtostderr", "alsologtostderr", "log_dir",
					     "minloglevel", "v" };

	for (const struct net_flag *f = p->std; f->name; f++)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			char variable[32];

			if (strcmp(f->name, names[i]))
				continue;
			snprintf(variable, sizeof(variable), "GLOG_%s", f->name);
			if (set_from_env(f, variable, p->e) < 0)
				return -EINVAL;
		}
	return 0;
}

/* --- the command line ----------------------------------------------------- */

static bool is_name(const char *name, const char *text, size_t len)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] != (text[i] == '-' ? '_' : text[i]))
			return false;
	return true;
}

/* A program's own flags come first: it may have another idea of one. */
static const struct net_flag *find(const struct parse *p, const char *text, size_t len)
{
	for (const struct net_flag *f = p->own; f && f->name; f++)
		if (is_name(f->name, text, len))
			return f;
	for (const struct net_flag *f = p->std; f->name; f++)
		if (is_name(f->name, text, len))
			return f;
	return NULL;
}

/* "nologtostderr" */
static int set_negated(struct parse *p, struct given *g, const char *text, size_t len)
{
	if (len > 2 && !strncmp(text, "no", 2))
		g->flag = find(p, text + 2, len - 2);
	if (!g->flag || !g->flag->on)
		return fail(p->e, EINVAL, "unknown command line flag '%s'", g->name);
	if (g->value)
		return fail(p->e, EINVAL, "flag '--%s' takes no value", g->name);
	*g->flag->on = false;
	return 0;
}

static int set_flag(struct parse *p, const char *text)
{
	size_t len = strcspn(text, "=");
	struct given g = { .flag = find(p, text, len), .value = text[len] ? text + len + 1 : NULL };
	char name[SHOWN - 16];

	str_escape(name, sizeof(name), text, len);
	str_copy(g.name, sizeof(g.name), name);
	if (!g.flag)
		return set_negated(p, &g, text, len);
	if (!g.value && g.flag->on) {
		*g.flag->on = true;
		return 0;
	}
	if (!g.value && p->at + 1 >= p->argc)
		return fail(p->e, EINVAL, "flag '--%s' is missing its argument", name);
	if (!g.value)
		g.value = p->argv[++p->at];
	snprintf(g.name, sizeof(g.name), "flag '--%s'", name);
	return set_value(&g, p->e);
}

int net_flags_parse(const struct net_flag *own, int argc, char *const *argv,
		    struct net_std_flags *ret, struct err *e)
{
	struct parse p = { .own = own, .argc = argc, .argv = argv, .e = e };
	int r;

	*ret = (struct net_std_flags){ .config = NET_CONFIG_DEFAULT };
	std_flags(ret, p.std);
	r = read_env(&p);
	for (p.at = 1; p.at < argc && !r; p.at++) {
		const char *arg = argv[p.at];

		if (arg[0] != '-' || !arg[1])
			continue;
		arg += arg[1] == '-' ? 2 : 1;
		if (!*arg)
			break;
		r = set_flag(&p, arg);
	}
	return r;
}

/* --- help ----------------------------------------------------------------- */

void net_flags_print_own(FILE *f, const struct net_flag *flags)
{
	for (; flags->name; flags++) {
		char left[40];

		if (!flags->help)
			continue;
		snprintf(left, sizeof(left), "--%s%s", flags->name,
			 flags->text	 ? "=TEXT"
			 : flags->number ? "=N"
					 : "");
		fprintf(f, "  %-24s %s\n", left, flags->help);
	}
}

void net_flags_print(FILE *f, const struct net_flag *own)
{
	struct net_flag std[STD_MAX];

	std_flags(&unused, std);
	if (own)
		net_flags_print_own(f, own);
	net_flags_print_own(f, std);
}
