/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owners: instances on an interface, each with its queues, ports and sockets.
 *
 * Single form: an owner has an XSKMAP and a port table of its own, and a queue
 * is its owner's by what stands under the queue's number in three maps. The
 * table is what makes the program look at a frame at all, so it is set last and
 * taken away first: no frame meets a queue that is half somebody else's.
 *
 * Dispatcher form: ports and sockets are in maps that all owners share, and a
 * client may have got the map of sockets to write to. So everybody there is of
 * one tenant, until the interface is closed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "reeved.h"

enum { PORT_BYTES = NIC_PORTS / 8 };

static bool is_single(const struct iface *f)
{
	return f->form == NIC_FORM_SINGLE;
}

struct owner *owner_find(const struct iface *f, uint32_t number)
{
	struct owner *o = f->owners;

	while (o && o->number != number)
		o = o->next;
	return o;
}

/* --- owners -------------------------------------------------------------------- */

static int check_room(const struct nics *n, const struct iface *f, const struct pp_nic_owner *m,
		      struct err *e)
{
	if (owner_find(f, m->owner))
		return fail(e, EEXIST, "owner %" PRIu32 " is on the interface already", m->owner);
	if (n->owners >= IFACE_OWNERS_MAX)
		return fail(e, ENOSPC, "%d owners are on the interfaces, no more fit",
			    IFACE_OWNERS_MAX);
	if (!is_single(f) && f->tenant != NO_TENANT && f->tenant != m->tenant)
		return fail(e, EPERM,
			    "interfaces that use the dispatcher serve one tenant at a time");
	return 0;
}

int owner_begin(struct nics *n, struct iface *f, const struct pp_nic_owner *m, struct err *e)
{
	struct owner *o;
	int r = check_room(n, f, m, e);

	if (r < 0)
		return r;
	o = calloc(1, sizeof(*o));
	if (!o)
		return fail(e, ENOMEM, "out of memory");
	*o = (struct owner){ .number = m->owner, .xskmap = -1, .table = -1 };
	if (is_single(f))
		o->xskmap = bpfmap_new_xskmap(o->number);
	if (is_single(f) && o->xskmap < 0) {
		r = fail(e, -o->xskmap, "can't make a map of sockets: %s", strerror(-o->xskmap));
		free(o);
		return r;
	}
	o->next = f->owners;
	f->owners = o;
	f->tenant = m->tenant;
	n->owners++;
	return 0;
}

static void take_out(struct iface *f, const struct owner *o)
{
	struct owner **at = &f->owners;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
}

static void drop_ports(struct iface *f, struct owner *o)
{
	for (uint32_t port = 1; o->ports && port < NIC_PORTS; port++)
		if (owner_has_port(o, (uint16_t)port))
			owner_drop_port(f, o, (uint16_t)port);
}

void owner_end(struct nics *n, struct iface *f, struct owner *o)
{
	for (uint32_t queue = 0; queue < NIC_QUEUES_MAX; queue++)
		if (f->queues[queue] == o)
			owner_drop_queue(n, f, queue);
	flows_end(f, o);
	if (!is_single(f)) /* its own table goes as a whole */
		drop_ports(f, o);
	take_out(f, o);
	n->owners--;
	cleanup_fd_p(&o->xskmap);
	cleanup_fd_p(&o->table);
	free(o->ports);
	free(o);
}

/* --- queues -------------------------------------------------------------------- */

static int need_table(struct owner *o, struct err *e)
{
	if (o->table >= 0)
		return 0;
	o->table = bpfmap_new_table(o->number);
	return o->table < 0 ? fail(e, -o->table, "can't make a port table: %s", strerror(-o->table))
			    : 0;
}

static void unlink_queue(const struct iface *f, uint32_t queue)
{
	const uint32_t nobody = 0;

	bpfmap_del(f->maps[LOADER_FD_TABLES], &queue);
	bpfmap_set(f->maps[LOADER_FD_OWNERS], &queue, &nobody);
	bpfmap_del(f->maps[LOADER_FD_XSKMAPS], &queue);
}

static int link_queue(const struct iface *f, const struct owner *o, uint32_t queue)
{
	int r;

	r = bpfmap_set(f->maps[LOADER_FD_XSKMAPS], &queue, &o->xskmap);
	if (r == 0)
		r = bpfmap_set(f->maps[LOADER_FD_OWNERS], &queue, &o->number);
	if (r == 0)
		r = bpfmap_set(f->maps[LOADER_FD_TABLES], &queue, &o->table);
	if (r < 0)
		unlink_queue(f, queue);
	return r;
}

int owner_take_queue(struct iface *f, struct owner *o, uint32_t queue, struct err *e)
{
	int r = 0;

	if (f->queues[queue])
		return fail(e, EBUSY, "queue %" PRIu32 " has an owner", queue);
	if (is_single(f)) {
		r = need_table(o, e);
		if (r < 0)
			return r;
		r = link_queue(f, o, queue);
	}
	if (r < 0)
		return fail(e, -r, "can't give queue %" PRIu32 " its owner: %s", queue,
			    strerror(-r));
	f->queues[queue] = o;
	return 0;
}

/* Its socket is not to get the next owner's frames. */
void owner_drop_queue(struct nics *n, struct iface *f, uint32_t queue)
{
	rules_leave_queue(n, f, queue);
	if (is_single(f))
		unlink_queue(f, queue);
	bpfmap_del(owner_xskmap(f, f->queues[queue]), &queue);
	f->queues[queue] = NULL;
}

