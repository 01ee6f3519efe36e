/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reeve.conf: from its text to struct conf. The grammar is libconfuse's, less
 * what would make a file mean something else elsewhere or hide a slip (see
 * conf_scan.h). Each error is one sentence that begins "reeve.conf:LINE: ".
 *
 * libconfuse keeps its scanner's state in globals: one parse at a time.
 */
#ifndef REEVE_CONF_FILE_H
#define REEVE_CONF_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/conf.h"

enum { CONF_FILE_MAX = 1024 * 1024 };

/* Where names come from. All return 0, -ENOENT for no such name, or another errno. */
struct conf_names {
	int (*user)(const char *name, uint32_t *ret_uid, uint32_t *ret_gid);
	int (*group)(const char *name, uint32_t *ret_gid);
};

/* Those of the host, by getpwnam(3) and getgrnam(3). */
extern const struct conf_names conf_names_host;

/* Reads to the end of file; *ret is malloc'ed. -EFBIG above CONF_FILE_MAX. */
int conf_file_read(int fd, char **ret, size_t *ret_len, struct err *e);

/*
 * `text` needs no NUL at its end; nothing at all means the defaults. *ret has
 * passed conf_check() and is untouched on failure.
 */
int conf_file_parse(const char *text, size_t len, const struct conf_names *names, struct conf *ret,
		    struct err *e);

#endif
