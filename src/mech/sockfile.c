/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/sockfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

struct sockaddr_un sockfile_address(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	str_copy(a.sun_path, sizeof(a.sun_path), path);
	return a;
}

bool sockfile_is_stale(const char *path)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = sockfile_address(path);

	return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 &&
	       errno == ECONNREFUSED;
}

/*
 * Moved aside before it is removed, so that a socket which took the stale one's place
 * meanwhile is recognised and put back.
 */
static int remove_stale(const char *path, const struct stat *seen, struct err *e)
{
	char aside[PATH_MAX];
	struct stat moved;

	if ((size_t)snprintf(aside, sizeof(aside), "%s.%d", path, (int)getpid()) >= sizeof(aside))
		return fail(e, ENAMETOOLONG, "the socket path %.80s... is too long", path);
	if (rename(path, aside) < 0)
		return fail(e, errno, "can't remove the stale socket %s: %m", path);
	if (lstat(aside, &moved) == 0 && moved.st_ino != seen->st_ino) {
		if (link(aside, path) == 0)
			unlink(aside);
		return fail(e, EADDRINUSE, "%s was taken by another program just now", path);
	}
	unlink(aside);
	return 0;
}

int sockfile_clear(const char *path, const char *who, const char *advice, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail(e, errno, "can't look at %s: %m", path);
	if (!S_ISSOCK(st.st_mode))
		return fail(e, EEXIST, "%s exists and is no socket", path);
	if (!sockfile_is_stale(path))
		return fail(e, EADDRINUSE, "%s serves %s; %s", who, path, advice);
	return remove_stale(path, &st, e);
}
