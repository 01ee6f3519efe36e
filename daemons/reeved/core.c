/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core's life. It is started again when it dies, and takes over where it was:
 * what clients hold, what they have asked and not been answered, and what is done
 * for them in the kernel all stay as they are meanwhile. Messages to it wait in a
 * queue while it is busy; as long as one waits, no further client is accepted, so the
 * queue stays short.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/rate.h"
#include "base/str.h"
#include "mech/discard.h"
#include "mech/ethnl.h"
#include "mech/rtnl.h"
#include "reeved.h"

enum { RETRY_FIRST_MS = 50, RETRY_MOST_MS = 5000, MESSAGE_BATCH = 32 };
enum { KILLS_BURST = 100, KILLS_PER_S = 20 };

bool core_backlog(const struct reeved *d)
{
	return !pp_queue_empty(&d->core.queue);
}

int core_send(struct reeved *d, const void *msg, const int *fds, unsigned nfds)
{
	struct core_child *c = &d->core;
	bool waits;
	int r;

	if (c->sock < 0)
		return -EPIPE;
	r = pp_queue_send(&c->queue, c->sock, msg, fds, nfds, &waits);
	if (r == -EPIPE) /* it is about to exit; its end is seen by itself */
		return r;
	if (r < 0)
		core_kill(d, strerror(-r));
	else if (waits)
		loop_mod(&c->sock_watch, EPOLLOUT);
	return r;
}

static void queue_flush(struct reeved *d)
{
	struct core_child *c = &d->core;
	int r = pp_queue_flush(&c->queue, c->sock);

	if (r == -EAGAIN)
		return;
	if (r < 0)
		core_kill(d, strerror(-r));
	loop_mod(&c->sock_watch, EPOLLIN);
	doors_adjust(d);
}

/* In as many messages as it takes; the core waits for all of them. */
static int resume_some(struct reeved *d)
{
	struct core_child *c = &d->core;
	uint32_t at = c->resume_at;
	int fds[FD_PASS_MAX], r;
	struct pp_resume m;

	clients_batch(&d->clients, &at, &m, fds);
	FAULT_HERE(REEVED_RESUME);
	r = m.n ? pp_send(c->sock, &m, fds, m.n) : 0;
	if (r < 0)
		return r;
	c->resume_at = at;
	c->resuming = at < d->clients.high;
	return 0;
}

static void resume_more(struct reeved *d)
{
	int r = 0;

	while (d->core.resuming && r == 0)
		r = resume_some(d);
	if (r == -EAGAIN)
		loop_mod(&d->core.sock_watch, EPOLLIN | EPOLLOUT);
	else if (r < 0 && r != -EPIPE)
		core_kill(d, strerror(-r));
}

/* Its exit is then seen like any other death. */
void core_kill(struct reeved *d, const char *why)
{
	if (!d->core.pid)
		return;
	log_say(LOG_ERR, "the core is killed", "%s", why);
	d->core.blamed = true;
	kill(d->core.pid, SIGKILL);
}

/* false: there is none now, or none to come; on_exit_event() has the rest of that. */
static bool take_message(struct reeved *d)
{
	struct err e = { 0 };
	union pp_msg m;
	int r = inbox_take(d, &m, &e);

	if (r == 0)
		ops_handle(d, &m);
	if (r == 0 || r == -EAGAIN)
		return r == 0;
	loop_del(&d->core.sock_watch);
	if (r != -EPIPE)
		core_kill(d, e.text);
	else if (!d->stopping) /* about to exit, or to be made to */
		kill(d->core.pid, SIGKILL);
	return false;
}

/*
 * In turns, and no further while it does not take its answers: a core that is
 * somebody else's by now gets neither our time nor our memory.
 */
