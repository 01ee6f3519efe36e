/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting another program with as little as it needs: its own user, no
 * capabilities (reeve-bpf: a few) and no way to get any, three or four
 * descriptors, no environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "reeved.h"

enum { ARGS_MAX = 8 };

/* bin/reeved finds ../libexec/reeve, wherever the tree was put. */
int child_find(struct reeved *d, struct err *e)
{
	char *exe = d->sbin, *ret = d->libexec;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(d->sbin) - 1);
	size_t size = sizeof(d->libexec);

	if (n < 0)
		return fail(e, errno, "can't read /proc/self/exe: %m");
	exe[n] = '\0';
	*strrchr(exe, '/') = '\0';
	if (REEVE_LIBEXEC_FROM_SBIN[0] == '/')
		str_copy(ret, size, REEVE_LIBEXEC_FROM_SBIN);
	else if ((size_t)snprintf(ret, size, "%s/%s", exe, REEVE_LIBEXEC_FROM_SBIN) >= size)
		return fail(e, ENAMETOOLONG, "the path of this program is too long");
	if (access(ret, X_OK) < 0)
		return fail(e, errno, "can't find the other programs of reeve in %s: %m", ret);
	return 0;
}

/* What a program run by root may do is bounded by this set; nobody else gets any. */
static int drop_capabilities(uint64_t keep)
{
	for (int cap = 0; cap <= CAP_LAST_CAP || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(cap < 64 && keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
		    errno != EINVAL)
			return -errno;
	return 0;
}

static int become(const struct child_as *how)
{
	if (drop_capabilities(how->keep_caps) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(how->gid, how->gid, how->gid) < 0 ||
	    setresuid(how->uid, how->uid, how->uid) < 0)
		return -errno;
	/* Asked for last: a change of user takes it back. */
	if (!how->outlives_us && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* Moved out of the way first: 0 to 3 may be among the descriptors to place. */
static int place_fds(const struct child_as *how)
{
	int from[5] = { how->in, how->out, how->err, how->extra, how->more };
	int count = how->extra < 0 ? 3 : how->more ? 5 : 4;

	for (int i = 0; i < count; i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < count; i++)
		if (dup2(from[i], i) < 0)
			return -errno;
	return close_range((unsigned)count, ~0U, 0) < 0 ? -errno : 0;
}

/* Where memory runs out, one request fails sooner than that every lease ends. */
static void expect_to_be_killed_first(void)
{
	fd_write_file(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
}

static _Noreturn void run_child(const struct child_as *how)
{
	char *argv[ARGS_MAX + 2] = { (char *)how->path };
	char *envp[] = { NULL };
	sigset_t none;

	for (int i = 0; how->args && how->args[i] && i < ARGS_MAX; i++)
		argv[i + 1] = how->args[i];
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (how->one_shot)
		expect_to_be_killed_first();
	if (place_fds(how) == 0 && become(how) == 0)
		execve(how->path, argv, envp);
	dprintf(STDERR_FILENO, "can't start %s: %m\n", how->path);
	_exit(127);
}

pid_t child_start(const struct child_as *how, int *ret_pidfd, struct err *e)
{
	pid_t pid = fork();

	if (pid == 0)
		run_child(how);
	if (pid < 0)
		return fail(e, errno, "can't fork: %m");
	*ret_pidfd = pidfd_open(pid, 0);
	if (*ret_pidfd < 0) {
		int r = fail(e, errno, "can't watch a child: %m");

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	return pid;
}
