/* SPDX-License-Identifier: BSD-3-Clause */
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

int doctor_open(struct doctor *d, const char *path, const char *socket)
{
	*d = (struct doctor){ .real = !strcmp(path, "/"),
			      .admin = geteuid() == 0,
			      .socket = socket,
			      .findings = json_array() };
	d->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return d->root < 0 ? -errno : 0;
}

void doctor_close(struct doctor *d)
{
	if (d->root >= 0)
		close(d->root);
	json_decref(d->findings);
	*d = (struct doctor){ .root = -1 };
}

void doctor_all(struct doctor *d)
{
	doctor_daemon(d);
	doctor_kernel(d);
	doctor_xdp(d);
	doctor_nics(d);
	doctor_memory(d);
	doctor_cpus(d);
	doctor_vm(d);
}

void doctor_note(struct doctor *d, const char *subject, enum verdict verdict, const char *mend,
		 const char *fmt, ...)
{
	static const char *const names[] = {
		[FINE] = "ok", [LIMITED] = "limited", [MISSING] = "missing", [UNKNOWN] = "unknown"
	};
	char what[512], clean[sizeof(what)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	/* Names of interfaces are bytes that somebody chose. */
	str_escape(clean, sizeof(clean), what, strlen(what));
	d->missing += verdict == MISSING;
	if (json_array_append_new(d->findings,
				  json_pack("{s:s, s:s, s:s, s:s}", "check", subject, "verdict",
					    names[verdict], "what", clean, "mend", mend ?: "")) < 0)
		d->failed = true;
}

/* Paths are given as they are on the host: absolute. */
static const char *below(const char *path)
{
	return path + (path[0] == '/');
}

bool doctor_read(const struct doctor *d, const char *path, char *buf, size_t size)
{
	ssize_t n = fd_read_file(d->root, below(path), buf, size);

	if (n < 0) {
		buf[0] = '\0';
		return false;
	}
	if (n > 0 && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return true;
}

bool doctor_link(const struct doctor *d, const char *path, char *buf, size_t size)
{
	char to[512];
	ssize_t n = readlinkat(d->root, below(path), to, sizeof(to) - 1);
	const char *last;

	buf[0] = '\0';
	if (n < 0)
		return false;
	to[n] = '\0';
	last = strrchr(to, '/');
	return str_copy(buf, size, last ? last + 1 : to);
}

bool doctor_has(const struct doctor *d, const char *path)
{
	return faccessat(d->root, below(path), F_OK, 0) == 0;
}

unsigned doctor_count(const struct doctor *d, const char *path, const char *prefix)
{
	int fd = openat(d->root, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned n = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return n;
}
