/* SPDX-License-Identifier: BSD-3-Clause */
#include "tenancy.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { RETRY_MS = 200 };

static void try_again_later(struct tenancy *t)
{
	loop_timer_set(t->timer, clock_boot_ns() + RETRY_MS * NS_PER_MS);
}

/* Nothing is sent to us unasked: it is the end. Closing it gives nothing back that is ours. */
static void on_end(struct watch *w, uint32_t events)
{
	struct tenancy *t = watch_owner(w, struct tenancy, watch);

	(void)events;
	loop_del(&t->watch);
	reeve_close(t->reeve);
	t->reeve = NULL;
	log_say(LOG_WARN, "reeved is gone", "what is leased stays, and the engines go on");
	try_again_later(t);
}

static int connect_to(struct tenancy *t, struct loop *loop)
{
	int r = reeve_open(t->path, &t->reeve);

	if (r == 0)
		r = loop_add(loop, &t->watch, reeve_fd(t->reeve), EPOLLIN, on_end);
	if (r == 0)
		t->use++;
	return r;
}

static void disconnect(struct tenancy *t)
{
	reeve_close(t->reeve);
	t->reeve = NULL;
}

static void on_timer(struct watch *w, uint32_t events)
{
	struct tenancy *t = watch_owner(w, struct tenancy, timer_watch);

	(void)events;
	loop_timer_clear(t->timer);
	if (t->reeve)
		return;
	if (connect_to(t, w->loop) == 0) {
		log_say(LOG_INFO, "reeved is back", "%s", t->path);
		if (t->back)
			t->back(t->back_arg);
		return;
	}
	disconnect(t);
	try_again_later(t);
}

int tenancy_open(struct tenancy *t, const char *path, struct loop *loop, struct err *e)
{
	int r;

	*t = (struct tenancy){ .path = path };
	t->timer = loop_timer();
	r = t->timer < 0 ? t->timer : loop_add(loop, &t->timer_watch, t->timer, EPOLLIN, on_timer);
	if (r < 0)
		return fail(e, -r, "can't make a timer: %s", strerror(-r));
	r = connect_to(t, loop);
	if (r == 0)
		return 0;
	fail(e, -r, "no reeved answers at %s: %s", path,
	     t->reeve && *reeve_error(t->reeve) ? reeve_error(t->reeve) : strerror(-r));
	disconnect(t);
	return r;
}

void tenancy_close(struct tenancy *t)
{
	if (!t->path)
		return;
	if (t->reeve)
		loop_del(&t->watch);
	disconnect(t);
	loop_del(&t->timer_watch);
	if (t->timer > 0)
		close(t->timer);
	*t = (struct tenancy){ 0 };
}

int tenancy_get(struct tenancy *t, struct reeve **ret, struct err *e)
{
	if (!t->reeve)
		return fail(e, ENOTCONN, "no reeved answers at %s", t->path);
	*ret = t->reeve;
	return 0;
}

int tenancy_fail(struct tenancy *t, int r, const char *what, struct err *e)
{
	const char *why = t->reeve ? reeve_error(t->reeve) : "";

	return fail(e, -r, "%s: %s", what, *why ? why : strerror(-r));
}
