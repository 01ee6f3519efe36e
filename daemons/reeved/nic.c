/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interface's life: reeve-bpf attaches, owners come and go, reeve-bpf
 * detaches. Requests to one interface are done in order: while it is being
 * closed, one request to open it waits for that. An end that comes while it is
 * being opened is made when it is open. A core that takes over an interface while
 * it is being opened waits like that too: for the outcome, or for a try of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/str.h"
#include "reeved.h"

enum { COMPLAINTS_BURST = 20 }; /* a core that is somebody else's may cause many */

/* --- the table ------------------------------------------------------------------ */

bool nics_idle(const struct nics *n)
{
	return !n->first;
}

struct iface *iface_find(const struct nics *n, uint32_t ifindex)
{
	struct iface *f = n->first;

	while (f && f->ifindex != ifindex)
		f = f->next;
	return f;
}

static void iface_add(struct nics *n, struct iface *f)
{
	f->next = n->first;
	n->first = f;
	n->count++;
}

static void iface_free(struct nics *n, struct iface *f)
{
	struct iface **at = &n->first;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	n->count--;
	free(f->port_users);
	free(f);
}

static struct iface *iface_new(struct reeved *d, uint32_t ifindex)
{
	struct iface *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->ifindex = ifindex;
	f->groups = -1;
	for (int i = 0; i < LOADER_FDS_MAX; i++)
		f->maps[i] = -1;
	iface_add(&d->nics, f);
	return f;
}

/* --- the end ---------------------------------------------------------------------- */

static void answer_open(struct reeved *d, uint32_t serial, int error, uint32_t value,
			const char *why)
{
	struct err e = { 0 };

	str_copy(e.text, sizeof(e.text), why);
	nic_answer(d, serial, error, value, &e);
}

static void cancel_again(struct reeved *d, struct iface *f)
{
	if (f->again.head.type)
		answer_open(d, f->again.head.serial, -ECANCELED, 0, "it was closed meanwhile");
	f->again.head.type = 0;
}

/* An entry whose undoing failed is left to the next start. */
static void gone(struct reeved *d, struct iface *f)
{
	struct pp_nic_open again = f->again;

	iface_free(&d->nics, f);
	if (again.head.type)
		iface_open(d, &again);
	reeved_may_end(d);
}

void nics_complain(const char *what, const char *name, const char *reason)
{
	static struct rate limit;

	if (rate_take(&limit, clock_boot_ns(), COMPLAINTS_BURST, 1, NULL))
		log_say(LOG_WARN, what, "%s: %s", name, reason);
}

static void on_detached(struct loader_run *run, const struct loader_answer *a, const int *fds)
{
	struct iface *f = watch_owner(run, struct iface, run);

	for (uint32_t i = 0; i < a->nfds; i++)
		close(fds[i]);
	if (a->error)
		nics_complain("an interface could not be put back", f->record->name, a->why);
	else
		record_drop(f->record);
	gone(run->d, f);
}

static void detach(struct reeved *d, struct iface *f, bool same)
{
	struct loader_request q = { .op = LOADER_DETACH,
				    .ifindex = f->ifindex,
				    .channels = same ? f->record->channels_were : 0 };

	f->state = IFACE_CLOSING;
	FAULT_HERE(REEVED_DETACH);
	f->unclaimed = false;
	loader_start(d, &f->run, &q, NULL, on_detached);
}

static void close_maps(struct iface *f)
{
	for (int i = 0; i < LOADER_FDS_MAX; i++) {
		cleanup_fd_p(&f->maps[i]);
		f->maps[i] = -1;
	}
}

static void begin_close(struct reeved *d, struct iface *f)
{
	char name[NIC_NAME_MAX];
	bool there = iface_name(f->ifindex, name, NULL) == 0;

	owners_end(d, f);
	rules_end(&d->nics, f->record, there ? name : NULL);
	close_maps(f);
	detach(d, f, true);
}

void iface_close(struct reeved *d, struct iface *f)
{
	f->unclaimed = false;
	if (f->state == IFACE_OPENING)
		f->close_wanted = true;
	cancel_again(d, f);
	if (f->state == IFACE_OPEN)
		begin_close(d, f);
}

static struct iface *find_open(const struct nics *n)
{
	struct iface *f = n->first;

	while (f && f->state != IFACE_OPEN)
		f = f->next;
	return f;
}

/* From the start each time: the end of one may be the end of others. */
void nics_close_all(struct reeved *d)
{
	struct iface *open;

	for (struct iface *f = d->nics.first; f; f = f->next) {
		f->serial = 0;
		f->again.head.type = 0;
		f->close_wanted = true;
		f->unclaimed = false;
		owners_unask(f);
	}
	xsks_unask(&d->nics);
	while ((open = find_open(&d->nics)))
		begin_close(d, open);
}

/* --- the beginning ------------------------------------------------------------------ */

static uint32_t maps_of(uint32_t form)
{
	return form == NIC_FORM_SINGLE ? LOADER_FD_SINGLE_MAX : LOADER_FD_XSKMAP + 1;
}

static void take_maps(struct iface *f, const struct loader_answer *a, const int *fds)
{
	f->form = a->form;
	f->mode = a->mode;
	memcpy(f->maps, fds, maps_of(a->form) * sizeof(*fds));
	f->record->mode = a->mode;
	f->record->form = a->form;
	f->record->channels_were = f->channels_owed ? f->channels_owed : a->channels_were;
	f->state = IFACE_OPEN;
}

static void attached(struct reeved *d, struct iface *f)
{
	if (f->close_wanted) {
		answer_open(d, f->serial, -ECANCELED, 0, "it was closed meanwhile");
		begin_close(d, f);
		return;
	}
	if (f->again.head.type)
		f->serial = f->again.head.serial;
	f->again.head.type = 0;
	answer_open(d, f->serial, 0, f->form | f->mode << 8, "");
}

