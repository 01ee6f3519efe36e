/* SPDX-License-Identifier: BSD-3-Clause */
#include "kneigh.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mech/rtnl_neigh.h"
#include "netd.h"

enum { READS = 64 }; /* at a time */

struct question {
	uint32_t iface; /* its place in netd->ifaces */
	struct ipaddr ip;
};

void kneigh_resolve(struct netd *d, const struct engine *e, const struct ipaddr *ip)
{
	const struct question q = { .iface = (uint32_t)(e->iface - d->ifaces), .ip = *ip };

	if (write(d->kneigh.pipe[1], &q, sizeof(q)) < 0)
		return;
}

static void ask(struct netd *d, const struct question *q)
{
	const struct iface *f = &d->ifaces[q->iface];
	struct rtnl_neigh n = { .ifindex = f->ifindex, .ipv6 = !ipaddr_is4(&q->ip) };

	if (f->gone)
		return;
	if (n.ipv6)
		memcpy(n.address, q->ip.b, sizeof(n.address));
	else
		memcpy(n.address, ipaddr_4(&q->ip), 4);
	/* By itself the kernel asks from a link-local address, which an interface may not have. */
	if (d->tenancy.path || n.ipv6)
		rtnl_neigh_nudge(&n);
	rtnl_neigh_ask(d->kneigh.sock, &n);
}

static void on_questions(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, kneigh.questions);
	struct question q;

	(void)events;
	for (int i = 0; i < READS && read(w->fd, &q, sizeof(q)) == sizeof(q); i++)
		ask(d, &q);
}

/* --- the answers --------------------------------------------------------------------------- */

struct known {
	struct ipaddr ip;
	struct mac mac;
};

static void tell(struct engine *e, void *arg)
{
	const struct known *k = arg;

	stack_neighbour(e->stack, &k->ip, &k->mac);
}

static bool shares_any(const struct iface *f)
{
	for (uint32_t i = 0; i < f->conf->naddrs; i++)
		if (f->shared[i])
			return true;
	return false;
}

static void on_neigh(void *arg, const struct rtnl_neigh *n)
{
	struct netd *d = arg;
	struct known k;

	if (n->asked && !n->sure && !d->tenancy.path)
		rtnl_neigh_confirm(d->kneigh.sock, n);
	if (!n->known)
		return;
	memcpy(k.mac.b, n->mac, sizeof(k.mac.b));
	if (n->ipv6)
		memcpy(k.ip.b, n->address, sizeof(k.ip.b));
	else
		ipaddr_from4(&k.ip, n->address);
	for (uint32_t i = 0; i < d->nifaces; i++) {
		struct iface *f = &d->ifaces[i];

		if (f->ifindex != n->ifindex || !shares_any(f))
			continue;
		for (uint32_t j = 0; j < f->nengines; j++)
			engine_call(&f->engines[j], tell, &k);
	}
}

/* What is lost is asked for again. */
static void on_news(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, kneigh.news);

	(void)events;
	for (int i = 0; i < READS; i++)
		if (rtnl_neigh_read(w->fd, on_neigh, d) == -EAGAIN)
			return;
}

int kneigh_open(struct netd *d, struct err *e)
{
	struct kneigh *k = &d->kneigh;
	int r = 0;

	k->sock = rtnl_neigh_socket();
	if (k->sock < 0)
		r = k->sock;
	else if (pipe2(k->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		r = loop_add(d->loop, &k->questions, k->pipe[0], EPOLLIN, on_questions);
	if (r == 0)
		r = loop_add(d->loop, &k->news, k->sock, EPOLLIN, on_news);
	return r < 0 ? fail(e, -r, "can't listen to the kernel's neighbours: %s", strerror(-r)) : 0;
}

void kneigh_close(struct netd *d)
{
	struct kneigh *k = &d->kneigh;

	loop_del(&k->questions);
	loop_del(&k->news);
	for (int i = 0; i < 2; i++)
		if (k->pipe[i] > 0)
			close(k->pipe[i]);
	if (k->sock > 0)
		close(k->sock);
}
