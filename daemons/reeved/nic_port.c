/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP ports of owners. Single form: elements of the owner's own table. Dispatcher
 * form: keys of a filter that all owners share, so each is there while anybody
 * has it on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "reeved.h"

enum { PORT_BYTES = NIC_PORTS / 8 };

/* A bit for each port. */
struct port_set {
	uint8_t on[PORT_BYTES];
	uint8_t unclaimed[PORT_BYTES]; /* of those that are on */
};

static bool has_bit(const uint8_t *bits, uint16_t port)
{
	return bits[port / 8] >> port % 8 & 1;
}

static void set_bit(uint8_t *bits, uint16_t port, bool on)
{
	uint8_t bit = (uint8_t)(1U << port % 8);

	bits[port / 8] = (uint8_t)(on ? bits[port / 8] | bit : bits[port / 8] & ~bit);
}

bool owner_has_port(const struct owner *o, uint16_t port)
{
	return o->ports && has_bit(o->ports->on, port);
}

static void note_port(struct owner *o, uint16_t port, bool on)
{
	set_bit(o->ports->on, port, on);
	set_bit(o->ports->unclaimed, port, false);
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

static bool have_set(struct owner *o)
{
	if (!o->ports)
		o->ports = calloc(1, sizeof(*o->ports));
	return o->ports;
}

int owner_add_port(struct iface *f, struct owner *o, uint16_t port, struct err *e)
{
	int r;

	if (!have_set(o))
		return fail(e, ENOMEM, "out of memory");
	if (has_bit(o->ports->unclaimed, port)) {
		set_bit(o->ports->unclaimed, port, false);
		return 0;
	}
	if (owner_has_port(o, port))
		return fail(e, EEXIST, "port %u is on already", port);
	note_port(o, port, true);
	r = f->form == NIC_FORM_SINGLE ? owner_write_port(o, port, true) : share_port(f, port);
	if (r == 0)
		return 0;
	note_port(o, port, false);
	return fail(e, -r, "can't set port %u: %s", port, strerror(-r));
}

void owner_drop_port(struct iface *f, struct owner *o, uint16_t port)
{
	note_port(o, port, false);
	if (f->form == NIC_FORM_SINGLE)
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
	if (f->form == NIC_FORM_SINGLE && bpfmap_get(o->table, &key, &own) == 0)
		*ret = (struct pp_count){ own.packets & REEVE_PORT_COUNT, own.bytes };
	if (f->form != NIC_FORM_SINGLE &&
	    bpfmap_get(f->maps[LOADER_FD_FILTER], &port, &shared) == 0)
		*ret = (struct pp_count){ shared.packets, shared.bytes };
}

void owner_count(const struct iface *f, const struct owner *o, const struct pp_nic_count *m,
		 struct pp_nic_counts *ret)
{
	for (uint32_t i = 0; i < m->n; i++)
		count_port(f, o, m->ports[i], &ret->counts[i]);
}

/* In the single form they went with the owner's table. */
void ports_end(struct iface *f, struct owner *o)
{
	if (f->form == NIC_FORM_SINGLE || !o->ports)
		return;
	for (uint32_t port = 1; port < NIC_PORTS; port++)
		if (owner_has_port(o, (uint16_t)port))
			owner_drop_port(f, o, (uint16_t)port);
}

void ports_unclaim(struct owner *o)
{
	if (o->ports)
		memcpy(o->ports->unclaimed, o->ports->on, PORT_BYTES);
}

void ports_sweep(struct iface *f, struct owner *o)
{
	for (uint32_t port = 1; o->ports && port < NIC_PORTS; port++)
		if (has_bit(o->ports->unclaimed, (uint16_t)port))
			owner_drop_port(f, o, (uint16_t)port);
}
