/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process that closes what clients leave behind, so that netd never waits for it, and needs
 * no right to make processes: it is made before netd gives up its rights, and gives up more.
 * It ends with netd, however that ends.
 */
#ifndef REEVE_NETD_CLOSER_H
#define REEVE_NETD_CLOSER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct closer { /* zeroed: none */
	int sock;
	pid_t pid;
	bool stuck; /* it did not take the last one in time */
};

/* Before there are threads, and anything that is worth a copy. */
int closer_start(struct closer *ret, struct err *e);
/* It ends, once it has closed what it was given. */
void closer_end(struct closer *c);

/*
 * Closes a client's socket, and with it whatever the client left unread in it. If the closer
 * is gone, or takes nothing, the descriptor is lost: better that than to wait.
 */
void closer_close(struct closer *c, int fd);

#endif
