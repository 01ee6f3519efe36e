/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Three passes: conf_scan() over the bytes, libconfuse over the grammar, and
 * the keys' own functions over the values. libconfuse is told only that every
 * value is a piece of text with a line; what the text means is decided in
 * conf_keys.c. That leaves its number parsing (octal, a stale errno), its
 * defaults and its environment out of the matter, and a rule broken between
 * two lines can still name one.
 */
#include "reeve-conf/conf_file.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "reeve-conf/conf_keys.h"
#include "reeve-conf/conf_scan.h"

enum {
	KEYS_MAX = 16,
	OPT_SEEN = 1 << 30, /* in cfg_opt_t.flags, far above libconfuse's own */
};
_Static_assert((int)RES_KIND_MAX < (int)KEYS_MAX, "each kind of resource is a key of `quota`");

struct value {
	int line;
	char text[];
};

/* The first error is the cause, the rest follow from it. The callback has no argument for it. */
static struct err *first_error;

static void note_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[200];

	if (first_error->code)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	fail(first_error, EINVAL, "reeve.conf:%d: %s", cfg->line, text);
}

/* Puts the line in front of a sentence that lacks it. */
static int locate(struct err *e, int line, int r)
{
	struct err plain = *e;

	return fail(e, -r, "reeve.conf:%d: %s", line, plain.text);
}

static bool is_empty_list(const char *text)
{
	return !strcmp(text, CONF_EMPTY_LIST);
}

/*
 * Called for each value. libconfuse has already dropped an earlier assignment
 * of the same key; a first value for a key seen before gives it away.
 */
static int value_parse(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	struct value *v;
	size_t len = strlen(text);

	if (opt->nvalues == 1 && opt->flags & OPT_SEEN) {
		cfg_error(cfg, "'%s' is set twice", opt->name);
		return -1;
	}
	if (is_empty_list(text) && !(opt->flags & CFGF_LIST)) {
		cfg_error(cfg, "'%s' is no list", opt->name);
		return -1;
	}
	if (opt->nvalues > TENANT_RANGES_MAX) {
		cfg_error(cfg, "'%s' has more than %d values", opt->name, TENANT_RANGES_MAX);
		return -1;
	}
	v = malloc(sizeof(*v) + len + 1);
	if (!v)
		return -1;
	opt->flags |= OPT_SEEN;
	v->line = cfg->line;
	memcpy(v->text, text, len + 1);
	*(void **)result = v;
	return 0;
}

/* Before thousands of them are kept; the exact count is tenant_begin()'s and nic_begin()'s. */
static int section_parsed(cfg_t *cfg, cfg_opt_t *opt)
{
	if (opt->nvalues <= TENANT_MAX)
		return 0;
	cfg_error(cfg, "there are more than %d %ss", TENANT_MAX, opt->name);
	return -1;
}

static unsigned options(const struct key *keys, cfg_opt_t ret[static KEYS_MAX])
{
	unsigned n = 0;

	for (; n < KEYS_MAX - 1 && keys[n].name; n++)
		ret[n] = (cfg_opt_t)CFG_PTR_CB(keys[n].name, NULL,
					       CFGF_NODEFAULT | (keys[n].list ? CFGF_LIST : 0),
					       value_parse, free);
	ret[n] = (cfg_opt_t)CFG_END();
	return n;
}

/* Adds one more option to an array that options() ended. */
static void append(cfg_opt_t *opts, unsigned *n, cfg_opt_t opt)
{
	opts[(*n)++] = opt;
	opts[*n] = (cfg_opt_t)CFG_END();
}

static cfg_t *grammar(void)
{
	const cfg_flag_t many = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
	cfg_opt_t top[KEYS_MAX + 5], log[KEYS_MAX], mtl[KEYS_MAX], stack[KEYS_MAX], nic[KEYS_MAX],
		tenant[KEYS_MAX + 2], quota[KEYS_MAX], channel[KEYS_MAX];
	struct key kinds[RES_KIND_MAX + 1];
	unsigned n;
	cfg_t *cfg;

	quota_keys(kinds);
	options(kinds, quota);
	options(channel_keys, channel);
	options(log_keys, log);
	options(mtl_keys, mtl);
	options(stack_keys, stack);
	options(nic_keys, nic);
	n = options(tenant_keys, tenant);
	append(tenant, &n, (cfg_opt_t)CFG_SEC("quota", quota, CFGF_NONE));
	append(tenant, &n, (cfg_opt_t)CFG_SEC("channel", channel, CFGF_NONE));
	n = options(top_keys, top);
	append(top, &n, (cfg_opt_t)CFG_SEC("log", log, CFGF_NONE));
	append(top, &n, (cfg_opt_t)CFG_SEC("mtl", mtl, CFGF_NONE));
	append(top, &n, (cfg_opt_t)CFG_SEC("stack", stack, CFGF_NONE));
	append(top, &n, (cfg_opt_t)CFG_SEC("nic", nic, many));
	append(top, &n, (cfg_opt_t)CFG_SEC("tenant", tenant, many));
	cfg = cfg_init(top, CFGF_NONE); /* copies all of it */
	if (cfg) {
		cfg_set_error_function(cfg, note_error);
		cfg_set_validate_func(cfg, "nic", section_parsed);
		cfg_set_validate_func(cfg, "tenant", section_parsed);
	}
	return cfg;
}

