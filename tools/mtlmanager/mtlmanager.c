/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MtlManager(8): the old name. Holds the MTL plane of a running reeved for as
 * long as it lives; where none runs, it becomes `reeved --plane mtl`. Who starts
 * it sees what the original did: a process in the foreground that ends on SIGINT.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include <reeve/reeve.h>

static int sorry(const char *what, const char *why)
{
	fprintf(stderr, "MtlManager: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

/* The daemon that was installed with us, not what a PATH would find for root. */
static int become_reeved(void)
{
	static const char name[] = "reeved";
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
	char *slash;

	if (n < 0)
		return sorry("/proc/self/exe", strerror(errno));
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash || n == (ssize_t)(sizeof(path) - sizeof(name)))
		return sorry("/proc/self/exe", strerror(ENAMETOOLONG));
	memcpy(slash + 1, name, sizeof(name));
	execl(path, name, "--plane", "mtl", (char *)NULL);
	return sorry(path, strerror(errno));
}

/* Blocked before the plane is asked for, so that a signal always ends with exit 0. */
static int block_signals(sigset_t *ret_before)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd >= 0)
		sigprocmask(SIG_BLOCK, &set, ret_before);
	return fd;
}

static int hold(const struct reeve *r, int signals)
{
	struct pollfd p[] = { { .fd = signals, .events = POLLIN },
			      { .fd = reeve_fd(r), .events = POLLIN } };

	while (poll(p, ARRAY_SIZE(p), -1) < 0)
		if (errno != EINTR)
			return sorry("poll", strerror(errno));
	return p[0].revents ? EXIT_SUCCESS : sorry("the MTL plane", "reeved has ended");
}

static int hold_plane(struct reeve *r, int signals)
{
	_cleanup_free_ char *reply = NULL;

	if (reeve_call(r, "HoldPlane", "{\"plane\":\"mtl\"}", false, &reply) < 0)
		return sorry("the MTL plane", reeve_error(r));
	printf("MtlManager: the running reeved serves MTL clients\n");
	fflush(stdout);
	return hold(r, signals);
}

static int run(void)
{
	sigset_t before;
	int signals = block_signals(&before);
	struct reeve *r = NULL;
	int n, status;

	if (signals < 0)
		return sorry("signalfd", strerror(errno));
	n = reeve_open(NULL, &r);
	if (n == -ENOENT || n == -ECONNREFUSED) {
		reeve_close(r);
		close(signals);
		sigprocmask(SIG_SETMASK, &before, NULL);
		return become_reeved();
	}
	status = n < 0 ? sorry("reeved", r ? reeve_error(r) : strerror(-n))
		       : hold_plane(r, signals);
	reeve_close(r);
	close(signals);
	return status;
}

int main(int argc, char **argv)
{
	/* The original looks at no argument at all, so nothing else is an error. */
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--version")) {
			puts("MtlManager (reeve) " REEVE_VERSION);
			return EXIT_SUCCESS;
		}
		if (!strcmp(argv[i], "--help")) {
			puts("Usage: MtlManager\n"
			     "Serves unmodified MTL clients until SIGINT or SIGTERM: through a running\n"
			     "reeved, or by becoming one. See MtlManager(8).");
			return EXIT_SUCCESS;
		}
	}
	return run();
}
