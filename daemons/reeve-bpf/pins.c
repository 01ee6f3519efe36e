/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/magic.h>

#include "base/str.h"

#define BPFFS "/sys/fs/bpf"

int pins_usable(struct err *e)
{
	struct statfs fs;

	if (statfs(BPFFS, &fs) < 0)
		return fail(e, errno, "%s: %s; is sysfs mounted?", BPFFS, strerror(errno));
	if (fs.f_type != BPF_FS_MAGIC)
		return fail(e, ENOENT, "no BPF file system is mounted at %s: mount -t bpf bpf %s",
			    BPFFS, BPFFS);
	if (fs.f_flags & ST_RDONLY)
		return fail(e, EROFS,
			    "the BPF file system at %s is read-only: mount -o remount,rw %s", BPFFS,
			    BPFFS);
	return 0;
}

/* Each folder above the pins is ours too, up to LOADER_PINS. */
int pins_make(const char *dir, struct err *e)
{
	char path[LOADER_PATH_MAX];
	size_t at = strlen(BPFFS);

	str_copy(path, sizeof(path), dir);
	do {
		at += 1 + strcspn(path + at + 1, "/");
		path[at] = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return fail(e, errno, "%s can't be made: %s", path, strerror(errno));
		path[at] = dir[at];
	} while (path[at]);
	return 0;
}

void pins_remove(const char *dir)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	char path[LOADER_PATH_MAX];
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		unlinkat(dirfd(d), entry->d_name, 0);
	str_copy(path, sizeof(path), dir);
	while (strlen(path) >= strlen(LOADER_PINS)) {
		if (rmdir(path) < 0 && errno != ENOENT)
			return;
		*strrchr(path, '/') = '\0';
	}
}

static bool pin_path(const char *dir, const char *name, char ret[static LOADER_PATH_MAX])
{
	return str_copy(ret, LOADER_PATH_MAX, dir) && str_append(ret, LOADER_PATH_MAX, "/") &&
	       str_append(ret, LOADER_PATH_MAX, name);
}

int pins_put(const char *dir, const char *name, int fd, struct err *e)
{
	char path[LOADER_PATH_MAX];

	if (!pin_path(dir, name, path))
		return fail(e, ENAMETOOLONG, "%s has no room for a pin", dir);
	if (bpf_obj_pin(fd, path) < 0)
		return fail(e, errno, "%s can't be pinned: %s", path, strerror(errno));
	return 0;
}

int pins_get(const char *dir, const char *name)
{
	char path[LOADER_PATH_MAX];
	int fd;

	if (!pin_path(dir, name, path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}
