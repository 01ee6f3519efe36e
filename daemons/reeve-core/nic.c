/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of interfaces. It follows what the kernel tells: an interface that
 * goes takes the leases over its queues, ports and flows with it, and so does a
 * channel that goes.
 */
#include "nic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core.h"
#include "link.h"
#include "record.h"

enum { READ_BATCH = 64 };

struct nic *nic_by_index(struct core *core, uint32_t ifindex)
{
	struct nic *nic = core->nics;

	while (nic && nic->link.ifindex < ifindex)
		nic = nic->next;
	return nic && nic->link.ifindex == ifindex ? nic : NULL;
}

struct nic *nic_by_name(struct core *core, const char *name)
{
	for (struct nic *nic = core->nics; nic; nic = nic->next)
		if (!strcmp(nic->link.name, name))
			return nic;
	return NULL;
}

const struct nic_conf *nic_conf_of(const struct core *core, const struct nic *nic)
{
	return conf_nic(&core->conf, nic->link.name);
}

void nic_leasable(const struct core *core, const struct nic *nic, struct cpuset *ret)
{
	*ret = (struct cpuset){ 0 };
	for (uint32_t q = nic_conf_of(core, nic)->system_queues; q < nic->queues; q++)
		cpuset_add(ret, q);
}

/* --- what may be used ----------------------------------------------------------- */

static int no_queue(const struct core *core, const struct nic *nic, const char **ret_why)
{
	static char why[EVENT_WHY_MAX];
	uint32_t kept = nic_conf_of(core, nic)->system_queues;

	if (!nic->queues)
		snprintf(why, sizeof(why), "%s has no queues that can be leased", nic->link.name);
	else
		snprintf(why, sizeof(why), "%s has %u of %u queues kept for the system",
			 nic->link.name, kept < nic->queues ? kept : nic->queues, nic->queues);
	*ret_why = why;
	return EOPNOTSUPP;
}

int nic_check(struct conn *c, const struct nic *nic, const char **ret_why)
{
	const struct core *core = c->core;
	uint32_t tenant = core->tenants[c->tenant].conf;
	const struct nic_conf *conf = nic_conf_of(core, nic);

	*ret_why = "";
	if (tenant == TENANT_MAX)
		*ret_why = "its tenant is no longer in the config";
	else if (!conf_may_use_nic(&core->conf, nic->link.name))
		*ret_why = "the config keeps reeve from this interface";
	else if (!conf_tenant_may_use_nic(&core->conf, tenant, nic->link.name))
		*ret_why = "its tenant may not use this interface";
	if (**ret_why)
		return EACCES;
	if (nic->link.loopback) {
		*ret_why = "it is the loopback interface";
		return EOPNOTSUPP;
	}
	/* Channels that are yet to be set count when they are there. */
	if (nic->queues <= conf->system_queues && conf->channels <= conf->system_queues)
		return no_queue(core, nic, ret_why);
	return 0;
}

/* --- leases that go with the interface -------------------------------------------- */

static bool of_nic(const struct lease *l, uint32_t ifindex)
{
	switch (l->res.kind) {
	case RES_QUEUE:
	case RES_FLOW:
	case RES_UDP_PORT:
	case RES_ADDRESS:
	case RES_XDP:
		return l->res.scope == ifindex;
	default:
		return false;
	}
}

void nic_end_lease(struct core *core, const struct lease *l, const char *why)
{
	if (l->state == LEASE_HELD)
		ledger_revoke(core->ledger, l->id, clock_wall_ns(), why);
	else
		ledger_undo(core->ledger, l->id);
	nic_lease_ended(core, l);
}

/* Queues from `first` on, or with RES_XDP everything. */
static void end_leases(struct core *core, uint32_t ifindex, enum res_kind kind, uint32_t first,
		       const char *why)
{
	struct lease l = { 0 };

	while (ledger_next_lease(core->ledger, l.id, &l) == 0)
		if (of_nic(&l, ifindex) && l.res.kind == kind && l.res.id >= first)
			nic_end_lease(core, &l, why);
}

void nic_end_leases(struct core *core, uint32_t ifindex, const char *why)
{
	end_leases(core, ifindex, RES_XDP, 0, why);
}

/* --- changes ------------------------------------------------------------------------ */

static void set_queues(struct core *core, struct nic *nic, uint32_t queues)
{
	char why[EVENT_WHY_MAX];

	if (queues < nic->queues) {
		snprintf(why, sizeof(why), "%s has only %u queues now", nic->link.name, queues);
		end_leases(core, nic->link.ifindex, RES_QUEUE, queues, why);
	}
	nic->queues = queues;
}

void nic_look(struct core *core, struct nic *nic)
{
	struct ethnl_channels channels;
	bool on, possible;

	if (ethnl_get_channels(&core->ethnl, nic->link.ifindex, &channels) == 0)
		set_queues(core, nic, ethnl_queues(&channels));
	if (ethnl_get_ntuple(&core->ethnl, nic->link.ifindex, &on, &possible) == 0)
		nic->ntuple = on || possible;
}

static void nic_seen(struct nic *nic, const struct rtnl_link *link)
{
	nic->link = *link;
	nic->seen = true;
}

