/* SPDX-License-Identifier: BSD-3-Clause */
#include "iface.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/str.h"
#include "mech/netdev.h"
#include "stack/steer.h"

/* For each engine. Pages that no flow needs are never touched. */
enum { FLOWS = 16384, SEGMENTS = 16384, SHARES = 4096, LISTENERS = 2048, NEIGHBOURS = 1024 };

/* --- which one --------------------------------------------------------------------------- */

static void format_mac(const uint8_t *m, char ret[static 18])
{
	snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static bool has_mac(const char *name, const uint8_t *mac)
{
	struct netdev dev;

	return netdev_read(name, &dev, NULL) == 0 && !memcmp(dev.mac, mac, sizeof(dev.mac));
}

static int find_by_mac(const struct net_iface *conf, char ret[static NIC_NAME_MAX], struct err *e)
{
	struct if_nameindex *all = if_nameindex();
	bool found = false;
	char text[18];

	for (struct if_nameindex *i = all; i && i->if_name && !found; i++)
		if (has_mac(i->if_name, conf->mac)) {
			str_copy(ret, NIC_NAME_MAX, i->if_name);
			found = true;
		}
	if (all)
		if_freenameindex(all);
	if (found)
		return 0;
	format_mac(conf->mac, text);
	return fail(e, ENODEV, "no interface has the MAC address %s", text);
}

int iface_find(const struct net_iface *conf, char ret[static NIC_NAME_MAX], struct err *e)
{
	struct netdev dev;
	char text[18];
	int r;

	if (!conf->ifname[0])
		return find_by_mac(conf, ret, e);
	r = netdev_read(conf->ifname, &dev, e);
	if (r < 0)
		return r;
	format_mac(dev.mac, text);
	if (memcmp(dev.mac, conf->mac, sizeof(dev.mac)) != 0)
		return fail(e, ENODEV, "%s has the MAC address %s, not that of the config",
			    conf->ifname, text);
	str_copy(ret, NIC_NAME_MAX, conf->ifname);
	return 0;
}

static void from_kernel(const struct sockaddr *sa, struct ipaddr *ret)
{
	*ret = (struct ipaddr){ 0 };
	if (sa && sa->sa_family == AF_INET)
		ipaddr_from4(ret, (const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr);
	else if (sa && sa->sa_family == AF_INET6)
		memcpy(ret, &((const struct sockaddr_in6 *)sa)->sin6_addr, sizeof(*ret));
}

/* Those that the kernel has on any interface it answers for by itself. */
static int find_shared(struct iface *f, struct err *e)
{
	struct ifaddrs *all;
	struct ipaddr ip;

	if (getifaddrs(&all) < 0)
		return fail(e, errno, "can't read the kernel's addresses: %m");
	for (struct ifaddrs *a = all; a; a = a->ifa_next) {
		from_kernel(a->ifa_addr, &ip);
		for (uint32_t i = 0; i < f->conf->naddrs; i++)
			if (ipaddr_equal(&ip, &f->conf->addrs[i].ip))
				f->shared[i] = true;
	}
	freeifaddrs(all);
	return 0;
}

/* --- its engines ----------------------------------------------------------------------------- */

static void fill_conf(const struct iface *f, struct engine *en, const struct stack_user *user,
		      struct stack_conf *c)
{
	*c = (struct stack_conf){ .port = en->port,
				  .naddrs = f->conf->naddrs,
				  .flows = FLOWS,
				  .segments = SEGMENTS,
				  .shares = SHARES,
				  .listeners = LISTENERS,
				  .neighbours = NEIGHBOURS,
				  .steering = f->steering,
				  .engine = en->number,
				  .user = user,
				  .own_port = f->way->port,
				  .arg = en };
	for (uint32_t i = 0; i < f->conf->naddrs; i++)
		c->addrs[i] = (struct stack_addr){ .ip = f->conf->addrs[i].ip,
						   .prefix = f->conf->addrs[i].prefix,
						   .ports_only = f->shared[i] };
	if (f->conf->has_gateway)
		c->gateways[0] = f->conf->gateway;
	if (f->conf->has_gateway6)
		c->gateways[1] = f->conf->gateway6;
	if (getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed))
		c->seed = clock_mono_ns();
}

static int open_engine(struct iface *f, uint32_t number, const struct stack_user *user,
		       struct err *e)
{
	struct engine *en = &f->engines[number];
	struct stack_conf conf;
	int r;

	en->number = number;
	en->iface = f;
	f->nengines = number + 1;
	r = f->way->engine(f, en, e);
	if (r < 0)
		return r;
	if (f->conf->mtu && f->conf->mtu < en->port->mtu)
		en->port->mtu = (uint16_t)f->conf->mtu;
	fill_conf(f, en, user, &conf);
	r = stack_new(&conf, clock_mono_ns(), &en->stack);
	return r < 0 ? fail(e, -r, "can't make a stack for %s: %s", f->name, strerror(-r)) : 0;
}

static void wake(void *arg, uint32_t engine)
{
	struct iface *f = arg;

	engine_wake(&f->engines[engine]);
}

static int open_all(struct iface *f, const struct stack_user *user, struct err *e)
{
	uint32_t n = f->conf->engine_threads;
	int r;

	r = f->way->open(f, e);
	if (r == 0 && n > 1) {
		r = steering_new(n, PORT_ETHER_HEADER + PORT_MTU_MAX, wake, f, &f->steering);
		if (r < 0)
			fail(e, -r, "out of memory");
	}
	for (uint32_t i = 0; r == 0 && i < n; i++)
		r = open_engine(f, i, user, e);
	return r == 0 ? f->way->addresses(f, e) : r;
}

int iface_open(struct iface *f, const struct way *way, void *tenant, const struct net_iface *conf,
	       const struct stack_user *user, struct err *e)
{
	struct netdev dev;
	int r;

	*f = (struct iface){ .conf = conf, .way = way, .tenant = tenant };
	r = iface_find(conf, f->name, e);
	if (r == 0)
		r = netdev_read(f->name, &dev, e);
	if (r < 0)
		return r;
	f->ifindex = dev.ifindex;
	memcpy(f->mac, dev.mac, sizeof(f->mac));
	r = find_shared(f, e);
	if (r < 0)
		return r;
	f->taken = true;
	return open_all(f, user, e);
}

int iface_run(struct iface *f, struct err *e)
{
	struct cpuset cpus;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->nengines; i++) {
		f->way->cpus(f, &f->engines[i], &cpus);
		r = engine_start(&f->engines[i], &cpus, e);
	}
	return r;
}

/* Frames go elsewhere first, so that none is lost on a socket that is going. */
void iface_close(struct iface *f)
{
	if (f->taken)
		f->way->quiet(f);
	for (uint32_t i = 0; i < f->nengines; i++)
		engine_stop(&f->engines[i]);
	steering_free(f->steering);
	if (f->taken)
		f->way->close(f);
	f->taken = false;
	f->steering = NULL;
	f->nengines = 0;
}
