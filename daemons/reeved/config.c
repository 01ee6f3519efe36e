/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The config file is opened here and read by reeve-conf, a process of its own
 * with no rights. What it sends back is believed only as far as conf_check()
 * goes; it is what everything the core asks for is held against.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "reeved.h"

#define CONFIG_DEFAULT "/etc/reeve/reeve.conf"

/* A user of nobody else's, so that no other process may signal or trace it. */
enum { CONF_UID = 61998, CONF_TIME_MS = 5000 };

static int open_config(const char *path, struct err *e)
{
	const char *name = path ? path : CONFIG_DEFAULT;
	_cleanup_fd_ int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENOENT && !path)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(e, errno, "can't open the config %s: %m", name);
	if (fstat(fd, &st) < 0)
		return fail(e, errno, "can't look at the config %s: %m", name);
	if (!S_ISREG(st.st_mode))
		return fail(e, EINVAL, "the config %s is no regular file", name);
	if (st.st_uid != 0 || (st.st_mode & 022))
		return fail(e, EPERM,
			    "the config %s must belong to root and be writable by nobody else",
			    name);
	return take_fd(&fd);
}

/* Bytes, until `size`, the end, or the deadline: -ETIMEDOUT. */
static ssize_t read_until(int fd, void *buf, size_t size, uint64_t deadline_ns)
{
	size_t used = 0;

	while (used < size) {
		uint64_t now = clock_boot_ns();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (now >= deadline_ns ||
		    poll(&p, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1) == 0)
			return -ETIMEDOUT;
		n = read(fd, (char *)buf + used, size - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			used += (size_t)n;
	}
	return (ssize_t)used;
}

struct run {
	pid_t pid;
	int pidfd, out, err;
};

static void run_done(struct run *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	cleanup_fd_p(&r->pidfd);
	cleanup_fd_p(&r->out);
	cleanup_fd_p(&r->err);
}

static int run_start(const char *libexec, int config, struct run *ret, struct err *e)
{
	_cleanup_(run_done) struct run run = { .pidfd = -1, .out = -1, .err = -1 };
	_cleanup_fd_ int out = -1, err = -1;
	char path[PATH_MAX + 16];
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return fail(e, errno, "can't make a pipe: %m");
	run.out = p[0];
	out = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return fail(e, errno, "can't make a pipe: %m");
	run.err = p[0];
	err = p[1];
	snprintf(path, sizeof(path), "%s/reeve-conf", libexec);
	run.pid = child_start(&(struct child_as){ .path = path,
						  .uid = CONF_UID,
						  .gid = CONF_UID,
						  .in = config,
						  .out = out,
						  .err = err,
						  .extra = -1 },
			      &run.pidfd, e);
	if (run.pid < 0)
		return (int)run.pid;
	*ret = run;
	run = (struct run){ .pidfd = -1, .out = -1, .err = -1 };
	return 0;
}

ssize_t read_line_until(int fd, char *ret, size_t size, uint64_t deadline_ns)
{
	ssize_t n = read_until(fd, ret, size - 1, deadline_ns);

	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return n;
}

/* The first line of what it wrote on stderr is the sentence for the user. */
static int run_failed(int err_fd, uint64_t deadline_ns, struct err *e)
{
	char text[sizeof(e->text)];

	read_line_until(err_fd, text, sizeof(text), deadline_ns);
	return fail(e, EINVAL, "%s", text[0] ? text : "reeve-conf ended without a word");
}

int config_read(const struct options *opt, const char *libexec, struct conf *ret, struct err *e)
{
	_cleanup_(run_done) struct run run = { .pidfd = -1, .out = -1, .err = -1 };
	uint64_t deadline = clock_boot_ns() + CONF_TIME_MS * NS_PER_MS;
	_cleanup_fd_ int config = open_config(opt->config, e);
	_cleanup_free_ struct conf *c = malloc(sizeof(*c));
	ssize_t n;
	int r;

	if (config < 0)
		return config;
	if (!c)
		return fail(e, ENOMEM, "out of memory");
	r = run_start(libexec, config, &run, e);
	if (r < 0)
		return r;
	n = read_until(run.out, c, sizeof(*c), deadline);
	if (n == -ETIMEDOUT)
		return fail(e, ETIMEDOUT, "reeve-conf took more than %d s", CONF_TIME_MS / 1000);
	if (n != (ssize_t)sizeof(*c))
		return run_failed(run.err, deadline, e);
	r = conf_check(c, e);
	if (r < 0)
		return r;
	*ret = *c;
	return 0;
}

/* Sealed, so that the core can map it without a second look. */
int config_memfd(const struct conf *c)
{
	_cleanup_fd_ int fd = memfd_create("reeve.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (write(fd, c, sizeof(*c)) != (ssize_t)sizeof(*c))
		return -EIO;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return take_fd(&fd);
}
