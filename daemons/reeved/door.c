/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listening sockets. A socket file that somebody still serves is never
 * taken over, and only our own is removed. The directories stay: containers
 * bind-mount them.
 *
 * Others may be able to write to such a directory (a container's root), so
 * nothing here follows a name there: the mode comes from the umask, and the
 * socket is put in place by link(2), which replaces nothing. Descriptors are refused before
 * it listens: a connection has it from the listener as it is when it is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/str.h"
#include "mech/discard.h"
#include "mech/peer.h"
#include "mech/sockfile.h"
#include "reeved.h"

/* Connections taken from one socket before the others get their turn. */
enum { ACCEPT_BATCH = 32, BACKLOG = 1024 };

static int make_parent(const char *path, struct err *e)
{
	char dir[CONF_PATH_MAX];
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

static int bind_private(int fd, const char *path, mode_t without, char *ret_temp, size_t size,
			struct err *e)
{
	struct sockaddr_un a;
	uint32_t suffix; /* nobody can stand in the way of a name he can't foresee */
	mode_t mask;
	int r;

	if (getrandom(&suffix, sizeof(suffix), 0) != sizeof(suffix))
		return fail(e, EIO, "no random numbers are to be had");
	if ((size_t)snprintf(ret_temp, size, "%s.%08x", path, suffix) >= sizeof(a.sun_path))
		return fail(e, ENAMETOOLONG, "the socket path %s is too long", path);
	a = sockfile_address(ret_temp);
	unlink(ret_temp);
	mask = umask(without);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a));
	umask(mask);
	if (r < 0)
		return fail(e, errno, "can't make the socket %s: %m", ret_temp);
	return 0;
}

static int put_in_place(struct door *door, int fd, const char *path, mode_t without, struct err *e)
{
	char temp[CONF_PATH_MAX + 16];
	struct stat st;
	int r;

	r = bind_private(fd, path, without, temp, sizeof(temp), e);
	if (r < 0)
		return r;
	if (lstat(temp, &st) < 0 || listen(fd, BACKLOG) < 0 || link(temp, path) < 0) {
		r = fail(e, errno, "can't serve %s: %m", path);
		unlink(temp);
		return r;
	}
	unlink(temp);
	door->dev = st.st_dev;
	door->ino = st.st_ino;
	return 0;
}

/* Not worth finding out who that was. */
static bool has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = 0 };

	return poll(&p, 1, 0) == 1;
}

/* A core that is about to end has not got it; the next one will ask who it is. */
void door_hand_over(struct reeved *d, enum pp_door kind, struct pp_conn conn, int fd)
{
	struct pp_accept m = { .head.type = PP_ACCEPT, .door = kind, .conn = conn };
	int pass[2] = { fd, -1 };

	if (has_hung_up(fd) || FAULT(REEVED_STAMP) ||
	    peer_stamp(fd, d->cgroup_fd, d->match_cgroups, &m.peer, &pass[1]) < 0) {
		clients_drop(&d->clients, conn);
		return;
	}
	m.has_pidfd = pass[1] >= 0;
	FAULT_HERE(REEVED_HAND_OVER);
	core_send(d, &m, pass, m.has_pidfd ? 2 : 1);
	cleanup_fd_p(&pass[1]);
}

static void on_pause_over(struct watch *w, uint32_t events)
{
	struct reeved *d = watch_owner(w, struct reeved, pause_watch);

	(void)events;
	loop_timer_clear(w->fd);
	d->paused = false;
	doors_adjust(d);
}

static void pause_doors(struct reeved *d)
{
	if (!d->pause_watch.loop) {
		int fd = loop_timer();

		if (fd < 0 || loop_add(d->loop, &d->pause_watch, fd, EPOLLIN, on_pause_over) < 0)
			return;
	}
	loop_timer_set(d->pause_watch.fd, clock_boot_ns() + 100 * NS_PER_MS);
	d->paused = true;
}

/* Out of descriptors or memory: listening on would only spin. */
static void accept_failed(struct reeved *d, int error)
{
	static struct rate limit;

	if (error == -EAGAIN)
		return;
	if (rate_take(&limit, clock_boot_ns(), 1, 1, NULL))
		log_say(LOG_WARN, "can't accept a client", "%s; %u are connected", strerror(-error),
			d->clients.count);
	pause_doors(d);
}

