/* SPDX-License-Identifier: BSD-3-Clause */
#include "app_lease.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "channels.h"
#include "client/client.h"
#include "netd.h"

/* An application waits for us, and may wait for ten milliseconds only. */
enum { CALL_MS = 1000, RETRY_MS = 200, NAME_MAX_BYTES = 64 };

static void try_later(struct netd *d)
{
	loop_timer_set(d->channels.leases.timer, clock_boot_ns() + RETRY_MS * NS_PER_MS);
}

/* --- one application -------------------------------------------------------------------- */

void app_lease_end(struct app *app)
{
	struct app_lease *l = &app->lease;

	if (!l->reeve)
		return;
	loop_del(&l->watch);
	reeve_close(l->reeve);
	l->reeve = NULL;
}

/* What it held is held by our process, until it is leased anew. */
static void lose(struct app *app)
{
	struct netd *d = app->lease.netd;

	app_lease_end(app);
	for (struct chan *c = d->channels.list; c; c = c->next)
		if (c->of == app)
			c->lease = 0;
	d->channels.leases.lost = true;
	try_later(d);
}

/* Nothing is sent unasked: it is the end. */
static void on_end(struct watch *w, uint32_t events)
{
	(void)events;
	lose(watch_owner(w, struct app, lease.watch));
}

static json_t *groups_json(const struct peer *p)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < p->ngroups; i++)
		json_array_append_new(list, json_integer(p->groups[i]));
	return list;
}

/* A path that is no text is none. */
static json_t *whom_json(const struct app *app)
{
	const struct peer *p = &app->peer;
	char name[4 * sizeof(app->who.name)];
	json_t *whom;

	str_escape(name, sizeof(name), app->who.name, sizeof(app->who.name));
	name[NAME_MAX_BYTES - 1] = '\0';
	whom = json_pack("{s:I, s:I, s:I, s:o, s:s}", "uid", (json_int_t)p->uid, "gid",
			 (json_int_t)p->gid, "pid", (json_int_t)p->pid, "groups", groups_json(p),
			 "name", name);
	if (whom && p->cgroup[0])
		json_object_set_new(whom, "cgroup", json_string(p->cgroup));
	return whom;
}

static int act(struct app *app, struct reeve *r)
{
	_cleanup_json_ json_t *reply = NULL;
	int n = call(r, "ActFor", whom_json(app), &reply);
	const char *tenant = json_string_value(json_object_get(reply, "tenant"));

	if (n == 0)
		str_copy(app->who.tenant, sizeof(app->who.tenant), tenant ?: "");
	return n;
}

/* -EAGAIN: nobody has refused, there is just nobody. */
static int failed(struct reeve *r, int n, struct err *e)
{
	if (!r || !*reeve_error_name(r))
		return -EAGAIN;
	return fail(e, -n, "%s", reeve_error(r));
}

static void say_none(struct netd *d)
{
	d->channels.leases.none = true;
	log_say(LOG_INFO, "channels are not leased", "we are not the host's message stack");
}

static int connect_for(struct app *app, struct err *e)
{
	struct app_lease *l = &app->lease;
	struct reeve *r = NULL;
	int n = reeve_open(l->netd->tenancy.path, &r);

	if (n == 0) {
		reeve_set_timeout(r, CALL_MS);
		n = act(app, r);
		if (n == -EACCES)
			say_none(l->netd);
	}
	if (n < 0)
		n = failed(r, n, e);
	else if (loop_add(l->netd->loop, &l->watch, reeve_fd(r), EPOLLIN, on_end) < 0)
		n = fail(e, ENOMEM, "out of memory");
	if (n < 0)
		reeve_close(r);
	else
		l->reeve = r;
	return n;
}

static uint64_t number_of(const json_t *object, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(object, name));

	return n > 0 ? (uint64_t)n : 0;
}

