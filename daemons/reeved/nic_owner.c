/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owners: instances on an interface, each with its queues, ports and sockets.
 *
 * Single form: an owner has an XSKMAP and a port table of its own under a slot, and
 * a queue is its owner's by the one number that says whose slot it is: no frame
 * meets a queue that is half somebody else's. reeve-bpf makes both maps and puts
 * them there; until they come the owner can do nothing, and when it ends meanwhile,
 * its slot is in use until they come. What an owner leaves in its slot is for
 * nobody; the lowest free slot is taken next, so no more is left than there were
 * owners at once. See bpf/layout.h.
 *
 * Dispatcher form: ports and sockets are in maps that all owners share, and a
 * client may have got the map of sockets to write to. So everybody there is of
 * one tenant, until the interface is closed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/str.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "reeved.h"

_Static_assert((int)LOADER_SLOTS == (int)REEVE_SLOTS, "each slot can be given out");

static bool is_single(const struct iface *f)
{
	return f->form == NIC_FORM_SINGLE;
}

struct owner *owner_find(const struct iface *f, uint32_t number)
{
	struct owner *o = f->owners;

	while (o && (o->number != number || o->state == OWNER_DROPPED))
		o = o->next;
	return o;
}

int owner_xskmap(const struct iface *f, const struct owner *o)
{
	return is_single(f) ? o->xskmap : f->maps[LOADER_FD_XSKMAP];
}

/* --- slots --------------------------------------------------------------------- */

/* There are as many as owners may be; 0 is nobody's. */
static uint32_t slot_take(struct iface *f)
{
	uint32_t slot = bits_next(f->slots, 1, LOADER_SLOTS, false);

	bits_put(f->slots, slot, true);
	return slot;
}

/* As `owners` has it. */
static uint32_t mark_of(const struct owner *o)
{
	return o->slot | (o->addresses ? REEVE_OWNER_ADDRESSES : 0);
}

/* --- owners -------------------------------------------------------------------- */

static const char *tenant_of(const struct reeved *d, const struct pp_nic_owner *m)
{
	return d->conf.tenants[m->tenant].name;
}

static int check_room(const struct reeved *d, const struct iface *f, const struct pp_nic_owner *m,
		      struct err *e)
{
	const struct nics *n = &d->nics;

	if (owner_find(f, m->owner))
		return fail(e, EEXIST, "owner %" PRIu32 " is on the interface already", m->owner);
	if (n->owners >= IFACE_OWNERS_MAX)
		return fail(e, ENOSPC, "%d owners are on the interfaces, no more fit",
			    IFACE_OWNERS_MAX);
	if (!is_single(f) && f->tenant[0] && strcmp(f->tenant, tenant_of(d, m)) != 0)
		return fail(e, EPERM,
			    "interfaces that use the dispatcher serve one tenant at a time");
	return 0;
}

static struct owner *owner_new(struct nics *n, struct iface *f, uint32_t number, const char *tenant)
{
	struct owner *o = FAULT(REEVED_OWNER) ? NULL : calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	*o = (struct owner){ .iface = f, .number = number, .xskmap = -1, .table = -1 };
	str_copy(o->tenant, sizeof(o->tenant), tenant);
	str_copy(f->tenant, sizeof(f->tenant), o->tenant);
	o->next = f->owners;
	f->owners = o;
	n->owners++;
	return o;
}

static void take_out(struct iface *f, const struct owner *o)
{
	struct owner **at = &f->owners;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
}

static void owner_free(struct nics *n, struct owner *o)
{
	if (o->iface) {
		take_out(o->iface, o);
		if (o->slot)
			bits_put(o->iface->slots, o->slot, false);
	}
	owner_record_drop(o->record);
	n->owners--;
	cleanup_fd_p(&o->xskmap);
	cleanup_fd_p(&o->table);
	free(o->ports);
	free(o);
}

/* For each request to make one, once. */
static void answer(struct reeved *d, struct owner *o, int error, const char *why)
{
	struct err e = { 0 };

	str_copy(e.text, sizeof(e.text), why);
	nic_answer(d, o->serial, error, 0, &e);
	o->serial = 0;
}

static void here(struct reeved *d, struct owner *o)
{
	o->state = OWNER_HERE;
	o->record = owner_record_make(&d->nics, o->iface->ifindex, o->number, o->slot, o->tenant);
	answer(d, o, 0, "");
}

static void on_made(struct loader_run *run, const struct loader_answer *a, const int *fds)
{
	struct owner *o = watch_owner(run, struct owner, run);

	if (!a->error) {
		o->table = fds[LOADER_FD_OWN_TABLE];
		o->xskmap = fds[LOADER_FD_OWN_XSKMAP];
	}
	if (!a->error && o->state == OWNER_MAKING) {
		here(run->d, o);
		return;
	}
	answer(run->d, o, -a->error, a->why);
	owner_free(&run->d->nics, o);
}

static void make_maps(struct reeved *d, struct iface *f, struct owner *o)
{
	struct loader_request q = { .op = LOADER_OWNER, .owner = o->number };

	o->slot = q.slot = slot_take(f);
	loader_start(d, &o->run, &q, &f->maps[LOADER_FD_TABLES], on_made);
}

static bool open_own_maps(const struct iface *f, struct owner *o)
{
	if (!is_single(f))
		return true;
	o->table = bpfmap_inner(f->maps[LOADER_FD_TABLES], o->slot);
	o->xskmap = bpfmap_inner(f->maps[LOADER_FD_XSKMAPS], o->slot);
	return o->table >= 0 && o->xskmap >= 0;
}

