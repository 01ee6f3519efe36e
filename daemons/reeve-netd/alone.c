/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An XDP program of netd's own, and a socket on each queue. Frames of the addresses come
 * here, all others go to the kernel as ever. Of an address that the kernel has, too,
 * only the UDP ports come that the stack uses; these are kept from the kernel's programs
 * by a bound socket, so none is handed out twice.
 */
#include "alone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "iface.h"
#include "mech/ethgroup.h"
#include "mech/ethnl.h"
#include "port/af_xdp.h"

enum { PORTS = 65536 };

/* --- queues and program --------------------------------------------------------------- */

static int with_channels(struct iface *f, uint32_t want, struct err *e)
{
	_cleanup_fd_ int sock = ethnl_socket();
	struct ethnl_channels now;
	struct ethnl n;
	int r;

	if (sock < 0 || ethnl_open(&n, sock, false, e) < 0 ||
	    ethnl_get_channels(&n, f->ifindex, &now) < 0 || ethnl_queues(&now) == want)
		return 0; /* one queue, or a driver that does not tell: the sockets will */
	r = ethnl_set_channels(&n, f->ifindex, want, e);
	if (r < 0)
		return fail(e, -r,
			    "%s spreads frames over %u queues and can't be set to %u, one for each "
			    "of engine_threads: %s",
			    f->name, ethnl_queues(&now), want, strerror(-r));
	if (!f->alone.channels_were)
		f->alone.channels_were = ethnl_queues(&now);
	return 0;
}

/* Queues can't be set under many a program of somebody else: then that is the reason to give. */
static int queues_or_program(struct iface *f, struct err *e)
{
	int r = with_channels(f, f->conf->engine_threads, e);
	struct err busy = { 0 };

	if (r < 0 && xdp_loader_open(f->name, f->conf->mode, &f->alone.xdp, &busy) == -EBUSY) {
		r = -EBUSY;
		if (e)
			*e = busy;
	}
	return r;
}

static bool any_shared(const struct iface *f)
{
	uint32_t i = 0;

	while (i < f->conf->naddrs && !f->shared[i])
		i++;
	return i < f->conf->naddrs;
}

/* Solicitations for our addresses go to groups that the kernel need not be in. */
static int join_groups(struct iface *f, struct err *e)
{
	uint8_t group[6] = { 0x33, 0x33, 0xff };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->conf->naddrs; i++) {
		const struct ipaddr *ip = &f->conf->addrs[i].ip;

		if (ipaddr_is4(ip))
			continue;
		if (f->alone.groups < 0)
			f->alone.groups = ethgroup_socket();
		memcpy(group + 3, ip->b + 13, 3);
		r = f->alone.groups < 0 ? f->alone.groups
					: ethgroup_join(f->alone.groups, f->ifindex, group);
	}
	return r < 0 ? fail(e, -r, "can't have %s take IPv6 solicitations: %s", f->name,
			    strerror(-r))
		     : 0;
}

static int alone_open(struct iface *f, struct err *e)
{
	int r;

	f->alone.groups = -1;
	r = join_groups(f, e);
	if (r == 0)
		r = queues_or_program(f, e);
	if (r == 0)
		r = xdp_loader_open(f->name, f->conf->mode, &f->alone.xdp, e);
	if (r == 0 && any_shared(f)) {
		f->alone.kept = calloc(PORTS, sizeof(*f->alone.kept));
		if (!f->alone.kept)
			r = fail(e, ENOMEM, "out of memory");
	}
	return r;
}

static int alone_engine(struct iface *f, struct engine *en, struct err *e)
{
	struct af_xdp_want want = AF_XDP_WANT(f->name, en->number);
	int r = af_xdp_open(&want, &en->port, e);

	if (r < 0)
		return r;
	r = xdp_loader_set_socket(f->alone.xdp, en->number, en->port->wait_fd);
	return r < 0 ? fail(e, -r, "can't have frames of %s: %s", f->name, strerror(-r)) : 0;
}

static int set_addresses(struct iface *f, uint32_t whole, uint32_t shared)
{
	struct stack_address a;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->conf->naddrs; i++) {
		memcpy(a.bytes, f->conf->addrs[i].ip.b, sizeof(a.bytes));
		r = xdp_loader_set_address(f->alone.xdp, &a, f->shared[i] ? shared : whole);
	}
	return r;
}

static int alone_addresses(struct iface *f, struct err *e)
{
	int r = set_addresses(f, STACK_WHOLE, STACK_PORTS);

	return r < 0 ? fail(e, -r, "can't take the addresses of %s: %s", f->name, strerror(-r)) : 0;
}

/* --- ports of addresses that the kernel has, too ------------------------------------------ */

/* Of all addresses of the host, as the program takes it on all that are the stack's, too. */
static int keep_from_kernel(uint16_t port)
{
	const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), off = 0, r;

	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		r = bind(fd, (const struct sockaddr *)&any6, sizeof(any6));
	} else { /* a host without IPv6 */
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		r = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&any4, sizeof(any4));
	}
	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool alone_port(void *engine, uint16_t port, bool on)
{
	struct alone *a = &((struct engine *)engine)->iface->alone;

	if (on) {
		a->kept[port] = keep_from_kernel(port);
		if (a->kept[port] < 0)
			return false;
		xdp_loader_set_port(a->xdp, port, true);
		return true;
	}
	xdp_loader_set_port(a->xdp, port, false);
	close(a->kept[port]);
	a->kept[port] = 0;
	return true;
}

/* --- the rest ------------------------------------------------------------------------------- */

static void alone_cpus(const struct iface *f, const struct engine *en, struct cpuset *ret)
{
	(void)en;
	*ret = f->conf->cpus;
}

static enum nic_mode alone_mode(const struct iface *f)
{
	return f->alone.xdp ? xdp_loader_mode(f->alone.xdp) : NIC_MODE_NONE;
}

/* The loader stays for now: an engine may be about to tell it of a port. */
static void alone_quiet(struct iface *f)
{
	if (f->alone.xdp)
		set_addresses(f, 0, 0);
}

static void alone_close(struct iface *f)
{
	struct alone *a = &f->alone;
	uint32_t were = a->channels_were;

	xdp_loader_close(a->xdp);
	for (uint32_t port = 0; a->kept && port < PORTS; port++)
		if (a->kept[port] > 0)
			close(a->kept[port]);
	free(a->kept);
	if (were)
		with_channels(f, were, NULL);
	if (a->groups >= 0)
		close(a->groups);
	*a = (struct alone){ .groups = -1 };
}

const struct way way_alone = {
	.open = alone_open,
	.engine = alone_engine,
	.addresses = alone_addresses,
	.cpus = alone_cpus,
	.port = alone_port,
	.mode = alone_mode,
	.quiet = alone_quiet,
	.close = alone_close,
};
