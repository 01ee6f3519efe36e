/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that wait because the other side is slow. Order is kept. A queue
 * belongs to one socket and one thread.
 */
#ifndef REEVE_PRIVPROTO_QUEUE_H
#define REEVE_PRIVPROTO_QUEUE_H

#include <stdbool.h>

struct pp_waiting;

struct pp_queue {
	struct pp_waiting *first, **end;
};

void pp_queue_init(struct pp_queue *q);
void pp_queue_clear(struct pp_queue *q); /* drops what waits and closes its descriptors */

static inline bool pp_queue_empty(const struct pp_queue *q)
{
	return !q->first;
}

/*
 * Sends at once, or keeps a copy (and duplicates of `fds`) when the socket is
 * full or others wait already: then *ret_waits, and the caller watches for
 * EPOLLOUT. 0 in both cases; -EPIPE, -ENOMEM, -EMFILE.
 */
int pp_queue_send(struct pp_queue *q, int sock, const void *msg, const int *fds, unsigned nfds,
		  bool *ret_waits);

/* Sends what it can: 0 all gone, -EAGAIN some still wait, or another errno. */
int pp_queue_flush(struct pp_queue *q, int sock);

#endif