static void on_message(struct watch *w, uint32_t events)
{
	struct reeved *d = watch_owner(w, struct reeved, core.sock_watch);

	if (events & EPOLLOUT)
		queue_flush(d);
	if (events & EPOLLOUT && !core_backlog(d))
		resume_more(d);
	for (int i = 0; i < MESSAGE_BATCH && d->core.sock >= 0 && !core_backlog(d); i++)
		if (!take_message(d))
			break;
	if (!d->core.sock_watch.loop)
		return;
	if (core_backlog(d))
		loop_mod(&d->core.sock_watch, EPOLLOUT);
	else
		loop_mod(&d->core.sock_watch, d->core.resuming ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void describe_end(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		str_copy(buf, size, "signal 31, a system call that nothing here makes");
	else if (WIFSIGNALED(status))
		snprintf(buf, size, "signal %d", WTERMSIG(status));
	else
		snprintf(buf, size, "exit status %d", WEXITSTATUS(status));
}

static void core_forget(struct reeved *d)
{
	struct core_child *c = &d->core;

	loop_del(&c->sock_watch);
	loop_del(&c->exit_watch);
	discard(c->sock, d->clients.foreign_fds);
	close(c->pidfd);
	pp_queue_clear(&c->queue);
	c->sock = c->pidfd = -1;
	c->pid = 0;
	c->ready = c->blamed = false;
	reload_drop(d, "the core ended meanwhile");
}

void core_give_all_back(struct reeved *d)
{
	clients_drop_all(&d->clients);
	cgroups_restore(d, true);
	nics_close_all(d);
}

/* The next core names what is held; what it does not name is given back then. */
static void wait_for_the_next(struct reeved *d)
{
	nics_unclaim(d);
	d->old_planes = d->held_planes;
}

/* Who kills it from outside hurts nobody by that, as often as it may be. */
static bool may_return_at_once(struct reeved *d, uint64_t now)
{
	static struct rate limit;

	return d->core.last == PP_END_KILLED &&
	       rate_take(&limit, now, KILLS_BURST, KILLS_PER_S, NULL);
}

/* A core that ends by itself, or never gets as far as to be ready, comes back ever more slowly. */
static void retry_later(struct reeved *d)
{
	struct core_child *c = &d->core;
	uint64_t now = clock_boot_ns(), wait_ms;

	if (!d->announced) /* a service manager that gave up would have all given back */
		notify_send("EXTEND_TIMEOUT_USEC=30000000");
	if (may_return_at_once(d, now)) {
		loop_timer_set(c->retry_timer, 1);
		return;
	}
	if (now - c->started_ns > 60 * NS_PER_S)
		c->failures = 0;
	wait_ms = (uint64_t)RETRY_FIRST_MS << (c->failures < 7 ? c->failures : 7);
	if (wait_ms > RETRY_MOST_MS)
		wait_ms = RETRY_MOST_MS;
	if (!c->failures)
		wait_ms = 0;
	c->failures++;
	loop_timer_set(c->retry_timer, now + wait_ms * NS_PER_MS + 1);
}

/* A system that runs out of memory kills from outside, too. */
static enum pp_end end_of(const struct reeved *d, int status)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

	return killed && !d->core.blamed ? PP_END_KILLED : PP_END_FAULT;
}

/* Leases or clients of a reeved before this one, which its end would lose. */
bool core_took_over(const struct reeved *d)
{
	return d->adopting || d->clients.count;
}

static void on_exit_event(struct watch *w, uint32_t events)
{
	struct reeved *d = watch_owner(w, struct reeved, core.exit_watch);
	char how[64];
	int status;

	(void)events;
	if (waitpid(d->core.pid, &status, WNOHANG) != d->core.pid)
		return;
	d->core.last = end_of(d, status);
	core_forget(d);
	if (d->stopping) {
		if (!d->keep)
			core_give_all_back(d);
		reeved_may_end(d);
		return;
	}
	wait_for_the_next(d);
	describe_end(status, how, sizeof(how));
	log_say(LOG_ERR, "the core ended", "%s; %u clients wait for the next one, leases are kept",
		how, d->clients.count);
	if (!d->announced && !core_took_over(d)) {
		loop_exit(d->loop, 1);
		return;
	}
	retry_later(d);
	doors_adjust(d);
}

static int send_hello(struct reeved *d)
{
	struct pp_hello m = {
		.head.type = PP_HELLO,
		.version = PP_VERSION,
		.conf_size = sizeof(struct conf),
		.journal_bytes = PP_JOURNAL_BYTES,
		.max_clients = d->clients.max,
		.pid = (uint32_t)getpid(),
		.foreign_fds = d->clients.foreign_fds,
		.last_end = d->core.last,
		.nresumed = d->clients.count,
		.fresh = !d->announced && !d->upgraded,
		.upgraded = d->upgraded,
		.log_format = d->opt.log_format,
		.log_level = d->opt.log_level,
		.version_text = REEVE_VERSION,
	};
	_cleanup_fd_ int rtnl = rtnl_socket(), ethnl = ethnl_socket();
	int fds[] = { d->journal_fd, d->null_fd, rtnl, ethnl };

	if (rtnl < 0 || ethnl < 0)
		return rtnl < 0 ? rtnl : ethnl;
	if (FAULT(REEVED_HELLO))
		return -ENOBUFS;
	return core_send(d, &m, fds, ARRAY_SIZE(fds));
}

static bool any_cgroup(const struct conf *c)
{
	for (uint32_t i = 0; i < c->ntenants; i++)
		if (c->tenants[i].cgroup[0])
			return true;
	return false;
}

int core_send_conf(struct reeved *d, const struct conf *c)
{
	struct pp_conf m = { .head = { .type = PP_CONF, .serial = d->sent_serial + 1 } };
	_cleanup_fd_ int fd = config_memfd(c);

	if (fd < 0)
		return fd;
	d->sent_serial++;
	if (c == &d->conf) /* in force here already */
		d->conf_serial = d->sent_serial;
	d->match_cgroups = any_cgroup(c);
	return core_send(d, &m, &fd, 1);
}

static int greet(struct reeved *d)
{
	struct core_child *c = &d->core;
	int r;

	r = loop_add(d->loop, &c->sock_watch, c->sock, EPOLLIN, on_message);
	if (r == 0)
		r = send_hello(d);
	if (r == 0)
		r = core_send_conf(d, &d->conf);
	c->resume_at = 0;
	c->resuming = d->clients.high > 0;
	if (r == 0)
		resume_more(d);
	return r;
}

static int core_spawn(struct reeved *d, struct err *e)
{
	char path[PATH_MAX + 16];
	_cleanup_fd_ int theirs = -1, log = reeved_open_log();
	struct core_child *c = &d->core;
	int pair[2], r;

	r = FAULT(REEVED_SPAWN);
	if (r == 0)
		r = fd_socketpair(pair);
	if (r < 0)
		return fail(e, -r, "can't make a socketpair: %s", strerror(-r));
	theirs = pair[1];
	descriptors_refuse(pair[0]);
	snprintf(path, sizeof(path), "%s/reeve-core", d->libexec);
	c->pid = child_start(&(struct child_as){ .path = path,
						 .uid = d->conf.core_uid,
						 .gid = d->conf.core_gid,
						 .in = d->null_fd,
						 .out = log,
						 .err = STDERR_FILENO,
						 .extra = theirs },
			     &c->pidfd, e);
	if (c->pid < 0) {
		r = (int)c->pid;
		c->pid = 0;
		close(pair[0]);
		return r;
	}
	c->sock = pair[0];
	return 0;
}

/* One that starts but can't be talked to ends like any other. */
static int start(struct reeved *d, struct err *e)
{
	struct core_child *c = &d->core;
	int r;

	pp_queue_init(&c->queue);
	c->started_ns = clock_boot_ns();
	r = core_spawn(d, e);
	if (r < 0)
		return r;
	r = loop_add(d->loop, &c->exit_watch, c->pidfd, EPOLLIN, on_exit_event);
	if (r < 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		core_forget(d);
		return fail(e, -r, "can't watch the core: %s", strerror(-r));
	}
	r = greet(d);
	if (r < 0 && r != -EPIPE)
		core_kill(d, strerror(-r));
	return 0;
}

static void start_or_retry(struct reeved *d)
{
	struct err e;

	if (start(d, &e) == 0)
		return;
	log_say(LOG_ERR, "can't start the core", "%s", e.text);
	retry_later(d);
}

static void on_retry(struct watch *w, uint32_t events)
{
	struct reeved *d = watch_owner(w, struct reeved, core.retry_watch);

	(void)events;
	loop_timer_clear(w->fd);
	if (!d->stopping && !d->core.pid)
		start_or_retry(d);
}

int core_open(struct reeved *d, struct err *e)
{
	struct core_child *c = &d->core;
	int r;

	c->retry_timer = loop_timer();
	r = c->retry_timer < 0
		    ? c->retry_timer
		    : loop_add(d->loop, &c->retry_watch, c->retry_timer, EPOLLIN, on_retry);
	if (r < 0)
		return fail(e, -r, "can't make a timer: %s", strerror(-r));
	if (!core_took_over(d))
		return start(d, e);
	start_or_retry(d);
	return 0;
}

void core_stop(struct reeved *d)
{
	struct pp_simple m = { .head = { .type = PP_STOP, .serial = d->keep } };

	if (d->core.pid)
		core_send(d, &m, NULL, 0);
	else if (!d->keep)
		core_give_all_back(d);
	reeved_may_end(d);
}