static void cfg_free_p(cfg_t **cfg)
{
	if (*cfg)
		cfg_free(*cfg);
}

static int set_key(struct build *b, const struct key *key, const char *text, struct err *e)
{
	if (!is_empty_list(text))
		return key->set(b, key->arg, text, e);
	return key->none ? key->none(b, e) : 0;
}

static int set_keys(struct build *b, cfg_t *section, const struct key *keys, struct err *e)
{
	for (; keys->name; keys++) {
		unsigned n = cfg_size(section, keys->name);

		for (unsigned i = 0; i < n; i++) {
			const struct value *v = cfg_getnptr(section, keys->name, i);
			int r = set_key(b, keys, v->text, e);

			if (r < 0)
				return locate(e, v->line, r);
		}
	}
	return 0;
}

static int set_nic_section(struct build *b, cfg_t *section, struct err *e)
{
	int r = nic_begin(b, cfg_title(section), e);

	return r < 0 ? locate(e, section->line, r) : set_keys(b, section, nic_keys, e);
}

static int set_tenant(struct build *b, cfg_t *section, struct err *e)
{
	struct key kinds[RES_KIND_MAX + 1];
	int r;

	/* A section's line is that of its closing brace by now. */
	r = tenant_begin(b, cfg_title(section), e);
	if (r < 0)
		return locate(e, section->line, r);
	r = set_keys(b, section, tenant_keys, e);
	if (r < 0)
		return r;
	quota_keys(kinds);
	r = set_keys(b, cfg_getsec(section, "quota"), kinds, e);
	if (r == 0)
		r = set_keys(b, cfg_getsec(section, "channel"), channel_keys, e);
	if (r < 0)
		return r;
	r = tenant_end(b, e);
	return r < 0 ? locate(e, section->line, r) : 0;
}

static int set_all(struct build *b, cfg_t *cfg, struct err *e)
{
	unsigned nnics = cfg_size(cfg, "nic"), ntenants = cfg_size(cfg, "tenant");
	int r;

	r = set_keys(b, cfg, top_keys, e);
	if (!r)
		r = set_keys(b, cfg_getsec(cfg, "log"), log_keys, e);
	if (!r)
		r = set_keys(b, cfg_getsec(cfg, "mtl"), mtl_keys, e);
	if (!r)
		r = set_keys(b, cfg_getsec(cfg, "stack"), stack_keys, e);
	for (unsigned i = 0; i < nnics && !r; i++)
		r = set_nic_section(b, cfg_getnsec(cfg, "nic", i), e);
	for (unsigned i = 0; i < ntenants && !r; i++)
		r = set_tenant(b, cfg_getnsec(cfg, "tenant", i), e);
	return r;
}

static int parse(struct build *b, const char *text, struct err *e)
{
	_cleanup_(cfg_free_p) cfg_t *cfg = grammar();
	int r;

	if (!cfg)
		return fail(e, ENOMEM, "reeve.conf: not enough memory");
	e->code = 0;
	first_error = e;
	r = cfg_parse_buf(cfg, text);
	first_error = NULL;
	if (r == CFG_SUCCESS)
		return set_all(b, cfg, e);
	return e->code ? -e->code : fail(e, ENOMEM, "reeve.conf: not enough memory");
}

static int build(struct build *b, const char *text, size_t len, struct err *e)
{
	_cleanup_free_ char *clean = NULL;
	int r;

	if (len > CONF_FILE_MAX)
		return fail(e, EFBIG, "reeve.conf: the file is larger than %d bytes",
			    CONF_FILE_MAX);
	r = conf_scan(text, len, &clean, e);
	if (r < 0)
		return r;
	r = build_begin(b, e);
	if (!r)
		r = parse(b, clean, e);
	return r;
}

int conf_file_parse(const char *text, size_t len, const struct conf_names *names, struct conf *ret,
		    struct err *e)
{
	_cleanup_free_ struct conf *c = malloc(sizeof(*c));
	struct build b = { .c = c, .names = names };
	struct err unread;
	int r;

	if (!e)
		e = &unread;
	if (!c)
		return fail(e, ENOMEM, "reeve.conf: not enough memory");
	r = build(&b, text, len, e);
	if (r < 0)
		return r;
	r = conf_check(c, e);
	if (r < 0)
		return r;
	*ret = *c;
	return 0;
}

int conf_file_read(int fd, char **ret, size_t *ret_len, struct err *e)
{
	_cleanup_free_ char *text = malloc(CONF_FILE_MAX + 1);
	size_t used = 0;

	if (!text)
		return fail(e, ENOMEM, "reeve.conf: not enough memory");
	for (;;) {
		ssize_t n = read(fd, text + used, CONF_FILE_MAX + 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(e, errno, "reeve.conf: can't read it: %s", strerror(errno));
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > CONF_FILE_MAX)
			return fail(e, EFBIG, "reeve.conf: the file is larger than %d bytes",
				    CONF_FILE_MAX);
	}
	*ret = take_ptr(&text);
	*ret_len = used;
	return 0;
}
