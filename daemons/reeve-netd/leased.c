/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that netd has of an interface is a lease in reeved's ledger, where nobody else can
 * get it: queues with sockets on them, addresses as a whole, or, of an address that the
 * kernel has, too, the UDP ports that the config names. Cores as well, if there are
 * any to be had: engines may do without one of their own, since they sleep when idle.
 *
 * What frames a NIC puts into other queues than those is not netd's to say.
 */
#include "leased.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "client/client.h"
#include "iface.h"
#include "mech/netdev.h"
#include "port/af_xdp.h"
#include "tenancy.h"

enum { FRAMES = 4096, RING = 2048 };

static struct tenancy *tenancy(const struct iface *f)
{
	return f->tenant;
}

/* Those of an earlier connection nobody can give back; they end with this process. */
static bool may_release(const struct iface *f)
{
	return tenancy(f)->reeve && tenancy(f)->use == f->leased.use;
}

static void release(const struct iface *f, uint64_t *lease)
{
	if (*lease && may_release(f))
		reeve_release(tenancy(f)->reeve, *lease);
	*lease = 0;
}

/* --- cores ------------------------------------------------------------------------------ */

/* Of a mask with more CPUs than engines any so many will do. */
static int lease_of_mask(struct iface *f, struct reeve *r)
{
	struct leased *l = &f->leased;
	int last = -ENOSPC;

	for (unsigned cpu = cpuset_next(&f->conf->cpus, 0);
	     cpu < CPU_MAX && l->ncores < f->conf->engine_threads;
	     cpu = cpuset_next(&f->conf->cpus, cpu + 1)) {
		char text[12];
		const struct reeve_want want = { .size = sizeof(want),
						 .cpus = text,
						 .name = TENANCY_NAME };
		size_t n = 0;
		int one;

		snprintf(text, sizeof(text), "%u", cpu);
		one = reeve_acquire(r, &want, &l->cores[l->ncores], 1, &n);
		l->ncores += one == 0;
		last = one < 0 ? one : last;
	}
	return l->ncores == f->conf->engine_threads ? 0 : last;
}

/* What is no hardware is near no CPU. */
static int lease_any(struct iface *f, struct reeve *r)
{
	struct netdev dev;
	bool hardware = netdev_read(f->name, &dev, NULL) == 0 && !dev.is_virtual;
	const struct reeve_want want = { .size = sizeof(want),
					 .count = f->conf->engine_threads,
					 .near = hardware ? f->name : NULL,
					 .name = TENANCY_NAME };
	size_t n = 0;
	int one = reeve_acquire(r, &want, f->leased.cores, NET_THREADS_MAX, &n);

	f->leased.ncores = (uint32_t)n;
	return one;
}

static void release_cores(struct iface *f)
{
	struct leased *l = &f->leased;

	for (uint32_t i = 0; i < l->ncores; i++)
		release(f, &l->cores[i].id);
	l->ncores = 0;
}

static void lease_cores(struct iface *f, struct reeve *r)
{
	int one = cpuset_empty(&f->conf->cpus) ? lease_any(f, r) : lease_of_mask(f, r);

	if (one == 0)
		return;
	log_say(LOG_WARN, "no cores of their own", "the engines of %s share theirs: %s", f->name,
		reeve_error(r));
	release_cores(f);
}

/* --- queues ----------------------------------------------------------------------------- */

static enum nic_mode parse_mode(const char *text)
{
	enum nic_mode mode = NIC_MODE_GENERIC;

	while (mode != NIC_MODE_NONE && strcmp(text ?: "", nic_mode_name(mode)) != 0)
		mode--;
	return mode;
}

/* What a NIC puts into other queues than ours is the kernel's, whoever it is for. */
static void look_at_nic(struct iface *f, const json_t *nic)
{
	json_int_t queues = json_integer_value(json_object_get(nic, "queues"));

	f->leased.mode = parse_mode(json_string_value(json_object_get(nic, "mode")));
	if (queues > f->leased.nqueues)
		log_say(LOG_WARN, "not all queues",
			"%s spreads frames over %d, of which %u are leased here; `channels` of "
			"reeve.conf changes that",
			f->name, (int)queues, f->leased.nqueues);
}

/* It is only told of, so what can't be read is not known. */
static void look_at_nics(struct iface *f, struct reeve *r)
{
	_cleanup_json_ json_t *reply = NULL;
	const json_t *nics, *nic;
	size_t i;

	if (call(r, "ListNics", json_object(), &reply) < 0)
		return;
	nics = json_object_get(reply, "nics");
	json_array_foreach(nics, i, nic) {
		if (json_integer_value(json_object_get(nic, "ifindex")) == f->ifindex)
			look_at_nic(f, nic);
	}
}

static int leased_open(struct iface *f, struct err *e)
{
	struct leased *l = &f->leased;
	struct reeve *r;
	int n = tenancy_get(tenancy(f), &r, e);

	if (n < 0)
		return n;
	l->use = tenancy(f)->use;
	n = reeve_acquire_queues(r, f->name, f->conf->engine_threads, TENANCY_NAME, l->queues);
	if (n < 0)
		return tenancy_fail(tenancy(f), n, "can't lease queues", e);
	l->nqueues = f->conf->engine_threads;
	look_at_nics(f, r);
	lease_cores(f, r);
	return 0;
}

