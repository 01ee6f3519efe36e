/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A directory that stands for /sys, /proc or a cgroup mount: made empty by
 * tree_new(), filled by the test, taken away by tree_free().
 */
#ifndef REEVE_TEST_TREE_H
#define REEVE_TEST_TREE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

enum { TREE_PATH = 512 };

struct tree {
	char root[64];
};

static inline void tree_new(struct tree *t)
{
	snprintf(t->root, sizeof(t->root), "/tmp/reeve-tree-XXXXXX");
	assert_non_null(mkdtemp(t->root));
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static inline void tree_free(struct tree *t)
{
	nftw(t->root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tree_path(const struct tree *t, const char *path, char *buf)
{
	assert_in_range(snprintf(buf, TREE_PATH, "%s/%s", t->root, path), 1, TREE_PATH - 1);
}

/* The directories above `path`. */
static inline void tree_dirs(const struct tree *t, const char *path)
{
	char full[TREE_PATH];

	tree_path(t, path, full);
	for (char *p = full + strlen(t->root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(full, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		*p = '/';
	}
}

static inline void tree_bytes(const struct tree *t, const char *path, const void *data, size_t len)
{
	char full[TREE_PATH];
	int fd;

	tree_dirs(t, path);
	tree_path(t, path, full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static inline void tree_file(const struct tree *t, const char *path, const char *text)
{
	tree_bytes(t, path, text, strlen(text));
}

static inline void tree_link(const struct tree *t, const char *path, const char *to)
{
	char full[TREE_PATH];

	tree_dirs(t, path);
	tree_path(t, path, full);
	unlink(full);
	assert_return_code(symlink(to, full), errno);
}

/* The first line of a file. */
static inline const char *tree_line(const struct tree *t, const char *path)
{
	static char text[65536];
	char full[TREE_PATH];

	tree_path(t, path, full);
	assert_return_code(fd_read_file(AT_FDCWD, full, text, sizeof(text)), EIO);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

#endif
