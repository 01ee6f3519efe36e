/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel has no lock on a NIC's rules, and inserting at a location in use
 * replaces what is there. So the place is chosen from a fresh list, read once
 * more right before, and read back afterwards: who came in between is found out
 * unless it was within that last moment.
 */
#include "mech/ntuple.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/str.h"

enum {
	RULES_MAX = 1 << 20, /* larger tables are used up to here */
	TRIES = 8,	     /* while rules are being added by others */
};

struct kernel_port {
	struct ethtool_port port;
	int fd;
};

/* The locations in use, in order; a driver may number them beyond `size`. */
struct table {
	uint32_t size, n;
	bool driver_chooses;
	struct ethtool_rxnfc *list;
};

static void table_free(struct table *t)
{
	free(t->list);
}

static int kernel_call(struct ethtool_port *port, const char *ifname, void *cmd)
{
	struct kernel_port *k = (struct kernel_port *)port;
	struct ifreq req = { .ifr_data = cmd };

	if (!str_copy(req.ifr_name, sizeof(req.ifr_name), ifname))
		return -ENODEV;
	return ioctl(k->fd, SIOCETHTOOL, &req) < 0 ? -errno : 0;
}

int ethtool_port_open(struct ethtool_port **ret)
{
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct kernel_port *k;

	if (fd < 0)
		return -errno;
	k = malloc(sizeof(*k));
	if (!k)
		return -ENOMEM;
	*k = (struct kernel_port){ .port.call = kernel_call, .fd = take_fd(&fd) };
	*ret = &k->port;
	return 0;
}

void ethtool_port_close(struct ethtool_port *port)
{
	struct kernel_port *k = (struct kernel_port *)port;

	if (!k)
		return;
	close(k->fd);
	free(k);
}

