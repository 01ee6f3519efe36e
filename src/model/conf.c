/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The built-in configuration and the rules every configuration keeps. The
 * parser goes through the rules one by one, to say on which line one is
 * broken; reeved goes through all of them once more, because what parsed a
 * hostile file may no longer be what it was.
 */
#include "model/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"

static const char *const enforce_names[] = {
	[ENFORCE_ADVISORY] = "advisory",
	[ENFORCE_CPUSET] = "cpuset",
	[ENFORCE_ISOLATED] = "isolated",
};
_Static_assert(ARRAY_SIZE(enforce_names) == ENFORCE_MAX, "a name for each");

static const char *const plane_names[] = {
	[PLANE_MTL] = "mtl",
	[PLANE_STACK] = "stack",
};
_Static_assert(ARRAY_SIZE(plane_names) == PLANE_MAX, "a name for each");

enum { PLANES_ALL = (1U << PLANE_MAX) - 1 };

static int name_parse(const char *const names[], int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -ENOENT;
}

const char *enforce_name(uint32_t enforce)
{
	return enforce < ENFORCE_MAX ? enforce_names[enforce] : NULL;
}

int enforce_parse(const char *name)
{
	return name_parse(enforce_names, ENFORCE_MAX, name);
}

const char *plane_name(uint32_t plane)
{
	return plane < PLANE_MAX ? plane_names[plane] : NULL;
}

int plane_parse(const char *name)
{
	return name_parse(plane_names, PLANE_MAX, name);
}

void conf_defaults(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	c->magic = CONF_MAGIC;
	c->version = CONF_VERSION;
	c->size = sizeof(*c);
	c->planes = 1U << PLANE_MTL;
	c->log_format = LOG_FORMAT_MAX;
	c->log_level = LOG_LEVEL_MAX;
	c->core_uid = REEVE_CORE_UID;
	c->core_gid = REEVE_CORE_UID;
	c->net_uid = REEVE_NET_UID;
	c->net_gid = REEVE_NET_UID;
	c->admin_gid = CONF_NO_GID;
	str_copy(c->mtl_path, sizeof(c->mtl_path), "/var/run/imtl/mtl_manager.sock");
	str_copy(c->stack_config, sizeof(c->stack_config), "/etc/reeve/machnet.json");
	str_copy(c->stack_socket, sizeof(c->stack_socket), "/var/run/machnet/machnet_ctrl.sock");
	memset(&c->cpus, 0xff, sizeof(c->cpus));

	c->ntenants = 2;
	str_copy(c->tenants[TENANT_DEFAULT].name, TENANT_NAME_MAX, "default");
	c->tenants[TENANT_DEFAULT].quota.max[RES_LCORE] = 16;
	c->tenants[TENANT_DEFAULT].quota.max[RES_CHANNEL] = TENANT_CHANNELS;
	str_copy(c->tenants[TENANT_SYSTEM].name, TENANT_NAME_MAX, "system");
	for (int kind = 0; kind < RES_KIND_MAX; kind++)
		c->tenants[TENANT_SYSTEM].quota.max[kind] = QUOTA_NONE;
}

uint32_t conf_tenant(const struct conf *c, const char *name)
{
	uint32_t i = 0;

	while (i < c->ntenants && strcmp(c->tenants[i].name, name) != 0)
		i++;
	return i;
}

void conf_reserved(const struct conf *c, uint32_t tenant, struct cpuset *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < c->ntenants; i++)
		if (i != tenant)
			cpuset_or(ret, &c->tenants[i].cpus);
}

static bool terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* "..": it means another place for each who follows it. */
static bool has_dot_dot(const char *path)
{
	for (const char *p = strstr(path, "/.."); p; p = strstr(p + 1, "/.."))
		if (p[3] == '\0' || p[3] == '/')
			return true;
	return false;
}

static int check_path(const char *what, const char *path, struct err *e)
{
	size_t len = strlen(path);

	if (path[0] != '/')
		return fail(e, EINVAL, "%s \"%s\" does not begin with \"/\"", what, path);
	if (len == 1 || path[len - 1] == '/')
		return fail(e, EINVAL, "%s \"%s\" ends in \"/\"", what, path);
	if (has_dot_dot(path))
		return fail(e, EINVAL, "%s \"%s\" contains \"..\"", what, path);
	if (strstr(path, "//"))
		return fail(e, EINVAL, "%s \"%s\" contains \"//\"", what, path);
	for (const char *p = path; *p; p++)
		if (!isprint((unsigned char)*p))
			return fail(e, EINVAL, "%s contains a byte that is no printable ASCII",
				    what);
	return 0;
}

