/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables in files of the runtime directory: what was changed on this host, and
 * how it was before. They outlive this process, even when it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "reeved.h"

/* All pages are there afterwards. A file of another size is another version's. */
static int size_table(int fd, size_t bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((size_t)st.st_size != bytes && ftruncate(fd, 0) < 0)
		return -errno;
	return fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
}

int state_map(const struct reeved *d, const char *name, size_t bytes, void **ret, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	void *table;
	int r;

	snprintf(path, sizeof(path), "%s/state/%s", d->opt.runtime_dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(e, errno, "can't open %s: %m", path);
	r = size_table(fd, bytes);
	if (r < 0)
		return fail(e, -r, "can't make room for %s: %s", path, strerror(-r));
	table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		return fail(e, errno, "can't map %s: %m", path);
	*ret = table;
	return 0;
}
