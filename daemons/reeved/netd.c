/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message stack's life. It is a client of the core like others, of a user of its own
 * and without a privilege: what it leases is in the ledger, and ends with its process. So it
 * need not end with this one: when we are killed it goes on, and the next reeved knows
 * it again by its pid and what tells that use of the pid from others.
 *
 * It is started when there is a core to lease from, and again whenever it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mech/peer.h"
#include "reeved.h"

enum { RETRY_FIRST_MS = 100, RETRY_MOST_MS = 5000 };
enum { EXIT_CONFIG = 2 };   /* NET_EXIT_CONFIG: a config that is wrong stays wrong */
enum { NOT_OTHERS = 0177 }; /* of its status: for root alone */

static void on_exit_event(struct watch *w, uint32_t events);

static void note(struct netd_child *n, pid_t pid)
{
	uint64_t use = pid ? peer_number(n->pidfd) : 0;

	if (pid && !use)
		use = peer_start_time("/proc", (uint32_t)pid);
	/* In this order: what is killed between has noted nobody. */
	n->record->pid = 0;
	n->record->use = use;
	n->record->pid = (uint32_t)pid;
}

static int watch_it(struct reeved *d, pid_t pid, int pidfd)
{
	struct netd_child *n = &d->netd;
	int r = loop_add(d->loop, &n->exit_watch, pidfd, EPOLLIN, on_exit_event);

	if (r < 0)
		return r;
	n->pid = pid;
	n->pidfd = pidfd;
	n->told = false;
	return 0;
}

/* --- start ---------------------------------------------------------------------------- */

static int open_door(struct door *door, const char *path, mode_t without, struct err *e)
{
	if (door->fd >= 0)
		return 0;
	*door = (struct door){ .fd = -1 };
	return door_serve(door, path, without, "stop that netd first", e);
}