static int acquire(struct app *app, uint64_t number, uint64_t bytes, uint64_t *ret, struct err *e)
{
	_cleanup_json_ json_t *reply = NULL;
	struct app_lease *l = &app->lease;
	uint64_t ports;
	int n = call(
		l->reeve, "AcquireChannel",
		json_pack("{s:I, s:I}", "number", (json_int_t)number, "bytes", (json_int_t)bytes),
		&reply);

	if (n < 0)
		return failed(l->reeve, n, e);
	ports = number_of(reply, "ports");
	l->terms = (struct channel_terms){
		.memory = number_of(reply, "memory"),
		.rate = number_of(reply, "rate"),
		.ports = ports < UINT16_MAX ? (uint32_t)ports : UINT16_MAX,
	};
	*ret = number_of(json_object_get(reply, "lease"), "lease");
	return 0;
}

int app_lease_take(struct app *app, uint64_t number, uint64_t bytes, uint64_t *ret, struct err *e)
{
	struct netd *d = app->lease.netd;
	int n = d->tenancy.reeve ? 0 : -EAGAIN;

	*ret = 0;
	if (!d->tenancy.path || d->channels.leases.none)
		return 0;
	if (n == 0 && !app->lease.reeve)
		n = connect_for(app, e);
	if (d->channels.leases.none)
		return 0;
	if (n == 0)
		n = acquire(app, number, bytes, ret, e);
	if (n != -EAGAIN)
		return n;
	lose(app);
	return 0;
}

void app_lease_give(struct app *app, uint64_t lease)
{
	if (lease && app->lease.reeve && reeve_release(app->lease.reeve, lease) < 0 &&
	    !*reeve_error_name(app->lease.reeve))
		lose(app);
}

/* --- reeved is back --------------------------------------------------------------------- */

static void end_refused(struct netd *d, struct chan *c, const char *why)
{
	struct log_line line;
	char id[CHAN_UUID_TEXT];

	chan_uuid_format(c->id, id);
	log_begin(&line, LOG_WARN, "channel ended");
	log_str(&line, "channel", id);
	log_u64(&line, "uid", c->app.uid);
	log_u64(&line, "pid", (uint64_t)c->app.pid);
	log_str(&line, "tenant", c->of->who.tenant);
	log_str(&line, "why", why);
	log_end(&line);
	channels_drop(d, c);
}

/* false: reeved is away, again. */
static bool lease_one(struct netd *d, struct chan *c)
{
	struct err e = { 0 };
	int n = app_lease_take(c->of, c->number, c->bytes, &c->lease, &e);

	if (n < 0)
		end_refused(d, c, e.text);
	else if (c->lease)
		channels_apply_terms(c);
	return n < 0 || c->lease || d->channels.leases.none;
}

static bool lease_all(struct netd *d)
{
	struct chan *next;

	for (struct chan *c = d->channels.list; c; c = next) {
		next = c->next;
		if (c->of && !c->lease && !lease_one(d, c))
			return false;
	}
	return true;
}

/* What is left are leases of channels that ended meanwhile. */
static bool give_back_lost(struct netd *d)
{
	_cleanup_json_ json_t *reply = NULL;
	int n = call(d->tenancy.reeve, "ReleaseLost", json_object(), &reply);

	return n == 0 || *reeve_error_name(d->tenancy.reeve);
}

static void on_timer(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, channels.leases.watch);
	struct app_leases *s = &d->channels.leases;

	(void)events;
	loop_timer_clear(s->timer);
	/* Else it is begun anew when the tenancy is. */
	if (!d->tenancy.reeve || !lease_all(d))
		return;
	if (s->lost && give_back_lost(d))
		s->lost = false;
	else if (s->lost)
		try_later(d);
}

static void on_back(void *arg)
{
	struct netd *d = arg;

	d->channels.leases.lost = true;
	d->channels.leases.none = false;
	loop_timer_set(d->channels.leases.timer, clock_boot_ns());
}

int app_leases_open(struct netd *d, struct err *e)
{
	struct app_leases *s = &d->channels.leases;
	int r;

	s->timer = loop_timer();
	r = s->timer < 0 ? s->timer : loop_add(d->loop, &s->watch, s->timer, EPOLLIN, on_timer);
	if (r < 0)
		return fail(e, -r, "can't make a timer: %s", strerror(-r));
	d->tenancy.back = on_back;
	d->tenancy.back_arg = d;
	return 0;
}

void app_leases_close(struct netd *d)
{
	struct app_leases *s = &d->channels.leases;

	if (!s->timer)
		return;
	loop_del(&s->watch);
	if (s->timer > 0)
		close(s->timer);
	s->timer = 0;
}
