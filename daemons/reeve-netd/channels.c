/* SPDX-License-Identifier: BSD-3-Clause */
#include "channels.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "netd.h"

enum { DESCRIPTORS = 16384, LINGER_MS = 500 };
enum { BREAKS = 20 }; /* that are logged at once; then one a second */

/* --- engines --------------------------------------------------------------------------------- */

/* From an engine's thread. */
static void on_broken(void *arg)
{
	struct netd *d = arg;
	const uint64_t one = 1;

	if (write(d->channels.event, &one, sizeof(one)) < 0)
		return; /* it is full, so it will be looked at */
}

struct with {
	struct netd *d;
	struct endpoint *ep;
};

static void add(struct engine *e, void *arg)
{
	const struct with *w = arg;

	e->exchange.broken = on_broken;
	e->exchange.arg = w->d;
	exchange_add(&e->exchange, w->ep);
}

static void take_away(struct engine *e, void *arg)
{
	const struct with *w = arg;

	exchange_remove(&e->exchange, w->ep);
}

static void let_linger(struct engine *e, void *arg)
{
	const struct with *w = arg;

	(void)e;
	endpoint_linger(w->ep, clock_mono_ns() + LINGER_MS * NS_PER_MS);
}

static struct engine *least_loaded(struct netd *d)
{
	struct engine *found = NULL;

	for (uint32_t i = 0; i < d->nifaces; i++)
		for (uint32_t k = 0; k < d->ifaces[i].nengines; k++) {
			struct engine *e = &d->ifaces[i].engines[k];

			if (e->running && (!found || e->exchange.n < found->exchange.n))
				found = e;
		}
	return found;
}

static void give_engine(struct netd *d, struct chan *c)
{
	struct with w = { d, c->ep };

	c->engine = least_loaded(d);
	if (c->engine)
		engine_call(c->engine, add, &w);
}

static void take_engine(struct netd *d, struct chan *c)
{
	struct with w = { d, c->ep };

	if (c->engine)
		engine_call(c->engine, take_away, &w);
	c->engine = NULL;
}

void channels_iface_up(struct netd *d)
{
	for (struct chan *c = d->channels.list; c; c = c->next)
		if (!c->engine)
			give_engine(d, c);
}

void channels_iface_down(struct netd *d, struct iface *f)
{
	for (struct chan *c = d->channels.list; c; c = c->next)
		if (c->engine && c->engine->iface == f)
			take_engine(d, c);
}

/* --- the end of a channel --------------------------------------------------------------------- */

void channels_drop(struct netd *d, struct chan *c)
{
	struct chan **at = &d->channels.list;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->of)
		app_lease_give(c->of, c->lease);
	take_engine(d, c);
	if (c->ended)
		c->ended(c->owner);
	stock_drop(&d->channels.stock, c->ep);
	free(c);
}

static void silence(struct engine *e, void *arg)
{
	const struct with *w = arg;

	exchange_silence(&e->exchange, w->ep);
}

void channels_end(struct netd *d, struct chan *c)
{
	struct with w = { d, c->ep };

	if (c->of)
		app_lease_give(c->of, c->lease);
	c->lease = 0;
	c->of = NULL;
	if (!c->engine) {
		c->ended = NULL;
		channels_drop(d, c);
		return;
	}
	if (c->ended)
		engine_call(c->engine, silence, &w);
	c->ended = NULL;
	engine_call(c->engine, let_linger, &w);
}

static void say_broken(struct channels *s, const struct chan *c)
{
	struct log_line line;
	char id[CHAN_UUID_TEXT];

	if (!rate_take(&s->breaks, clock_boot_ns(), BREAKS, 1, NULL))
		return;
	chan_uuid_format(c->id, id);
	log_begin(&line, LOG_WARN, "channel broken");
	log_str(&line, "channel", id);
	log_u64(&line, "uid", c->app.uid);
	log_u64(&line, "pid", (uint64_t)c->app.pid);
	log_str(&line, "why", "its rings make no sense");
	log_end(&line);
}

static void on_event(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, channels.watch);
	struct chan *next;
	uint64_t times;

	(void)events;
	if (read(w->fd, &times, sizeof(times)) < 0)
		return;
	for (struct chan *c = d->channels.list; c; c = next) {
		next = c->next;
		if (!atomic_load(&c->ep->broken))
			continue;
		if (c->of)
			say_broken(&d->channels, c);
		channels_drop(d, c);
	}
}

/* --- applications ---------------------------------------------------------------------------- */

