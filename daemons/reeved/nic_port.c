/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP ports of owners. Single form: elements of the owner's own table. Dispatcher
 * form: keys of a filter that all owners share, so each is there while anybody
 * has it on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/fault.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "reeved.h"

enum { PORT_WORDS = NIC_PORTS / 64 };

/* A bit for each port. */
struct port_set {
	uint64_t on[PORT_WORDS];
	uint64_t unclaimed[PORT_WORDS]; /* of those that are on */
};

#define for_each_port(port, bits)                                          \
	for (port = bits_next(bits, 0, NIC_PORTS, true); port < NIC_PORTS; \
	     port = bits_next(bits, port + 1, NIC_PORTS, true))

bool owner_has_port(const struct owner *o, uint16_t port)
{
	return o->ports && bits_has(o->ports->on, port);
}

static void note_port(struct owner *o, uint16_t port, bool on)
{
	bits_put(o->ports->on, port, on);
	bits_put(o->ports->unclaimed, port, false);
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
	struct reeve_count there;
	int r = 0;

	if (!f->port_users)
		f->port_users = calloc(NIC_PORTS, sizeof(*f->port_users));
	if (!f->port_users)
		return -ENOMEM;
	/* What is there of a predecessor goes on counting. */
	if (!f->port_users[port] &&
	    !(f->adopted && bpfmap_get(f->maps[LOADER_FD_FILTER], &port, &there) == 0))
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
	if (bits_has(o->ports->unclaimed, port)) {
		bits_put(o->ports->unclaimed, port, false);
		return 0;
	}
	if (owner_has_port(o, port))
		return fail(e, EEXIST, "port %u is on already", port);
	note_port(o, port, true);
	r = FAULT(REEVED_PORT);
	if (r == 0)
		r = f->form == NIC_FORM_SINGLE ? owner_write_port(o, port, true)
					       : share_port(f, port);
	if (r == 0)
		return 0;
	note_port(o, port, false);
	return fail(e, -r, "can't set port %u: %s", port, strerror(-r));
}

void owner_drop_port(struct iface *f, struct owner *o, uint16_t port)
{
	note_port(o, port, false);
	FAULT_HERE(REEVED_PORT_OFF);
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

static int adopt_some(struct owner *o, uint32_t first)
{
	static struct reeve_port some[BPFMAP_SOME_MAX];
	int r = bpfmap_get_some(o->table, first, BPFMAP_SOME_MAX, some, sizeof(some[0]));

	for (uint32_t i = 0; r == 0 && i < BPFMAP_SOME_MAX; i++)
		if (some[i].packets & REEVE_PORT_ON)
			note_port(o, (uint16_t)(first + i), true);
	return r;
}

void ports_adopt(struct iface *f, struct owner *o)
{
	int r = 0;

	if (f->form != NIC_FORM_SINGLE || !have_set(o))
		return;
	for (uint32_t first = 0; r == 0 && first < NIC_PORTS; first += BPFMAP_SOME_MAX)
		r = adopt_some(o, first);
	if (r < 0)
		nics_complain("ports can't be read", f->record->name, strerror(-r));
}

void ports_sweep_shared(struct iface *f)
{
	uint16_t port, next;
	int r = bpfmap_next(f->maps[LOADER_FD_FILTER], NULL, &port);

	while (r == 0) {
		r = bpfmap_next(f->maps[LOADER_FD_FILTER], &port, &next);
		if (!f->port_users || !f->port_users[port])
			bpfmap_del(f->maps[LOADER_FD_FILTER], &port);
		port = next;
	}
}

/* In the single form they went with the owner's table. */
void ports_end(struct iface *f, struct owner *o)
{
	uint32_t port;

	if (f->form == NIC_FORM_SINGLE || !o->ports)
		return;
	for_each_port(port, o->ports->on) owner_drop_port(f, o, (uint16_t)port);
}

void ports_unclaim(struct owner *o)
{
	/* What is not written is no page to be copied: a fork, the next core's, just shared all. */
	for (uint32_t i = 0; o->ports && i < PORT_WORDS; i++)
		if (o->ports->unclaimed[i] != o->ports->on[i])
			o->ports->unclaimed[i] = o->ports->on[i];
}

void ports_sweep(struct iface *f, struct owner *o)
{
	uint32_t port;

	if (!o->ports)
		return;
	for_each_port(port, o->ports->unclaimed) owner_drop_port(f, o, (uint16_t)port);
}
