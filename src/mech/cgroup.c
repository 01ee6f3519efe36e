/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path is looked up below the mount point and through no symbolic link, so
 * what is written is a cgroup file or nothing. Each file holds one line, and
 * what is written to it is a whole line.
 *
 * The order matters. A partition needs its CPUs first and must be given up
 * before they are taken away. The kernel accepts "isolated" even where it cannot
 * be had and says so when the file is read again: "isolated invalid (reason)".
 * A cgroup with tasks in it cannot go back to having no CPU list at all; a list
 * of what its parent can use is then as near as one gets. It must not be more:
 * a list that overlaps with a partition beside it makes that partition void.
 */
#include "mech/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CPUS	  "cpuset.cpus"
#define EFFECTIVE "cpuset.cpus.effective"
#define PARENTS	  "../" EFFECTIVE
#define PARTITION "cpuset.cpus.partition"

static const struct cpuset none;

enum {
	LIST_TEXT = 3 * CPU_MAX, /* every other CPU of CPU_MAX, and a newline */
	PARTITION_TEXT = 256,	 /* a state and the kernel's reason */
};

int cgroup_root(const char *root)
{
	static const char *const mounts[] = { "sys/fs/cgroup", "sys/fs/cgroup/unified" };
	_cleanup_fd_ int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		_cleanup_fd_ int fd = openat(top, mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		/* Every directory of version 2 has this file and none of version 1. */
		if (fd >= 0 && faccessat(fd, "cgroup.controllers", F_OK, 0) == 0)
			return take_fd(&fd);
	}
	return -ENOENT;
}