static struct app *find_app(const struct channels *s, const uint8_t *id)
{
	struct app *a = s->apps;

	while (a && memcmp(a->who.id, id, sizeof(a->who.id)) != 0)
		a = a->next;
	return a;
}

struct app *channels_app(struct netd *d, const struct chan_request *q, uid_t uid)
{
	struct app *a = find_app(&d->channels, q->app);

	return a && a->who.uid == uid ? a : NULL;
}

int channels_register(struct netd *d, const struct chan_request *q, const struct peer *peer,
		      struct app **ret)
{
	struct app *a;

	if (find_app(&d->channels, q->app))
		return -EEXIST;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	memcpy(a->who.id, q->app, sizeof(a->who.id));
	memcpy(a->who.name, q->name, sizeof(a->who.name));
	a->who.uid = peer->uid;
	a->who.pid = (pid_t)peer->pid;
	a->peer = *peer;
	a->lease.netd = d;
	a->next = d->channels.apps;
	d->channels.apps = a;
	*ret = a;
	return 0;
}

/* Who has its bell is told, and hangs up. */
static void end_with_app(struct netd *d, struct chan *c)
{
	void (*ended)(void *owner) = c->ended;
	void *owner = c->owner;

	channels_end(d, c);
	if (ended)
		ended(owner);
}

void channels_unregister(struct netd *d, struct app *app)
{
	struct app **at = &d->channels.apps;
	struct chan *next;

	app_lease_end(app);
	for (struct chan *c = d->channels.list; c; c = next) {
		next = c->next;
		if (c->of == app)
			end_with_app(d, c);
	}
	while (*at != app)
		at = &(*at)->next;
	*at = app->next;
	free(app);
}

/* --- a new channel ------------------------------------------------------------------------------
 */

static bool is_of_uid(const struct app_who *a, const struct app_who *b)
{
	return a->uid == b->uid;
}

/* Where no tenant is known it is the uid that counts. */
static bool is_of_tenant(const struct app_who *a, const struct app_who *b)
{
	return a->tenant[0] || b->tenant[0] ? !strcmp(a->tenant, b->tenant) : is_of_uid(a, b);
}

static void count(const struct channels *s, const struct app_who *who,
		  bool (*is)(const struct app_who *a, const struct app_who *b), struct chan_use *n,
		  struct chan_use *bytes)
{
	*n = *bytes = (struct chan_use){ 0 };
	for (const struct chan *c = s->list; c; c = c->next) {
		n->all++;
		bytes->all += c->bytes;
		if (!is(&c->app, who))
			continue;
		n->each++;
		bytes->each += c->bytes;
	}
}

static bool is_taken(const struct channels *s, const uint8_t *id)
{
	for (const struct chan *c = s->list; c; c = c->next)
		if (!memcmp(c->id, id, sizeof(c->id)))
			return true;
	return false;
}

static int check(const struct channels *s, const struct chan_request *q, const struct app *app,
		 uint32_t buffers, struct err *e)
{
	struct chan_use n, bytes;

	if (is_taken(s, q->channel))
		return fail(e, EEXIST, "its id is another channel's");
	if (buffers > CHAN_BUFS_MAX)
		return fail(e, EINVAL, "so many buffers are more than a channel has");
	count(s, &app->who, is_of_uid, &n, &bytes);
	if (!chan_limit_allows(&s->limits.channels, n, 1))
		return fail(e, EDQUOT, "its uid, or all, have as many channels as they may");
	if (!chan_limit_allows(&s->limits.bytes, bytes, channel_bytes(buffers)))
		return fail(e, EDQUOT, "its uid, or all, have as much memory as they may");
	return 0;
}

/* Once the tenant is known, and what it may have. */
static int check_tenant(const struct channels *s, const struct app *app, uint64_t bytes,
			struct err *e)
{
	const struct chan_limit limit = chan_limit_own(&s->limits.bytes, app->lease.terms.memory);
	struct chan_use n, use;

	count(s, &app->who, is_of_tenant, &n, &use);
	if (chan_limit_allows(&limit, use, bytes))
		return 0;
	return fail(e, EDQUOT, "the tenant's channels have as much memory as they may");
}

static int make(struct channels *s, const struct chan_request *q, uint32_t buffers, struct chan *c,
		int *ret_fd)
{
	struct channel *ch;
	int r = stock_take(&s->stock, buffers, &ch, ret_fd);

	if (r < 0)
		return r;
	channel_begin(ch, q->channel, q->rings);
	r = endpoint_new(ch, q->rings, s->limits.flows, s->seed, &c->ep);
	if (r < 0) {
		channel_free(ch);
		close(*ret_fd);
		return r;
	}
	c->bytes = channel_bytes(buffers);
	memcpy(c->id, q->channel, sizeof(c->id));
	return 0;
}

