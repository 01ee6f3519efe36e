/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A descriptor that a client passed may be of a socket with SO_LINGER, which makes its last
 * closer wait for as long as the client likes; but not one that ends. So the closer makes one
 * child after another, each of which takes what there is and, once netd has closed its own,
 * ends. The closer takes nothing itself, or the child would not be the last.
 */
#include "closer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "mech/discard.h"
#include "sandbox.h"

enum { BATCH = 64 };	     /* sockets for a child */
enum { PATIENCE_MS = 1000 }; /* with a closer that takes nothing; it is not met twice */
enum { TOOK = 0, NO_MORE = 1 };

/* --- the closer -------------------------------------------------------------------------- */

/* The last to close them, so not before netd has said that it has. */
static _Noreturn void take_and_end(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	unsigned n, said = 0;
	bool may_end = false;
	char byte;
	int fd;

	while (said < BATCH) {
		ssize_t r;

		if (poll(&p, 1, may_end ? 0 : -1) == 0)
			break;
		r = fd_recv(sock, &byte, 1, &fd, 1, &n);
		if (r == -EAGAIN)
			continue;
		if (r <= 0)
			_exit(NO_MORE);
		may_end = n == 0;
		said += may_end;
	}
	_exit(TOOK);
}

static bool one_round(int sock)
{
	const struct timespec a_while = { .tv_nsec = 10 * NS_PER_MS };
	pid_t pid = _Fork(); /* without what others have fork() do besides */
	int status;

	if (pid == 0)
		take_and_end(sock);
	if (pid < 0) {
		nanosleep(&a_while, NULL);
		return true;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return !WIFEXITED(status) || WEXITSTATUS(status) != NO_MORE;
}

/* It ends when nobody can send it any more, not by a signal that was for the whole group. */
static _Noreturn void serve(int sock)
{
	struct err e = { 0 };
	sigset_t all;

	prctl(PR_SET_NAME, "reeve-closer");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (dup2(sock, 0) < 0 || close_range(1, ~0U, 0) < 0)
		_exit(1);
	if (sandbox_enter_closer(&e) < 0 || write(0, "", 1) != 1)
		_exit(1);
	while (one_round(0))
		;
	_exit(0);
}

/* --- netd -------------------------------------------------------------------------------- */

static bool is_ready(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char byte;

	return poll(&p, 1, -1) == 1 && recv(sock, &byte, 1, 0) == 1;
}

int closer_start(struct closer *ret, struct err *e)
{
	struct closer c = { 0 };
	int pair[2];
	int r = fd_socketpair(pair);

	if (r < 0)
		return fail(e, -r, "can't make a socket: %s", strerror(-r));
	c.sock = pair[0];
	c.pid = fork();
	r = c.pid < 0 ? fail(e, errno, "can't make a process: %m") : 0;
	if (c.pid == 0)
		serve(pair[1]);
	close(pair[1]);
	if (r == 0 && !is_ready(c.sock))
		r = fail(e, EPERM, "the process that closes sockets can't give up its rights");
	if (r < 0)
		closer_end(&c);
	else
		*ret = c;
	return r;
}

void closer_end(struct closer *c)
{
	if (c->pid)
		close(c->sock);
	*c = (struct closer){ 0 };
}

/* NULL: all of those before are closed here. */
static bool tell(struct closer *c, const int *fd)
{
	struct pollfd p = { .fd = c->sock, .events = POLLOUT };
	ssize_t r = fd_send(c->sock, "", 1, fd, fd ? 1 : 0);

	if (r == -EAGAIN && !c->stuck) {
		poll(&p, 1, PATIENCE_MS);
		r = fd_send(c->sock, "", 1, fd, fd ? 1 : 0);
	}
	c->stuck = r == -EAGAIN;
	return r >= 0;
}

void closer_close(struct closer *c, int fd)
{
	bool left = discard_has_unread(fd);

	if (left && !tell(c, &fd))
		return;
	close(fd);
	if (left)
		tell(c, NULL);
}
