/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs reeve-bpf: root like this process, for libbpf and libxdp, but for one
 * request only and with few capabilities. Nobody waits for it: its answer is
 * read when it has ended, and it is killed when that takes too long.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "reeved.h"

/* At once; a core that asks for more waits longer. */
enum { LOADERS_MOST = 8, LOADER_LIMIT_S = 10 };

/*
 * CAP_BPF, CAP_PERFMON   load the programs, and those that stand in for a function
 * CAP_NET_ADMIN          attach them, set channels
 * CAP_SYS_ADMIN          open a program by its number: how libxdp finds its
 *                        dispatcher, and how whose program is in the way is told
 */
static const uint64_t capabilities = UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON |
				     UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_SYS_ADMIN;

_Static_assert((int)LOADER_FDS_MAX <= (int)FD_PASS_MAX, "an answer's maps fit into one message");

static void no_answer(int code, const char *why, struct loader_answer *ret)
{
	*ret = (struct loader_answer){ .error = code };
	str_copy(ret->why, sizeof(ret->why), why);
}

/* 0, or -EBADMSG when there is none; it lies in the socket although its sender has gone. */
static int read_answer(const struct loader_run *run, struct loader_answer *ret, int *fds)
{
	struct loader_answer a;
	unsigned nfds = 0;
	ssize_t n = fd_recv(run->sock, &a, sizeof(a), fds, LOADER_FDS_MAX, &nfds);

	if (n > 0 && loader_check_answer(&a, (size_t)n, nfds) == 0) {
		*ret = a;
		return 0;
	}
	for (unsigned i = 0; n > 0 && i < nfds; i++)
		close(fds[i]);
	return -EBADMSG;
}

static void start_waiting(struct reeved *d);

static void run_close(struct loader_run *run)
{
	loop_del(&run->exit_watch);
	loop_del(&run->timer_watch);
	cleanup_fd_p(&run->pidfd);
	cleanup_fd_p(&run->sock);
	cleanup_fd_p(&run->timer);
	run->pidfd = run->sock = run->timer = -1;
	run->pid = 0;
}

static void finish(struct loader_run *run)
{
	struct reeved *d = run->d;
	int fds[LOADER_FDS_MAX];
	struct loader_answer a;

	run->lost = read_answer(run, &a, fds) < 0;
	if (run->lost && run->late)
		no_answer(ETIMEDOUT, "reeve-bpf took too long", &a);
	else if (run->lost)
		no_answer(EIO, "reeve-bpf ended without an answer", &a);
	run_close(run);
	d->nics.loaders.running--;
	run->done(run, &a, fds);
	start_waiting(d);
}

static void on_exit_event(struct watch *w, uint32_t events)
{
	struct loader_run *run = watch_owner(w, struct loader_run, exit_watch);

	(void)events;
	if (waitpid(run->pid, NULL, WNOHANG) == run->pid)
		finish(run);
}

static void on_timer(struct watch *w, uint32_t events)
{
	struct loader_run *run = watch_owner(w, struct loader_run, timer_watch);

	(void)events;
	loop_timer_clear(w->fd);
	run->late = true;
	kill(run->pid, SIGKILL);
}

/* What the process needs before it is there. */
static int prepare(struct loader_run *run, int *ret_theirs, struct err *e)
{
	int pair[2], r = fd_socketpair(pair);

	if (r < 0)
		return fail(e, -r, "can't make a socketpair: %s", strerror(-r));
	run->sock = pair[0];
	*ret_theirs = pair[1];
	run->timer = loop_timer();
	r = run->timer < 0
		    ? run->timer
		    : loop_add(run->d->loop, &run->timer_watch, run->timer, EPOLLIN, on_timer);
	if (r == 0)
		r = (int)fd_send(run->sock, &run->request, sizeof(run->request), NULL, 0);
	return r < 0 ? fail(e, -r, "can't get ready for reeve-bpf: %s", strerror(-r)) : 0;
}

static int spawn(struct loader_run *run, int theirs, struct err *e)
{
	char path[PATH_MAX + 16];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/reeve-bpf", run->d->libexec);
	pid = child_start(&(struct child_as){ .path = path,
					      .keep_caps = capabilities,
					      .in = run->d->null_fd,
					      .out = run->d->null_fd,
					      .err = STDERR_FILENO,
					      .extra = theirs },
			  &run->pidfd, e);
	if (pid < 0)
		return (int)pid;
	run->pid = pid;
	return 0;
}

static int start(struct loader_run *run, struct err *e)
{
	_cleanup_fd_ int theirs = -1;
	int r;

	r = prepare(run, &theirs, e);
	if (r == 0)
		r = spawn(run, theirs, e);
	if (r < 0)
		return r;
	r = loop_add(run->d->loop, &run->exit_watch, run->pidfd, EPOLLIN, on_exit_event);
	if (r < 0) {
		kill(run->pid, SIGKILL);
		waitpid(run->pid, NULL, 0);
		return fail(e, -r, "can't watch reeve-bpf: %s", strerror(-r));
	}
	loop_timer_set(run->timer, clock_boot_ns() + LOADER_LIMIT_S * NS_PER_S);
	return 0;
}

static void start_or_fail(struct loader_run *run)
{
	struct err e = { 0 };
	struct loader_answer a;
	int r;

	run->d->nics.loaders.running++;
	r = start(run, &e);
	if (r == 0)
		return;
	run_close(run);
	run->d->nics.loaders.running--;
	no_answer(-r, e.text, &a);
	run->done(run, &a, NULL);
}

static void start_waiting(struct reeved *d)
{
	struct loaders *l = &d->nics.loaders;

	while (l->first && l->running < LOADERS_MOST) {
		struct loader_run *run = l->first;

		l->first = run->next;
		start_or_fail(run);
	}
}

void loader_start(struct reeved *d, struct loader_run *run, const struct loader_request *request,
		  loader_done *done)
{
	struct loaders *l = &d->nics.loaders;

	*run = (struct loader_run){ .d = d, .request = *request, .done = done };
	run->request.magic = LOADER_MAGIC;
	run->request.version = LOADER_VERSION;
	run->pidfd = run->sock = run->timer = -1;
	if (l->first)
		l->last->next = run;
	else
		l->first = run;
	l->last = run;
	start_waiting(d);
}
