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
#include "base/log.h"
#include "reeved.h"

#define STATE_MAGIC \
	UINT64_C(0x3130746174737672) /* "rvstat01" in memory: a number for each layout */

struct head {
	uint64_t magic, bytes;
	uint64_t pad[6]; /* the table is aligned to 64 */
};

/* All pages are there afterwards. A table of another version is not read. */
static int size_table(int fd, const char *name, size_t bytes)
{
	struct head head = { 0 };
	ssize_t n = pread(fd, &head, sizeof(head), 0);

	if (n < 0)
		return -errno;
	if (head.magic != STATE_MAGIC || head.bytes != bytes) {
		if (n > 0)
			log_say(LOG_WARN, "what was changed before is not known",
				"the table \"%s\" is of another version", name);
		head = (struct head){ .magic = STATE_MAGIC, .bytes = bytes };
		if (ftruncate(fd, 0) < 0 || pwrite(fd, &head, sizeof(head), 0) != sizeof(head))
			return -errno;
	}
	return fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
}

int state_map(const struct reeved *d, const char *name, size_t bytes, void **ret, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	char *table;
	int r;

	bytes += sizeof(struct head);
	snprintf(path, sizeof(path), "%s/state/%s", d->opt.runtime_dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(e, errno, "can't open %s: %m", path);
	r = size_table(fd, name, bytes);
	if (r < 0)
		return fail(e, -r, "can't make room for %s: %s", path, strerror(-r));
	table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		return fail(e, errno, "can't map %s: %m", path);
	*ret = table + sizeof(struct head);
	return 0;
}
