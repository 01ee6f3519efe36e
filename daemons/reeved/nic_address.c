/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses that owners have as a whole: keys of a map that all of the interface
 * share, under the owner's slot. Who has any is marked as such in `owners`, since
 * nobody else's frames are looked up there. Neighbour solicitations for an IPv6 one
 * are sent to a group, which the NIC is to let in; a socket keeps it there, so that
 * it lets none in any more should this process be killed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "mech/ethgroup.h"
#include "mech/localaddr.h"
#include "reeved.h"

struct whole_address {
	struct whole_address *next;
	struct ipaddr ip;
	bool unclaimed;
	bool joined; /* its group */
};

static struct whole_address **find(struct owner *o, const struct ipaddr *ip)
{
	struct whole_address **at = &o->addresses;

	while (*at && !ipaddr_equal(&(*at)->ip, ip))
		at = &(*at)->next;
	return at;
}

bool owner_has_address(struct owner *o, const struct ipaddr *ip)
{
	return *find(o, ip);
}

bool address_is_left(struct owner *o, const struct ipaddr *ip)
{
	const struct whole_address *a = *find(o, ip);

	return a && a->unclaimed;
}

static struct reeve_address key_of(const struct owner *o, const struct ipaddr *ip)
{
	struct reeve_address key = { .owner = o->slot };

	memcpy(key.bytes, ip->b, sizeof(key.bytes));
	return key;
}

/* --- groups ---------------------------------------------------------------------- */

static void solicited_group(const struct ipaddr *ip, uint8_t ret[static 6])
{
	ret[0] = ret[1] = 0x33;
	ret[2] = 0xff;
	memcpy(ret + 3, ip->b + 13, 3);
}

/* The socket is there while it keeps anything. */
static void close_unused(struct iface *f)
{
	if (!f->ngroups && f->groups >= 0) {
		close(f->groups);
		f->groups = -1;
	}
}

static int join(struct iface *f, struct whole_address *a)
{
	uint8_t group[6];
	int r;

	if (ipaddr_is4(&a->ip))
		return 0;
	if (f->groups < 0)
		f->groups = ethgroup_socket();
	solicited_group(&a->ip, group);
	r = f->groups < 0 ? f->groups : ethgroup_join(f->groups, f->ifindex, group);
	a->joined = r == 0;
	f->ngroups += a->joined;
	close_unused(f);
	return r;
}

static void leave(struct iface *f, struct whole_address *a)
{
	uint8_t group[6];

	if (!a->joined)
		return;
	solicited_group(&a->ip, group);
	ethgroup_leave(f->groups, f->ifindex, group);
	f->ngroups--;
	close_unused(f);
}

/* --- one of them ----------------------------------------------------------------- */

static void count(struct iface *f, struct owner *o, int by)
{
	f->naddresses += (uint32_t)by;
	o->naddresses += (uint32_t)by;
}

static void note(struct iface *f, struct owner *o, struct whole_address *a)
{
	a->next = o->addresses;
	o->addresses = a;
	count(f, o, 1);
}

/* Out of the map, and from who is asked for it. */
static void forget(struct iface *f, struct owner *o, struct whole_address **at)
{
	struct whole_address *a = *at;
	struct reeve_address key = key_of(o, &a->ip);

	*at = a->next;
	FAULT_HERE(REEVED_ADDRESS_OFF);
	bpfmap_del(f->maps[LOADER_FD_ADDRESSES], &key);
	leave(f, a);
	count(f, o, -1);
	free(a);
}

static void drop(struct iface *f, struct owner *o, struct whole_address **at)
{
	forget(f, o, at);
	if (!o->addresses)
		owner_mark_queues(f, o);
}

/* The key first: queues that are marked lead nowhere else. */
static int set(struct iface *f, struct owner *o, struct whole_address *a)
{
	const struct reeve_address key = key_of(o, &a->ip);
	const uint32_t whole = REEVE_ADDRESS_WHOLE;
	int r = FAULT(REEVED_ADDRESS);

	if (r == 0)
		r = join(f, a);
	if (r < 0)
		return r;
	r = bpfmap_set(f->maps[LOADER_FD_ADDRESSES], &key, &whole);
	if (r < 0) {
		leave(f, a);
		return r;
	}
	note(f, o, a);
	return owner_mark_queues(f, o);
}

