/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Another program in the place of this one. Before anything ends, the program that is
 * installed now is asked whether it can take over: it has to read the config, and
 * journals of our version. Then the core is killed, as it may be at any time, and this
 * process becomes that program; the lock, the listening sockets and the clients'
 * sockets stay open meanwhile, so nobody is refused and nobody hung up on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "handover.h"
#include "journal/head.h"
#include "reeved.h"

enum { CHECK_MS = 5000, WORDS_MAX = 64 };

/* Where this program was installed; what is there now may be another one. */
static int installed(char ret[static PATH_MAX], struct err *e)
{
	static const char gone[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	size_t tail = sizeof(gone) - 1;

	if (n < 0)
		return fail(e, errno, "can't read /proc/self/exe: %m");
	ret[n] = '\0';
	if ((size_t)n > tail && !strcmp(ret + n - tail, gone))
		ret[(size_t)n - tail] = '\0';
	return 0;
}

static _Noreturn void run_check(const struct reeved *d, const char *path, int err)
{
	static char takes_over[32];
	char *argv[WORDS_MAX + 2];
	int n = 0;

	snprintf(takes_over, sizeof(takes_over), "--takes-over=%d", JOURNAL_VERSION);
	for (; n < WORDS_MAX && d->argv[n]; n++)
		argv[n] = d->argv[n];
	argv[n++] = takes_over;
	argv[n] = NULL;
	dup2(d->null_fd, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(path, argv);
	dprintf(err, "can't run %s: %m\n", path);
	_exit(127);
}

/* Its first line on stderr, should it say no. */
static int check_said(pid_t pid, int err, struct err *e)
{
	char text[sizeof(e->text)];
	ssize_t n = read_line_until(err, text, sizeof(text),
				    clock_boot_ns() + CHECK_MS * NS_PER_MS);
	int status = -1;

	if (n == -ETIMEDOUT)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (status == 0)
		return 0;
	return fail(e, EAGAIN, "what is installed now can't take over: %s",
		    text[0] ? text : "it says nothing");
}

static int check_installed(const struct reeved *d, const char *path, struct err *e)
{
	_cleanup_fd_ int err = -1;
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return fail(e, errno, "can't make a pipe: %m");
	err = p[0];
	pid = fork();
	if (pid == 0)
		run_check(d, path, p[1]);
	close(p[1]);
	return pid < 0 ? fail(e, errno, "can't fork: %m") : check_said(pid, err, e);
}

/* reeve-bpf answers to this process; so does reeve-conf. */
static int check_idle(const struct reeved *d, struct err *e)
{
	if (d->reload)
		return fail(e, EAGAIN, "the config is just being reloaded");
	for (int lane = 0; lane < LANE_MAX; lane++)
		if (d->nics.lanes[lane].running)
			return fail(e, EAGAIN, "an interface is just being changed");
	return 0;
}

static void become(struct reeved *d, const char *path, struct err *e)
{
	int table = handover_make(d, e);

	if (table < 0)
		return;
	log_say(LOG_INFO, "being replaced", "by %s; %u clients are handed over", path,
		d->clients.count);
	log_flush();
	execv(path, d->argv);
	fail(e, errno, "can't run %s: %m", path);
	handover_cancel(d, table);
}

/*
 * The request that asks for it stays in the journal: the next core answers it. Should
 * this process not become the other one, its own next core asks again, and is told why.
 */
int upgrade(struct reeved *d, struct err *e)
{
	static struct err failed;
	char path[PATH_MAX];
	int r;

	if (failed.text[0]) {
		r = fail(e, EAGAIN, "%s", failed.text);
		failed = (struct err){ 0 };
		return r;
	}
	r = installed(path, e);
	if (r == 0)
		r = check_idle(d, e);
	if (r == 0)
		r = check_installed(d, path, e);
	if (r < 0)
		return r;
	kill(d->core.pid, SIGKILL);
	become(d, path, &failed);
	log_say(LOG_ERR, "not replaced", "%s", failed.text);
	return 0;
}
