/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AF_XDP sockets. reeve-bpf makes them, which takes long: their memory is zeroed
 * and pinned. Meanwhile the queue may have been given back, or the owner or the
 * interface gone: then the socket is closed again. Nobody is pointed at from here,
 * so nobody has to wait with its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/str.h"
#include "mech/bpfmap.h"
#include "reeved.h"

struct socket_run {
	struct socket_run *next;
	struct loader_run run;
	uint32_t serial; /* of the PP_NIC_XSK to be answered; 0: who asked is gone */
	uint32_t owner;
};

static void take_out(struct nics *n, const struct socket_run *s)
{
	struct socket_run **at = &n->sockets;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	n->nsockets--;
}

/* The queue's owner, if it is still who asked. */
static struct owner *who_asked(const struct nics *n, const struct socket_run *s)
{
	const struct iface *f = iface_find(n, s->run.request.ifindex);
	struct owner *o = f && f->state == IFACE_OPEN ? owner_find(f, s->owner) : NULL;

	return o && f->queues[s->run.request.xsk.queue] == o ? o : NULL;
}

static int put_into_map(const struct nics *n, const struct socket_run *s, int sock, struct err *e)
{
	const uint32_t queue = s->run.request.xsk.queue;
	const struct owner *o = who_asked(n, s);
	int r;

	if (!o)
		return fail(e, ECANCELED, "queue %" PRIu32 " was given back meanwhile", queue);
	r = FAULT(REEVED_SOCKET);
	if (r == 0)
		r = bpfmap_set(owner_xskmap(o->iface, o), &queue, &sock);
	return r < 0 ? fail(e, -r, "can't put the socket into its map: %s", strerror(-r)) : 0;
}

static void answer(struct reeved *d, const struct socket_run *s, const struct loader_answer *a,
		   const int *fds)
{
	struct err e = { 0 };
	int r = -a->error;

	if (a->error)
		str_copy(e.text, sizeof(e.text), a->why);
	else
		r = put_into_map(&d->nics, s, fds[LOADER_FD_SOCK], &e);
	if (r < 0)
		nic_refuse_fds(d, s->serial, r, &e);
	else
		nic_answer_fds(d, s->serial, fds, a->nfds, a->value);
}

static void on_made(struct loader_run *run, const struct loader_answer *a, const int *fds)
{
	struct socket_run *s = watch_owner(run, struct socket_run, run);

	take_out(&run->d->nics, s);
	if (s->serial)
		answer(run->d, s, a, fds);
	for (uint32_t i = 0; i < a->nfds; i++)
		close(fds[i]);
	free(s);
}

static struct loader_request request_for(const struct pp_nic_xsk *m, const char *name)
{
	struct loader_request q = { .op = LOADER_XSK,
				    .ifindex = m->ifindex,
				    .xsk = { .queue = m->queue,
					     .frames = m->frames,
					     .frame_size = m->frame_size,
					     .rx = m->rx,
					     .tx = m->tx,
					     .fill = m->fill,
					     .comp = m->comp } };

	str_copy(q.xsk.name, sizeof(q.xsk.name), name);
	return q;
}

int xsk_begin(struct reeved *d, const struct owner *o, const struct pp_nic_xsk *m, struct err *e)
{
	struct nics *n = &d->nics;
	struct loader_request q;
	char name[NIC_NAME_MAX];
	struct socket_run *s;
	int r;

	if (o->iface->queues[m->queue] != o)
		return fail(e, EPERM, "queue %" PRIu32 " is not this owner's", m->queue);
	if (n->nsockets >= IFACE_SOCKETS_MAX)
		return fail(e, EAGAIN, "%d sockets are just being made", IFACE_SOCKETS_MAX);
	r = iface_name(m->ifindex, name, e);
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return fail(e, ENOMEM, "out of memory");
	s->serial = m->head.serial;
	s->owner = m->owner;
	s->next = n->sockets;
	n->sockets = s;
	n->nsockets++;
	q = request_for(m, name);
	loader_start(d, &s->run, &q, NULL, on_made);
	return 0;
}

void xsks_unask(struct nics *n)
{
	for (struct socket_run *s = n->sockets; s; s = s->next)
		s->serial = 0;
}
