/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/door.h"

enum { SOCKS = 16 };

struct daemon {
	pthread_t thread;
	pthread_mutex_t lock;
	char dir[64], path[80];
	int listener, stop[2];
	int socks[SOCKS], nsocks;
	enum answer how;
	struct chan_msg got[DAEMON_CALLS];
	unsigned ngot;
	struct memory memory;
	bool has_memory;
	int sock;
};

static void send_answer(int sock, const void *bytes, size_t len, const int *fds, unsigned n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		perror("sendmsg");
}

static void make_channel(struct daemon *d, const struct chan_msg *m)
{
	if (d->has_memory)
		memory_close(&d->memory);
	memory_make(&d->memory, m->channel.buffers);
	d->has_memory = true;
	d->memory.stats->rings = m->channel.rings;
	if (d->how == BAD_MEMORY)
		d->memory.ctx->magic = 1;
}

/* Bytes that the reference leaves as they were in its memory are as bad as can be here. */
static void answer(struct daemon *d, int sock, const struct chan_msg *m)
{
	struct chan_msg a;
	bool channel = m->type == CHAN_REQ_CHANNEL && d->how != SAYS_NO && d->how != NO_FD;
	unsigned fds = !channel ? 0 : d->how == TWO_FDS ? 2 : 1;

	memset(&a, 0xee, sizeof(a));
	a.type = CHAN_RESPONSE;
	a.id = m->id + (d->how == OTHER_ID);
	a.status = d->how == SAYS_NO ? -1 : 0;
	if (channel) {
		make_channel(d, m);
		d->sock = sock;
	}
	if (d->how == IN_PIECES) {
		send_answer(sock, &a, 10, &d->memory.fd, fds);
		send_answer(sock, (char *)&a + 10, sizeof(a) - 10, NULL, 0);
	} else {
		send_answer(sock, &a, sizeof(a), (int[]){ d->memory.fd, d->memory.fd }, fds);
	}
}

/* false: that connection is over. */
static bool serve(struct daemon *d, int sock)
{
	struct chan_msg m;
	ssize_t n = recv(sock, &m, sizeof(m), 0);

	if (n != sizeof(m))
		return n == 1; /* a bell */
	if (d->ngot < DAEMON_CALLS)
		d->got[d->ngot++] = m;
	if (d->how == HANGS_UP)
		return false;
	answer(d, sock, &m);
	return true;
}

static void take_connection(struct daemon *d)
{
	int sock = accept(d->listener, NULL, NULL);

	if (sock < 0 || d->nsocks == SOCKS)
		abort();
	d->socks[d->nsocks++] = sock;
}

/* The socket of a channel is the test's: bells are counted there. */
static int events(struct daemon *d, struct pollfd p[static SOCKS + 2])
{
	p[0] = (struct pollfd){ .fd = d->stop[0], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = d->listener, .events = POLLIN };
	for (int i = 0; i < d->nsocks; i++)
		p[i + 2] = (struct pollfd){ .fd = d->socks[i] == d->sock ? -1 : d->socks[i],
					    .events = POLLIN };
	return d->nsocks + 2;
}

static void handle(struct daemon *d, const struct pollfd *p, int n)
{
	for (int i = n - 1; i >= 2; i--)
		if (p[i].revents && !serve(d, p[i].fd)) {
			close(p[i].fd);
			d->socks[i - 2] = d->socks[--d->nsocks];
		}
	if (p[1].revents)
		take_connection(d);
}

static void *run(void *arg)
{
	struct daemon *d = arg;
	struct pollfd p[SOCKS + 2];

	for (;;) {
		int n;

		pthread_mutex_lock(&d->lock);
		n = events(d, p);
		pthread_mutex_unlock(&d->lock);
		if (poll(p, (nfds_t)n, -1) < 0 && errno != EINTR)
			abort();
		if (p[0].revents)
			return NULL;
		pthread_mutex_lock(&d->lock);
		handle(d, p, n);
		pthread_mutex_unlock(&d->lock);
	}
}

struct daemon *daemon_start(void)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	assert_non_null(d);
	d->sock = -1;
	pthread_mutex_init(&d->lock, NULL);
	snprintf(d->dir, sizeof(d->dir), "/tmp/shim.XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/sock", d->dir);
	memcpy(addr.sun_path, d->path, strlen(d->path) + 1);
	d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(d->listener, (struct sockaddr *)&addr, sizeof(addr)), errno);
	assert_return_code(listen(d->listener, 5), errno);
	assert_return_code(pipe(d->stop), errno);
	assert_int_equal(pthread_create(&d->thread, NULL, run, d), 0);
	setenv(DOOR_ENV, d->path, 1);
	return d;
}

void daemon_stop(struct daemon *d)
{
	assert_int_equal(write(d->stop[1], "", 1), 1);
	pthread_join(d->thread, NULL);
	for (int i = 0; i < d->nsocks; i++)
		close(d->socks[i]);
	close(d->listener);
	close(d->stop[0]);
	close(d->stop[1]);
	unlink(d->path);
	rmdir(d->dir);
	if (d->has_memory)
		memory_close(&d->memory);
	free(d);
}

void daemon_answer(struct daemon *d, enum answer how)
{
	pthread_mutex_lock(&d->lock);
	d->how = how;
	pthread_mutex_unlock(&d->lock);
}

const struct chan_msg *daemon_got(struct daemon *d, unsigned n)
{
	const struct chan_msg *m;

	pthread_mutex_lock(&d->lock);
	m = n < d->ngot ? &d->got[n] : NULL;
	pthread_mutex_unlock(&d->lock);
	return m;
}

struct memory *daemon_memory(struct daemon *d)
{
	return &d->memory;
}

int daemon_sock(struct daemon *d)
{
	return d->sock;
}