static int check_name(const struct conf *c, uint32_t i, struct err *e)
{
	const char *name = c->tenants[i].name;

	if (!terminated(name, TENANT_NAME_MAX) || !*name)
		return fail(e, EINVAL, "a tenant's name has 1 to %d characters",
			    TENANT_NAME_MAX - 1);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
			return fail(e, EINVAL,
				    "a tenant's name consists of letters, digits, \"-\", \"_\" "
				    "and \".\"");
	for (uint32_t j = 0; j < i; j++)
		if (!strcmp(c->tenants[j].name, name))
			return fail(e, EINVAL, "two tenants are named \"%s\"", name);
	return 0;
}

/* A tenant's uids or its gids. */
struct ids {
	const char *kind;
	uint32_t n;
	const struct id_range *range;
};

static struct ids ids_of(const struct tenant_conf *t, enum tenant_rule rule)
{
	if (rule == RULE_UIDS)
		return (struct ids){ "uid", t->nuids, t->uids };
	return (struct ids){ "gid", t->ngids, t->gids };
}

static int check_range(const char *kind, const struct id_range *range, struct err *e)
{
	if (range->first > range->last)
		return fail(e, EINVAL, "the %s range %" PRIu32 "-%" PRIu32 " runs backwards", kind,
			    range->first, range->last);
	/* setuid() and friends take -1 for "leave it": nobody has it. */
	if (range->last == UINT32_MAX)
		return fail(e, EINVAL, "%" PRIu32 " is no %s", range->last, kind);
	return 0;
}

/* Only ids of one kind compete: a uid always beats a gid, so those may overlap. */
static int check_apart(const struct tenant_conf *a, const struct tenant_conf *b,
		       enum tenant_rule rule, struct err *e)
{
	struct ids of_a = ids_of(a, rule), of_b = ids_of(b, rule);

	for (uint32_t i = 0; i < of_a.n; i++)
		for (uint32_t j = 0; j < of_b.n; j++) {
			const struct id_range *x = &of_a.range[i], *y = &of_b.range[j];

			if (x->first <= y->last && y->first <= x->last)
				return fail(e, EINVAL,
					    "%s %" PRIu32 " belongs to tenants \"%s\" and \"%s\"",
					    of_a.kind, x->first > y->first ? x->first : y->first,
					    a->name, b->name);
		}
	return 0;
}

static int check_ids(const struct conf *c, uint32_t i, enum tenant_rule rule, struct err *e)
{
	const struct tenant_conf *t = &c->tenants[i];
	struct ids ids = ids_of(t, rule);
	int r = 0;

	if (ids.n > TENANT_RANGES_MAX)
		return fail(e, EINVAL, "a tenant has at most %d %s ranges", TENANT_RANGES_MAX,
			    ids.kind);
	for (uint32_t n = 0; n < ids.n && !r; n++)
		r = check_range(ids.kind, &ids.range[n], e);
	for (uint32_t j = 0; j < i && !r; j++)
		r = check_apart(&c->tenants[j], t, rule, e);
	return r;
}

static int check_uids(const struct conf *c, uint32_t i, struct err *e)
{
	return check_ids(c, i, RULE_UIDS, e);
}

static int check_gids(const struct conf *c, uint32_t i, struct err *e)
{
	return check_ids(c, i, RULE_GIDS, e);
}

static int check_cgroup(const struct conf *c, uint32_t i, struct err *e)
{
	const char *cgroup = c->tenants[i].cgroup;
	int r;

	if (!terminated(cgroup, PEER_CGROUP_MAX))
		return fail(e, EINVAL, "a cgroup path has at most %d characters",
			    PEER_CGROUP_MAX - 1);
	if (!*cgroup)
		return 0;
	r = check_path("cgroup", cgroup, e);
	if (r < 0)
		return r;
	for (uint32_t j = 0; j < i; j++)
		if (!strcmp(c->tenants[j].cgroup, cgroup))
			return fail(e, EINVAL, "cgroup \"%s\" belongs to tenants \"%s\" and \"%s\"",
				    cgroup, c->tenants[j].name, c->tenants[i].name);
	return 0;
}