static void set_terms(struct engine *e, void *arg)
{
	const struct chan *c = arg;
	const struct channel_terms *t = &c->of->lease.terms;

	(void)e;
	endpoint_set_terms(c->ep, &(struct ep_terms){ .rate = t->rate / 8, .ports = t->ports });
}

void channels_apply_terms(struct chan *c)
{
	memcpy(c->app.tenant, c->of->who.tenant, sizeof(c->app.tenant));
	if (c->engine)
		engine_call(c->engine, set_terms, c);
	else
		set_terms(NULL, c);
}

static void begin(struct netd *d, struct chan *c, struct app *app, const struct chan_bell *bell)
{
	struct channels *s = &d->channels;

	c->app = app->who;
	c->of = app;
	c->ep->user = c;
	c->ep->bell = bell->fd;
	c->ended = bell->ended;
	c->owner = bell->owner;
	c->next = s->list;
	s->list = c;
	channels_apply_terms(c);
	give_engine(d, c);
}

/* What was leased on the way is given back when it fails. */
static int lease_and_make(struct channels *s, const struct chan_request *q, struct app *app,
			  uint32_t buffers, struct chan *c, int *ret_fd, struct err *e)
{
	uint64_t bytes = channel_bytes(buffers);
	int r = app_lease_take(app, c->number, bytes, &c->lease, e);

	if (r < 0)
		return r;
	r = check_tenant(s, app, bytes, e);
	if (r == 0) {
		r = make(s, q, buffers, c, ret_fd);
		if (r < 0)
			fail(e, -r, "can't make it: %s", strerror(-r));
	}
	if (r < 0)
		app_lease_give(app, c->lease);
	return r;
}

int channels_add(struct netd *d, const struct chan_request *q, const struct chan_bell *bell,
		 struct chan **ret, int *ret_fd, struct err *e)
{
	struct channels *s = &d->channels;
	struct app *app = channels_app(d, q, bell->uid);
	uint32_t buffers = q->rings ? q->buffers : s->limits.buffers;
	struct chan *c;
	int r;

	if (!app)
		return fail(e, ENOENT, "there is no such application of that uid");
	r = check(s, q, app, buffers, e);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return fail(e, ENOMEM, "out of memory");
	c->number = ++s->numbers;
	r = lease_and_make(s, q, app, buffers, c, ret_fd, e);
	if (r < 0) {
		free(c);
		return r;
	}
	begin(d, c, app, bell);
	*ret = c;
	return 0;
}

/* --- all of it --------------------------------------------------------------------------- */

/* More than the usual thousand, as far as we may. */
static uint64_t raise_descriptors(void)
{
	struct rlimit l = { 0 }, more;

	getrlimit(RLIMIT_NOFILE, &l);
	more = (struct rlimit){ DESCRIPTORS, l.rlim_max > DESCRIPTORS ? l.rlim_max : DESCRIPTORS };
	if (l.rlim_cur >= DESCRIPTORS || setrlimit(RLIMIT_NOFILE, &more) == 0)
		return l.rlim_cur > DESCRIPTORS ? l.rlim_cur : DESCRIPTORS;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	return l.rlim_cur;
}

static uint64_t memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

int channels_open(struct netd *d, struct err *e)
{
	struct channels *s = &d->channels;
	int r;

	chan_limits_default(memory(), raise_descriptors(), &s->limits);
	if (getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
		s->seed = clock_mono_ns();
	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = s->event < 0 ? -errno : loop_add(d->loop, &s->watch, s->event, EPOLLIN, on_event);
	return r < 0 ? fail(e, -r, "can't set up channels: %s", strerror(-r)) : 0;
}

void channels_stock(struct netd *d)
{
	if (stock_open(&d->channels.stock) < 0)
		log_say(LOG_WARN, "no stock", "memory for channels is made when it is asked for");
}

void channels_close(struct netd *d)
{
	struct channels *s = &d->channels;

	while (s->list)
		channels_drop(d, s->list);
	while (s->apps)
		channels_unregister(d, s->apps);
	stock_close(&s->stock);
	app_leases_close(d);
	loop_del(&s->watch);
	if (s->event > 0)
		close(s->event);
	s->event = 0;
}
