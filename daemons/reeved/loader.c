/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs reeve-bpf: root like this process, for libbpf and libxdp and for what the
 * kernel takes long for, but for one request only and with few capabilities.
 * Nobody waits for it: it is killed when it takes too long, and what it answers
 * is read as soon as it is there, also when it has ended by then. It may outlive
 * its answer for a moment: what it made, it keeps until we hang up.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "reeved.h"

enum { LOADER_LIMIT_S = 10 };

/* At once; a core that asks for more waits longer. */
static const unsigned lane_most[LANE_MAX] = { [LANE_CHANGES] = 8, [LANE_SOCKETS] = 2 };

#define CAP(name) (UINT64_C(1) << CAP_##name)

/*
 * CAP_BPF, CAP_PERFMON   load the programs, and those that stand in for a function
 * CAP_NET_ADMIN          attach them, set channels; a map of sockets
 * CAP_SYS_ADMIN          open a program by its number: how libxdp finds its
 *                        dispatcher, and how whose program is in the way is told
 * CAP_NET_RAW            an AF_XDP socket
 * CAP_IPC_LOCK           its memory, where the limit is low
 */
static uint64_t capabilities(uint32_t op)
{
	switch (op) {
	case LOADER_OWNER:
		return CAP(BPF) | CAP(NET_ADMIN);
	case LOADER_XSK:
		return CAP(NET_RAW) | CAP(IPC_LOCK);
	default:
		return CAP(BPF) | CAP(PERFMON) | CAP(NET_ADMIN) | CAP(SYS_ADMIN);
	}
}

_Static_assert((int)LOADER_FDS_MAX <= (int)FD_PASS_MAX, "an answer's maps fit into one message");

/* A process; the run is over when there is an answer, or none will come. */
struct loader_child {
	struct reeved *d;
	struct loaders *lane;
	struct loader_run *run; /* NULL: it is over */
	pid_t pid;
	int pidfd, sock, timer;
	struct watch exit_watch, sock_watch, timer_watch;
	bool late; /* it was killed */
};

static struct loaders *lane_of(struct reeved *d, uint32_t op)
{
	return &d->nics.lanes[op == LOADER_XSK ? LANE_SOCKETS : LANE_CHANGES];
}

static void no_answer(int code, const char *why, struct loader_answer *ret)
{
	*ret = (struct loader_answer){ .error = code };
	str_copy(ret->why, sizeof(ret->why), why);
}

/* 0, -EAGAIN: not yet, or -EBADMSG: there will be none. */
static int read_answer(const struct loader_child *c, struct loader_answer *ret, int *fds)
{
	struct loader_answer a;
	unsigned nfds = 0;
	ssize_t n = fd_recv(c->sock, &a, sizeof(a), fds, LOADER_FDS_MAX, &nfds);

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n > 0 && loader_check_answer(&a, (size_t)n, nfds) == 0 && a.op == c->run->request.op) {
		*ret = a;
		return 0;
	}
	for (unsigned i = 0; n > 0 && i < nfds; i++)
		close(fds[i]);
	return -EBADMSG;
}

static void start_waiting(struct reeved *d, struct loaders *lane);

static void hang_up(struct loader_child *c)
{
	loop_del(&c->sock_watch);
	cleanup_fd_p(&c->sock);
	c->sock = -1;
}

static void child_free(struct loader_child *c)
{
	hang_up(c);
	loop_del(&c->exit_watch);
	loop_del(&c->timer_watch);
	cleanup_fd_p(&c->pidfd);
	cleanup_fd_p(&c->timer);
	free(c);
}

static void close_request_fds(struct loader_run *run)
{
	for (int i = 0; i < LOADER_REQUEST_FDS_MAX; i++) {
		cleanup_fd_p(&run->fds[i]);
		run->fds[i] = -1;
	}
}

static void over(struct loader_run *run, const struct loader_answer *a, const int *fds)
{
	close_request_fds(run);
	FAULT_HERE(REEVED_LOADED);
	run->done(run, a, fds);
}

/* What `done` does not want is closed by it, and then by the process: see LOADER_XSK. */
static void answered(struct loader_child *c, const struct loader_answer *a, const int *fds)
{
	over(take_ptr(&c->run), a, fds);
	hang_up(c);
}

static void lost(struct loader_child *c)
{
	struct loader_answer a;

	no_answer(c->late ? ETIMEDOUT : EIO,
		  c->late ? "reeve-bpf took too long" : "reeve-bpf ended without an answer", &a);
	c->run->lost = true;
	answered(c, &a, NULL);
}

static void on_answer_event(struct watch *w, uint32_t events)
{
	struct loader_child *c = watch_owner(w, struct loader_child, sock_watch);
	struct loader_answer a;
	int fds[LOADER_FDS_MAX];
	int r = read_answer(c, &a, fds);

	(void)events;
	if (r == 0)
		answered(c, &a, fds);
	else if (r != -EAGAIN)
		loop_del(&c->sock_watch); /* its end will tell */
}