static int by_location(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool table_has(const struct table *t, uint32_t location)
{
	return t->n && bsearch(&location, t->list->rule_locs, t->n, sizeof(location), by_location);
}

/* Takes the list. Some drivers tell the size with the count, some with the list. */
static void table_fill(struct table *t, const struct ethtool_rxnfc *count,
		       struct ethtool_rxnfc *list)
{
	uint64_t size = list->data & ~(uint64_t)RX_CLS_LOC_SPECIAL;

	if (!size)
		size = count->data & ~(uint64_t)RX_CLS_LOC_SPECIAL;
	t->size = size < RULES_MAX ? (uint32_t)size : RULES_MAX;
	t->driver_chooses = count->data & RX_CLS_LOC_SPECIAL;
	t->n = list->rule_cnt < count->rule_cnt ? list->rule_cnt : count->rule_cnt;
	t->list = list;
	qsort(list->rule_locs, t->n, sizeof(list->rule_locs[0]), by_location);
}

/* -EMSGSIZE: rules were added between the count and the list. */
static int table_read_once(struct ethtool_port *port, const char *ifname, struct table *ret)
{
	struct ethtool_rxnfc count = { .cmd = ETHTOOL_GRXCLSRLCNT };
	_cleanup_free_ struct ethtool_rxnfc *list = NULL;
	int r = port->call(port, ifname, &count);

	if (r < 0)
		return r;
	if (count.rule_cnt > RULES_MAX)
		return -EOVERFLOW;
	list = calloc(1, sizeof(*list) + count.rule_cnt * sizeof(list->rule_locs[0]));
	if (!list)
		return -ENOMEM;
	list->cmd = ETHTOOL_GRXCLSRLALL;
	list->rule_cnt = count.rule_cnt;
	r = port->call(port, ifname, list);
	if (r == 0)
		table_fill(ret, &count, take_ptr(&list));
	return r;
}

static int table_read(struct ethtool_port *port, const char *ifname, struct table *ret)
{
	int r = -EMSGSIZE;

	for (int i = 0; i < TRIES && r == -EMSGSIZE; i++)
		r = table_read_once(port, ifname, ret);
	return r;
}

int ntuple_capacity(struct ethtool_port *port, const char *ifname)
{
	_cleanup_(table_free) struct table t = { 0 };
	int r = table_read(port, ifname, &t);

	return r < 0 ? r : (int)t.size;
}

static int get_flags(struct ethtool_port *port, const char *ifname, uint32_t *ret)
{
	struct ethtool_value v = { .cmd = ETHTOOL_GFLAGS };
	int r = port->call(port, ifname, &v);

	if (r == 0)
		*ret = v.data;
	return r;
}

/* The kernel says -EINVAL of a feature that can be switched, but not by itself. */
static int set_flags(struct ethtool_port *port, const char *ifname, uint32_t flags)
{
	struct ethtool_value v = { .cmd = ETHTOOL_SFLAGS, .data = flags };
	uint32_t now = 0;
	int r = port->call(port, ifname, &v);

	if (r == 0)
		r = get_flags(port, ifname, &now);
	if (r < 0)
		return r == -EINVAL ? -EOPNOTSUPP : r;
	return ((now ^ flags) & ETH_FLAG_NTUPLE) ? -EOPNOTSUPP : 0;
}

int ntuple_enable(struct ethtool_port *port, const char *ifname, bool *ret_changed)
{
	uint32_t flags = 0;
	int r = get_flags(port, ifname, &flags);

	if (r == 0 && !(flags & ETH_FLAG_NTUPLE)) {
		r = set_flags(port, ifname, flags | ETH_FLAG_NTUPLE);
		if (r == 0)
			*ret_changed = true;
	} else if (r == 0) {
		*ret_changed = false;
	}
	return r;
}

int ntuple_disable(struct ethtool_port *port, const char *ifname)
{
	uint32_t flags = 0;
	int r = get_flags(port, ifname, &flags);

	if (r < 0 || !(flags & ETH_FLAG_NTUPLE))
		return r;
	return set_flags(port, ifname, flags & ~(uint32_t)ETH_FLAG_NTUPLE);
}

/* What is not zero is matched whole. */
static void match_bytes(void *value, void *mask, const uint8_t *from, size_t n)
{
	static const uint8_t any[16];

	if (!memcmp(from, any, n))
		return;
	memcpy(value, from, n);
	memset(mask, 0xff, n);
}

static void match_port(__be16 *value, __be16 *mask, uint16_t port)
{
	*value = htons(port);
	*mask = port ? 0xffff : 0;
}

static struct ethtool_rxnfc rule_of(const struct flow *f)
{
	struct ethtool_rxnfc rule = { .cmd = ETHTOOL_SRXCLSRLINS };
	struct ethtool_tcpip4_spec *v4 = &rule.fs.h_u.udp_ip4_spec, *m4 = &rule.fs.m_u.udp_ip4_spec;
	struct ethtool_tcpip6_spec *v6 = &rule.fs.h_u.udp_ip6_spec, *m6 = &rule.fs.m_u.udp_ip6_spec;

	rule.fs.ring_cookie = f->queue;
	if (f->ipv6) {
		rule.fs.flow_type = UDP_V6_FLOW;
		match_bytes(v6->ip6src, m6->ip6src, f->src, 16);
		match_bytes(v6->ip6dst, m6->ip6dst, f->dst, 16);
		match_port(&v6->psrc, &m6->psrc, f->src_port);
		match_port(&v6->pdst, &m6->pdst, f->dst_port);
	} else {
		rule.fs.flow_type = UDP_V4_FLOW;
		match_bytes(&v4->ip4src, &m4->ip4src, f->src, 4);
		match_bytes(&v4->ip4dst, &m4->ip4dst, f->dst, 4);
		match_port(&v4->psrc, &m4->psrc, f->src_port);
		match_port(&v4->pdst, &m4->pdst, f->dst_port);
	}
	return rule;
}

static int rule_read(struct ethtool_port *port, const char *ifname, uint32_t location,
		     struct ethtool_rxnfc *ret)
{
	*ret = (struct ethtool_rxnfc){ .cmd = ETHTOOL_GRXCLSRULE, .fs.location = location };
	return port->call(port, ifname, ret);
}

/* By what every driver tells of a rule: its kind, its queue, and where the frames go. */
static bool rule_same(const struct ethtool_rxnfc *a, const struct ethtool_rxnfc *b)
{
	const struct ethtool_rx_flow_spec *x = &a->fs, *y = &b->fs;
	const uint32_t flags = FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS;

	if ((x->flow_type & ~flags) != (y->flow_type & ~flags) || x->ring_cookie != y->ring_cookie)
		return false;
	if ((x->flow_type & ~flags) == UDP_V6_FLOW)
		return x->h_u.udp_ip6_spec.pdst == y->h_u.udp_ip6_spec.pdst &&
		       !memcmp(x->h_u.udp_ip6_spec.ip6dst, y->h_u.udp_ip6_spec.ip6dst, 16);
	return x->h_u.udp_ip4_spec.pdst == y->h_u.udp_ip4_spec.pdst &&
	       x->h_u.udp_ip4_spec.ip4dst == y->h_u.udp_ip4_spec.ip4dst;
}

/* Drivers disagree on how to say that there is none; no rule is of kind 0. */
static bool is_taken(struct ethtool_port *port, const char *ifname, uint32_t location)
{
	struct ethtool_rxnfc there;

	return rule_read(port, ifname, location, &there) == 0 && there.fs.flow_type;
}

/* Location 0 is left alone: to MTL clients it means none. */
static int choose(struct ethtool_port *port, const char *ifname, const struct table *t,
		  uint32_t *ret, struct err *e)
{
	if (t->driver_chooses) {
		*ret = RX_CLS_LOC_ANY;
		return 0;
	}
	for (uint32_t at = t->size; at > 1; at--) {
		if (table_has(t, at - 1) || is_taken(port, ifname, at - 1))
			continue;
		*ret = at - 1;
		return 0;
	}
	if (t->size <= 1)
		return fail(e, ENOSPC, "%s has no table for flow rules (%u places)", ifname,
			    t->size);
	return fail(e, ENOSPC, "all %u flow rules of %s are in use", t->size - 1, ifname);
}

/* Afterwards: that it is where it should be, and nobody else's. */
static int verify(struct ethtool_port *port, const char *ifname, const struct table *t,
		  const struct ethtool_rxnfc *rule, struct err *e)
{
	uint32_t at = rule->fs.location;
	struct ethtool_rxnfc there;
	int r;

	if (at & RX_CLS_LOC_SPECIAL)
		return fail(e, EPROTO, "%s took a flow rule and does not tell where", ifname);
	if (table_has(t, at))
		return fail(e, EEXIST, "%s has such a flow rule already, at %u", ifname, at);
	r = rule_read(port, ifname, at, &there);
	if (r == -ENOENT || (r == 0 && !rule_same(&there, rule)))
		return fail(e, EBUSY, "somebody else changes the flow rules of %s: %u was taken",
			    ifname, at);
	return 0;
}

static int insert(struct ethtool_port *port, const char *ifname, const struct flow *flow,
		  struct ethtool_rxnfc *rule, struct err *e)
{
	char text[160];
	int r = port->call(port, ifname, rule);

	if (r == 0)
		return 0;
	flow_format(flow, text, sizeof(text));
	return fail(e, -r, "%s refuses the flow rule %s: %s", ifname, text, strerror(-r));
}

int ntuple_insert(struct ethtool_port *port, const char *ifname, const struct flow *flow,
		  uint32_t *ret_location, struct err *e)
{
	_cleanup_(table_free) struct table t = { 0 };
	struct ethtool_rxnfc rule = rule_of(flow);
	int r = flow_check(flow);

	if (r < 0)
		return fail(e, -r, "not a flow");
	r = table_read(port, ifname, &t);
	if (r == -EOPNOTSUPP)
		return fail(e, EOPNOTSUPP, "%s takes no flow rules", ifname);
	if (r < 0)
		return fail(e, -r, "can't list the flow rules of %s: %s", ifname, strerror(-r));
	r = choose(port, ifname, &t, &rule.fs.location, e);
	if (r == 0)
		r = insert(port, ifname, flow, &rule, e);
	if (r == 0)
		r = verify(port, ifname, &t, &rule, e);
	if (r == 0)
		*ret_location = rule.fs.location;
	return r;
}

/* Drivers disagree on the errno of a location without a rule, so the list decides. */
int ntuple_delete(struct ethtool_port *port, const char *ifname, uint32_t location, struct err *e)
{
	_cleanup_(table_free) struct table t = { 0 };
	struct ethtool_rxnfc rule = { .cmd = ETHTOOL_SRXCLSRLDEL, .fs.location = location };
	int r = port->call(port, ifname, &rule);

	if (r == 0)
		return 0;
	if (r == -ENOENT || (table_read(port, ifname, &t) == 0 && !table_has(&t, location)))
		return fail(e, ENOENT, "%s has no flow rule at %u any more", ifname, location);
	return fail(e, -r, "can't remove flow rule %u of %s: %s", location, ifname, strerror(-r));
}
