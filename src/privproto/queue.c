/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "privproto/privproto.h"

struct pp_waiting {
	struct pp_waiting *next;
	int *fds; /* behind the message */
	unsigned nfds;
	union pp_msg msg; /* last: only its own size is allocated */
};

void pp_queue_init(struct pp_queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void waiting_free(struct pp_waiting *w)
{
	for (unsigned i = 0; i < w->nfds; i++)
		close(w->fds[i]);
	free(w);
}

static void drop_first(struct pp_queue *q)
{
	struct pp_waiting *w = q->first;

	q->first = w->next;
	if (!q->first)
		q->end = &q->first;
	waiting_free(w);
}

void pp_queue_clear(struct pp_queue *q)
{
	while (q->first)
		drop_first(q);
}

static int keep(struct pp_queue *q, const void *msg, const int *fds, unsigned nfds)
{
	const struct pp_head *head = msg;
	size_t size = pp_size(head->type);
	struct pp_waiting *w;

	size = (size + alignof(int) - 1) / alignof(int) * alignof(int);
	w = calloc(1, offsetof(struct pp_waiting, msg) + size + nfds * sizeof(*w->fds));
	if (!w)
		return -ENOMEM;
	w->fds = (int *)((char *)&w->msg + size);
	memcpy(&w->msg, msg, pp_size(head->type));
	for (; w->nfds < nfds; w->nfds++) {
		w->fds[w->nfds] = fcntl(fds[w->nfds], F_DUPFD_CLOEXEC, 3);
		if (w->fds[w->nfds] < 0) {
			waiting_free(w);
			return -EMFILE;
		}
	}
	*q->end = w;
	q->end = &w->next;
	return 0;
}

int pp_queue_send(struct pp_queue *q, int sock, const void *msg, const int *fds, unsigned nfds,
		  bool *ret_waits)
{
	int r = q->first ? -EAGAIN : pp_send(sock, msg, fds, nfds);

	*ret_waits = r == -EAGAIN;
	return r == -EAGAIN ? keep(q, msg, fds, nfds) : r;
}

int pp_queue_flush(struct pp_queue *q, int sock)
{
	while (q->first) {
		int r = pp_send(sock, &q->first->msg, q->first->fds, q->first->nfds);

		if (r < 0)
			return r;
		drop_first(q);
	}
	return 0;
}