bool owner_adopt(struct nics *n, struct iface *f, struct owner_record *r)
{
	struct owner *o = owner_new(n, f, r->number, r->tenant);

	if (!o)
		return false;
	if (is_single(f)) {
		o->slot = r->slot;
		bits_put(f->slots, o->slot, true);
	}
	if (!open_own_maps(f, o)) {
		owner_free(n, o);
		return false;
	}
	o->state = OWNER_HERE;
	o->record = r;
	return true;
}

static int claim(struct reeved *d, struct owner *o, const struct pp_nic_owner *m, struct err *e)
{
	if (m->tenant < TENANT_MAX && strcmp(o->tenant, tenant_of(d, m)) != 0)
		return fail(e, EEXIST, "owner %" PRIu32 " on the interface is another tenant's",
			    m->owner);
	o->unclaimed = false;
	o->serial = m->head.serial;
	if (o->state == OWNER_HERE)
		answer(d, o, 0, "");
	return 0;
}

bool owner_is_left(const struct iface *f, uint32_t number)
{
	const struct owner *o = owner_find(f, number);

	return o && o->unclaimed;
}

bool queue_is_left(const struct iface *f, const struct owner *o, uint32_t queue)
{
	return f->queues[queue] == o && f->queues_unclaimed[queue];
}

int owner_begin(struct reeved *d, struct iface *f, const struct pp_nic_owner *m, struct err *e)
{
	struct owner *o = owner_find(f, m->owner);
	int r;

	if (o && o->unclaimed)
		return claim(d, o, m, e);
	r = check_room(d, f, m, e);
	if (r < 0)
		return r;
	o = owner_new(&d->nics, f, m->owner, tenant_of(d, m));
	if (!o)
		return fail(e, ENOMEM, "out of memory");
	o->serial = m->head.serial;
	if (is_single(f))
		make_maps(d, f, o);
	else
		here(d, o);
	return 0;
}

void owner_end(struct reeved *d, struct owner *o)
{
	struct iface *f = o->iface;

	if (o->state != OWNER_HERE) {
		o->state = OWNER_DROPPED;
		answer(d, o, -ECANCELED, "it ended before it was there");
		return;
	}
	for (uint32_t queue = 0; queue < NIC_QUEUES_MAX; queue++)
		if (f->queues[queue] == o)
			owner_drop_queue(&d->nics, f, queue);
	flows_end(f, o);
	addresses_end(f, o);
	ports_end(f, o);
	owner_free(&d->nics, o);
}

void owners_end(struct reeved *d, struct iface *f)
{
	struct owner *next;

	for (struct owner *o = f->owners; o; o = next) {
		next = o->next;
		owner_end(d, o);
	}
	for (; f->owners; f->owners = f->owners->next)
		f->owners->iface = NULL;
}

void owners_unask(struct iface *f)
{
	for (struct owner *o = f->owners; o; o = o->next)
		o->serial = 0;
}

static void unclaim(struct owner *o)
{
	o->unclaimed = true;
	o->serial = 0;
	ports_unclaim(o);
	flows_unclaim(o);
	addresses_unclaim(o);
}

void owners_unclaim(struct iface *f)
{
	for (struct owner *o = f->owners; o; o = o->next)
		unclaim(o);
	for (int queue = 0; queue < NIC_QUEUES_MAX; queue++)
		f->queues_unclaimed[queue] = f->queues[queue] != NULL;
}

static void sweep_queues(struct nics *n, struct iface *f)
{
	for (uint32_t queue = 0; queue < NIC_QUEUES_MAX; queue++)
		if (f->queues_unclaimed[queue])
			owner_drop_queue(n, f, queue);
}

static void sweep(struct reeved *d, struct iface *f, struct owner *o)
{
	if (o->unclaimed) {
		owner_end(d, o);
		return;
	}
	flows_sweep(f, o);
	addresses_sweep(f, o);
	ports_sweep(f, o);
}

void owners_sweep(struct reeved *d, struct iface *f)
{
	struct owner *next;

	sweep_queues(&d->nics, f);
	for (struct owner *o = f->owners; o; o = next) {
		next = o->next;
		sweep(d, f, o);
	}
}

/* --- queues -------------------------------------------------------------------- */

static int name_owner(const struct iface *f, uint32_t queue, uint32_t mark)
{
	return is_single(f) ? bpfmap_set(f->maps[LOADER_FD_OWNERS], &queue, &mark) : 0;
}

int owner_mark_queues(const struct iface *f, const struct owner *o)
{
	int r = 0;

	for (uint32_t queue = 0; r == 0 && queue < NIC_QUEUES_MAX; queue++)
		if (f->queues[queue] == o)
			r = name_owner(f, queue, mark_of(o));
	return r;
}

int owner_take_queue(struct iface *f, struct owner *o, uint32_t queue, struct err *e)
{
	int r;

	if (queue_is_left(f, o, queue)) {
		f->queues_unclaimed[queue] = false;
		return 0;
	}
	if (f->queues[queue])
		return fail(e, EBUSY, "queue %" PRIu32 " has an owner", queue);
	r = FAULT(REEVED_QUEUE);
	if (r == 0)
		r = name_owner(f, queue, mark_of(o));
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
	FAULT_HERE(REEVED_QUEUE_OFF);
	name_owner(f, queue, 0);
	bpfmap_del(owner_xskmap(f, f->queues[queue]), &queue);
	f->queues[queue] = NULL;
	f->queues_unclaimed[queue] = false;
}