static void nic_new(struct core *core, const struct rtnl_link *link)
{
	struct nic **at = &core->nics, *nic = calloc(1, sizeof(*nic));

	if (!nic)
		return;
	while (*at && (*at)->link.ifindex < link->ifindex)
		at = &(*at)->next;
	nic->next = *at;
	nic->life = ++core->nic_lives;
	nic_seen(nic, link);
	*at = nic;
	nic_look(core, nic);
}

static void nic_gone(struct core *core, struct nic *nic)
{
	struct nic **at = &core->nics;
	char why[EVENT_WHY_MAX];

	/* First, so that no request finds it that comes when the others are woken. */
	while (*at != nic)
		at = &(*at)->next;
	*at = nic->next;
	snprintf(why, sizeof(why), "interface %s is gone", nic->link.name);
	nic_give_up(core, nic, ENODEV, why);
	end_leases(core, nic->link.ifindex, RES_XDP, 0, why);
	free(nic);
}

void nic_removed(struct core *core, uint32_t ifindex)
{
	struct nic *nic = nic_by_index(core, ifindex);

	if (nic)
		nic_gone(core, nic);
}

static void on_link(void *arg, const struct rtnl_link *link)
{
	struct core *core = arg;
	struct nic *nic = nic_by_index(core, link->ifindex);

	if (link->gone)
		nic_removed(core, link->ifindex);
	else if (nic)
		nic_seen(nic, link);
	else
		nic_new(core, link);
}

static void on_channels(void *arg, const struct ethnl_channels *channels)
{
	struct core *core = arg;
	struct nic *nic = nic_by_index(core, channels->ifindex);

	if (nic)
		set_queues(core, nic, ethnl_queues(channels));
}

/* --- sockets ---------------------------------------------------------------------------- */

/* Asks for all links; those that are not among them by its end are gone. */
static void ask_for_links(struct core *core)
{
	if (core->dumping || rtnl_dump(core->rtnl_watch.fd) < 0)
		return;
	core->dumping = true;
	for (struct nic *nic = core->nics; nic; nic = nic->next)
		nic->seen = false;
}

static void drop_unseen(struct core *core)
{
	struct nic *nic = core->nics;

	core->dumping = false;
	while (nic) {
		struct nic *next = nic->next;

		if (!nic->seen)
			nic_gone(core, nic);
		nic = next;
	}
}

/* Whoever is woken by a change may have the links read again: not from within. */
static void on_rtnl(struct watch *w, uint32_t events)
{
	struct core *core = watch_owner(w, struct core, rtnl_watch);
	bool lost = false;
	int r = 0;

	(void)events;
	core->reading_links = true;
	for (int i = 0; i < READ_BATCH && r != -EAGAIN; i++) {
		r = rtnl_read(w->fd, on_link, core);
		if (r == 1)
			drop_unseen(core);
		else if (r == -ENOBUFS)
			lost = true;
		else if (r < 0 && r != -EAGAIN && r != -EPROTO)
			link_lost("rtnetlink failed");
	}
	core->reading_links = false;
	if (!lost)
		return;
	core->dumping = false;
	ask_for_links(core);
}

static void look_at_all(struct core *core)
{
	for (struct nic *nic = core->nics; nic; nic = nic->next)
		nic_look(core, nic);
}

static void on_ethnl(struct watch *w, uint32_t events)
{
	struct core *core = watch_owner(w, struct core, ethnl_watch);
	int r = 0;

	(void)events;
	for (int i = 0; i < READ_BATCH && r != -EAGAIN; i++) {
		r = ethnl_read(&core->ethnl, on_channels, core);
		if (r == -ENOBUFS)
			look_at_all(core);
		else if (r < 0 && r != -EAGAIN && r != -EPROTO)
			link_lost("ethtool netlink failed");
	}
}

/* The kernel answers at once, and tells of no program that a bpf_link attached. */
void nics_refresh(struct core *core)
{
	if (!core->rtnl_watch.loop || core->reading_links)
		return;
	ask_for_links(core);
	on_rtnl(&core->rtnl_watch, EPOLLIN);
}

static void on_linger(struct watch *w, uint32_t events)
{
	(void)events;
	loop_timer_clear(w->fd);
	nics_close_unused(watch_owner(w, struct core, linger_watch), clock_boot_ns());
}

static int watch_linger(struct core *core)
{
	int fd = loop_timer();

	return fd < 0 ? fd : loop_add(core->loop, &core->linger_watch, fd, EPOLLIN, on_linger);
}

static int watch_sockets(struct core *core, int rtnl_sock, int ethnl_sock)
{
	int r = loop_add(core->loop, &core->rtnl_watch, rtnl_sock, EPOLLIN, on_rtnl);

	if (r == 0 && core->ethnl.family)
		r = loop_add(core->loop, &core->ethnl_watch, ethnl_sock, EPOLLIN, on_ethnl);
	return r < 0 ? r : watch_linger(core);
}

/* Without ethtool netlink nobody knows of queues, so none is leased. */
int nics_open(struct core *core, int rtnl_sock, int ethnl_sock, struct err *e)
{
	int r = ethnl_open(&core->ethnl, ethnl_sock, true, e);

	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	r = watch_sockets(core, rtnl_sock, ethnl_sock);
	if (r < 0)
		return fail(e, -r, "can't watch the network interfaces: %s", strerror(-r));
	nics_refresh(core);
	return 0;
}