/* --- ports --------------------------------------------------------------------- */

bool owner_has_port(const struct owner *o, uint16_t port)
{
	return o->ports && o->ports[port / 8] >> port % 8 & 1;
}

static void note_port(struct owner *o, uint16_t port, bool on)
{
	uint8_t bit = (uint8_t)(1U << port % 8);

	o->ports[port / 8] = (uint8_t)(on ? o->ports[port / 8] | bit : o->ports[port / 8] & ~bit);
}

/* The element as it is to be now; what it counted stays, unless it is a new use. */
int owner_write_port(const struct owner *o, uint16_t port, bool fresh)
{
	struct reeve_port value = { 0 };
	uint32_t key = port;
	int r;

	if (!owner_has_port(o, port))
		return bpfmap_set(o->table, &key, &value);
	r = fresh ? 0 : bpfmap_get(o->table, &key, &value);
	if (r < 0)
		return r;
	value.packets = (value.packets & REEVE_PORT_COUNT) | REEVE_PORT_ON;
	if (flows_on_port(o, port))
		value.packets |= REEVE_PORT_FLOWS;
	return bpfmap_set(o->table, &key, &value);
}

static int share_port(struct iface *f, uint16_t port)
{
	const struct reeve_count none = { 0 };
	int r = 0;

	if (!f->port_users)
		f->port_users = calloc(NIC_PORTS, sizeof(*f->port_users));
	if (!f->port_users)
		return -ENOMEM;
	if (!f->port_users[port])
		r = bpfmap_set(f->maps[LOADER_FD_FILTER], &port, &none);
	if (r == 0)
		f->port_users[port]++;
	return r;
}

static void unshare_port(struct iface *f, uint16_t port)
{
	if (--f->port_users[port] == 0)
		bpfmap_del(f->maps[LOADER_FD_FILTER], &port);
}

static int need_ports(struct owner *o, struct err *e)
{
	if (!o->ports)
		o->ports = calloc(1, PORT_BYTES);
	return o->ports ? 0 : fail(e, ENOMEM, "out of memory");
}

int owner_add_port(struct iface *f, struct owner *o, uint16_t port, struct err *e)
{
	int r;

	if (owner_has_port(o, port))
		return fail(e, EEXIST, "port %u is on already", port);
	r = need_ports(o, e);
	if (r == 0 && is_single(f))
		r = need_table(o, e);
	if (r < 0)
		return r;
	note_port(o, port, true);
	r = is_single(f) ? owner_write_port(o, port, true) : share_port(f, port);
	if (r == 0)
		return 0;
	note_port(o, port, false);
	return fail(e, -r, "can't set port %u: %s", port, strerror(-r));
}

void owner_drop_port(struct iface *f, struct owner *o, uint16_t port)
{
	note_port(o, port, false);
	if (is_single(f))
		owner_write_port(o, port, false);
	else
		unshare_port(f, port);
}

static void count_port(const struct iface *f, const struct owner *o, uint16_t port,
		       struct pp_count *ret)
{
	struct reeve_port own = { 0 };
	struct reeve_count shared = { 0 };
	uint32_t key = port;

	if (!owner_has_port(o, port))
		return;
	if (is_single(f) && bpfmap_get(o->table, &key, &own) == 0)
		*ret = (struct pp_count){ own.packets & REEVE_PORT_COUNT, own.bytes };
	if (!is_single(f) && bpfmap_get(f->maps[LOADER_FD_FILTER], &port, &shared) == 0)
		*ret = (struct pp_count){ shared.packets, shared.bytes };
}

void owner_count(const struct iface *f, const struct owner *o, const struct pp_nic_count *m,
		 struct pp_nic_counts *ret)
{
	for (uint32_t i = 0; i < m->n; i++)
		count_port(f, o, m->ports[i], &ret->counts[i]);
}

/* --- sockets ------------------------------------------------------------------- */

int owner_xskmap(const struct iface *f, const struct owner *o)
{
	return is_single(f) ? o->xskmap : f->maps[LOADER_FD_XSKMAP];
}

void xsk_close(struct xsk *x)
{
	cleanup_fd_p(&x->sock);
	cleanup_fd_p(&x->memory);
}

int owner_make_xsk(const struct iface *f, const struct owner *o, const struct pp_nic_xsk *m,
		   struct xsk *ret, struct err *e)
{
	struct xsk_want want = { .ifindex = f->ifindex,
				 .queue = m->queue,
				 .frames = m->frames,
				 .frame_size = m->frame_size,
				 .rx = m->rx,
				 .tx = m->tx,
				 .fill = m->fill,
				 .comp = m->comp };
	char name[NIC_NAME_MAX];
	struct xsk made;
	int r;

	if (f->queues[m->queue] != o)
		return fail(e, EPERM, "queue %" PRIu32 " is not this owner's", m->queue);
	r = iface_name(f->ifindex, name, e);
	if (r < 0)
		return r;
	want.ifname = name;
	r = xsk_make(&want, &made, e);
	if (r < 0)
		return r;
	r = bpfmap_set(owner_xskmap(f, o), &m->queue, &made.sock);
	if (r < 0) {
		xsk_close(&made);
		return fail(e, -r, "can't put the socket into its map: %s", strerror(-r));
	}
	*ret = made;
	return 0;
}
