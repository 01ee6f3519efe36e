/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a predecessor left on an interface is gone on with: frames went where they went
 * all the time, since the program and its maps are pinned. The records say that the
 * interface was open, in which form, and who was on it; the rest is read from the maps
 * themselves. All of it is unclaimed: it stays if the core names it, see nic_claim.c.
 *
 * The predecessor may have been killed at any instant. What does not fit together is
 * undone, as if nothing were to be gone on with.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "reeved.h"

/* --- maps -------------------------------------------------------------------------- */

static int open_maps(struct iface *f, const char *pins, struct err *e)
{
	char path[LOADER_PATH_MAX + LOADER_PIN_MAX];

	for (unsigned i = 0; loader_map_pin(f->form, i); i++) {
		snprintf(path, sizeof(path), "%s/%s", pins, loader_map_pin(f->form, i));
		f->maps[i] = bpfmap_open(path);
		if (f->maps[i] < 0)
			return fail(e, -f->maps[i], "%s: %s", path, strerror(-f->maps[i]));
	}
	return 0;
}

/* In the other form libxdp holds the program; a dispatcher that somebody removed is
 * missed by frames, not by us. */
static int check_link(const struct iface *f, const char *pins, struct err *e)
{
	char path[LOADER_PATH_MAX + LOADER_PIN_MAX];
	uint32_t ifindex = 0;
	int r;

	if (f->form != NIC_FORM_SINGLE)
		return 0;
	snprintf(path, sizeof(path), "%s/" LOADER_PIN_LINK, pins);
	r = bpfmap_link_ifindex(path, &ifindex);
	if (r < 0)
		return fail(e, -r, "%s: %s", path, strerror(-r));
	return ifindex == f->ifindex ? 0 : fail(e, ENOENT, "its program is not attached");
}

static int open_pins(struct iface *f, struct err *e)
{
	char pins[LOADER_PATH_MAX];
	int r = loader_pin_path(f->ifindex, pins);

	if (r < 0)
		return fail(e, -r, "can't tell the network namespace: %s", strerror(-r));
	r = open_maps(f, pins, e);
	return r < 0 ? r : check_link(f, pins, e);
}

/* --- owners, queues, addresses, flows ---------------------------------------------------- */

static struct owner *owner_in(const struct iface *f, uint32_t slot)
{
	struct owner *o = f->owners;

	while (o && o->slot != slot)
		o = o->next;
	return o;
}

static bool is_sound(const struct iface *f, const struct owner_record *r)
{
	if (!r->number || r->number > PP_OWNERS_MAX || !memchr(r->tenant, '\0', sizeof(r->tenant)))
		return false;
	if (owner_find(f, r->number))
		return false;
	return f->form != NIC_FORM_SINGLE ||
	       (r->slot && r->slot < LOADER_SLOTS && !owner_in(f, r->slot));
}

/* One that is not whole is not there: should the core name it, it is made anew. */
static void adopt_owners(struct reeved *d, struct iface *f)
{
	for (int i = 0; i < IFACE_OWNERS_MAX; i++) {
		struct owner_record *r = &d->nics.table->owners[i];

		if (r->ifindex != f->ifindex)
			continue;
		if (!is_sound(f, r) || !owner_adopt(&d->nics, f, r))
			owner_record_drop(r);
	}
}

static void adopt_queues(struct iface *f)
{
	const uint32_t nobody = 0;

	for (uint32_t queue = 0; f->form == NIC_FORM_SINGLE && queue < NIC_QUEUES_MAX; queue++) {
		struct owner *o;
		uint32_t slot;

		if (bpfmap_get(f->maps[LOADER_FD_OWNERS], &queue, &slot) < 0 || !slot)
			continue;
		o = owner_in(f, slot & ~REEVE_OWNER_ADDRESSES);
		if (o)
			f->queues[queue] = o;
		else
			bpfmap_set(f->maps[LOADER_FD_OWNERS], &queue, &nobody);
	}
}

static void adopt_address(struct iface *f, const struct reeve_address *key)
{
	struct owner *o = key->owner ? owner_in(f, key->owner) : NULL;

	if (!o || !address_adopt(f, o, key))
		bpfmap_del(f->maps[LOADER_FD_ADDRESSES], key);
}

/* Then the marks, which the predecessor may not have got to. */
static void adopt_addresses(struct iface *f)
{
	struct reeve_address key, next;
	int r;

	if (f->form != NIC_FORM_SINGLE)
		return;
	r = bpfmap_next(f->maps[LOADER_FD_ADDRESSES], NULL, &key);
	while (r == 0) {
		r = bpfmap_next(f->maps[LOADER_FD_ADDRESSES], &key, &next);
		adopt_address(f, &key);
		key = next;
	}
	for (const struct owner *o = f->owners; o; o = o->next)
		owner_mark_queues(f, o);
}

static void adopt_flow(struct iface *f, const struct reeve_flow_key *key)
{
	const int map = f->maps[LOADER_FD_FLOWS];
	struct owner *o = owner_in(f, key->owner);
	uint32_t place;

	if (bpfmap_get(map, key, &place) < 0)
		return;
	if (!key->owner || !o || !flow_adopt(f, o, key, place))
		bpfmap_del(map, key);
}

static void adopt_flows(struct iface *f)
{
	struct reeve_flow_key key, next;
	int r;

	if (f->form != NIC_FORM_SINGLE)
		return;
	r = bpfmap_next(f->maps[LOADER_FD_FLOWS], NULL, &key);
	/* The next one first: from a key that is gone it would begin again. */
	while (r == 0) {
		r = bpfmap_next(f->maps[LOADER_FD_FLOWS], &key, &next);
		adopt_flow(f, &key);
		key = next;
	}
}

/* --- all of it ------------------------------------------------------------------------- */

void iface_adopt(struct reeved *d, struct iface *f)
{
	struct err e = { 0 };

	f->form = f->record->form;
	f->mode = f->record->mode;
	f->state = IFACE_OPEN;
	if (f->form <= NIC_FORM_NONE || f->form >= NIC_FORM_MAX || f->mode >= NIC_MODE_MAX)
		fail(&e, ENOENT, "it was just being opened");
	else
		open_pins(f, &e);
	if (e.text[0]) {
		log_say(LOG_WARN, "an interface can't be gone on with", "%s: %s", f->record->name,
			e.text);
		iface_close(d, f);
		return;
	}
	adopt_owners(d, f);
	adopt_queues(f);
	adopt_addresses(f);
	adopt_flows(f);
	for (struct owner *o = f->owners; o; o = o->next)
		ports_adopt(f, o);
	f->adopted = f->unclaimed = true;
	owners_unclaim(f);
}

/* Dispatcher form: keys and sockets of nobody. */
void iface_sweep_adopted(struct iface *f)
{
	if (!f->adopted)
		return;
	f->adopted = false;
	if (f->form == NIC_FORM_SINGLE)
		return;
	ports_sweep_shared(f);
	for (uint32_t queue = 0; queue < NIC_QUEUES_MAX; queue++)
		if (!f->queues[queue])
			bpfmap_del(f->maps[LOADER_FD_XSKMAP], &queue);
}