/* A loader that was killed may have done anything: then all of it is undone. */
static void not_attached(struct reeved *d, struct iface *f, int error, const char *why)
{
	answer_open(d, f->serial, -error, 0, why);
	if (f->run.lost) {
		detach(d, f, true);
		return;
	}
	if (!f->channels_owed)
		record_drop(f->record);
	gone(d, f);
}

static void on_attached(struct loader_run *run, const struct loader_answer *a, const int *fds)
{
	struct iface *f = watch_owner(run, struct iface, run);

	FAULT_HERE(REEVED_OPENED);
	if (a->error || a->form == NIC_FORM_NONE) {
		not_attached(run->d, f, a->error ? a->error : EIO, a->why);
	} else {
		take_maps(f, a, fds);
		attached(run->d, f);
	}
}

static int check_open(struct reeved *d, const struct pp_nic_open *m, struct err *e)
{
	char name[NIC_NAME_MAX];
	int r;

	r = iface_name(m->ifindex, name, e);
	if (r == 0)
		r = iface_check(name, e);
	if (r == 0) {
		r = pp_allow_nic_open(&d->conf, m, name, e);
		if (r == -EPERM)
			ops_refused("interface", e);
	}
	return r;
}

/* Written down before anything changes. */
static int write_down(struct reeved *d, struct iface *f, const char *name, bool channels,
		      struct err *e)
{
	struct nic_record *r = record_make(&d->nics, f->ifindex, name);

	if (!r)
		return fail(e, ENOSPC, "%d interfaces are to be put back, no more fit", IFACES_MAX);
	f->record = r;
	r->form = NIC_FORM_NONE;
	f->channels_owed = r->channels_were;
	if (channels && !f->channels_owed)
		r->channels_were = iface_channels(d->nics.ethtool, name);
	return 0;
}

static int begin_open(struct reeved *d, const struct pp_nic_open *m, struct err *e)
{
	const struct nic_conf *conf = conf_nic(&d->conf, m->name);
	struct loader_request q = { .op = LOADER_ATTACH,
				    .ifindex = m->ifindex,
				    .form = m->form,
				    .mode = conf->mode,
				    .channels = conf->channels };
	struct iface *f;
	int r;

	if (d->nics.count >= IFACES_MAX)
		return fail(e, ENOSPC, "%d interfaces are open, no more fit", IFACES_MAX);
	f = iface_new(d, m->ifindex);
	if (!f)
		return fail(e, ENOMEM, "out of memory");
	r = FAULT(REEVED_OPEN);
	if (r == 0)
		r = write_down(d, f, m->name, conf->channels, e);
	if (r < 0) {
		iface_free(&d->nics, f);
		return r;
	}
	f->serial = m->head.serial;
	loader_start(d, &f->run, &q, NULL, on_attached);
	return 0;
}

/* It is there already, in whatever state. */
static int open_again(struct iface *f, const struct pp_nic_open *m, struct err *e)
{
	if (f->state == IFACE_OPEN)
		return fail(e, EEXIST, "it is open already");
	if (f->again.head.type || (f->state == IFACE_OPENING && !f->close_wanted))
		return fail(e, EAGAIN, "it is just being opened");
	f->again = *m;
	return 0;
}

/* In the form that it has; what a newer config would not allow stays, as leases do. */
static int claim(struct reeved *d, struct iface *f, const struct pp_nic_open *m, struct err *e)
{
	char name[NIC_NAME_MAX];
	int r = iface_name(m->ifindex, name, e);

	if (r < 0)
		return r;
	if (strcmp(name, m->name) != 0)
		return fail(e, ENODEV, "the interface is called %s now", name);
	f->unclaimed = false;
	if (f->state == IFACE_OPENING)
		f->again = *m;
	else
		answer_open(d, m->head.serial, 0, f->form | f->mode << 8 | PP_NIC_WAS_THERE, "");
	return 0;
}

void iface_open(struct reeved *d, const struct pp_nic_open *m)
{
	struct iface *f = iface_find(&d->nics, m->ifindex);
	struct err e = { 0 };
	int r;

	if (f && f->unclaimed) {
		r = claim(d, f, m, &e);
	} else if (f) {
		r = open_again(f, m, &e);
	} else {
		r = check_open(d, m, &e);
		if (r == 0)
			r = begin_open(d, m, &e);
	}
	if (r < 0)
		answer_open(d, m->head.serial, r, 0, e.text);
}

/* --- what a predecessor left ---------------------------------------------------------- */

static void go_on_or_undo(struct reeved *d, struct nic_record *record)
{
	struct iface *f = iface_new(d, record->ifindex);
	char name[NIC_NAME_MAX];
	bool same;

	if (!f) {
		nics_complain("an interface could not be put back", record->name, "out of memory");
		return;
	}
	f->record = record;
	same = iface_name(record->ifindex, name, NULL) == 0 && !strcmp(name, record->name);
	if (same && d->adopting) {
		iface_adopt(d, f);
		return;
	}
	rules_end(&d->nics, record, same ? name : NULL);
	detach(d, f, same);
}

int nics_open(struct reeved *d, struct err *e)
{
	int r = records_open(d, e);

	if (r < 0)
		return r;
	if (ethtool_port_open(&d->nics.ethtool) < 0)
		d->nics.ethtool = NULL;
	for (int i = 0; i < IFACES_MAX; i++)
		if (d->nics.table->nics[i].ifindex)
			go_on_or_undo(d, &d->nics.table->nics[i]);
	rules_unclaim(&d->nics);
	return 0;
}
