/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/conn.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/str.h"

enum { FIRST_SIZE = 4096 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t deadline_in(int ms)
{
	return ms < 0 ? DEADLINE_NEVER : now_ns() + (uint64_t)ms * NS_PER_MS;
}

/* For poll(2): rounded up, so that a wait never ends before its deadline. */
static int ms_left(uint64_t deadline)
{
	uint64_t now, ms;

	if (deadline == DEADLINE_NEVER)
		return -1;
	now = now_ns();
	if (now >= deadline)
		return 0;
	ms = (deadline - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int wait_for(int fd, short events, uint64_t deadline, struct err *e)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int left = ms_left(deadline);
		int n = poll(&p, 1, left);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return fail(e, errno, "waiting for the daemon: %s", strerror(errno));
		if (n == 0 && left == 0)
			return fail(e, ETIMEDOUT, "the daemon did not answer in time");
	}
}

/*
 * connect(2) on a local socket waits while the daemon's backlog is full, and
 * no poll(2) tells when it no longer is; the send timeout limits that wait.
 */
static int limit_connect(int fd, uint64_t deadline, struct err *e)
{
	int ms = ms_left(deadline);
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (ms < 0)
		return 0;
	if (ms == 0)
		tv.tv_usec = 1; /* a zero would mean for ever */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return fail(e, errno, "socket: %s", strerror(errno));
	return 0;
}

static int connect_failed(int code, const char *path, struct err *e)
{
	switch (code) {
	case ENOENT:
	case ECONNREFUSED:
		return fail(e, code, "no daemon answers at %s", path);
	case EAGAIN:
		return fail(e, ETIMEDOUT, "the daemon at %s did not accept in time", path);
	default:
		return fail(e, code, "cannot connect to %s: %s", path, strerror(code));
	}
}

int conn_open(struct conn *c, const char *path, uint64_t deadline, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r;

	*c = (struct conn){ .fd = -1 };
	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		return fail(e, ENAMETOOLONG, "the socket path is too long: %s", path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return fail(e, errno, "socket: %s", strerror(errno));
	do {
		r = limit_connect(c->fd, deadline, e);
		if (r < 0)
			return r;
		r = connect(c->fd, (struct sockaddr *)&addr, sizeof(addr));
	} while (r < 0 && errno == EINTR);
	return r < 0 ? connect_failed(errno, path, e) : 0;
}

static void close_fds(struct conn *c)
{
	while (c->nfds)
		close(c->fds[--c->nfds]);
}

void conn_close(struct conn *c)
{
	close_fds(c);
	if (c->fd >= 0)
		close(c->fd);
	free(c->buf);
	*c = (struct conn){ .fd = -1 };
}

int conn_send(struct conn *c, const char *bytes, size_t len, uint64_t deadline, struct err *e)
{
	while (len) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_for(c->fd, POLLOUT, deadline, e);
			if (r < 0)
				return r;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return fail(e, EPIPE, "the daemon closed the connection");
		} else if (errno != EINTR) {
			return fail(e, errno, "sending to the daemon: %s", strerror(errno));
		}
	}
	return 0;
}

static bool take_text(struct conn *c, const char **ret, size_t *ret_len)
{
	const char *nul;

	if (c->scanned == c->end)
		return false;
	nul = memchr(c->buf + c->scanned, '\0', c->end - c->scanned);
	if (!nul) {
		c->scanned = c->end;
		return false;
	}
	*ret = c->buf + c->start;
	*ret_len = (size_t)(nul - *ret);
	c->start = c->scanned = (size_t)(nul - c->buf) + 1;
	return true;
}

/* Moves what is held to the front, and makes the buffer larger when it is full. */
static int make_room(struct conn *c, struct err *e)
{
	size_t size = c->size ? c->size * 2 : FIRST_SIZE;
	size_t held = c->end - c->start;
	char *buf;

	if (c->start) {
		memmove(c->buf, c->buf + c->start, held);
		c->scanned -= c->start;
		c->start = 0;
		c->end = held;
	}
	if (held > CONN_TEXT_MAX)
		return fail(e, EPROTO, "the daemon sent more than 16 MiB in one reply");
	if (held < c->size)
		return 0;
	buf = realloc(c->buf, size);
	if (!buf)
		return fail(e, ENOMEM, "out of memory");
	c->buf = buf;
	c->size = size;
	return 0;
}

static void keep_fds(struct conn *c, struct msghdr *msg)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
		const unsigned char *at = CMSG_DATA(m);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t len = m->cmsg_len - CMSG_LEN(0); len >= sizeof(int);
		     len -= sizeof(int), at += sizeof(int)) {
			int fd;

			memcpy(&fd, at, sizeof(fd));
			if (c->nfds < CONN_FDS_MAX)
				c->fds[c->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* As recv(2), without waiting. What does not fit the control buffer is closed by the kernel. */
static ssize_t receive(struct conn *c)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * CONN_FDS_MAX)];
	struct iovec iov = { .iov_base = c->buf + c->end, .iov_len = c->size - c->end };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n >= 0)
		keep_fds(c, &msg);
	return n;
}

/* -EAGAIN: nothing is there yet. */
static int read_more(struct conn *c, struct err *e)
{
	ssize_t n;

	do {
		n = receive(c);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->end += (size_t)n;
		return 0;
	}
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n < 0 && errno != ECONNRESET)
		return fail(e, errno, "receiving from the daemon: %s", strerror(errno));
	return fail(e, EPIPE, "the daemon closed the connection%s",
		    c->end > c->start ? " in the middle of a reply" : "");
}

int conn_recv(struct conn *c, uint64_t deadline, const char **ret, size_t *ret_len, struct err *e)
{
	close_fds(c);
	while (!take_text(c, ret, ret_len)) {
		int r = make_room(c, e);

		if (r == 0)
			r = read_more(c, e);
		if (r == -EAGAIN)
			r = wait_for(c->fd, POLLIN, deadline, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int conn_take_fds(struct conn *c, int *ret, unsigned n, struct err *e)
{
	if (c->nfds != n) {
		fail(e, EPROTO, "%u descriptors came where %u belong", c->nfds, n);
		close_fds(c);
		return -EPROTO;
	}
	memcpy(ret, c->fds, n * sizeof(*ret));
	c->nfds = 0;
	return 0;
}
