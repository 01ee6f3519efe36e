/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor that reeve is measured against: what the kernel alone costs a
 * single-threaded server. Each message is one recv and one send of the same
 * 118 bytes; nothing is decoded, checked or kept.
 *
 * With -b the server blocks in recv on one client at a time and needs no epoll:
 * the lowest floor there is, for one client only.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/notify.h"
#include "base/str.h"

enum { FRAME = 118, EVENTS = 64, BACKLOG = 4096 };

static int server_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		errx(1, "%s: path too long", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		err(1, "%s", path);
	return fd;
}

/* false: the client is gone. */
static bool echo(int fd)
{
	uint8_t frame[FRAME];

	return recv(fd, frame, sizeof(frame), 0) == FRAME &&
	       send(fd, frame, sizeof(frame), MSG_NOSIGNAL) == FRAME;
}

static void watch(int epfd, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void welcome(int epfd, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(epfd, fd);
	if (errno != EAGAIN)
		err(1, "accept");
}

static void serve_many(int listener)
{
	struct epoll_event events[EVENTS];
	int epfd;
	int n;

	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0 || fcntl(listener, F_SETFL, O_NONBLOCK) < 0)
		err(1, "epoll");
	watch(epfd, listener);
	for (;;) {
		n = epoll_wait(epfd, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				welcome(epfd, listener);
			else if (!echo(events[i].data.fd))
				close(events[i].data.fd);
		}
	}
}

static void serve_one_at_a_time(int listener)
{
	int fd;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			err(1, "accept");
		while (echo(fd))
			;
		close(fd);
	}
}

int main(int argc, char **argv)
{
	bool blocking = argc == 3 && strcmp(argv[1], "-b") == 0;
	int listener;

	if (argc != 2 + blocking)
		errx(2, "usage: floor [-b] SOCKET");
	listener = server_listen(argv[argc - 1]);
	if (notify_send("READY=1") < 0)
		err(1, "NOTIFY_SOCKET");
	if (blocking)
		serve_one_at_a_time(listener);
	serve_many(listener);
}
