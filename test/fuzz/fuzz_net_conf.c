/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as machnet.json: what is accepted keeps the rules that the stack relies on,
 * what is refused says so in one printable sentence, and neither depends on what was
 * parsed before.
 */
#include <ctype.h>
#include <string.h>

#include "port/port.h"
#include "reeve-netd/net_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		__builtin_trap();
}

static void check_sentence(const struct err *e)
{
	require(e->code > 0);
	require(!strncmp(e->text, "machnet.json:", strlen("machnet.json:")));
	for (const char *p = e->text; *p; p++)
		require(isprint((unsigned char)*p));
}

static void check_addrs(const struct net_iface *i)
{
	require(i->naddrs >= 1 && i->naddrs <= NET_ADDRS_MAX);
	for (uint32_t k = 0; k < i->naddrs; k++) {
		const struct net_addr *a = &i->addrs[k];

		require(a->prefix <= (ipaddr_is4(&a->ip) ? 32 : 128));
		for (uint32_t m = 0; m < k; m++)
			require(memcmp(&a->ip, &i->addrs[m].ip, sizeof(a->ip)));
	}
	require(!i->has_gateway || ipaddr_is4(&i->gateway));
	require(!i->has_gateway6 || !ipaddr_is4(&i->gateway6));
}

static void check_iface(const struct net_conf *c, uint32_t at)
{
	const struct net_iface *i = &c->ifaces[at];

	check_addrs(i);
	require(!(i->mac[0] & 1));
	for (uint32_t k = 0; k < at; k++)
		require(memcmp(i->mac, c->ifaces[k].mac, sizeof(i->mac)));
	require(!i->ifname[0] || nic_name_sound(i->ifname));
	require(memchr(i->pcie, '\0', sizeof(i->pcie)));
	require(!i->mtu || (i->mtu >= PORT_MTU_MIN && i->mtu <= PORT_MTU_MAX));
	require(i->engine_threads >= 1);
}

static void check_conf(const struct net_conf *c)
{
	uint32_t threads = 0;

	require(c->nifaces <= NET_IFACES_MAX);
	for (uint32_t i = 0; i < c->nifaces; i++) {
		check_iface(c, i);
		threads += c->ifaces[i].engine_threads;
	}
	require(threads <= NET_THREADS_MAX);
	for (uint32_t i = 0; i < NET_UNKNOWN_MAX; i++)
		require(memchr(c->unknown[i], '\0', NET_UNKNOWN_TEXT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct net_conf first, second;
	struct err e = { 0 }, again = { 0 };
	int r = net_conf_parse("machnet.json", (const char *)data, size, &first, &e);

	require(net_conf_parse("machnet.json", (const char *)data, size, &second, &again) == r);
	if (r < 0) {
		check_sentence(&e);
		require(!strcmp(e.text, again.text));
		return 0;
	}
	check_conf(&first);
	require(!memcmp(&first, &second, sizeof(first)));
	return 0;
}
