/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of the native socket. A whole call is taken only when nothing is left to
 * be sent, so what a client can pile up here is one call's length and one answer.
 */
#include "status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "netd.h"
#include "tracer.h"
#include "wire/native.h"
#include "wire/varlink.h"

enum { READ_STEP = 4096 };

/* --- methods ------------------------------------------------------------------------------ */

static void get_info(struct netd *d, struct params *p, struct answer *a)
{
	(void)d;
	if (params_end(p))
		a->parameters = json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor",
					  "The reeve authors", "product", "reeve-netd", "version",
					  REEVE_VERSION, "url", "", "interfaces", "io.reeve.net",
					  "org.varlink.service");
}

static void get_description(struct netd *d, struct params *p, struct answer *a)
{
	char interface[64] = "";
	const char *text;

	(void)d;
	take_text(p, "interface", REQUIRED, interface, sizeof(interface));
	if (!params_end(p))
		return;
	text = !strcmp(interface, "io.reeve.net")	   ? varlink_io_reeve_net
	       : !strcmp(interface, "org.varlink.service") ? varlink_org_service
							   : NULL;
	if (text)
		a->parameters = json_pack("{s:s}", "description", text);
	else
		params_fault(p, "InterfaceNotFound", interface);
}

static const struct method {
	const char *name;
	void (*run)(struct netd *d, struct params *p, struct answer *a);
} methods[] = {
	{ "io.reeve.net.Status", status_report },
	{ "io.reeve.net.ListFlows", status_flows },
	{ "io.reeve.net.ListNeighbours", status_neighbours },
	{ "io.reeve.net.ListChannels", status_channels },
	{ "io.reeve.net.Trace", tracer_call },
	{ "org.varlink.service.GetInfo", get_info },
	{ "org.varlink.service.GetInterfaceDescription", get_description },
};

static bool is_of(const char *method, const char *interface)
{
	size_t len = strlen(interface);

	return !strncmp(method, interface, len) && method[len] == '.' &&
	       !strchr(method + len + 1, '.');
}

static void not_found(const char *method, struct params *p)
{
	char interface[VARLINK_METHOD_MAX];
	const char *dot = strrchr(method, '.');

	if (is_of(method, "io.reeve.net") || is_of(method, "org.varlink.service")) {
		params_fault(p, "MethodNotFound", method);
		return;
	}
	snprintf(interface, sizeof(interface), "%.*s", dot ? (int)(dot - method) : 0, method);
	params_fault(p, "InterfaceNotFound", interface);
}

static void run_method(struct netd *d, const char *method, struct params *p, struct answer *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(method, methods[i].name)) {
			methods[i].run(d, p, a);
			return;
		}
	not_found(method, p);
}

/* --- a connection --------------------------------------------------------------------------- */

static void drop_answer(struct status_conn *c)
{
	free(c->out);
	if (c->out_fd >= 0)
		close(c->out_fd);
	c->out = NULL;
	c->out_at = c->out_len = 0;
	c->out_fd = -1;
}

static void hang_up(struct status_conn *c)
{
	int fd = c->watch.fd;

	if (!c->watch.loop)
		return;
	loop_del(&c->watch);
	close(fd);
	drop_answer(c);
	free(c->in);
	*c = (struct status_conn){ .out_fd = -1 };
}

static void say_bad(const struct err *e)
{
	struct log_line line;

	log_begin(&line, LOG_WARN, "native client dropped");
	log_str(&line, "why", e->text);
	log_end(&line);
}

static char *encode(const struct native_fault *fault, const struct answer *a, size_t *ret_len)
{
	if (fault->error[0])
		return native_fault_encode(fault, ret_len);
	if (!a->parameters)
		return NULL;
	return a->error ? varlink_error_encode(a->error, a->parameters, ret_len)
			: varlink_reply_encode(a->parameters, false, ret_len);
}

static int run_call(struct status_conn *c, const char *text, size_t len)
{
	struct native_fault fault = { 0 };
	struct answer a = { .fd = -1 };
	struct varlink_call call = { 0 };
	struct params p = { .fault = &fault };
	struct err e = { 0 };
	int r = varlink_call_decode(text, len, &call, &e);

	if (r < 0) {
		say_bad(&e);
		return r;
	}
	p.object = call.parameters;
	run_method(c->netd, call.method, &p, &a);
	c->out_fd = a.fd;
	if (!call.oneway) {
		c->out = encode(&fault, &a, &c->out_len);
		c->answered_ns = clock_mono_ns();
		r = c->out ? 0 : -ENOMEM;
	}
	json_decref(a.parameters);
	varlink_call_done(&call);
	if (!c->out)
		drop_answer(c);
	return r;
}

