/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libxdp keeps a folder for each dispatcher that it attached, and leaves it behind
 * when the interface goes first. Those that hold programs of ours alone are removed.
 */
#include "reeve_bpf.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include <bpf/bpf.h>

#include "base/str.h"

#define LIBXDP_PINS "/sys/fs/bpf/xdp"

static bool pin_is_ours(const struct target *t, const char *dir, const char *name)
{
	_cleanup_fd_ int fd = pins_get(dir, name);
	uint32_t id;

	return fd >= 0 && prog_id_of(fd, &id) == 0 && prog_uses_pins(id, t->pins);
}

/* "prog0-prog" is a program's pin, "prog0-link" the link's beside it. */
static bool is_prog_pin(const char *name)
{
	const char *end = strrchr(name, '-');

	return end && strcmp(end, "-prog") == 0;
}

static bool all_ours(const struct target *t, const char *dir)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	const struct dirent *entry;
	bool any = false;

	while (d && (entry = readdir(d))) {
		if (!is_prog_pin(entry->d_name))
			continue;
		if (!pin_is_ours(t, dir, entry->d_name))
			return false;
		any = true;
	}
	return any;
}

static void remove_folder(const char *dir)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		unlinkat(dirfd(d), entry->d_name, 0);
	rmdir(dir);
}

void sweep_remains(const struct target *t)
{
	_cleanup_dir_ DIR *d = opendir(LIBXDP_PINS);
	char prefix[32], path[LOADER_PATH_MAX];
	const struct dirent *entry;

	/* As libxdp does, against other users of it. */
	if (!d || flock(dirfd(d), LOCK_EX) < 0)
		return;
	snprintf(prefix, sizeof(prefix), "dispatch-%u-", t->ifindex);
	while ((entry = readdir(d))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		str_copy(path, sizeof(path), LIBXDP_PINS "/");
		if (str_append(path, sizeof(path), entry->d_name) && all_ours(t, path))
			remove_folder(path);
	}
}
