/* SPDX-License-Identifier: BSD-3-Clause */
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "netd.h"

/*
 * Some milliseconds of a fast network, and as much again when it ends: what the last blocks
 * tell is for a reader who did not keep up, too. Anyone may have that much.
 */
enum { PIPE_BYTES = 1 << 19, PIPE_END_BYTES = 2 * PIPE_BYTES };

struct tap {
	struct trace_conf conf;
	struct trace **trace;
	int r;
};

static void tap(struct engine *e, void *arg)
{
	struct tap *t = arg;

	t->r = trace_start(&t->conf, e->port, t->trace);
}

static void untap(struct engine *e, void *arg)
{
	struct trace **trace = arg;

	(void)e;
	trace_stop(*trace);
	*trace = NULL;
}

static void end(struct tracer *t)
{
	int fd = t->watch.fd;

	if (!t->watch.loop)
		return;
	fcntl(fd, F_SETPIPE_SZ, PIPE_END_BYTES);
	for (uint32_t i = 0; i < t->iface->nengines; i++)
		if (t->taps[i])
			engine_call(&t->iface->engines[i], untap, &t->taps[i]);
	loop_del(&t->watch);
	close(fd);
	t->iface = NULL;
}

void tracers_end(struct netd *d, const struct iface *f)
{
	for (int i = 0; i < TRACERS_MAX; i++)
		if (!f || d->tracers[i].iface == f)
			end(&d->tracers[i]);
}

bool tracer_has(const struct netd *d, const struct engine *e)
{
	for (int i = 0; i < TRACERS_MAX; i++)
		if (d->tracers[i].watch.loop && d->tracers[i].iface == e->iface &&
		    d->tracers[i].taps[e->number])
			return true;
	return false;
}

/* Nothing is asked of a write end but whether the read end is gone. */
static void on_pipe(struct watch *w, uint32_t events)
{
	(void)events;
	end(watch_owner(w, struct tracer, watch));
}

/* --- the call -------------------------------------------------------------------------------- */

/* Engines from `first` on, `n` of them. */
struct wanted {
	struct iface *iface;
	uint32_t first, n;
};

static void refuse(struct answer *a, const char *why)
{
	a->error = "io.reeve.net.Busy";
	a->parameters = json_pack("{s:s}", "why", why);
}

/* Whether it is one that can be traced now. */
static bool find(struct netd *d, const char *name, int64_t engine, struct wanted *w,
		 struct answer *a)
{
	for (uint32_t i = 0; i < d->nifaces; i++)
		if (!strcmp(d->ifaces[i].name, name))
			w->iface = &d->ifaces[i];
	if (!w->iface) {
		a->error = "io.reeve.net.NoSuchInterface";
		a->parameters = json_pack("{s:s}", "interface", name);
	} else if (w->iface->gone) {
		refuse(a, "the interface is gone");
	} else if (engine >= (int64_t)w->iface->nengines) {
		a->error = "io.reeve.net.NoSuchEngine";
		a->parameters = json_pack("{s:I}", "engine", (json_int_t)engine);
	} else {
		w->first = engine < 0 ? 0 : (uint32_t)engine;
		w->n = engine < 0 ? w->iface->nengines : 1;
	}
	return !a->error;
}

static bool is_traced(const struct netd *d, const struct wanted *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (tracer_has(d, &w->iface->engines[w->first + i]))
			return true;
	return false;
}

static struct tracer *free_tracer(struct netd *d)
{
	for (int i = 0; i < TRACERS_MAX; i++)
		if (!d->tracers[i].watch.loop)
			return &d->tracers[i];
	return NULL;
}

/* The read end waits, as files do for who reads them; the write end never. */
static int make_pipe(int ret[2])
{
	if (pipe2(ret, O_CLOEXEC) < 0)
		return -errno;
	fcntl(ret[1], F_SETFL, O_NONBLOCK);
	fcntl(ret[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

static int write_header(const struct wanted *w, int pipe)
{
	char names[NET_THREADS_MAX][TRACE_NAME_MAX];
	const char *list[NET_THREADS_MAX];

	for (uint32_t i = 0; i < w->n; i++) {
		snprintf(names[i], sizeof(names[i]), "%s:%u", w->iface->name, w->first + i);
		list[i] = w->n > 1 ? names[i] : w->iface->name;
	}
	return trace_header(pipe, list, w->n);
}

static int tap_engines(struct tracer *t, const struct wanted *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		struct tap one = { .conf = { .pipe = t->watch.fd, .interface = i },
				   .trace = &t->taps[w->first + i] };

		engine_call(&w->iface->engines[w->first + i], tap, &one);
		if (one.r < 0)
			return one.r;
	}
	return 0;
}

static int start(struct netd *d, struct tracer *t, const struct wanted *w, int *ret_fd)
{
	int pipe[2], r = make_pipe(pipe);

	if (r < 0)
		return r;
	*t = (struct tracer){ .iface = w->iface };
	r = loop_add(d->loop, &t->watch, pipe[1], 0, on_pipe);
	if (r < 0)
		close(pipe[1]);
	else
		r = write_header(w, pipe[1]);
	if (r == 0)
		r = tap_engines(t, w);
	if (r < 0) {
		end(t);
		close(pipe[0]);
		return r;
	}
	*ret_fd = pipe[0];
	return 0;
}

static json_t *reply(const struct wanted *w)
{
	json_t *engines = json_array();

	for (uint32_t i = 0; i < w->n; i++)
		json_array_append_new(engines, json_integer((json_int_t)w->first + i));
	return json_pack("{s:s, s:o}", "interface", w->iface->name, "engines", engines);
}

void tracer_call(struct netd *d, struct params *p, struct answer *a)
{
	char name[NIC_NAME_MAX] = "";
	struct wanted w = { 0 };
	struct tracer *t = free_tracer(d);
	int64_t engine = -1;
	int r;

	take_word(p, "interface", REQUIRED, name, sizeof(name));
	take_int(p, "engine", OPTIONAL, 0, NET_THREADS_MAX - 1, &engine);
	if (!params_end(p) || !find(d, name, engine, &w, a))
		return;
	if (!t || is_traced(d, &w)) {
		refuse(a, t ? "it is traced already" : "there are as many traces as may be");
		return;
	}
	r = start(d, t, &w, &a->fd);
	if (r < 0)
		refuse(a, strerror(-r));
	else
		a->parameters = reply(&w);
}
