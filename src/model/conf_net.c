/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks of IP addresses, and who may lease addresses of them. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "model/conf.h"

static uint32_t width(const struct ipaddr *a)
{
	return ipaddr_is4(a) ? 32 : 128;
}

static bool bit_of(const struct ipaddr *a, uint32_t n)
{
	return a->b[n / 8] & 0x80 >> n % 8;
}

bool ip_net_sound(const struct ip_net *n)
{
	uint32_t first = 128 - width(&n->ip) + n->bits;

	if (n->bits > width(&n->ip))
		return false;
	while (first < 128 && !bit_of(&n->ip, first))
		first++;
	return first == 128;
}

int ip_net_parse(const char *text, struct ip_net *ret)
{
	const char *slash = strchr(text, '/');
	char address[IPADDR_TEXT] = "";
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct ip_net n;
	uint64_t bits;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	if (ipaddr_parse(address, &n.ip) < 0)
		return -EINVAL;
	bits = width(&n.ip);
	if (slash && str_u64(slash + 1, width(&n.ip), &bits) < 0)
		return -EINVAL;
	n.bits = (uint32_t)bits;
	if (!ip_net_sound(&n))
		return -EINVAL;
	*ret = n;
	return 0;
}

/* The tenant system is root's: without a list it is kept from none. */
static bool may_any(uint32_t tenant, const struct tenant_conf *t)
{
	return tenant == TENANT_SYSTEM && !t->nnets;
}

bool conf_tenant_may_have_addresses(const struct conf *c, uint32_t tenant)
{
	const struct tenant_conf *t = c->tenants + tenant;

	return tenant < c->ntenants && t->quota.max[RES_ADDRESS] &&
	       (may_any(tenant, t) || t->nnets);
}

bool conf_tenant_may_have_address(const struct conf *c, uint32_t tenant, const struct ipaddr *a)
{
	const struct tenant_conf *t = c->tenants + tenant;

	if (!ipaddr_is_unicast(a) || !conf_tenant_may_have_addresses(c, tenant))
		return false;
	if (may_any(tenant, t))
		return true;
	for (uint32_t i = 0; i < t->nnets; i++)
		if (ipaddr_same_net(a, &t->nets[i].ip, t->nets[i].bits))
			return true;
	return false;
}