static int check_tenant_nics(const struct conf *c, uint32_t i, struct err *e)
{
	return nic_patterns_check(c->tenants[i].nics, c->tenants[i].nnics, TENANT_NICS_MAX, e);
}

static int check_tenant_nets(const struct conf *c, uint32_t i, struct err *e)
{
	const struct tenant_conf *t = &c->tenants[i];

	if (t->nnets > TENANT_NETS_MAX)
		return fail(e, EINVAL, "a tenant has at most %d networks", TENANT_NETS_MAX);
	for (uint32_t n = 0; n < t->nnets; n++)
		if (!ip_net_sound(&t->nets[n]))
			return fail(e, EINVAL, "a network of tenant \"%s\" is none", t->name);
	return 0;
}

/* The first CPU of `want` that breaks a rule decides the sentence. */
static int check_tenant_cpus(const struct conf *c, uint32_t i, struct err *e)
{
	const struct tenant_conf *t = &c->tenants[i];
	unsigned cpu;

	cpuset_for_each(cpu, &t->cpus) {
		if (cpuset_has(&c->never, cpu))
			return fail(e, EINVAL, "CPU %u is kept for tenant \"%s\" but is in `never`",
				    cpu, t->name);
		if (!cpuset_has(&c->cpus, cpu))
			return fail(e, EINVAL,
				    "CPU %u is kept for tenant \"%s\" but is not in `cpus`", cpu,
				    t->name);
	}
	for (uint32_t j = 0; j < c->ntenants; j++) {
		struct cpuset both = t->cpus;

		if (j == i)
			continue;
		cpuset_and(&both, &c->tenants[j].cpus);
		if (!cpuset_empty(&both))
			return fail(e, EINVAL, "CPU %u is kept for tenants \"%s\" and \"%s\"",
				    cpuset_next(&both, 0), c->tenants[j].name, t->name);
	}
	return 0;
}

static int check_enforce(const struct conf *c, uint32_t i, struct err *e)
{
	const struct tenant_conf *t = &c->tenants[i];

	if (t->enforce >= ENFORCE_MAX)
		return fail(e, EINVAL, "enforce is no known way");
	if (t->enforce > ENFORCE_ADVISORY && !t->cgroup[0])
		return fail(e, EINVAL,
			    "enforce = \"%s\" needs a cgroup, and tenant \"%s\" has none",
			    enforce_name(t->enforce), t->name);
	return 0;
}

static int check_time_limit(const struct conf *c, uint32_t i, struct err *e)
{
	if (c->tenants[i].time_limit_ns > CONF_TIME_LIMIT_MAX_NS)
		return fail(e, EINVAL, "a time limit is at most 3650 days");
	return 0;
}

static int check_channel(const struct conf *c, uint32_t i, struct err *e)
{
	return channel_terms_check(&c->tenants[i].channel, e);
}

int conf_check_tenant(const struct conf *c, uint32_t tenant, enum tenant_rule rule, struct err *e)
{
	static int (*const rules[])(const struct conf *, uint32_t, struct err *) = {
		[RULE_NAME] = check_name,
		[RULE_UIDS] = check_uids,
		[RULE_GIDS] = check_gids,
		[RULE_CGROUP] = check_cgroup,
		[RULE_NICS] = check_tenant_nics,
		[RULE_NETS] = check_tenant_nets,
		[RULE_CPUS] = check_tenant_cpus,
		[RULE_ENFORCE] = check_enforce,
		[RULE_TIME_LIMIT] = check_time_limit,
		[RULE_CHANNEL] = check_channel,
	};
	_Static_assert(ARRAY_SIZE(rules) == RULE_MAX, "a check for each rule");

	return rules[rule](c, tenant, e);
}

int conf_check_mtl_path(const struct conf *c, struct err *e)
{
	if (!terminated(c->mtl_path, sizeof(c->mtl_path)))
		return fail(e, EINVAL, "a socket path has at most %d characters",
			    CONF_PATH_MAX - 1);
	return check_path("socket", c->mtl_path, e);
}

int conf_check_stack(const struct conf *c, struct err *e)
{
	int r;

	if (!terminated(c->stack_config, sizeof(c->stack_config)))
		return fail(e, EINVAL, "the path of a config has at most %d characters",
			    CONF_PATH_MAX - 1);
	if (!terminated(c->stack_socket, sizeof(c->stack_socket)))
		return fail(e, EINVAL, "a socket path has at most %d characters",
			    CONF_PATH_MAX - 1);
	r = check_path("config", c->stack_config, e);
	return r < 0 ? r : check_path("socket", c->stack_socket, e);
}

