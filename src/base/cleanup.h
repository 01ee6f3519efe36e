/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scope-bound ownership for the control path. A variable that owns something
 * says so where it is declared; take_*() hands the ownership on.
 */
#ifndef REEVE_BASE_CLEANUP_H
#define REEVE_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd_p(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file_p(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_dir_p(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_(fn)  __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(cleanup_free_p)
#define _cleanup_fd_   _cleanup_(cleanup_fd_p)
#define _cleanup_file_ _cleanup_(cleanup_file_p)
#define _cleanup_dir_  _cleanup_(cleanup_dir_p)

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p)                       \
	({                                \
		__auto_type taken = *(p); \
		*(p) = NULL;              \
		taken;                    \
	})

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#endif
