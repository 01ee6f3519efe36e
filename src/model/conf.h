/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as one fixed struct. reeve-conf makes it from the file,
 * reeved checks it with conf_check() and holds the core to it (the ceilings),
 * the core decides by it (the policy). No pointers, so it can be passed on as
 * bytes between programs of one version.
 */
#ifndef REEVE_MODEL_CONF_H
#define REEVE_MODEL_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cpuset.h"
#include "base/err.h"
#include "base/log.h"
#include "model/ipaddr.h"
#include "model/nic.h"
#include "model/peer.h"
#include "model/res.h"

enum {
	TENANT_MAX = 64,
	TENANT_NAME_MAX = 32,
	TENANT_RANGES_MAX = 32,
	CONF_PATH_MAX = 108,  /* sun_path */
	CONF_NICS_MAX = 32,   /* `nic` sections, and patterns in a list of NICs */
	TENANT_NICS_MAX = 16, /* patterns in a tenant's list */
	TENANT_NETS_MAX = 32, /* networks in a tenant's list of addresses */
	TENANT_CHANNELS = 1024, /* the quota of who has none set */
	CONF_MAGIC = 0x72656376,
	CONF_VERSION = 5,

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
/* Likewise reeve-netd without a user `reeve-net`. */
#define REEVE_NET_UID 61996

/* Ten years: a clock can be added to it without a thought of overflow. */
#define CONF_TIME_LIMIT_MAX_NS (UINT64_C(3650) * 86400 * 1000000000)

enum enforce {
	ENFORCE_ADVISORY,
	ENFORCE_CPUSET,	  /* cpuset.cpus of the tenant's cgroup */
	ENFORCE_ISOLATED, /* that, and cpuset.cpus.partition = isolated */
	ENFORCE_MAX,
};

enum plane {
	PLANE_MTL,
	PLANE_STACK, /* reeve-netd runs */
	PLANE_MAX
};

struct id_range {
	uint32_t first, last; /* both belong to it */
};

/* A NIC's name, or its beginning followed by one "*"; "*" alone is every NIC. */
struct nic_pattern {
	char text[NIC_NAME_MAX];
};

/* All addresses that begin with the same bits; the others of `ip` are zero. */
struct ip_net {
	struct ipaddr ip;
	uint32_t bits; /* counted within its version */
};

/* What the config says of the NICs that `name` matches; the first section that does counts. */
struct nic_conf {
	struct nic_pattern name;
	uint32_t form;		/* enum nic_want_form but EITHER */
	uint32_t mode;		/* enum nic_want_mode */
	uint32_t channels;	/* set while in use, put back afterwards; 0: left as they are */
	uint32_t system_queues; /* queues 0 .. n-1 are never leased */
	uint32_t soft_flows;	/* 0 or 1: XDP stands in for flow rules that the NIC lacks */
};

/* Of who is attached to the message stack; 0: no limit of the tenant's own. */
struct channel_terms {
	uint64_t memory; /* bytes of all channels of the tenant */
	uint64_t rate;	 /* bit/s of what a channel may send */
	uint32_t ports;	 /* of a channel, those that it listens on and those that it connects from */
	uint32_t pad;
};

#define CHANNEL_MEMORY_MAX (UINT64_C(1) << 50)
#define CHANNEL_RATE_MIN   UINT64_C(1000)
#define CHANNEL_RATE_MAX   UINT64_C(10000000000000)

struct tenant_conf {
	char name[TENANT_NAME_MAX];
	uint32_t nuids, ngids;
	struct id_range uids[TENANT_RANGES_MAX];
	struct id_range gids[TENANT_RANGES_MAX];
	char cgroup[PEER_CGROUP_MAX]; /* "" or an absolute cgroup v2 path without a final "/" */
	struct cpuset cpus;	      /* kept for this tenant alone */
	struct quota quota;
	uint32_t nnics; /* 0: every NIC that reeve may use */
	struct nic_pattern nics[TENANT_NICS_MAX];
	/* Of which it may lease addresses; none: no address, or any for the tenant system. */
	uint32_t nnets;
	struct ip_net nets[TENANT_NETS_MAX];
	uint32_t enforce;	/* enum enforce; above ADVISORY only with a cgroup */
	uint64_t time_limit_ns; /* longest lease; 0: none */
	struct channel_terms channel;
};

struct conf {
	uint32_t magic, version, size;
	uint32_t ntenants;
	uint32_t planes;     /* bit per enum plane: on from the start */
	uint32_t closed;     /* bit per enum plane: never, whatever a command line says */
	uint32_t log_format; /* LOG_FORMAT_MAX: not said in the file */
	uint32_t log_level;  /* LOG_LEVEL_MAX: not said in the file */
	uint32_t core_uid, core_gid;
	uint32_t net_uid, net_gid;
	uint32_t admin_gid; /* CONF_NO_GID: no such group on this host */
	uint32_t pad;
	char mtl_path[CONF_PATH_MAX];
	char stack_config[CONF_PATH_MAX]; /* the file that reeve-netd reads */
	char stack_socket[CONF_PATH_MAX]; /* where its applications find it */
	uint32_t no_nics; /* 1: reeve uses no NIC at all (an empty list in the file) */
	uint32_t nnics;	  /* 0: reeve may use every NIC but loopback */
	struct nic_pattern nics[CONF_NICS_MAX];
	uint32_t nnic_confs;
	struct nic_conf nic_confs[CONF_NICS_MAX];
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
	RULE_NICS,   /* sound patterns */
	RULE_NETS,   /* whole networks */
	RULE_CPUS,   /* leasable, and kept for no other tenant */
	RULE_ENFORCE,
	RULE_TIME_LIMIT,
	RULE_CHANNEL,
	RULE_MAX,
};

/* 0 or -EINVAL; `tenant` must be below c->ntenants. */
int conf_check_tenant(const struct conf *c, uint32_t tenant, enum tenant_rule rule, struct err *e);
/* Within the limits above. 0 or -EINVAL. */
int channel_terms_check(const struct channel_terms *t, struct err *e);
int conf_check_mtl_path(const struct conf *c, struct err *e);
int conf_check_stack(const struct conf *c, struct err *e);
int conf_check_cpus(const struct conf *c, struct err *e);
int conf_check_nics(const struct conf *c, struct err *e);
/* One `nic` section by number. */
int conf_check_nic(const struct conf *c, uint32_t nic, struct err *e);

/* Whether there are at most `max` of them, all sound. 0 or -EINVAL. */
int nic_patterns_check(const struct nic_pattern *list, uint32_t n, uint32_t max, struct err *e);
/* Both are sound: the pattern was checked, the name is an interface's. */
bool nic_pattern_matches(const struct nic_pattern *p, const char *name);
/* Whether reeve may use the NIC at all. Loopback is the caller's to refuse. */
bool conf_may_use_nic(const struct conf *c, const char *name);
/* Whether the tenant may: that, its own list, and a quota of `xdp` above 0. */
bool conf_tenant_may_use_nic(const struct conf *c, uint32_t tenant, const char *name);
bool ip_net_sound(const struct ip_net *n);
/* "10.0.0.0/24", "2001:db8::/64", or one address. -EINVAL. */
int ip_net_parse(const char *text, struct ip_net *ret);
/* Whether the tenant may lease addresses of any network at all; `system` may. */
bool conf_tenant_may_have_addresses(const struct conf *c, uint32_t tenant);
/* Whether it may lease this one: a unicast one of its networks, and a quota above 0. */
bool conf_tenant_may_have_address(const struct conf *c, uint32_t tenant, const struct ipaddr *a);
/* By name; c->ntenants: there is none. */
uint32_t conf_tenant(const struct conf *c, const char *name);
/* How many tenants may; 0 to c->ntenants. */
uint32_t conf_nic_tenants(const struct conf *c, const char *name);
/* auto, auto, 0, one system queue, no soft flows; a section says what differs. */
extern const struct nic_conf nic_conf_defaults;
/* What stands in the file, or the defaults. */
const struct nic_conf *conf_nic(const struct conf *c, const char *name);

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
