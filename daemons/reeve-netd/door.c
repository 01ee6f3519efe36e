/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A socket file that somebody still serves is never taken over, and only our own is
 * removed. It is made under a name of its own, listens, and is then put in place by
 * link(2), which replaces nothing: so of two that start at once one fails, and who finds
 * the file can connect. Descriptors are refused before that: a connection has it from the
 * listener as it is when it is made.
 */
#include "door.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "mech/discard.h"
#include "mech/sockfile.h"

enum { BACKLOG = 128, OTHERS = 0177 };

static int bind_as(int fd, const char *path, mode_t not, struct err *e)
{
	struct sockaddr_un a = sockfile_address(path);
	mode_t mask = umask(not );
	int r;

	unlink(path);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r < 0 ? fail(e, -r, "can't make the socket %s: %s", path, strerror(-r)) : 0;
}

static int put_in_place(struct door *door, const char *path, mode_t not, struct err *e)
{
	char temp[sizeof(door->path)];
	struct stat st;
	int r;

	if ((size_t)snprintf(temp, sizeof(temp), "%s-%d", path, (int)getpid()) >= sizeof(temp))
		return fail(e, ENAMETOOLONG, "the path %s is too long for a socket", path);
	r = bind_as(door->fd, temp, not, e);
	if (r == 0 && (lstat(temp, &st) < 0 || link(temp, path) < 0))
		r = fail(e, errno, "can't serve %s: %m", path);
	unlink(temp);
	if (r < 0)
		return r;
	str_copy(door->path, sizeof(door->path), path);
	door->dev = st.st_dev;
	door->ino = st.st_ino;
	return 0;
}

static int make_directory(const char *path, struct err *e)
{
	char dir[sizeof(((struct door *)0)->path)];
	char *slash;

	str_copy(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fail(e, errno, "can't make the directory %s: %m", dir);
	return 0;
}

int door_open(struct door *door, const char *path, bool open_to_all, const char *flag,
	      struct err *e)
{
	char advice[64];
	int r;

	*door = (struct door){ .fd = -1 };
	if (strlen(path) >= sizeof(door->path))
		return fail(e, ENAMETOOLONG, "the path %.80s... is too long for a socket", path);
	r = make_directory(path, e);
	if (r < 0)
		return r;
	snprintf(advice, sizeof(advice), "stop it, or name another --%s", flag);
	r = sockfile_clear(path, "another netd", advice, e);
	if (r < 0)
		return r;
	door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (door->fd < 0)
		return fail(e, errno, "can't make a socket: %m");
	door->foreign_fds = !descriptors_refuse(door->fd);
	return put_in_place(door, path, open_to_all ? 0 : OTHERS, e);
}

void door_adopt(struct door *door, int fd)
{
	*door = (struct door){ .fd = fd, .foreign_fds = !descriptors_refuse(fd) };
}

void door_close(struct door *door)
{
	struct stat st;

	if (door->path[0] && lstat(door->path, &st) == 0 && st.st_dev == door->dev &&
	    st.st_ino == door->ino)
		unlink(door->path);
	if (door->fd >= 0)
		close(door->fd);
	*door = (struct door){ .fd = -1 };
}
