/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A new config is in force on both sides or on none: the core takes it on
 * first, and can refuse; then reeved makes it the one that requests are held
 * against, and opens or closes sockets. Should that fail, the core gets the old
 * one again. Messages arrive in order, so what the core asks for under the new
 * config comes after its word that it has it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "reeved.h"

struct reload {
	struct conf next, old;
};

void reload_drop(struct reeved *d, const char *why)
{
	if (!d->reload)
		return;
	free(d->reload);
	d->reload = NULL;
	log_say(LOG_ERR, "the config was not reloaded, the old one stays", "%s", why);
	notify_send("READY=1");
}

static int send_next(struct reeved *d, struct err *e)
{
	int r = config_read(&d->opt, d->libexec, &d->reload->next, e);

	if (r < 0)
		return r;
	if (!d->core.ready)
		return fail(e, EAGAIN, "the core is just being started");
	r = core_send_conf(d, &d->reload->next);
	return r < 0 ? fail(e, -r, "the core can't be told") : 0;
}

void reload_start(struct reeved *d)
{
	struct err e = { 0 };
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(clock_mono_ns() / 1000));
	notify_send(state);
	if (!d->reload)
		d->reload = calloc(1, sizeof(*d->reload));
	if (!d->reload) {
		log_say(LOG_ERR, "the config was not reloaded, the old one stays", "out of memory");
		notify_send("READY=1");
	} else if (send_next(d, &e) < 0) {
		reload_drop(d, e.text);
	}
}

void reload_answer(struct reeved *d, const struct pp_ready *m)
{
	struct reload *r = d->reload;
	struct err e = { 0 };

	if (!m->error)
		d->conf_serial = m->head.serial;
	if (!r) /* the old one, given back to the core */
		return;
	if (m->error) {
		reload_drop(d, m->why);
		return;
	}
	r->old = d->conf;
	d->conf = r->next;
	if (planes_adjust(d, &e) < 0) {
		d->conf = r->old;
		reload_drop(d, e.text);
		core_send_conf(d, &d->conf);
		return;
	}
	free(r);
	d->reload = NULL;
	reeved_setup_log(d);
	netd_retry(d);
	cgroups_restore(d, false);
	notify_send("READY=1");
}
