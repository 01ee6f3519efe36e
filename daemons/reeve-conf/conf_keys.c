/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-conf/conf_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static struct tenant_conf *tenant(struct build *b)
{
	return &b->c->tenants[b->tenant];
}

static int check(const struct build *b, enum tenant_rule rule, struct err *e)
{
	return conf_check_tenant(b->c, b->tenant, rule, e);
}

void put_text(char *to, size_t size, const char *from)
{
	memset(to, 0, size);
	memcpy(to, from, strnlen(from, size));
}

int parse_bool(const char *key, const char *text, bool *ret, struct err *e)
{
	if (strcmp(text, "true") && strcmp(text, "false"))
		return fail(e, EINVAL, "%s is true or false, not \"%s\"", key, text);
	*ret = text[0] == 't';
	return 0;
}

/* --- names --------------------------------------------------------------- */

static int lookup_failed(int r, const char *what, const char *name, struct err *e)
{
	if (r == -ENOENT)
		return fail(e, EINVAL, "this host has no %s \"%s\"", what, name);
	return fail(e, -r, "can't look up %s \"%s\": %s", what, name, strerror(-r));
}

int build_begin(struct build *b, struct err *e)
{
	uint32_t uid, gid;
	int r;

	conf_defaults(b->c);
	r = b->names->user("reeve", &uid, &gid);
	if (!r) {
		b->c->core_uid = uid;
		b->c->core_gid = gid;
	} else if (r != -ENOENT) {
		return lookup_failed(r, "user", "reeve", e);
	}
	r = b->names->user("reeve-net", &uid, &gid);
	if (!r) {
		b->c->net_uid = uid;
		b->c->net_gid = gid;
	} else if (r != -ENOENT) {
		return lookup_failed(r, "user", "reeve-net", e);
	}
	r = b->names->group("reeve", &gid);
	if (!r)
		b->c->admin_gid = gid;
	else if (r != -ENOENT)
		return lookup_failed(r, "group", "reeve", e);
	return 0;
}

/* --- CPUs ---------------------------------------------------------------- */

static int parse_cpus(const char *text, struct cpuset *ret, struct err *e)
{
	int r = cpuset_parse(text, ret);

	if (r == -ERANGE)
		return fail(e, EINVAL, "CPU list \"%s\" goes beyond CPU %d", text, CPU_MAX - 1);
	if (r < 0)
		return fail(e, EINVAL, "\"%s\" is no CPU list such as \"2-5,8\"", text);
	return 0;
}

static int set_cpus(struct build *b, int arg, const char *text, struct err *e)
{
	int r = parse_cpus(text, arg ? &b->c->never : &b->c->cpus, e);

	return r < 0 ? r : conf_check_cpus(b->c, e);
}

static int set_tenant_cpus(struct build *b, int arg, const char *text, struct err *e)
{
	int r = parse_cpus(text, &tenant(b)->cpus, e);

	(void)arg;
	return r < 0 ? r : check(b, RULE_CPUS, e);
}

/* --- planes and the log -------------------------------------------------- */

static int set_admin_group(struct build *b, int arg, const char *text, struct err *e)
{
	int r;

	(void)arg;
	b->c->admin_gid = CONF_NO_GID;
	if (!*text)
		return 0;
	r = b->names->group(text, &b->c->admin_gid);
	return r < 0 ? lookup_failed(r, "group", text, e) : 0;
}

static int set_plane(struct build *b, int arg, const char *text, struct err *e)
{
	int plane = plane_parse(text);

	(void)arg;
	if (plane < 0)
		return fail(e, EINVAL, "there is no plane \"%s\"", text);
	b->named |= 1U << plane;
	b->c->planes = b->named;
	return 0;
}

static int no_planes(struct build *b, struct err *e)
{
	(void)e;
	b->c->planes = 0;
	return 0;
}

/* What a file says of a plane in two places has to agree. */
static int set_closed(struct build *b, int plane, const char *text, struct err *e)
{
	uint32_t bit = 1U << plane;
	bool closed = false;
	int r = parse_bool("closed", text, &closed, e);

	if (r < 0 || !closed)
		return r;
	if (b->named & bit)
		return fail(e, EINVAL, "plane \"%s\" is closed for good here but named in `planes`",
			    plane_name((uint32_t)plane));
	b->c->closed |= bit;
	b->c->planes &= ~bit;
	return 0;
}

static int set_socket(struct build *b, int arg, const char *text, struct err *e)
{
	(void)arg;
	put_text(b->c->mtl_path, sizeof(b->c->mtl_path), text);
	return conf_check_mtl_path(b->c, e);
}

static int set_stack_config(struct build *b, int arg, const char *text, struct err *e)
{
	(void)arg;
	put_text(b->c->stack_config, sizeof(b->c->stack_config), text);
	return conf_check_stack(b->c, e);
}