static int leased_engine(struct iface *f, struct engine *en, struct err *e)
{
	const struct reeve_queue *q = &f->leased.queues[en->number];
	struct reeve_socket s = { .frames = FRAMES, .ring = RING };
	struct af_xdp_want want = AF_XDP_WANT(f->name, q->queue);
	struct netdev dev;
	struct reeve *r;
	int n = tenancy_get(tenancy(f), &r, e);

	if (n == 0)
		n = netdev_read(f->name, &dev, e);
	if (n < 0)
		return n;
	s.frame_size = af_xdp_frame_size(dev.mtu);
	n = reeve_open_socket(r, q->lease, &s);
	if (n < 0)
		return tenancy_fail(tenancy(f), n, "can't have a socket on a queue", e);
	want.sock = s.sock;
	want.memory = s.memory;
	want.bound = s.bound;
	want.frames = s.frames;
	want.frame_size = s.frame_size;
	want.ring = s.ring;
	n = af_xdp_open(&want, &en->port, e);
	if (n < 0) {
		close(s.sock);
		close(s.memory);
	}
	return n;
}

/* --- addresses and ports ------------------------------------------------------------------ */

static int lease_address(struct iface *f, struct reeve *r, uint32_t i, struct err *e)
{
	char text[IPADDR_TEXT];
	int n;

	ipaddr_format(&f->conf->addrs[i].ip, text);
	n = reeve_acquire_address(r, f->name, text, TENANCY_NAME, &f->leased.addresses[i]);
	return n < 0 ? tenancy_fail(tenancy(f), n, text, e) : 0;
}

static int lease_ports(struct iface *f, struct reeve *r, struct err *e)
{
	const struct net_iface *c = f->conf;
	struct leased *l = &f->leased;
	int n = 0;

	if (!c->nports)
		return fail(
			e, EINVAL,
			"the kernel has an address of %s, too: the config's \"ports\" must say which "
			"UDP ports of it are to be leased",
			f->name);
	for (uint32_t i = 0; n == 0 && i < c->nports; i++)
		for (uint32_t port = c->ports[i].first; n == 0 && port <= c->ports[i].last;
		     port++) {
			n = reeve_add_port(r, f->name, (uint16_t)port, NULL);
			l->nports += n == 0;
		}
	return n < 0 ? tenancy_fail(tenancy(f), n, "can't lease a port", e) : 0;
}

static int leased_addresses(struct iface *f, struct err *e)
{
	bool any_shared = false;
	struct reeve *r;
	int n = tenancy_get(tenancy(f), &r, e);

	for (uint32_t i = 0; n == 0 && i < f->conf->naddrs; i++) {
		any_shared |= f->shared[i];
		if (!f->shared[i])
			n = lease_address(f, r, i, e);
	}
	return n == 0 && any_shared ? lease_ports(f, r, e) : n;
}

static void release_ports(struct iface *f)
{
	const struct net_iface *c = f->conf;
	struct leased *l = &f->leased;

	for (uint32_t i = 0; i < c->nports && may_release(f); i++)
		for (uint32_t port = c->ports[i].first; l->nports && port <= c->ports[i].last;
		     port++, l->nports--)
			reeve_remove_port(tenancy(f)->reeve, f->name, (uint16_t)port);
	l->nports = 0;
}

/* They are leased already: only which there are is to be known. */
static bool leased_port(void *engine, uint16_t port, bool on)
{
	const struct net_iface *c = ((struct engine *)engine)->iface->conf;

	if (!on)
		return true;
	for (uint32_t i = 0; i < c->nports; i++)
		if (c->ports[i].first <= port && port <= c->ports[i].last)
			return true;
	return false;
}

/* --- the rest ------------------------------------------------------------------------------- */

static void leased_cpus(const struct iface *f, const struct engine *en, struct cpuset *ret)
{
	*ret = f->conf->cpus;
	if (en->number >= f->leased.ncores)
		return;
	*ret = (struct cpuset){ 0 };
	cpuset_add(ret, f->leased.cores[en->number].cpu);
}

static enum nic_mode leased_mode(const struct iface *f)
{
	return f->leased.mode;
}

static void leased_quiet(struct iface *f)
{
	for (uint32_t i = 0; i < f->conf->naddrs; i++)
		release(f, &f->leased.addresses[i]);
	release_ports(f);
}

static void leased_close(struct iface *f)
{
	for (uint32_t i = 0; i < f->leased.nqueues; i++)
		release(f, &f->leased.queues[i].lease);
	release_cores(f);
	f->leased = (struct leased){ 0 };
}

const struct way way_leased = {
	.open = leased_open,
	.engine = leased_engine,
	.addresses = leased_addresses,
	.cpus = leased_cpus,
	.port = leased_port,
	.mode = leased_mode,
	.quiet = leased_quiet,
	.close = leased_close,
};