static bool may_accept(const struct reeved *d)
{
	return d->core.ready && !d->stopping && !d->paused && !core_backlog(d) &&
	       !clients_full(&d->clients);
}

static void on_connect(struct watch *w, uint32_t events)
{
	struct door *door = watch_owner(w, struct door, watch);
	struct reeved *d = door->d;
	struct pp_conn conn;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH && may_accept(d); i++) {
		int fd = FAULT(REEVED_ACCEPT);

		if (fd == 0)
			fd = fd_accept(door->fd);
		if (fd < 0) {
			accept_failed(d, fd);
			break;
		}
		conn = clients_add(&d->clients, door->kind, fd);
		fdstore_client(d, conn);
		door_hand_over(d, door->kind, conn, fd);
	}
	doors_adjust(d);
}

/* The file may have gone meanwhile, or be somebody else's by now. */
static bool is_ours(int fd, const char *path, struct stat *ret)
{
	struct sockaddr_un bound;
	socklen_t len = sizeof(bound);

	return lstat(path, ret) == 0 && S_ISSOCK(ret->st_mode) &&
	       getsockname(fd, (struct sockaddr *)&bound, &len) == 0 && !sockfile_is_stale(path);
}

/* false: there is none that could be gone on with. */
static bool take_over(struct reeved *d, enum pp_door kind, const char *path)
{
	_cleanup_fd_ int fd = handover_door(d, kind, path);
	struct door *door = &d->doors[kind];
	struct stat st;

	if (fd < 0 || !is_ours(fd, path, &st))
		return false;
	*door = (struct door){ .fd = -1, .kind = kind, .d = d, .dev = st.st_dev, .ino = st.st_ino };
	if (loop_add(d->loop, &door->watch, fd, 0, on_connect) < 0)
		return false;
	d->clients.foreign_fds = !descriptors_refuse(fd);
	door->fd = take_fd(&fd);
	str_copy(door->path, sizeof(door->path), path);
	return true;
}

int door_path(const struct reeved *d, enum pp_door kind, char ret[static CONF_PATH_MAX])
{
	int n = kind == PP_DOOR_MTL
			? snprintf(ret, CONF_PATH_MAX, "%s", d->conf.mtl_path)
			: snprintf(ret, CONF_PATH_MAX, "%s/reeve.sock", d->opt.runtime_dir);

	return n < CONF_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int door_serve(struct door *door, const char *path, mode_t without, const char *advice,
	       struct err *e)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return fail(e, errno, "can't make a socket: %m");
	door->foreign_fds = !descriptors_refuse(fd);
	r = make_parent(path, e);
	if (r == 0)
		r = sockfile_clear(path, "another program", advice, e);
	if (r == 0)
		r = put_in_place(door, fd, path, without, e);
	if (r < 0)
		return r;
	door->fd = take_fd(&fd);
	str_copy(door->path, sizeof(door->path), path);
	return 0;
}

int door_open(struct reeved *d, enum pp_door kind, const char *path, struct err *e)
{
	struct door opened = { .fd = -1, .kind = kind, .d = d };
	struct door *door = &d->doors[kind];
	int r;

	if (take_over(d, kind, path))
		return 0;
	r = door_serve(&opened, path, 0111, "stop it first, two would lease the same cores", e);
	if (r < 0)
		return r;
	d->clients.foreign_fds = opened.foreign_fds;
	door_close(d, kind);
	*door = opened;
	r = loop_add(d->loop, &door->watch, door->fd, 0, on_connect);
	if (r < 0) {
		door_close(d, kind);
		return fail(e, -r, "can't watch %s: %s", path, strerror(-r));
	}
	fdstore_door(d, kind);
	doors_adjust(d);
	return 0;
}

void door_close(struct reeved *d, enum pp_door kind)
{
	door_shut(&d->doors[kind]);
}

void door_shut(struct door *door)
{
	struct stat st;

	if (door->fd < 0)
		return;
	loop_del(&door->watch);
	if (lstat(door->path, &st) == 0 && st.st_dev == door->dev && st.st_ino == door->ino)
		unlink(door->path);
	close(door->fd);
	door->fd = -1;
}

void doors_adjust(struct reeved *d)
{
	bool listening = may_accept(d);

	for (int kind = 0; kind < PP_DOOR_MAX; kind++)
		if (d->doors[kind].fd >= 0)
			loop_mod(&d->doors[kind].watch, listening ? EPOLLIN : 0);
}
