/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/fd.h"
#include "journal/barrier.h"

int journal_boot_id(char ret[static JOURNAL_BOOT_ID], struct err *e)
{
	ssize_t n = fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret, JOURNAL_BOOT_ID);

	if (n < 0)
		return fail(e, (int)-n, "can't read the boot id: %s", strerror((int)-n));
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

void journal_head_write(struct journal_head *h, uint64_t bytes, const char *boot_id)
{
	h->version = JOURNAL_VERSION;
	h->bytes = bytes;
	strncpy(h->boot_id, boot_id, sizeof(h->boot_id) - 1);
	store_barrier();
	h->magic = JOURNAL_MAGIC;
}

int journal_head_check(const struct journal_head *h, uint64_t bytes, const char *boot_id,
		       struct err *e)
{
	if (!h->magic && !h->version && !h->bytes)
		return -ENOENT;
	if (h->magic != JOURNAL_MAGIC)
		return fail(e, EBADMSG, "it does not begin as one");
	if (h->version != JOURNAL_VERSION)
		return fail(e, EPROTO, "it is of version %" PRIu32 ", this reeve reads %d",
			    h->version, JOURNAL_VERSION);
	if (h->bytes != bytes)
		return fail(e, EBADMSG, "it has another size than it says");
	if (strncmp(h->boot_id, boot_id, sizeof(h->boot_id)) != 0)
		return fail(e, ESTALE, "it is of an earlier boot");
	return 0;
}
