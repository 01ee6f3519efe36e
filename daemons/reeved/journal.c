/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: a file of the runtime directory that the core maps. It outlives the
 * core, and this process, too. Nothing but its head is read here, and with
 * pread(2): whatever is in it, a core wrote it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "journal/head.h"
#include "reeved.h"

#define JOURNAL_NAME "state/lease.journal"

/* 0: what is there is taken over; else why not. */
static int check_head(const struct reeved *d, struct err *e)
{
	char boot_id[JOURNAL_BOOT_ID];
	struct journal_head head = { 0 };
	int r = journal_boot_id(boot_id, e);

	if (r < 0)
		return r;
	if (pread(d->journal_fd, &head, sizeof(head), 0) < 0)
		return fail(e, errno, "can't read the journal: %m");
	return journal_head_check(&head, PP_JOURNAL_BYTES, boot_id, e);
}

/* Its own size, and the pages at its start: a full tmpfs is found out now. */
static int make_room(const struct reeved *d)
{
	struct stat st;

	if (fstat(d->journal_fd, &st) < 0)
		return -errno;
	if (st.st_size && st.st_size != PP_JOURNAL_BYTES)
		log_say(LOG_ERR, "the journal was damaged", "%lld of %d bytes are there",
			(long long)st.st_size, PP_JOURNAL_BYTES);
	if (st.st_size != PP_JOURNAL_BYTES && ftruncate(d->journal_fd, PP_JOURNAL_BYTES) < 0)
		return -errno;
	return fallocate(d->journal_fd, 0, 0, PP_JOURNAL_READY) < 0 ? -errno : 0;
}

void journal_wipe(struct reeved *d)
{
	if (ftruncate(d->journal_fd, 0) < 0)
		log_say(LOG_WARN, "the journal can't be emptied", "%s", strerror(errno));
}

int journal_open(struct reeved *d, struct err *e)
{
	struct err why = { 0 };
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/" JOURNAL_NAME, d->opt.runtime_dir);
	d->journal_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->journal_fd < 0)
		return fail(e, errno, "can't open %s: %m", path);
	r = check_head(d, &why);
	d->adopting = r == 0;
	if (r < 0 && r != -ENOENT)
		log_say(LOG_ERR, "what was leased before is not known", "the journal %s: %s", path,
			why.text);
	if (r < 0)
		journal_wipe(d);
	r = make_room(d);
	FAULT_MAP(d->journal_fd, PP_JOURNAL_BYTES);
	return r < 0 ? fail(e, -r, "can't make room for %s: %s", path, strerror(-r)) : 0;
}
