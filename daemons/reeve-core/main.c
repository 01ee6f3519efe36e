/* SPDX-License-Identifier: BSD-3-Clause */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core.h"
#include "link.h"
#include "record.h"
#include "resync.h"
#include "sandbox.h"
#include "txn.h"

static struct core core;

static void on_expiry(struct watch *w, uint32_t events)
{
	(void)events;
	loop_timer_clear(w->fd);
	txn_expire(watch_owner(w, struct core, expiry_watch));
}

static int watch_expiry(struct core *c, struct err *e)
{
	int fd = loop_timer();
	int r = fd < 0 ? fd : loop_add(c->loop, &c->expiry_watch, fd, EPOLLIN, on_expiry);

	return r < 0 ? fail(e, -r, "can't make a timer: %s", strerror(-r)) : 0;
}

/* reeved has the signals; a terminal's Ctrl-C reaches the core too. */
static void leave_signals_to_reeved(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static int start(struct core *c, struct err *e)
{
	int r;

	leave_signals_to_reeved();
	/* jansson would read /dev/urandom when it makes its first object, too late. */
	json_object_seed(0);
	c->since_ns = clock_wall_ns();
	shares_init(c);
	r = loop_new(&c->loop);
	if (r < 0)
		return fail(e, -r, "can't make an event loop: %s", strerror(-r));
	r = watch_expiry(c, e);
	if (r == 0)
		r = link_open(c, e);
	return r < 0 ? r : sandbox_enter(e);
}

int main(void)
{
	struct err e = { 0 };
	int r = start(&core, &e);

	if (r < 0) {
		fprintf(stderr, "reeve-core: %s\n", e.text);
		return 1;
	}
	record_publish(&core);
	enforce_all(&core);
	resync_start(&core);
	loop_on_idle(core.loop, record_publish, &core);
	r = loop_run(core.loop);
	log_flush();
	return r < 0 ? 1 : r;
}
