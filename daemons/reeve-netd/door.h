/* SPDX-License-Identifier: BSD-3-Clause */
/* The listening sockets of netd: <runtime-dir>/netd.sock, for root alone, and Machnet's. */
#ifndef REEVE_NETD_DOOR_H
#define REEVE_NETD_DOOR_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/err.h"

#define NETD_RUNTIME_DIR "/run/reeve"
#define NETD_SOCKET	 "netd.sock"

struct door {
	int fd;
	bool foreign_fds; /* who connects can pass descriptors: a kernel before 6.16 */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": nothing to remove */
	dev_t dev;
	ino_t ino;
};

/*
 * Makes the directory if there is none. -EADDRINUSE: a program serves the socket, which
 * is left to it; one that nobody serves is replaced. `open_to_all`: anybody may connect.
 * `flag` is the one that names another place. door_close() afterwards, whatever this
 * returned.
 */
int door_open(struct door *door, const char *path, bool open_to_all, const char *flag,
	      struct err *e);
/* One that whoever started us listens on, and keeps: `fd`. */
void door_adopt(struct door *door, int fd);
/* Removes the file, if it is still the one that was made here. */
void door_close(struct door *door);

#endif
