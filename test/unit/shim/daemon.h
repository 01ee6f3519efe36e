/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon of one thread on a socket file of its own, which REEVE_MACHNET_SOCKET then names.
 * It keeps what it was sent and answers as it is told to.
 */
#ifndef TEST_SHIM_DAEMON_H
#define TEST_SHIM_DAEMON_H

#include "memory.h"

enum answer {
	SAYS_YES, /* with a channel, if one is asked for */
	SAYS_NO,
	HANGS_UP,
	OTHER_ID,
	NO_FD,
	TWO_FDS,
	IN_PIECES,
	BAD_MEMORY,
};

enum { DAEMON_CALLS = 8 };

struct daemon;

struct daemon *daemon_start(void);
/* Every connection ends, and nobody listens any more. */
void daemon_stop(struct daemon *d);

/* How it answers from now on. */
void daemon_answer(struct daemon *d, enum answer how);

/* Message n of those that came, in their order; NULL: there were not so many. */
const struct chan_msg *daemon_got(struct daemon *d, unsigned n);

/* The memory of the last channel it gave; the socket over which it was asked for. */
struct memory *daemon_memory(struct daemon *d);
int daemon_sock(struct daemon *d);

#endif
