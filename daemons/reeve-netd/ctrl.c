/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctrl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "channels.h"
#include "mech/peer.h"
#include "netd.h"
#include "wire/channel.h"

enum { REFUSALS = 20 }; /* that are logged at once; then one a second */

/* --- a connection ----------------------------------------------------------------------------- */

static void unlink_conn(struct ctrl_conn *c)
{
	struct ctrl *s = &c->netd->ctrl;

	*(c->prev ? &c->prev->next : &s->first) = c->next;
	*(c->next ? &c->next->prev : &s->last) = c->prev;
	s->n--;
}

/*
 * How much of what comes next has no descriptor in it. -EBADMSG: it has one, which is not
 * read: it would be closed here, and a foreign socket can make its last closer wait.
 */
static ssize_t look_ahead(int fd, void *buf, size_t size)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_PEEK);

	if (n < 0)
		return -errno;
	return (msg.msg_flags & MSG_CTRUNC) ? -EBADMSG : n;
}

static ssize_t read_some(const struct ctrl_conn *c, void *buf, size_t size)
{
	ssize_t n = c->foreign_fds ? look_ahead(c->watch.fd, buf, size) : (ssize_t)size;

	if (n <= 0)
		return n < 0 ? n : -EPIPE;
	n = recv(c->watch.fd, buf, (size_t)n, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	return n;
}

static void hang_up(struct ctrl_conn *c)
{
	struct netd *d = c->netd;
	int fd = c->watch.fd;
	char rest[4096];

	if (c->app)
		channels_unregister(d, c->app);
	if (c->chan)
		channels_end(d, c->chan);
	loop_del(&c->watch);
	/* What is only bytes needs no other process to be closed. */
	for (int i = 0; i < 64 && read_some(c, rest, sizeof(rest)) > 0; i++)
		;
	unlink_conn(c);
	if (c->foreign_fds)
		closer_close(&d->ctrl.closer, fd);
	else
		close(fd);
	free(c);
}

/* Its channel is gone, so there is nothing to ring for. */
static void on_chan_ended(void *owner)
{
	struct ctrl_conn *c = owner;

	c->chan = NULL;
	hang_up(c);
}

/* --- messages ---------------------------------------------------------------------------- */

static int answer(struct ctrl_conn *c, const struct chan_request *q, int r, const int *fd)
{
	uint8_t out[CHAN_MSG_SIZE];
	ssize_t n;

	chan_response_encode(out, q, r == 0);
	n = fd_send(c->watch.fd, out, sizeof(out), fd, fd ? 1 : 0);
	return n == sizeof(out) ? 0 : -EPIPE;
}

/* Whoever asks without end fills no log. */
static void say_refused(const struct ctrl_conn *c, const char *what, const char *tenant,
			const char *why)
{
	struct log_line line;
	uint32_t held;

	if (!rate_take(&c->netd->ctrl.refusals, clock_boot_ns(), REFUSALS, 1, &held))
		return;
	log_begin(&line, LOG_WARN, what);
	log_u64(&line, "uid", c->uid);
	log_u64(&line, "pid", (uint64_t)c->pid);
	if (tenant && *tenant)
		log_str(&line, "tenant", tenant);
	log_str(&line, "why", why);
	if (held)
		log_u64(&line, "held_back", held);
	log_end(&line);
}

/* Under reeved all by which it finds a tenant; alone who it is will do. */
static int stamp(const struct ctrl_conn *c, struct peer *ret)
{
	int pidfd = -1, r;

	*ret = (struct peer){ .uid = c->uid, .pid = (uint32_t)c->pid };
	if (!c->netd->tenancy.path)
		return 0;
	r = peer_stamp(c->watch.fd, c->netd->cgroup_fd, true, ret, &pidfd);
	if (pidfd >= 0)
		close(pidfd);
	return r;
}

static int take_register(struct ctrl_conn *c, const struct chan_request *q)
{
	struct peer peer;
	int r = c->app || c->chan ? -EEXIST : stamp(c, &peer);

	if (r == 0)
		r = channels_register(c->netd, q, &peer, &c->app);
	if (r < 0)
		say_refused(c, "application refused", NULL, strerror(-r));
	return answer(c, q, r, NULL);
}

static int take_channel(struct ctrl_conn *c, const struct chan_request *q)
{
	const struct chan_bell bell = { .uid = c->uid,
					.fd = q->rings ? c->watch.fd : -1,
					.ended = q->rings ? on_chan_ended : NULL,
					.owner = c };
	_cleanup_fd_ int fd = -1;
	struct err e = { 0 };
	struct chan *chan;
	int r;

	/* A connection that is a bell is nothing else. */
	if (q->rings && (c->app || c->chan))
		r = fail(&e, EBUSY, "its connection is something else already");
	else
		r = channels_add(c->netd, q, &bell, &chan, &fd, &e);
	if (r < 0) {
		const struct app *app = channels_app(c->netd, q, c->uid);

		say_refused(c, "channel refused", app ? app->who.tenant : NULL, e.text);
		return answer(c, q, r, NULL);
	}
	r = answer(c, q, 0, &fd);
	if (q->rings)
		c->chan = chan;
	else if (r < 0)
		channels_end(c->netd, chan);
	return r;
}

static int take_message(struct ctrl_conn *c)
{
	struct chan_request q;

	chan_request_decode(c->in.bytes, &q);
	c->in.len = 0;
	switch (q.type) {
	case CHAN_REGISTER:
		return take_register(c, &q);
	case CHAN_REQ_CHANNEL:
		return take_channel(c, &q);
	default:
		return answer(c, &q, -EOPNOTSUPP, NULL);
	}
}

static int take_some(struct ctrl_conn *c)
{
	uint8_t buf[CHAN_MSG_SIZE];
	ssize_t n = read_some(c, buf, CHAN_MSG_SIZE - c->in.len);

	if (n < 0)
		return n == -EAGAIN || n == -EINTR ? 0 : (int)n;
	chan_inbox_add(&c->in, buf, (size_t)n);
	return c->in.len == CHAN_MSG_SIZE ? take_message(c) : 0;
}

/* One step each time. What comes over a bell is its engine's to read. */
static void on_conn(struct watch *w, uint32_t events)
{
	struct ctrl_conn *c = watch_owner(w, struct ctrl_conn, watch);
	bool was_bell = c->chan;
	int r = 0;

	if (events & EPOLLERR || (c->chan && events & (EPOLLHUP | EPOLLRDHUP)))
		r = -EPIPE;
	else if (!c->chan)
		r = take_some(c);
	if (r < 0)
		hang_up(c);
	else if (c->chan && !was_bell)
		loop_mod(w, EPOLLRDHUP);
}

/* --- the door ---------------------------------------------------------------------------- */

/* The oldest that has nothing, of that uid or of any: room for one more. */
static bool make_room(struct ctrl *s, const uid_t *uid)
{
	for (struct ctrl_conn *c = s->first; c; c = c->next)
		if (!c->app && !c->chan && (!uid || c->uid == *uid)) {
			hang_up(c);
			return true;
		}
	return false;
}

static bool has_place(struct netd *d, uid_t uid)
{
	struct chan_use use = { .all = d->ctrl.n };
	const struct chan_limit *l = &d->channels.limits.conns;

	for (const struct ctrl_conn *c = d->ctrl.first; c; c = c->next)
		use.each += c->uid == uid;
	if (use.each >= l->each)
		return make_room(&d->ctrl, &uid);
	return use.all < l->all || make_room(&d->ctrl, NULL);
}

static void append(struct ctrl *s, struct ctrl_conn *c)
{
	c->prev = s->last;
	*(s->last ? &s->last->next : &s->first) = c;
	s->last = c;
	s->n++;
}

static void on_door(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, ctrl.door_watch);
	_cleanup_fd_ int fd = fd_accept(w->fd);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct ctrl_conn *c;

	(void)events;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return;
	c = has_place(d, cred.uid) ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return;
	*c = (struct ctrl_conn){
		.netd = d, .uid = cred.uid, .pid = cred.pid, .foreign_fds = d->ctrl.door.foreign_fds
	};
	if (loop_add(d->loop, &c->watch, fd, EPOLLIN, on_conn) < 0) {
		free(c);
		return;
	}
	take_fd(&fd);
	append(&d->ctrl, c);
}

int ctrl_open(struct netd *d, const char *path, int fd, struct err *e)
{
	struct ctrl *s = &d->ctrl;
	int r = 0;

	if (fd >= 0)
		door_adopt(&s->door, fd);
	else
		r = door_open(&s->door, path, true, "ctrl_socket", e);
	if (r < 0)
		return r;
	if (s->door.foreign_fds)
		r = closer_start(&s->closer, e);
	if (r < 0)
		return r;
	r = loop_add(d->loop, &s->door_watch, s->door.fd, EPOLLIN, on_door);
	return r < 0 ? fail(e, -r, "can't serve %s: %s", s->door.path, strerror(-r)) : 0;
}

void ctrl_close(struct netd *d)
{
	while (d->ctrl.first)
		hang_up(d->ctrl.first);
	closer_end(&d->ctrl.closer);
	loop_del(&d->ctrl.door_watch);
	door_close(&d->ctrl.door);
}