static int open_cgroup(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd;

	if (path[0] != '/')
		return -EINVAL;
	path += strspn(path, "/");
	if (!*path)
		return -EINVAL;
	fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* The first line, without its end. */
static int read_line(int dir, const char *file, char *buf, size_t size)
{
	ssize_t n = fd_read_file(dir, file, buf, size);

	if (n < 0)
		return (int)n;
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static int write_line(int dir, const char *file, const char *text)
{
	char line[LIST_TEXT];

	if (snprintf(line, sizeof(line), "%s\n", text) >= (int)sizeof(line))
		return -E2BIG;
	return fd_write_file(dir, file, line);
}

/* The state without the kernel's remark: writing "isolated" is what led to both. */
static int read_partition(int dir, char *buf, size_t size)
{
	char line[PARTITION_TEXT];
	int r = read_line(dir, PARTITION, line, sizeof(line));

	if (r == -ENOENT)
		line[0] = '\0';
	else if (r < 0)
		return r;
	line[strcspn(line, " ")] = '\0';
	return str_copy(buf, size, line) ? 0 : -EBADMSG;
}

/* A cgroup that is looked at or changed. */
struct target {
	const char *path;
	int dir;
};

static int read_set(int dir, const char *file, struct cpuset *ret)
{
	char text[LIST_TEXT];
	int r = read_line(dir, file, text, sizeof(text));

	return r < 0 ? r : cpuset_parse(text, ret);
}

static int write_set(int dir, const struct cpuset *cpus)
{
	char text[LIST_TEXT];

	cpuset_format(cpus, text, sizeof(text));
	return write_line(dir, CPUS, text);
}

/* As much as there is beside `keep_off`. */
static int write_parents(const struct target *t, const struct cpuset *keep_off)
{
	struct cpuset cpus;
	int r = read_set(t->dir, PARENTS, &cpus);

	if (r < 0)
		return r;
	cpuset_minus(&cpus, keep_off);
	return write_set(t->dir, &cpus);
}

static int save(const struct target *t, struct cgroup_saved *ret)
{
	struct cgroup_saved now = { .valid = true };
	int r = read_line(t->dir, CPUS, now.cpus, sizeof(now.cpus));

	if (r == 0)
		r = read_partition(t->dir, now.partition, sizeof(now.partition));
	if (r == 0)
		*ret = now;
	return r;
}

/* Nothing is written where nothing changes: an untouched file cannot fail. */
static int put_partition(const struct target *t, const char *partition)
{
	char now[PARTITION_TEXT];
	int r = read_partition(t->dir, now, sizeof(now));

	if (r < 0 || !strcmp(now, partition))
		return r;
	return write_line(t->dir, PARTITION, partition);
}

static int put_cpus_back(const struct target *t, const char *list, const struct cpuset *keep_off)
{
	int r = write_line(t->dir, CPUS, list);

	return r == -ENOSPC && !*list ? write_parents(t, keep_off) : r;
}

static int put_back(const struct target *t, const struct cgroup_saved *saved,
		    const struct cpuset *keep_off)
{
	bool member = !strcmp(saved->partition, "member");
	int r = 0;

	if (member)
		r = put_partition(t, saved->partition);
	if (r == 0)
		r = put_cpus_back(t, saved->cpus, keep_off);
	if (r == 0 && !member)
		r = put_partition(t, saved->partition);
	return r;
}

/*
 * What the cgroup may really use: a parent that has none of these CPUs gives it
 * all of its own instead, and then there is no limit to speak of.
 */
static int check_effective(const struct target *t, const struct cpuset *cpus)
{
	struct cpuset effective;
	int r = read_set(t->dir, EFFECTIVE, &effective);

	if (r < 0)
		return r;
	return cpuset_within(&effective, cpus) ? 0 : -ERANGE;
}

static int put_cpus(const struct target *t, const struct cpuset *cpus)
{
	int r = write_set(t->dir, cpus);

	return r < 0 ? r : check_effective(t, cpus);
}

/* true: isolated now. Otherwise the partition is as it was, and *e says why. */
static bool isolate(const struct target *t, const char *before, struct err *e)
{
	char line[PARTITION_TEXT];
	int r;

	if (!*before) {
		fail(e, EOPNOTSUPP, "%s: this kernel has no partitions", t->path);
		return false;
	}
	r = write_line(t->dir, PARTITION, "isolated");
	if (r == 0)
		r = read_line(t->dir, PARTITION, line, sizeof(line));
	if (r == 0 && !strcmp(line, "isolated"))
		return true;
	if (r < 0)
		fail(e, -r, "%s: cannot be isolated: %s", t->path, strerror(-r));
	else
		fail(e, EBUSY, "%s: the kernel will not isolate it: %s", t->path, line);
	put_partition(t, before);
	return false;
}

static int apply(const struct target *t, const struct cpuset *cpus, enum enforce want,
		 const struct cgroup_saved *saved, enum enforce *ret, struct err *e)
{
	int r = 0;

	if (want == ENFORCE_ADVISORY || cpuset_empty(cpus)) {
		r = put_back(t, saved, &none);
		if (r == 0)
			*ret = ENFORCE_ADVISORY;
		return r;
	}
	if (want != ENFORCE_ISOLATED)
		r = put_partition(t, saved->partition);
	if (r == 0)
		r = put_cpus(t, cpus);
	if (r < 0)
		return r;
	*ret = want == ENFORCE_ISOLATED && isolate(t, saved->partition, e) ? ENFORCE_ISOLATED
									   : ENFORCE_CPUSET;
	return 0;
}

int cgroup_apply(int root_fd, const char *path, const struct cpuset *cpus, enum enforce want,
		 struct cgroup_saved *saved, enum enforce *ret, struct err *e)
{
	_cleanup_fd_ int dir = open_cgroup(root_fd, path);
	struct target t = { path, dir };
	bool first = !saved->valid;
	struct cgroup_saved before;
	int r;

	if (dir < 0)
		return fail(e, -dir, "no cgroup %s: %s", path, strerror(-dir));
	r = save(&t, &before);
	if (r == -ENOENT)
		return fail(e, EOPNOTSUPP, "the cpuset controller is not given to %s", path);
	if (r < 0)
		return fail(e, -r, "%s: cannot read " CPUS ": %s", path, strerror(-r));
	if (first)
		*saved = before;
	r = apply(&t, cpus, want, saved, ret, e);
	if (r == 0)
		return 0;
	put_back(&t, &before, &none);
	if (first)
		saved->valid = false;
	if (r == -ERANGE)
		return fail(e, ERANGE, "%s: its parent has none of these CPUs", path);
	return fail(e, -r, "%s: cannot set " CPUS ": %s", path, strerror(-r));
}

int cgroup_lift(int root_fd, const char *path, const struct cpuset *keep_off,
		const struct cgroup_saved *saved, struct err *e)
{
	_cleanup_fd_ int dir = open_cgroup(root_fd, path);
	int r = dir < 0 ? dir : put_back(&(struct target){ path, dir }, saved, keep_off);

	/* ENODEV: removed while we held it open */
	if (r < 0 && r != -ENODEV && r != -ENOENT)
		return fail(e, -r, "%s: cannot be put back as it was: %s", path, strerror(-r));
	return 0;
}

int cgroup_restore(int root_fd, const char *path, struct cgroup_saved *saved, struct err *e)
{
	int r = saved->valid ? cgroup_lift(root_fd, path, &none, saved, e) : 0;

	if (r == 0)
		saved->valid = false;
	return r;
}
