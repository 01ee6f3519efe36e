/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/door.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum { FDS_MAX = 8 };

int door_connect(int *ret_sock)
{
	const struct timeval patience = { .tv_sec = DOOR_PATIENCE_MS / 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = secure_getenv(DOOR_ENV);
	_cleanup_fd_ int sock = -1;
	size_t len;

	path = path && *path ? path : CHAN_SOCKET;
	len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len + 1);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	/* A daemon that accepts nobody is waited for by connect(2) itself. */
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	*ret_sock = take_fd(&sock);
	return 0;
}

/* The whole message in one go, into a socket that is empty. */
static int send_all(int sock, const struct chan_msg *m)
{
	ssize_t n = send(sock, m, sizeof(*m), MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return n == sizeof(*m) ? 0 : -EPIPE;
}

static int wait_readable(int sock, uint64_t deadline)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int r;

	do {
		uint64_t now = clock_mono_ns();

		if (now >= deadline)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1);
	} while (r == 0 || (r < 0 && errno == EINTR));
	return r < 0 ? -errno : 0;
}

/* Of descriptors only the first is kept, and only if it is wanted and none is there yet. */
static void keep_fd(struct msghdr *msg, int *fd)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int fds[FDS_MAX];
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n > FDS_MAX)
			continue;
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			if (*fd < 0)
				*fd = fds[i];
			else
				close(fds[i]);
		}
	}
}

static ssize_t recv_some(int sock, void *buf, size_t len, int *fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	keep_fd(&msg, fd);
	return n == 0 ? -ENOTCONN : n;
}

static int recv_all(int sock, struct chan_msg *ret, int *fd)
{
	uint64_t deadline = clock_mono_ns() + DOOR_PATIENCE_MS * NS_PER_MS;
	size_t got = 0;

	while (got < sizeof(*ret)) {
		int r = wait_readable(sock, deadline);
		ssize_t n;

		if (r < 0)
			return r;
		n = recv_some(sock, (uint8_t *)ret + got, sizeof(*ret) - got, fd);
		if (n < 0)
			return (int)n;
		got += (size_t)n;
	}
	return 0;
}

int door_ask(int sock, const struct chan_msg *request, int *ret_fd)
{
	_cleanup_fd_ int fd = -1;
	struct chan_msg answer = { 0 };
	int r = send_all(sock, request);

	if (r == 0)
		r = recv_all(sock, &answer, &fd);
	if (r < 0)
		return r;
	if (answer.type != CHAN_RESPONSE || answer.id != request->id)
		return -EPROTO;
	if (answer.status != 0)
		return -ECONNREFUSED;
	if (!ret_fd)
		return 0;
	if (fd < 0)
		return -EPROTO;
	*ret_fd = take_fd(&fd);
	return 0;
}

bool door_is_open(int sock)
{
	char byte;
	ssize_t n = recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}