/* Of all its sockets only the one for applications is anybody's. */
static int open_doors(struct reeved *d, struct err *e)
{
	struct netd_child *n = &d->netd;
	char path[CONF_PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/netd.sock", d->opt.runtime_dir) >= (int)sizeof(path))
		return fail(e, ENAMETOOLONG, "the runtime directory's path is too long");
	if (strcmp(n->apps.path, d->conf.stack_socket) != 0)
		door_shut(&n->apps);
	r = open_door(&n->status, path, NOT_OTHERS, e);
	return r < 0 ? r : open_door(&n->apps, d->conf.stack_socket, 0, e);
}

static void shut_doors(struct netd_child *n)
{
	door_shut(&n->status);
	door_shut(&n->apps);
}

/* Its lines stand among ours. */
static char *log_format(const struct reeved *d)
{
	return conf_log_format(&d->conf, d->opt.log_format) == LOG_JSON ? "--log_json"
									: "--nolog_json";
}

static char *log_level(const struct reeved *d)
{
	static const char *const flags[LOG_LEVEL_MAX] = {
		[LOG_ERR] = "--minloglevel=2",
		[LOG_WARN] = "--minloglevel=1",
		[LOG_INFO] = "--v=0",
		[LOG_DEBUG] = "--v=1",
	};

	return (char *)flags[conf_log_level(&d->conf, d->opt.log_level)];
}

static int run(struct reeved *d, int config, int log, int *ret_pidfd, struct err *e)
{
	char path[PATH_MAX + 16], reeve[CONF_PATH_MAX + 16];
	char *const args[] = { "--config_json=-", reeve,	 "--status_fd=3", "--ctrl_fd=4",
			       "--logtostderr",	  log_format(d), log_level(d),	  NULL };

	snprintf(path, sizeof(path), "%s/reeve-netd", d->sbin);
	snprintf(reeve, sizeof(reeve), "--reeve=%s", d->doors[PP_DOOR_NATIVE].path);
	return child_start(&(struct child_as){ .path = path,
					       .uid = d->conf.net_uid,
					       .gid = d->conf.net_gid,
					       .in = config,
					       .out = log,
					       .err = log,
					       .extra = d->netd.status.fd,
					       .more = d->netd.apps.fd,
					       .outlives_us = true,
					       .args = args },
			   ret_pidfd, e);
}

static int start(struct reeved *d, struct err *e)
{
	_cleanup_fd_ int config = open(d->conf.stack_config, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_fd_ int log = reeved_open_log();
	int pidfd = -1, r;
	pid_t pid;

	if (config < 0)
		return fail(e, errno, "can't open %s: %m", d->conf.stack_config);
	r = open_doors(d, e);
	if (r < 0)
		return r;
	d->netd.started_ns = clock_boot_ns();
	pid = run(d, config, log, &pidfd, e);
	if (pid < 0)
		return (int)pid;
	r = watch_it(d, pid, pidfd);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(pidfd);
		return fail(e, -r, "can't watch it: %s", strerror(-r));
	}
	note(&d->netd, pid);
	log_say(LOG_INFO, "the message stack is started", "pid %d, by %s", (int)pid,
		d->conf.stack_config);
	return 0;
}

static void retry_later(struct netd_child *n)
{
	uint64_t now = clock_boot_ns(), wait_ms;

	if (now - n->started_ns > 60 * NS_PER_S)
		n->failures = 0;
	wait_ms = (uint64_t)RETRY_FIRST_MS << (n->failures < 6 ? n->failures : 6);
	if (wait_ms > RETRY_MOST_MS)
		wait_ms = RETRY_MOST_MS;
	n->failures++;
	loop_timer_set(n->retry_timer, now + wait_ms * NS_PER_MS);
}

static void start_or_retry(struct reeved *d)
{
	struct err e = { 0 };

	if (!d->netd.wanted || d->netd.pid || d->stopping || !d->core.ready)
		return;
	if (start(d, &e) == 0)
		return;
	log_say(LOG_ERR, "can't start the message stack", "%s", e.text);
	retry_later(&d->netd);
}

static void on_retry(struct watch *w, uint32_t events)
{
	struct reeved *d = watch_owner(w, struct reeved, netd.retry_watch);

	(void)events;
	loop_timer_clear(w->fd);
	start_or_retry(d);
}

/* --- end ------------------------------------------------------------------------------ */

/* Of one that a predecessor started nobody here learns how it ended. */
static bool describe_end(const struct netd_child *n, char *ret, size_t size)
{
	siginfo_t how = { 0 };

	if (waitid(P_PIDFD, (id_t)n->pidfd, &how, WEXITED | WNOHANG) < 0 || !how.si_pid)
		snprintf(ret, size, "how is not known");
	else if (how.si_code == CLD_EXITED)
		snprintf(ret, size, "exit status %d", how.si_status);
	else
		snprintf(ret, size, "signal %d", how.si_status);
	return how.si_code == CLD_EXITED && how.si_status == EXIT_CONFIG;
}

static void forget(struct netd_child *n)
{
	loop_del(&n->exit_watch);
	close(n->pidfd);
	n->pidfd = -1;
	n->pid = 0;
	note(n, 0);
}

static void on_exit_event(struct watch *w, uint32_t events)
{
	struct reeved *d = watch_owner(w, struct reeved, netd.exit_watch);
	struct netd_child *n = &d->netd;
	bool hopeless, told = n->told;
	char how[32];

	(void)events;
	hopeless = describe_end(n, how, sizeof(how));
	forget(n);
	log_say(told ? LOG_INFO : LOG_ERR, "the message stack ended", "%s%s", how,
		hopeless ? "; its config is wrong, so it waits for another" : "");
	if (d->stopping || !n->wanted)
		shut_doors(n);
	reeved_may_end(d);
	if (!hopeless)
		retry_later(n);
}

static void tell(struct netd_child *n, int signo)
{
	if (n->pid)
		pidfd_send_signal(n->pidfd, signo, NULL, 0);
}

void netd_stop(struct reeved *d)
{
	d->netd.wanted = false;
	d->netd.told = true;
	tell(&d->netd, SIGTERM);
	if (!d->netd.pid)
		shut_doors(&d->netd);
}

void netd_kill(struct reeved *d)
{
	tell(&d->netd, SIGKILL);
}

void netd_adjust(struct reeved *d, bool wanted)
{
	if (!wanted) {
		netd_stop(d);
		return;
	}
	d->netd.wanted = true;
	start_or_retry(d);
}

void netd_retry(struct reeved *d)
{
	d->netd.failures = 0;
	start_or_retry(d);
}

/* --- one that is there already ---------------------------------------------------------- */

static void adopt(struct reeved *d)
{
	struct netd_child *n = &d->netd;
	const struct peer was = { .pid = n->record->pid, .start_time = n->record->use };
	int pidfd = was.pid ? pidfd_open((pid_t)was.pid, 0) : -1;

	if (pidfd >= 0 && peer_is_process(pidfd, &was) && watch_it(d, (pid_t)was.pid, pidfd) == 0) {
		n->started_ns = clock_boot_ns();
		log_say(LOG_INFO, "the message stack goes on", "pid %u", was.pid);
		return;
	}
	if (pidfd >= 0)
		close(pidfd);
	note(n, 0);
}

int netd_open(struct reeved *d, struct err *e)
{
	struct netd_child *n = &d->netd;
	void *table;
	int r = state_map(d, "netd", sizeof(*n->record), &table, e);

	if (r < 0)
		return r;
	n->record = table;
	n->retry_timer = loop_timer();
	r = n->retry_timer < 0
		    ? n->retry_timer
		    : loop_add(d->loop, &n->retry_watch, n->retry_timer, EPOLLIN, on_retry);
	if (r < 0)
		return fail(e, -r, "can't make a timer: %s", strerror(-r));
	adopt(d);
	return 0;
}