static void on_exit_event(struct watch *w, uint32_t events)
{
	struct loader_child *c = watch_owner(w, struct loader_child, exit_watch);
	struct loaders *lane = c->lane;
	struct reeved *d = c->d;
	struct loader_answer a;
	int fds[LOADER_FDS_MAX];

	(void)events;
	if (waitpid(c->pid, NULL, WNOHANG) != c->pid)
		return;
	if (c->run && read_answer(c, &a, fds) == 0)
		answered(c, &a, fds);
	else if (c->run)
		lost(c);
	child_free(c);
	lane->running--;
	start_waiting(d, lane);
}

static void on_timer(struct watch *w, uint32_t events)
{
	struct loader_child *c = watch_owner(w, struct loader_child, timer_watch);

	(void)events;
	loop_timer_clear(w->fd);
	c->late = true;
	kill(c->pid, SIGKILL);
}

/* What the process needs before it is there. */
static int prepare(struct loader_child *c, int *ret_theirs, struct err *e)
{
	const struct loader_run *run = c->run;
	int pair[2], r = fd_socketpair(pair);

	if (r < 0)
		return fail(e, -r, "can't make a socketpair: %s", strerror(-r));
	c->sock = pair[0];
	*ret_theirs = pair[1];
	c->timer = loop_timer();
	r = c->timer < 0 ? c->timer
			 : loop_add(c->d->loop, &c->timer_watch, c->timer, EPOLLIN, on_timer);
	if (r == 0)
		r = loop_add(c->d->loop, &c->sock_watch, c->sock, EPOLLIN, on_answer_event);
	if (r == 0)
		r = (int)fd_send(c->sock, &run->request, sizeof(run->request), run->fds,
				 loader_request_fds(run->request.op));
	return r < 0 ? fail(e, -r, "can't get ready for reeve-bpf: %s", strerror(-r)) : 0;
}

static int spawn(struct loader_child *c, int theirs, struct err *e)
{
	char path[PATH_MAX + 16];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/reeve-bpf", c->d->libexec);
	pid = child_start(&(struct child_as){ .path = path,
					      .keep_caps = capabilities(c->run->request.op),
					      .in = c->d->null_fd,
					      .out = c->d->null_fd,
					      .err = STDERR_FILENO,
					      .extra = theirs,
					      .one_shot = true },
			  &c->pidfd, e);
	if (pid < 0)
		return (int)pid;
	c->pid = pid;
	return 0;
}

static int start(struct loader_child *c, struct err *e)
{
	_cleanup_fd_ int theirs = -1;
	int r;

	r = prepare(c, &theirs, e);
	if (r == 0)
		r = spawn(c, theirs, e);
	if (r < 0)
		return r;
	r = loop_add(c->d->loop, &c->exit_watch, c->pidfd, EPOLLIN, on_exit_event);
	if (r < 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		return fail(e, -r, "can't watch reeve-bpf: %s", strerror(-r));
	}
	loop_timer_set(c->timer, clock_boot_ns() + LOADER_LIMIT_S * NS_PER_S);
	return 0;
}

static int start_child(struct loader_run *run, struct loaders *lane, struct err *e)
{
	struct loader_child *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return fail(e, ENOMEM, "out of memory");
	*c = (struct loader_child){ .d = run->d, .lane = lane, .run = run };
	c->pidfd = c->sock = c->timer = -1;
	r = FAULT(REEVED_LOADER);
	if (r == 0)
		r = start(c, e);
	if (r < 0)
		child_free(c);
	return r;
}

static void start_or_fail(struct loader_run *run, struct loaders *lane)
{
	struct err e = { 0 };
	struct loader_answer a;
	int r;

	lane->running++;
	r = start_child(run, lane, &e);
	if (r == 0)
		return;
	lane->running--;
	no_answer(-r, e.text, &a);
	over(run, &a, NULL);
}

static void start_waiting(struct reeved *d, struct loaders *lane)
{
	unsigned most = lane_most[lane - d->nics.lanes];

	while (lane->first && lane->running < most) {
		struct loader_run *run = lane->first;

		lane->first = run->next;
		start_or_fail(run, lane);
	}
}

/* Of our own, since the caller may close its descriptors before the process is started. */
static int copy_fds(struct loader_run *run, const int *fds)
{
	for (unsigned i = 0; i < loader_request_fds(run->request.op); i++) {
		run->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (run->fds[i] < 0)
			return -errno;
	}
	return 0;
}

void loader_start(struct reeved *d, struct loader_run *run, const struct loader_request *request,
		  const int *fds, loader_done *done)
{
	struct loaders *lane = lane_of(d, request->op);
	struct loader_answer a;
	int r;

	*run = (struct loader_run){ .d = d, .request = *request, .done = done, .fds = { -1, -1 } };
	run->request.magic = LOADER_MAGIC;
	run->request.version = LOADER_VERSION;
	r = copy_fds(run, fds);
	if (r < 0) {
		no_answer(-r, "no descriptor is free", &a);
		over(run, &a, NULL);
		return;
	}
	if (lane->first)
		lane->last->next = run;
	else
		lane->first = run;
	lane->last = run;
	start_waiting(d, lane);
}
