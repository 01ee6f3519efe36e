/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interface's addresses. The original knows no netmask and resolves every peer by
 * ARP, so that an address without a prefix has all others on its link; a guess such as
 * /24 would send to a gateway, or nowhere, what reaches its peer today.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "reeve-netd/net_conf_keys.h"

enum { V4_AT = 12, V4_BITS = 96 };

static unsigned prefix_max(const struct ipaddr *ip)
{
	return ipaddr_is4(ip) ? 32 : 128;
}

static unsigned network_bits(const struct net_addr *a)
{
	return (ipaddr_is4(&a->ip) ? V4_BITS : 0) + a->prefix;
}

static unsigned bit(const struct ipaddr *ip, unsigned i)
{
	return ip->b[i / 8] >> (7 - i % 8) & 1U;
}

static bool covers(const struct net_addr *a, const struct ipaddr *ip)
{
	if (ipaddr_is4(&a->ip) != ipaddr_is4(ip))
		return false;
	for (unsigned i = 0; i < network_bits(a); i++)
		if (bit(&a->ip, i) != bit(ip, i))
			return false;
	return true;
}

/* Whether all bits of `ip` behind the prefix of `a` are `value`. */
static bool host_part_is(const struct net_addr *a, const struct ipaddr *ip, unsigned value)
{
	for (unsigned i = network_bits(a); i < 128; i++)
		if (bit(ip, i) != value)
			return false;
	return true;
}

/* --- which addresses a host can have -------------------------------------- */

static const char *other_than_host(const struct ipaddr *ip)
{
	static const struct ipaddr none, loopback = { .b = { [15] = 1 } };
	uint8_t first = ip->b[ipaddr_is4(ip) ? V4_AT : 0];

	if (!ipaddr_is4(ip)) {
		if (!memcmp(ip, &none, sizeof(none)))
			return "no host's address";
		if (!memcmp(ip, &loopback, sizeof(loopback)))
			return "a loopback address";
		return first == 0xff ? "a multicast address" : NULL;
	}
	if (first == 0)
		return "no host's address";
	if (first == 127)
		return "a loopback address";
	if (!memcmp(ip->b + V4_AT, (uint8_t[]){ 255, 255, 255, 255 }, 4))
		return "a broadcast address";
	return first >> 4 == 14 ? "a multicast address" : NULL;
}

/* Links of two hosts (/31, /127) have neither; IPv6 has no broadcast. */
static const char *other_than_host_of(const struct net_addr *net, const struct ipaddr *ip)
{
	if (!net->prefix || net->prefix + 1U >= prefix_max(&net->ip))
		return NULL;
	if (host_part_is(net, ip, 0))
		return "the address of a network";
	return ipaddr_is4(ip) && host_part_is(net, ip, 1) ? "the broadcast address of a network"
							  : NULL;
}

static int refuse_address(const struct ipaddr *ip, const char *what, struct err *e)
{
	char text[IPADDR_TEXT];

	ipaddr_format(ip, text);
	return fail(e, EINVAL, "%s is %s", text, what);
}

static int check_host_part(const struct net_addr *a, struct err *e)
{
	const char *what = other_than_host_of(a, &a->ip);
	char text[IPADDR_TEXT];

	if (!what)
		return 0;
	ipaddr_format(&a->ip, text);
	return fail(e, EINVAL, "%s is %s, with prefix %u", text, what, a->prefix);
}

static bool has_address(const struct net_iface *i, const struct ipaddr *ip)
{
	for (uint32_t k = 0; k < i->naddrs; k++)
		if (!memcmp(&i->addrs[k].ip, ip, sizeof(*ip)))
			return true;
	return false;
}

static bool is_taken(const struct net_conf *c, const struct ipaddr *ip)
{
	for (uint32_t i = 0; i <= c->nifaces; i++)
		if (has_address(&c->ifaces[i], ip))
			return true;
	return false;
}

/* --- ip ------------------------------------------------------------------- */

static int not_an_address(const char *text, struct err *e)
{
	char q[QUOTE_MAX];

	return fail(e, EINVAL, "\"%s\" is no IP address", quote(q, text));
}

/* "a.b.c.d" or "a.b.c.d/24" */
static int parse_address(const char *text, struct net_addr *ret, bool *ret_prefix, struct err *e)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char ip[IPADDR_TEXT] = "", q[QUOTE_MAX];
	struct net_addr a = { 0 };
	uint64_t prefix = 0;

	if (len >= sizeof(ip))
		return not_an_address(text, e);
	memcpy(ip, text, len);
	if (ipaddr_parse(ip, &a.ip) < 0)
		return not_an_address(text, e);
	if (slash && str_u64(slash + 1, prefix_max(&a.ip), &prefix) < 0)
		return fail(e, EINVAL, "\"%s\" has no prefix from 0 to %u", quote(q, text),
			    prefix_max(&a.ip));
	a.prefix = (uint8_t)prefix;
	*ret = a;
	*ret_prefix = slash;
	return 0;
}

