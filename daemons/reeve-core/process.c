/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processes behind the connections. An instance ends with its connection or
 * with its process, whichever is first: a child that inherited the socket does
 * not keep its parent's leases.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core.h"
#include "link.h"
#include "mech/peer.h"

static struct process **process_find(struct core *core, const struct peer *p)
{
	struct process **at = &core->processes[(p->pid ^ p->start_time) % PROCESS_BUCKETS];

	while (*at && ((*at)->pid != p->pid || (*at)->use != p->start_time))
		at = &(*at)->next;
	return at;
}

static void process_drop(struct core *core, struct process *p)
{
	struct process **at = &core->processes[(p->pid ^ p->use) % PROCESS_BUCKETS];

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	loop_del(&p->watch);
	close(p->watch.fd);
	free(p->lcores);
	free(p->meanings.all);
	free(p);
	core->nprocesses--;
}

static void idle_remove(struct core *core, struct process *p)
{
	*p->idle_prev = p->idle_next;
	if (p->idle_next)
		p->idle_next->idle_prev = p->idle_prev;
	p->idle_prev = NULL;
	core->nidle--;
}

static void idle_drop_oldest(struct core *core)
{
	struct process *p = core->idle;

	while (p->idle_next)
		p = p->idle_next;
	idle_remove(core, p);
	process_drop(core, p);
}

void processes_forget_idle(struct core *core)
{
	while (core->idle)
		idle_drop_oldest(core);
}

/* Kept for a while: programs connect, ask, close, and connect again. */
static void idle_add(struct core *core, struct process *p)
{
	p->idle_next = core->idle;
	p->idle_prev = &core->idle;
	if (core->idle)
		core->idle->idle_prev = &p->idle_next;
	core->idle = p;
	if (++core->nidle > PROCESS_IDLE_MAX)
		idle_drop_oldest(core);
}

static void on_process_end(struct watch *w, uint32_t events)
{
	struct process *p = watch_owner(w, struct process, watch);
	struct core *core = p->core;

	(void)events;
	while (p->conns)
		conn_close(p->conns, "its process ended");
	idle_remove(core, p);
	process_drop(core, p);
}

static struct process *process_new(struct core *core, const struct peer *peer, int pidfd)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->core = core;
	p->pid = peer->pid;
	p->use = peer->start_time;
	if (loop_add(core->loop, &p->watch, pidfd, EPOLLIN, on_process_end) < 0) {
		free(p);
		return NULL;
	}
	core->nprocesses++;
	return p;
}

static void process_add_conn(struct process *p, struct conn *c)
{
	c->process = p;
	c->next = p->conns;
	c->prev = &p->conns;
	if (c->next)
		c->next->prev = &c->next;
	p->conns = c;
	if (p->idle_prev)
		idle_remove(c->core, p);
}

int process_join(struct conn *c, int pidfd)
{
	struct core *core = c->core;
	struct process **at, *p;

	if (pidfd < 0)
		return 0;
	at = process_find(core, c->peer);
	p = c->peer->start_time ? *at : NULL;
	if (p) {
		close(pidfd);
	} else {
		p = process_new(core, c->peer, pidfd);
		if (!p) {
			close(pidfd);
			return -ENOMEM;
		}
		p->next = *at;
		*at = p;
	}
	process_add_conn(p, c);
	return 0;
}

/* The kernel knows who connected; before Linux 6.5 the start time has to tell. */
int process_rejoin(struct conn *c)
{
	struct process *p = *process_find(c->core, c->peer);
	int pidfd;

	if (p && c->peer->start_time) {
		process_add_conn(p, c);
		return 0;
	}
	pidfd = peer_pidfd(c->watch.fd, c->peer->pid);
	if (pidfd == -ESRCH)
		return -ESRCH;
	if (pidfd >= 0 && c->peer->start_time && !peer_is_process(pidfd, c->peer)) {
		close(pidfd);
		return -ESRCH;
	}
	return process_join(c, pidfd);
}

void process_leave(struct conn *c)
{
	struct process *p = c->process;

	if (!p)
		return;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->process = NULL;
	if (!p->conns)
		idle_add(c->core, p);
}
