/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "doctor.h"
#include <reeve/reeve.h>

void doctor_daemon(struct doctor *d)
{
	struct reeve *r = NULL;
	int n;

	if (!d->real)
		return;
	n = reeve_open(d->socket, &r);
	if (n == 0)
		doctor_note(d, "reeved", FINE, NULL, "it answers at %s", d->socket);
	else if (n == -ENOENT || n == -ECONNREFUSED)
		doctor_note(d, "reeved", MISSING, "systemctl start reeved", "it does not run");
	else
		doctor_note(d, "reeved", MISSING, NULL, "%s", r ? reeve_error(r) : "out of memory");
	reeve_close(r);
}

/* --- version ----------------------------------------------------------------------- */

enum { LINKS = 509, LATE_RINGS = 604, PEER_PIDFD = 605 };

/* 618 for "6.18.1"; 0 for what is no version. */
static unsigned long version_of(const char *release)
{
	unsigned long major, minor;
	char *end;

	major = strtoul(release, &end, 10);
	if (end == release || *end != '.')
		return 0;
	minor = strtoul(end + 1, NULL, 10);
	return major * 100 + (minor < 100 ? minor : 99);
}

void doctor_kernel(struct doctor *d)
{
	unsigned long version;
	char text[128];

	doctor_read(d, "/proc/sys/kernel/osrelease", text, sizeof(text));
	version = version_of(text);
	if (!version) {
		doctor_note(d, "kernel", UNKNOWN, NULL, "its version can't be read");
		return;
	}
	if (version < LINKS)
		doctor_note(d, "kernel", MISSING, NULL,
			    "Linux %s: links that hold an XDP program came with 5.9", text);
	else if (version < LATE_RINGS)
		doctor_note(
			d, "kernel", LIMITED, NULL,
			"Linux %s: before 6.4 a client binds its AF_XDP socket by itself, which "
			"keeps it to its interface and not to its queue",
			text);
	else if (version < PEER_PIDFD)
		doctor_note(
			d, "kernel", LIMITED, NULL,
			"Linux %s: before 6.5 a process that ended before it was accepted can't "
			"be told from one that got its pid since",
			text);
	else
		doctor_note(d, "kernel", FINE, NULL, "Linux %s", text);
}

/* --- XDP ------------------------------------------------------------------------------ */

static const struct {
	const char *key; /* in the output of reeve-bpf --probe */
	const char *subject, *can;
	enum verdict without;
	const char *meaning, *mend;
} probes[] = {
	{ "xdp", "XDP", "programs can be loaded", MISSING, "", "" },
	{ "link", "XDP links", "programs are held by links", MISSING, "", "" },
	{ "freplace", "dispatcher", "libxdp's dispatcher works", LIMITED,
	  "; reeve attaches a program of its own instead", "" },
	{ "pin", "bpffs", "programs can be pinned", MISSING, "", "mount -t bpf bpf /sys/fs/bpf" },
	{ "native", "native XDP", "it works on a veth", LIMITED,
	  "; frames take the slower, generic way", "" },
};

/* bin/reeve finds ../libexec/reeve, wherever the tree was put. */
static bool find_loader(char *ret, size_t size)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return false;
	exe[n] = '\0';
	*strrchr(exe, '/') = '\0';
	if (REEVE_LIBEXEC_FROM_BIN[0] == '/')
		n = snprintf(ret, size, "%s/reeve-bpf", REEVE_LIBEXEC_FROM_BIN);
	else
		n = snprintf(ret, size, "%s/%s/reeve-bpf", exe, REEVE_LIBEXEC_FROM_BIN);
	return (size_t)n < size && access(ret, X_OK) == 0;
}

static void run_loader(const char *path, int out)
{
	char *const argv[] = { (char *)path, "--probe", NULL };
	char *const env[] = { NULL };

	dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDERR_FILENO);
	dup2(out, STDOUT_FILENO);
	execve(path, argv, env);
	_exit(127);
}

/* All that comes until the end; what does not fit is no answer of the loader's. */
static json_t *read_answer(int fd)
{
	char text[4096];
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, text + len, sizeof(text) - len);
		len += n > 0 ? (size_t)n : 0;
	} while (len < sizeof(text) && (n > 0 || (n < 0 && errno == EINTR)));
	return json_loadb(text, len, 0, NULL);
}

/* What the loader found out; NULL: it can't be run. */
static json_t *probe(void)
{
	char path[PATH_MAX];
	json_t *answer;
	int ends[2];
	pid_t pid;

	if (!find_loader(path, sizeof(path)) || pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_loader(path, ends[1]);
	close(ends[1]);
	answer = pid < 0 ? NULL : read_answer(ends[0]);
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return answer;
}

static void note_probes(struct doctor *d, const json_t *answer)
{
	const json_t *whys = json_object_get(answer, "why");

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const char *why = json_string_value(json_object_get(whys, probes[i].key));

		if (json_is_true(json_object_get(answer, probes[i].key)))
			doctor_note(d, probes[i].subject, FINE, NULL, "%s", probes[i].can);
		else
			doctor_note(d, probes[i].subject, probes[i].without, probes[i].mend, "%s%s",
				    why ?: "it can't be told why not", probes[i].meaning);
	}
}

/* What anybody can see. */
static void note_bpffs(struct doctor *d)
{
	char mounts[65536];

	if (doctor_read(d, "/proc/mounts", mounts, sizeof(mounts)) &&
	    strstr(mounts, " /sys/fs/bpf bpf "))
		doctor_note(d, "bpffs", FINE, NULL, "mounted at /sys/fs/bpf");
	else
		doctor_note(d, "bpffs", MISSING, "mount -t bpf bpf /sys/fs/bpf",
			    "no BPF file system is mounted at /sys/fs/bpf");
}

void doctor_xdp(struct doctor *d)
{
	json_t *answer;

	if (!d->real || !d->admin) {
		note_bpffs(d);
		doctor_note(d, "XDP", UNKNOWN, "sudo reeve doctor", "run as root to know");
		return;
	}
	answer = probe();
	if (answer) {
		note_probes(d, answer);
	} else {
		note_bpffs(d);
		doctor_note(d, "XDP", MISSING, NULL, "reeve-bpf is not there or does not answer");
	}
	json_decref(answer);
}
