/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The death of a core is nothing to the kernel: frames go where they went. All
 * that there is loses who asked for it, and gets it back one by one as the next
 * core asks for what it still holds by the ordinary requests. What nobody has
 * asked for when that core is done is dropped as at any end.
 */
#include "base/fault.h"
#include "reeved.h"

static void unclaim(struct iface *f)
{
	f->serial = 0;
	f->again.head.type = 0;
	f->unclaimed = f->state != IFACE_CLOSING;
	owners_unclaim(f);
}

void nics_unclaim(struct reeved *d)
{
	FAULT_HERE(REEVED_UNCLAIM);
	for (struct iface *f = d->nics.first; f; f = f->next)
		unclaim(f);
	xsks_unask(&d->nics);
	rules_unclaim(&d->nics);
}

static struct iface *find_unclaimed(const struct nics *n)
{
	struct iface *f = n->first;

	while (f && !f->unclaimed)
		f = f->next;
	return f;
}

/* From the start each time: the end of one may be the end of others. */
static void sweep_ifaces(struct reeved *d)
{
	struct iface *f;

	while ((f = find_unclaimed(&d->nics)))
		iface_close(d, f);
}

void nics_sweep(struct reeved *d)
{
	sweep_ifaces(d);
	for (struct iface *f = d->nics.first; f; f = f->next)
		if (f->state == IFACE_OPEN) {
			owners_sweep(d, f);
			iface_sweep_adopted(f);
		}
	rules_sweep(&d->nics);
}