/* --- who may have it ------------------------------------------------------------- */

static int check_free(const struct iface *f, const struct ipaddr *ip, struct err *e)
{
	for (struct owner *o = f->owners; o; o = o->next)
		if (owner_has_address(o, ip))
			return fail(e, EBUSY, "the address has an owner on the interface");
	return 0;
}

static int check_kernel(const struct iface *f, const struct ipaddr *ip, struct err *e)
{
	int r = localaddr_has(ip, f->ifindex);

	if (r < 0)
		return fail(e, -r, "can't tell whether the kernel has the address: %s",
			    strerror(-r));
	if (r)
		return fail(e, EBUSY,
			    "the host's kernel has the address: lease UDP ports of it (AddPort)");
	return 0;
}

/* However many a tenant takes, the next one finds as many. */
static int check_share(const struct iface *f, const struct owner *o, struct err *e)
{
	uint32_t left = REEVE_ADDRESSES - f->naddresses, held = 0;

	for (const struct owner *other = f->owners; other; other = other->next)
		if (!strcmp(other->tenant, o->tenant))
			held += other->naddresses;
	if (held < left)
		return 0;
	return fail(e, ENOSPC,
		    "the tenant has %" PRIu32 " addresses on the interface, and %" PRIu32
		    " are left for everybody",
		    held, left);
}

static int check(const struct iface *f, const struct owner *o, const struct ipaddr *ip,
		 struct err *e)
{
	int r;

	if (f->form != NIC_FORM_SINGLE)
		return fail(e, EOPNOTSUPP, "addresses need the single form");
	r = check_free(f, ip, e);
	if (r == 0)
		r = check_kernel(f, ip, e);
	return r < 0 ? r : check_share(f, o, e);
}

int address_add(struct iface *f, struct owner *o, const struct ipaddr *ip, struct err *e)
{
	struct whole_address *a = *find(o, ip);
	int r;

	if (a && a->unclaimed) {
		a->unclaimed = false;
		return 0;
	}
	r = check(f, o, ip, e);
	if (r < 0)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return fail(e, ENOMEM, "out of memory");
	a->ip = *ip;
	r = set(f, o, a);
	if (r == 0)
		return 0;
	if (o->addresses == a)
		drop(f, o, &o->addresses);
	else
		free(a);
	return fail(e, -r, "can't set the address: %s", strerror(-r));
}

int address_remove(struct iface *f, struct owner *o, const struct ipaddr *ip, struct err *e)
{
	struct whole_address **at = find(o, ip);

	if (!*at)
		return fail(e, ENOENT, "the owner has no such address");
	drop(f, o, at);
	return 0;
}

/* --- all of them ----------------------------------------------------------------- */

/* What was heard of its group until now was let in by a predecessor's socket. */
bool address_adopt(struct iface *f, struct owner *o, const struct reeve_address *key)
{
	struct whole_address *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return false;
	memcpy(a->ip.b, key->bytes, sizeof(a->ip.b));
	r = join(f, a);
	if (r < 0)
		nics_complain("an address will not be solicited", f->record->name, strerror(-r));
	note(f, o, a);
	return true;
}

/* The owner has no queue any more. */
void addresses_end(struct iface *f, struct owner *o)
{
	while (o->addresses)
		forget(f, o, &o->addresses);
}

void addresses_unclaim(struct owner *o)
{
	for (struct whole_address *a = o->addresses; a; a = a->next)
		a->unclaimed = true;
}

void addresses_sweep(struct iface *f, struct owner *o)
{
	struct whole_address **at = &o->addresses;

	while (*at)
		if ((*at)->unclaimed)
			drop(f, o, at);
		else
			at = &(*at)->next;
}
