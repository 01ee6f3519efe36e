/* SPDX-License-Identifier: BSD-3-Clause */
/* The file of a listening unix socket: one that somebody serves is never touched. */
#ifndef REEVE_MECH_SOCKFILE_H
#define REEVE_MECH_SOCKFILE_H

#include <stdbool.h>
#include <sys/un.h>

#include "base/err.h"

/* `path` fits, or is cut off. */
struct sockaddr_un sockfile_address(const char *path);

/* Only a refused connection proves that nobody serves the socket. */
bool sockfile_is_stale(const char *path);

/*
 * Makes way: removes a stale socket. -EEXIST: it is no socket; -EADDRINUSE: "`who` serves
 * it; `advice`".
 */
int sockfile_clear(const char *path, const char *who, const char *advice, struct err *e);

#endif
