/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Landlock: a process gives up files, and what else the kernel's version knows: TCP,
 * signals and abstract sockets outside. For the calling thread and those it starts after.
 */
#ifndef REEVE_MECH_LANDLOCK_H
#define REEVE_MECH_LANDLOCK_H

#include <linux/landlock.h>
#include <stdint.h>

#define LANDLOCK_READ ((uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR))

/* A ruleset that allows nothing, as a descriptor. -EOPNOTSUPP: the kernel has no Landlock. */
int landlock_begin(void);
/* What is at the path and below; `access`: of the first version's bits. */
int landlock_allow(int ruleset, const char *path, uint64_t access);
/* Needs no_new_privs. The descriptor stays the caller's. */
int landlock_enter(int ruleset);

#endif