int conf_check_cpus(const struct conf *c, struct err *e)
{
	if (cpuset_within(&c->cpus, &c->never))
		return fail(e, EINVAL, "no CPU is left to lease: `cpus` without `never` is empty");
	return 0;
}

static int check_head(const struct conf *c, struct err *e)
{
	if (c->magic != CONF_MAGIC || c->version != CONF_VERSION || c->size != sizeof(*c))
		return fail(e, EBADMSG, "the configuration is another version's");
	if (c->ntenants <= TENANT_SYSTEM || c->ntenants > TENANT_MAX)
		return fail(e, EBADMSG, "the configuration has %" PRIu32 " tenants", c->ntenants);
	if ((c->planes | c->closed) & ~(uint32_t)PLANES_ALL)
		return fail(e, EBADMSG, "the configuration names unknown planes");
	if (c->planes & c->closed)
		return fail(e, EINVAL, "a plane is both on and closed for good");
	if (c->log_format > LOG_FORMAT_MAX || c->log_level > LOG_LEVEL_MAX)
		return fail(e, EBADMSG, "the log's format or level is no known one");
	return 0;
}

/* The one thing here that would give more power than root already gave. */
static int check_core_ids(const struct conf *c, struct err *e)
{
	if (c->core_uid == 0 || c->core_gid == 0)
		return fail(e, EINVAL, "reeve-core must not run as root, nor in root's group");
	if (c->core_uid == UINT32_MAX || c->core_gid == UINT32_MAX)
		return fail(e, EINVAL, "reeve-core has no user or group to run as");
	return 0;
}

/* Who parses strangers' frames is neither root nor who decides on leases. */
static int check_net_ids(const struct conf *c, struct err *e)
{
	if (c->net_uid == 0 || c->net_gid == 0)
		return fail(e, EINVAL, "reeve-netd must not run as root, nor in root's group");
	if (c->net_uid == UINT32_MAX || c->net_gid == UINT32_MAX)
		return fail(e, EINVAL, "reeve-netd has no user or group to run as");
	if (c->net_uid == c->core_uid)
		return fail(e, EINVAL, "reeve-netd must not run as the user of reeve-core");
	return 0;
}

static int check_nic_confs(const struct conf *c, struct err *e)
{
	int r = 0;

	if (c->nnic_confs > CONF_NICS_MAX)
		return fail(e, EBADMSG, "the configuration has %" PRIu32 " sections about NICs",
			    c->nnic_confs);
	for (uint32_t i = 0; i < c->nnic_confs && !r; i++)
		r = conf_check_nic(c, i, e);
	return r;
}

static int check_built_in(const struct conf *c, uint32_t i, const char *name, struct err *e)
{
	const struct tenant_conf *t = &c->tenants[i];

	if (strncmp(t->name, name, TENANT_NAME_MAX))
		return fail(e, EINVAL, "the built-in tenant \"%s\" is missing", name);
	if (t->nuids || t->ngids || t->cgroup[0])
		return fail(e, EINVAL, "the built-in tenant \"%s\" takes no uids, gids or cgroup",
			    name);
	return 0;
}

static int check_built_ins(const struct conf *c, struct err *e)
{
	int r = check_built_in(c, TENANT_DEFAULT, "default", e);

	return r < 0 ? r : check_built_in(c, TENANT_SYSTEM, "system", e);
}

int conf_check(const struct conf *c, struct err *e)
{
	static int (*const checks[])(const struct conf *, struct err *) = {
		check_head,	     check_core_ids,   check_net_ids,
		conf_check_mtl_path, conf_check_stack, conf_check_cpus,
		conf_check_nics,     check_nic_confs,  check_built_ins,
	};
	int r = 0;

	for (size_t n = 0; n < ARRAY_SIZE(checks) && !r; n++)
		r = checks[n](c, e);
	/* Rule by rule: each may rely on what those before it found sound in every tenant. */
	for (int rule = 0; rule < RULE_MAX && !r; rule++)
		for (uint32_t i = 0; i < c->ntenants && !r; i++)
			r = conf_check_tenant(c, i, (enum tenant_rule)rule, e);
	return r;
}
