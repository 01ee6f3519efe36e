/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one reeved hands to the next when it is replaced by another program: open
 * descriptors, and what each of them is. A table in memory goes with them, named in
 * the environment; only root starts reeved, so only root can have put it there. All in
 * it is checked all the same: a descriptor must be the very socket that it says.
 */
#ifndef REEVED_HANDOVER_H
#define REEVED_HANDOVER_H

#include <stdint.h>

#include "base/err.h"
#include "model/conf.h"
#include "privproto/privproto.h"

struct reeved;

#define HANDOVER_ENV "REEVE_HANDOVER"

struct handover_door {
	int32_t fd; /* -1: closed */
	uint32_t pad;
	char path[CONF_PATH_MAX];
};

struct handover_client {
	struct pp_conn conn;
	uint32_t door;
	int32_t fd;
	uint64_t ino; /* of the socket */
};

/* JOURNAL_VERSION speaks for this one, too. */
struct handover {
	uint64_t bytes;
	int32_t lock_fd;
	int32_t core_pid; /* killed already, and still a child to be reaped */
	uint32_t nclients, pad;
	struct handover_door doors[PP_DOOR_MAX];
	struct handover_client clients[];
};

/* The table, a descriptor; with all that it names it outlives execve(2). */
int handover_make(struct reeved *d, struct err *e);
/* As if there had been none. */
void handover_cancel(struct reeved *d, int fd);
/* What tells a socket from all others while it is open; 0: it is none. */
uint64_t handover_inode(int fd);
/* Empty, with room for so many clients; NULL: out of memory. */
struct handover *handover_new(uint32_t most);
/* What our predecessor left, if we were started by one. */
int handover_take(struct reeved *d, struct err *e);
/* Its listening socket for this path; -1: there is none. It is the caller's. */
int handover_door(struct reeved *d, enum pp_door kind, const char *path);
/* Its clients; then nothing of it is needed any more. */
void handover_clients(struct reeved *d);

#endif
