/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reeve-conf: the config on stdin, struct conf on stdout. One shot, without
 * privileges: the program that parses the file is not the one that believes in
 * it. reeved checks what comes out with conf_check().
 *
 * Exit 0 with exactly sizeof(struct conf) bytes, or 2 with one sentence on stderr.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "reeve-conf/conf_file.h"

enum { EXIT_REFUSED = 2 };

#if defined(__SANITIZE_ADDRESS__)
#define SHADOW_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOW_MEMORY 1
#endif
#endif

static int limit(int resource, rlim_t max)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return -errno;
	/* Never up: whoever started this may have meant less. */
	if (now.rlim_max < max)
		max = now.rlim_max;
	now = (struct rlimit){ max, max };
	return setrlimit(resource, &now) < 0 ? -errno : 0;
}

/*
 * Before the first foreign byte: nothing of this process can be traced or
 * dumped by its own user, it gains nothing by exec, and a file made to be
 * expensive ends it rather than the host. Enough is left for the modules that
 * getpwnam() may load.
 */
static int confine(struct err *e)
{
	static const struct {
		int resource;
		rlim_t max;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_CPU, 2 },
		{ RLIMIT_NOFILE, 64 },
#ifndef SHADOW_MEMORY
		{ RLIMIT_AS, 256UL << 20 },
#endif
	};

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(e, errno, "can't give up rights: %s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		int r = limit(limits[i].resource, limits[i].max);

		if (r < 0)
			return fail(e, -r, "can't set a limit on itself: %s", strerror(-r));
	}
	return 0;
}

/* Whether it is worth trying again: at once after a signal, later when the pipe is full. */
static bool retry(int fd, int error)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (error != EAGAIN)
		return error == EINTR;
	return poll(&p, 1, -1) > 0 || errno == EINTR;
}

static int write_all(int fd, const void *buf, size_t len, struct err *e)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && retry(fd, errno))
			continue;
		if (n < 0)
			return fail(e, errno, "can't write the configuration: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int run(struct err *e)
{
	_cleanup_free_ char *text = NULL;
	static struct conf conf;
	size_t len;
	int r;

	r = confine(e);
	if (r < 0)
		return r;
	r = conf_file_read(STDIN_FILENO, &text, &len, e);
	if (r < 0)
		return r;
	r = conf_file_parse(text, len, &conf_names_host, &conf, e);
	if (r < 0)
		return r;
	return write_all(STDOUT_FILENO, &conf, sizeof(conf), e);
}

int main(void)
{
	struct err e = { 0 };

	if (run(&e) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s\n", e.text);
	return EXIT_REFUSED;
}