static int set_stack_socket(struct build *b, int arg, const char *text, struct err *e)
{
	(void)arg;
	put_text(b->c->stack_socket, sizeof(b->c->stack_socket), text);
	return conf_check_stack(b->c, e);
}

static int set_log_format(struct build *b, int arg, const char *text, struct err *e)
{
	(void)arg;
	if (!strcmp(text, "text"))
		b->c->log_format = LOG_TEXT;
	else if (!strcmp(text, "json"))
		b->c->log_format = LOG_JSON;
	else
		return fail(e, EINVAL, "the log's format is text or json, not \"%s\"", text);
	return 0;
}

static int set_log_level(struct build *b, int arg, const char *text, struct err *e)
{
	static const char *const names[] = {
		[LOG_ERR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	_Static_assert(ARRAY_SIZE(names) == LOG_LEVEL_MAX, "a name for each level");

	(void)arg;
	for (uint32_t level = 0; level < LOG_LEVEL_MAX; level++)
		if (!strcmp(text, names[level])) {
			b->c->log_level = level;
			return 0;
		}
	return fail(e, EINVAL, "the log's level is error, warn, info or debug, not \"%s\"", text);
}

/* --- tenants ------------------------------------------------------------- */

static bool built_in(const struct build *b)
{
	return b->tenant == TENANT_DEFAULT || b->tenant == TENANT_SYSTEM;
}

int tenant_begin(struct build *b, const char *title, struct err *e)
{
	struct tenant_conf *t;

	for (uint32_t i = TENANT_DEFAULT; i <= TENANT_SYSTEM; i++)
		if (!strcmp(title, b->c->tenants[i].name)) {
			b->tenant = i;
			return 0;
		}
	if (b->c->ntenants == TENANT_MAX)
		return fail(e, EINVAL, "there are more than %d tenants beside the built-in ones",
			    TENANT_MAX - 2);
	b->tenant = b->c->ntenants++;
	t = tenant(b);
	t->quota.max[RES_LCORE] = QUOTA_NONE;
	t->quota.max[RES_CHANNEL] = TENANT_CHANNELS;
	put_text(t->name, sizeof(t->name), title);
	return check(b, RULE_NAME, e);
}

int tenant_end(const struct build *b, struct err *e)
{
	const struct tenant_conf *t = &b->c->tenants[b->tenant];

	if (!built_in(b) && !t->nuids && !t->ngids && !t->cgroup[0])
		return fail(e, EINVAL,
			    "nobody can be of tenant \"%s\": it has no uids, users, "
			    "gids, groups or cgroup",
			    t->name);
	return 0;
}

static int refuse_built_in(const struct build *b, struct err *e)
{
	if (!built_in(b))
		return 0;
	return fail(e, EINVAL, "who is of the built-in tenant \"%s\" can't be configured",
		    b->c->tenants[b->tenant].name);
}

static int parse_id(const char *text, size_t len, uint32_t *ret)
{
	char digits[16] = "";
	uint64_t value;
	int r;

	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	r = str_u64(digits, UINT32_MAX, &value);
	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

static int parse_range(const char *text, struct id_range *ret)
{
	const char *dash = strchr(text, '-');
	int r = parse_id(text, dash ? (size_t)(dash - text) : strlen(text), &ret->first);

	if (r < 0)
		return r;
	if (dash)
		return parse_id(dash + 1, strlen(dash + 1), &ret->last);
	ret->last = ret->first;
	return 0;
}

static int add_range(struct build *b, int rule, const struct id_range *range, struct err *e)
{
	struct tenant_conf *t = tenant(b);
	struct id_range *ranges = rule == RULE_UIDS ? t->uids : t->gids;
	uint32_t *n = rule == RULE_UIDS ? &t->nuids : &t->ngids;

	if (*n == TENANT_RANGES_MAX)
		return fail(e, EINVAL, "tenant \"%s\" has more than %d %s", t->name,
			    TENANT_RANGES_MAX,
			    rule == RULE_UIDS ? "uids and users" : "gids and groups");
	ranges[(*n)++] = *range;
	return check(b, (enum tenant_rule)rule, e);
}

static int set_ids(struct build *b, int rule, const char *text, struct err *e)
{
	struct id_range range;
	int r = refuse_built_in(b, e);

	if (r < 0)
		return r;
	if (parse_range(text, &range) < 0)
		return fail(e, EINVAL, "\"%s\" is no %s nor a range such as \"1000-1999\"", text,
			    rule == RULE_UIDS ? "uid" : "gid");
	return add_range(b, rule, &range, e);
}

static int set_user(struct build *b, int rule, const char *text, struct err *e)
{
	uint32_t uid, gid;
	int r = refuse_built_in(b, e);

	if (r < 0)
		return r;
	r = b->names->user(text, &uid, &gid);
	if (r < 0)
		return lookup_failed(r, "user", text, e);
	return add_range(b, rule, &(struct id_range){ uid, uid }, e);
}

static int set_group(struct build *b, int rule, const char *text, struct err *e)
{
	uint32_t gid;
	int r = refuse_built_in(b, e);

	if (r < 0)
		return r;
	r = b->names->group(text, &gid);
	if (r < 0)
		return lookup_failed(r, "group", text, e);
	return add_range(b, rule, &(struct id_range){ gid, gid }, e);
}

static int set_cgroup(struct build *b, int arg, const char *text, struct err *e)
{
	int r = refuse_built_in(b, e);

	(void)arg;
	if (r < 0)
		return r;
	if (!*text)
		return fail(e, EINVAL, "the cgroup path is empty");
	put_text(tenant(b)->cgroup, PEER_CGROUP_MAX, text);
	return check(b, RULE_CGROUP, e);
}

static int set_enforce(struct build *b, int arg, const char *text, struct err *e)
{
	int enforce = enforce_parse(text);

	(void)arg;
	if (enforce < 0)
		return fail(e, EINVAL, "enforce is advisory, cpuset or isolated, not \"%s\"", text);
	tenant(b)->enforce = (uint32_t)enforce;
	return check(b, RULE_ENFORCE, e);
}

static uint64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ms", NS_PER_MS },	  { "s", NS_PER_S },	     { "m", 60 * NS_PER_S },
		{ "h", 3600 * NS_PER_S }, { "d", 86400 * NS_PER_S },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].ns;
	return 0;
}

static int set_time_limit(struct build *b, int arg, const char *text, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t unit = unit_ns(text + digits);
	uint32_t value;
	int r = parse_id(text, digits, &value);

	(void)arg;
	if (!unit || !digits || (!r && !value))
		return fail(
			e, EINVAL,
			"\"%s\" is no time limit such as \"500ms\", \"30s\", \"15m\", \"8h\" or "
			"\"7d\"",
			text);
	/* One above the limit stands for all that is too long. */
	if (r < 0 || value > CONF_TIME_LIMIT_MAX_NS / unit)
		tenant(b)->time_limit_ns = CONF_TIME_LIMIT_MAX_NS + 1;
	else
		tenant(b)->time_limit_ns = value * unit;
	return check(b, RULE_TIME_LIMIT, e);
}

static int set_quota(struct build *b, int kind, const char *text, struct err *e)
{
	uint64_t max;

	if (!strcmp(text, "-1"))
		max = QUOTA_NONE;
	else if (str_u64(text, QUOTA_NONE - 1, &max) < 0)
		return fail(e, EINVAL, "\"%s\" is no quota: a number, or -1 for no limit", text);
	tenant(b)->quota.max[kind] = (uint32_t)max;
	return 0;
}

/* --- the tables ---------------------------------------------------------- */

const struct key top_keys[] = {
	{ "cpus", false, false, set_cpus },
	{ "never", false, true, set_cpus },
	{ "admin-group", false, 0, set_admin_group },
	/* What an empty list means differs from what no line means. */
	{ "planes", true, 0, set_plane, no_planes },
	{ "nics", true, 0, set_nic, no_nics },
	{ NULL },
};

const struct key log_keys[] = {
	{ "format", false, 0, set_log_format },
	{ "level", false, 0, set_log_level },
	{ NULL },
};

const struct key mtl_keys[] = {
	{ "socket", false, 0, set_socket },
	{ "closed", false, PLANE_MTL, set_closed },
	{ NULL },
};

const struct key stack_keys[] = {
	{ "config", false, 0, set_stack_config },
	{ "socket", false, 0, set_stack_socket },
	{ "closed", false, PLANE_STACK, set_closed },
	{ NULL },
};

const struct key tenant_keys[] = {
	{ "uids", true, RULE_UIDS, set_ids },
	{ "users", true, RULE_UIDS, set_user },
	{ "gids", true, RULE_GIDS, set_ids },
	{ "groups", true, RULE_GIDS, set_group },
	{ "cgroup", false, 0, set_cgroup },
	{ "nics", true, 0, set_tenant_nic, no_tenant_nics },
	{ "addresses", true, 0, set_tenant_net },
	{ "cpus", false, 0, set_tenant_cpus },
	/* Behind `cgroup`, since it needs one. */
	{ "enforce", false, 0, set_enforce },
	{ "time-limit", false, 0, set_time_limit },
	{ NULL },
};

void quota_keys(struct key ret[static RES_KIND_MAX + 1])
{
	for (int kind = 0; kind < RES_KIND_MAX; kind++)
		ret[kind] = (struct key){ res_kind_name((uint32_t)kind), false, kind, set_quota };
	ret[RES_KIND_MAX] = (struct key){ NULL };
}