static int add_address(struct build *b, const json_t *value, struct err *e)
{
	struct net_iface *i = build_iface(b);
	const char *text = key_text(value, e), *what;
	struct net_addr a = { 0 };
	int r;

	if (!text)
		return -EINVAL;
	if (i->naddrs == NET_ADDRS_MAX)
		return fail(e, EINVAL, "there are more than %d addresses", NET_ADDRS_MAX);
	r = parse_address(text, &a, &b->has_prefix[i->naddrs], e);
	if (r < 0)
		return r;
	what = other_than_host(&a.ip);
	if (!what && is_taken(b->c, &a.ip))
		what = "given twice";
	if (what)
		return refuse_address(&a.ip, what, e);
	i->addrs[i->naddrs++] = a;
	return check_host_part(&a, e);
}

int set_ip(struct build *b, const json_t *value, struct err *e)
{
	if (!json_is_array(value))
		return add_address(b, value, e);
	if (!json_array_size(value))
		return fail(e, EINVAL, "the list is empty");
	for (size_t i = 0; i < json_array_size(value); i++) {
		int r = add_address(b, json_array_get(value, i), e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- prefix --------------------------------------------------------------- */

static int set_one_prefix(struct build *b, uint32_t at, const json_t *value, struct err *e)
{
	struct net_addr *a = &build_iface(b)->addrs[at];
	char text[IPADDR_TEXT];
	uint64_t prefix = 0;
	int r;

	if (b->has_prefix[at]) {
		ipaddr_format(&a->ip, text);
		return fail(e, EINVAL, "%s has a prefix already, /%u in `ip`", text, a->prefix);
	}
	r = key_number(value, 0, prefix_max(&a->ip), &prefix, e);
	if (r < 0)
		return r;
	a->prefix = (uint8_t)prefix;
	b->has_prefix[at] = true;
	return check_host_part(a, e);
}

int set_prefix(struct build *b, const json_t *value, struct err *e)
{
	uint32_t n = build_iface(b)->naddrs;

	if (!json_is_array(value) && n == 1)
		return set_one_prefix(b, 0, value, e);
	if (json_array_size(value) != n)
		return fail(e, EINVAL,
			    "as many numbers are wanted as there are addresses, %" PRIu32, n);
	for (uint32_t i = 0; i < n; i++) {
		int r = set_one_prefix(b, i, json_array_get(value, i), e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- gateway -------------------------------------------------------------- */

/* fe80::/10 is on every link, whatever the prefixes. */
static bool is_link_local6(const struct ipaddr *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

/*
 * The gateway's network is one of ours. With everything on the link there is nothing
 * for a gateway to do: whoever names one has forgotten the prefix.
 */
static int check_gateway(const struct net_iface *i, const struct ipaddr *gateway, struct err *e)
{
	bool found = !ipaddr_is4(gateway) && is_link_local6(gateway), any = false;
	char text[IPADDR_TEXT];

	for (uint32_t k = 0; k < i->naddrs; k++) {
		const struct net_addr *a = &i->addrs[k];

		if (ipaddr_is4(&a->ip) != ipaddr_is4(gateway))
			continue;
		any = true;
		ipaddr_format(&a->ip, text);
		if (!a->prefix)
			return fail(e, EINVAL, "with a gateway, %s needs a prefix", text);
		if (!covers(a, gateway))
			continue;
		if (other_than_host_of(a, gateway))
			return refuse_address(gateway, other_than_host_of(a, gateway), e);
		found = true;
	}
	if (!any)
		return fail(e, EINVAL, "there is no IPv%d address in `ip`",
			    ipaddr_is4(gateway) ? 4 : 6);
	return found ? 0 : refuse_address(gateway, "in no network of `ip`", e);
}

static int parse_gateway(const struct build *b, const json_t *value, bool want4, struct ipaddr *ret,
			 struct err *e)
{
	const char *text = key_text(value, e), *what;
	struct ipaddr ip;
	char q[QUOTE_MAX];
	int r;

	if (!text)
		return -EINVAL;
	if (ipaddr_parse(text, &ip) < 0 || ipaddr_is4(&ip) != want4)
		return fail(e, EINVAL, "\"%s\" is no IPv%d address", quote(q, text), want4 ? 4 : 6);
	what = other_than_host(&ip);
	if (!what && has_address(build_iface(b), &ip))
		what = "the interface's own address";
	if (what)
		return refuse_address(&ip, what, e);
	r = check_gateway(build_iface(b), &ip, e);
	if (r < 0)
		return r;
	*ret = ip;
	return 0;
}

int set_gateway(struct build *b, const json_t *value, struct err *e)
{
	int r = parse_gateway(b, value, true, &build_iface(b)->gateway, e);

	build_iface(b)->has_gateway = !r;
	return r;
}

int set_gateway6(struct build *b, const json_t *value, struct err *e)
{
	int r = parse_gateway(b, value, false, &build_iface(b)->gateway6, e);

	build_iface(b)->has_gateway6 = !r;
	return r;
}
