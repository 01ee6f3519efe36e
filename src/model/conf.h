/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as one fixed struct. reeve-conf makes it from the file,
 * reeved checks it with conf_check() and holds the core to it (the ceilings),
 * the core decides by it (the policy). No pointers, so it can be passed on as
 * bytes between programs of one version.
 */
#ifndef REEVE_MODEL_CONF_H
#define REEVE_MODEL_CONF_H

#include <stdint.h>

#include "base/cpuset.h"
#include "base/err.h"
#include "base/log.h"
#include "model/peer.h"
#include "model/res.h"

enum {
	TENANT_MAX = 64,
	TENANT_NAME_MAX = 32,
	TENANT_RANGES_MAX = 32,
	CONF_PATH_MAX = 108, /* sun_path */
	CONF_MAGIC = 0x72656376,
	CONF_VERSION = 1,

	/* Always there: everybody no other tenant matches, and root with the admins. */
	TENANT_DEFAULT = 0,
	TENANT_SYSTEM = 1,
};

#define CONF_NO_GID UINT32_MAX

/*
 * What reeve-core runs as on a host without a user `reeve`: a number that
 * nothing else is given (systemd hands out 61184-65519 by the run). Not nobody:
 * whoever else runs as nobody could trace the core, signal it and read its files.
 */
#define REEVE_CORE_UID 61997

/* Ten years: a clock can be added to it without a thought of overflow. */
#define CONF_TIME_LIMIT_MAX_NS (UINT64_C(3650) * 86400 * 1000000000)

enum enforce {
	ENFORCE_ADVISORY,
	ENFORCE_CPUSET,	  /* cpuset.cpus of the tenant's cgroup */
	ENFORCE_ISOLATED, /* that, and cpuset.cpus.partition = isolated */
	ENFORCE_MAX,
};

enum plane { PLANE_MTL, PLANE_MAX };

struct id_range {
	uint32_t first, last; /* both belong to it */
};

struct tenant_conf {
	char name[TENANT_NAME_MAX];
	uint32_t nuids, ngids;
	struct id_range uids[TENANT_RANGES_MAX];
	struct id_range gids[TENANT_RANGES_MAX];
	char cgroup[PEER_CGROUP_MAX]; /* "" or an absolute cgroup v2 path without a final "/" */
	struct cpuset cpus;	      /* kept for this tenant alone */
	struct quota quota;
	uint32_t enforce;	/* enum enforce; above ADVISORY only with a cgroup */
	uint64_t time_limit_ns; /* longest lease; 0: none */
};

struct conf {
	uint32_t magic, version, size;
	uint32_t ntenants;
	uint32_t planes;     /* bit per enum plane: on from the start */
	uint32_t closed;     /* bit per enum plane: never, whatever a command line says */
	uint32_t log_format; /* LOG_FORMAT_MAX: not said in the file */
	uint32_t log_level;  /* LOG_LEVEL_MAX: not said in the file */
	uint32_t core_uid, core_gid;
	uint32_t admin_gid; /* CONF_NO_GID: no such group on this host */
	uint32_t pad;
	char mtl_path[CONF_PATH_MAX];
	uint32_t pad2;
	struct cpuset cpus;  /* what reeve may lease; CPUs the host lacks do no harm */
	struct cpuset never; /* taken out of it again */
	struct tenant_conf tenants[TENANT_MAX];
};

/*
 * The built-in configuration: what an empty file means. It is sound as it is;
 * the caller fills in the ids of this host: until then the core runs as
 * REEVE_CORE_UID and nobody is in the admin group.
 */
void conf_defaults(struct conf *c);

/*
 * Whether every count, string, enum and rule of *c is sound. Used on bytes
 * from a process that is trusted with nothing. -EBADMSG or -EINVAL.
 */
int conf_check(const struct conf *c, struct err *e);

/* The parts of that check, one by one, for a parser that knows the lines. */
enum tenant_rule {
	RULE_NAME,   /* sound, and no other tenant's */
	RULE_UIDS,   /* in order, and none an earlier tenant has */
	RULE_GIDS,   /* likewise */
	RULE_CGROUP, /* a clean path, and not an earlier tenant's */
	RULE_CPUS,   /* leasable, and kept for no other tenant */
	RULE_ENFORCE,
	RULE_TIME_LIMIT,
	RULE_MAX,
};

/* 0 or -EINVAL; `tenant` must be below c->ntenants. */
int conf_check_tenant(const struct conf *c, uint32_t tenant, enum tenant_rule rule, struct err *e);
int conf_check_mtl_path(const struct conf *c, struct err *e);
int conf_check_cpus(const struct conf *c, struct err *e);

/* The CPUs kept for tenants other than this one. */
void conf_reserved(const struct conf *c, uint32_t tenant, struct cpuset *ret);

/* What the command line said (its _MAX: nothing) before what the file said. */
static inline enum log_format conf_log_format(const struct conf *c, uint32_t said)
{
	if (said < LOG_FORMAT_MAX)
		return (enum log_format)said;
	return c->log_format < LOG_FORMAT_MAX ? (enum log_format)c->log_format : LOG_TEXT;
}

static inline enum log_level conf_log_level(const struct conf *c, uint32_t said)
{
	if (said < LOG_LEVEL_MAX)
		return (enum log_level)said;
	return c->log_level < LOG_LEVEL_MAX ? (enum log_level)c->log_level : LOG_INFO;
}

const char *enforce_name(uint32_t enforce);
int enforce_parse(const char *name); /* -ENOENT */
const char *plane_name(uint32_t plane);
int plane_parse(const char *name); /* -ENOENT */

#endif
