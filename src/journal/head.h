/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first bytes of the journal: the file on tmpfs in which reeve-core keeps all
 * that has to outlive it. reeved reads nothing else of it, and that with pread(2).
 */
#ifndef REEVE_JOURNAL_HEAD_H
#define REEVE_JOURNAL_HEAD_H

#include <stdint.h>

#include "base/err.h"

#define JOURNAL_MAGIC UINT64_C(0x6c6e72756f6a7672) /* "rvjournl" in memory */

enum {
	/* Of every struct in it, the ledger's among them: one build reads what it wrote. */
	JOURNAL_VERSION = 3,
	JOURNAL_BOOT_ID = 40,
};

struct journal_head {
	uint64_t magic; /* written last */
	uint32_t version, pad;
	uint64_t bytes;
	char boot_id[JOURNAL_BOOT_ID]; /* what it says is about processes of this boot */
};

/* This boot, from /proc. */
int journal_boot_id(char ret[static JOURNAL_BOOT_ID], struct err *e);
void journal_head_write(struct journal_head *h, uint64_t bytes, const char *boot_id);

/*
 * 0: it can be taken over. -ENOENT: it is new. -EPROTO: of another version;
 * -ESTALE: of another boot; -EBADMSG: no journal. With the sentence.
 */
int journal_head_check(const struct journal_head *h, uint64_t bytes, const char *boot_id,
		       struct err *e);

#endif