/* The first whole call, if there is one. -errno: hang up. */
static int take_call(struct status_conn *c)
{
	const char *nul = c->in_len ? memchr(c->in, '\0', c->in_len) : NULL;
	size_t len;
	int r;

	if (!nul)
		return 0;
	len = (size_t)(nul - c->in);
	r = run_call(c, c->in, len);
	c->in_len -= len + 1;
	memmove(c->in, nul + 1, c->in_len);
	return r;
}

static int send_some(struct status_conn *c)
{
	ssize_t n = fd_send(c->watch.fd, c->out + c->out_at, c->out_len - c->out_at, &c->out_fd,
			    c->out_fd >= 0);

	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	c->out_at += (size_t)n;
	if (c->out_fd >= 0)
		close(c->out_fd);
	c->out_fd = -1;
	if (c->out_at == c->out_len)
		drop_answer(c);
	return 0;
}

static int make_room(struct status_conn *c)
{
	size_t size = c->in_size ? 2 * c->in_size : READ_STEP;
	char *in;

	if (c->in_len < c->in_size)
		return 0;
	if (c->in_len >= VARLINK_CALL_MAX)
		return -EMSGSIZE;
	in = realloc(c->in, size);
	if (!in)
		return -ENOMEM;
	c->in = in;
	c->in_size = size;
	return 0;
}

static int read_some(struct status_conn *c)
{
	int r = make_room(c);
	ssize_t n;

	if (r < 0)
		return r;
	n = recv(c->watch.fd, c->in + c->in_len, c->in_size - c->in_len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	c->in_len += (size_t)n;
	return 0;
}

/* One step each time, so that nobody keeps the others from theirs. */
static void on_conn(struct watch *w, uint32_t events)
{
	struct status_conn *c = watch_owner(w, struct status_conn, watch);
	int r = 0;

	if (events & EPOLLERR)
		r = -EPIPE;
	else if (events & (EPOLLIN | EPOLLHUP) && !c->out)
		r = read_some(c);
	if (r == 0 && !c->out)
		r = take_call(c);
	if (r == 0 && c->out)
		r = send_some(c);
	if (r < 0) {
		hang_up(c);
		return;
	}
	c->waits = c->out || (c->in_len && memchr(c->in, '\0', c->in_len));
	loop_mod(w, c->waits ? EPOLLOUT : EPOLLIN);
}

/* --- the door --------------------------------------------------------------------------------- */

/* A free place; else that of who has left answers unread the longest; NULL: nobody has. */
static struct status_conn *find_place(struct status *s)
{
	struct status_conn *slowest = NULL;

	for (int i = 0; i < STATUS_CONNS; i++) {
		struct status_conn *c = &s->conns[i];

		if (!c->watch.loop)
			return c;
		if (c->waits && (!slowest || c->answered_ns < slowest->answered_ns))
			slowest = c;
	}
	if (slowest)
		hang_up(slowest);
	return slowest;
}

static void on_door(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, status.door_watch);
	_cleanup_fd_ int fd = fd_accept(w->fd);
	struct status_conn *c = fd < 0 ? NULL : find_place(&d->status);

	(void)events;
	if (!c)
		return;
	*c = (struct status_conn){ .netd = d, .out_fd = -1 };
	if (loop_add(d->loop, &c->watch, fd, EPOLLIN, on_conn) == 0)
		take_fd(&fd);
}

int status_open(struct netd *d, const char *dir, int fd, struct err *e)
{
	char path[sizeof(d->status.door.path)];
	int r = 0;

	if (fd >= 0)
		door_adopt(&d->status.door, fd);
	else if ((size_t)snprintf(path, sizeof(path), "%s/" NETD_SOCKET, dir) >= sizeof(path))
		r = fail(e, ENAMETOOLONG, "the path %.80s... is too long for a socket", dir);
	else
		r = door_open(&d->status.door, path, false, "runtime_dir", e);
	if (r < 0)
		return r;
	r = loop_add(d->loop, &d->status.door_watch, d->status.door.fd, EPOLLIN, on_door);
	return r < 0 ? fail(e, -r, "can't serve %s: %s", d->status.door.path, strerror(-r)) : 0;
}

void status_close(struct netd *d)
{
	for (int i = 0; i < STATUS_CONNS; i++)
		hang_up(&d->status.conns[i]);
	loop_del(&d->status.door_watch);
	door_close(&d->status.door);
}
