/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In stages, since each thing is there only when what it stands on is: interfaces,
 * owners on them, what these have; then the sweep. Within a stage all is asked at
 * once. What reeved can't give again is lost to its holder, and said so.
 */
#include "resync.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "core.h"
#include "link.h"
#include "nic.h"
#include "txn.h"

static void next_stage(struct core *core);

/* One answer less to wait for. */
static void answered(struct core *core)
{
	if (--core->resync.waiting == 0)
		next_stage(core);
}

static void ask_for(struct core *core, void *msg, ask_done *done, const void *ctx, size_t len)
{
	if (ask(core, NULL, msg, done, ctx, len) < 0)
		link_lost("out of memory");
	core->resync.waiting++;
}

/* The sentence for who loses something, cut to what an event holds. */
static const char *lost_why(const char *why)
{
	static char text[EVENT_WHY_MAX];

	str_copy(text, sizeof(text), "it could not be kept: ");
	str_append(text, sizeof(text), why);
	return text;
}

static void lose(struct core *core, ledger_id lease, const char *why)
{
	struct lease l;

	if (ledger_lease(core->ledger, lease, &l) == 0)
		nic_end_lease(core, &l, lost_why(why));
}

/* A lease that one request is about: lost when it fails. */
static void kept_or_lost(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
			 const int *fds)
{
	const char *why;

	(void)c;
	(void)fds;
	if (answer_error(m, &why))
		lose(core, *(ledger_id *)ctx, why);
	answered(core);
}

/* --- interfaces --------------------------------------------------------------------- */

static void nic_reopened(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
			 const int *fds)
{
	struct nic *nic = nic_by_index(core, *(uint32_t *)ctx);

	(void)c;
	(void)fds;
	if (nic && nic->state == NIC_OPENING && m->result.error) {
		nic->state = NIC_IDLE;
		nic_end_leases(core, nic->link.ifindex, lost_why(m->result.why));
	} else if (nic && nic->state == NIC_OPENING) {
		nic_is_open(core, nic, &m->result);
	}
	answered(core);
}

/* Who uses which, from the leases; those over interfaces that have gone end. */
static void count_users(struct core *core)
{
	struct lease l = { 0 };
	struct nic *nic;

	while (ledger_next_lease(core->ledger, l.id, &l) == 0) {
		nic = nic_by_index(core, l.res.scope);
		if (nic && l.res.kind == RES_ADDRESS)
			nic->single = true;
		if (l.res.kind != RES_XDP)
			continue;
		if (nic)
			nic->users++;
		else
			nic_end_leases(core, l.res.scope, "its interface went away");
	}
}

static void ask_nics(struct core *core)
{
	struct pp_nic_open m;

	count_users(core);
	for (struct nic *nic = core->nics; nic; nic = nic->next) {
		if (!nic->users)
			continue;
		nic->state = NIC_OPENING;
		nic_open_message(core, nic, &m);
		ask_for(core, &m, nic_reopened, &nic->link.ifindex, sizeof(nic->link.ifindex));
	}
}

/* --- owners ------------------------------------------------------------------------- */

static void ask_owners(struct core *core)
{
	struct lease l = { 0 };

	while (ledger_next_lease(core->ledger, l.id, &l) == 0) {
		struct pp_nic_owner m;

		if (l.res.kind != RES_XDP)
			continue;
		nic_owner_message(core, l.res.scope, l.instance, l.tenant, &m);
		ask_for(core, &m, kept_or_lost, &l.id, sizeof(l.id));
	}
}

/* --- what owners have ----------------------------------------------------------------- */

/* Ports of one owner on one interface; one message for many. */
struct ports {
	struct pp_nic_ports m;
	ledger_id leases[PP_COUNTS_MAX];
};

static void send_ports(struct core *core, struct ports *p);

/* `value`: the first that could not be had; those behind it were not tried. */
static void ports_made(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		       const int *fds)
{
	struct ports *p = ctx;
	uint32_t at = m->result.value < p->m.n ? m->result.value : p->m.n - 1;
	uint32_t left = p->m.n - at - 1;

	(void)c;
	(void)fds;
	if (m->result.error) {
		lose(core, p->leases[at], m->result.why);
		memmove(p->m.ports, p->m.ports + at + 1, left * sizeof(p->m.ports[0]));
		memmove(p->leases, p->leases + at + 1, left * sizeof(p->leases[0]));
		p->m.n = left;
		send_ports(core, p);
	}
	answered(core);
}

static void send_ports(struct core *core, struct ports *p)
{
	if (p->m.n)
		ask_for(core, &p->m, ports_made, p, sizeof(*p));
	p->m.n = 0;
}

static void add_port(struct core *core, struct ports *p, const struct lease *l)
{
	uint32_t owner = owner_of(l->instance);

	if (p->m.n == PP_COUNTS_MAX || p->m.ifindex != l->res.scope || p->m.owner != owner)
		send_ports(core, p);
	p->m.head.type = PP_NIC_PORTS;
	p->m.ifindex = l->res.scope;
	p->m.owner = owner;
	p->leases[p->m.n] = l->id;
	p->m.ports[p->m.n++] = (uint16_t)l->res.id;
}

static void ask_queue(struct core *core, const struct lease *l)
{
	struct pp_nic_queue m = { .head.type = PP_NIC_QUEUE,
				  .ifindex = l->res.scope,
				  .owner = owner_of(l->instance),
				  .queue = (uint32_t)l->res.id,
				  .on = 1 };

	ask_for(core, &m, kept_or_lost, &l->id, sizeof(l->id));
}

static void ask_address(struct core *core, const struct lease *l)
{
	struct pp_nic_address m;

	if (!address_message(l, 1, &m)) {
		lose(core, l->id, "what it was for is not known");
		return;
	}
	ask_for(core, &m, kept_or_lost, &l->id, sizeof(l->id));
}

static void flow_made(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		      const int *fds)
{
	ledger_id lease = *(ledger_id *)ctx;
	struct lease l;

	/* A rule that had to be made anew is somewhere else, and its holder can't be told. */
	if (!m->result.error && ledger_lease(core->ledger, lease, &l) == 0 &&
	    !(l.res.id & RES_FLOW_SOFT) && m->result.value != l.res.id) {
		lose(core, lease, "the NIC has its rule in another place");
		answered(core);
		return;
	}
	kept_or_lost(core, c, ctx, m, fds);
}

static void ask_flow(struct core *core, const struct lease *l)
{
	struct pp_nic_flow m;

	if (!flow_message(core, l, &m)) {
		lose(core, l->id, "what it was for is not known");
		return;
	}
	m.on = 1;
	ask_for(core, &m, flow_made, &l->id, sizeof(l->id));
}

static void ask_held_of(struct core *core, ledger_id instance)
{
	struct ports ports = { 0 };
	struct lease l = { 0 }, next;
	int r = ledger_instance_next_lease(core->ledger, instance, 0, &l);

	for (; r == 0; l = next) {
		r = ledger_instance_next_lease(core->ledger, instance, l.id, &next);
		if (l.res.kind == RES_QUEUE)
			ask_queue(core, &l);
		else if (l.res.kind == RES_UDP_PORT)
			add_port(core, &ports, &l);
		else if (l.res.kind == RES_ADDRESS)
			ask_address(core, &l);
	}
	send_ports(core, &ports);
}

/* Flows last: they lead to queues. */
static void ask_held(struct core *core)
{
	struct instance in = { 0 };
	struct lease l = { 0 };

	while (ledger_next_instance(core->ledger, in.id, &in) == 0)
		if (in.leases)
			ask_held_of(core, in.id);
	while (ledger_next_lease(core->ledger, l.id, &l) == 0)
		if (l.res.kind == RES_FLOW)
			ask_flow(core, &l);
}

/* --- the sweep -------------------------------------------------------------------------- */

static void swept(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		  const int *fds)
{
	(void)c;
	(void)ctx;
	(void)m;
	(void)fds;
	answered(core);
}

static void ask_planes(struct core *core)
{
	for (uint32_t plane = 0; plane < PLANE_MAX; plane++) {
		struct pp_plane m = { .head.type = PP_PLANE, .plane = plane, .on = 1 };

		if (core->plane_holders[plane])
			link_send(core, &m);
	}
}

static void ask_sweep(struct core *core)
{
	struct pp_simple m = { .head.type = PP_SYNCED };

	ask_planes(core);
	ask_for(core, &m, swept, NULL, 0);
}

/* --- all of it ---------------------------------------------------------------------------- */

static void done(struct core *core)
{
	struct err e = { 0 };

	core->synced = true;
	txn_set_timer(core);
	core->upgraded = core->hello.upgraded;
	FAULT_HERE(CORE_READY);
	conns_go_on(core);
	core->upgraded = false;
	link_ready(core, core->conf_serial, 0, &e);
}

/* A stage counts as one answer itself, so that an empty one is over, too. */
static void next_stage(struct core *core)
{
	enum resync_stage stage = core->resync.stage++;

	core->resync.waiting = 1;
	switch (stage) {
	case RESYNC_NICS:
		FAULT_HERE(CORE_RESYNC_NICS);
		ask_nics(core);
		break;
	case RESYNC_OWNERS:
		FAULT_HERE(CORE_RESYNC_OWNERS);
		ask_owners(core);
		break;
	case RESYNC_HELD:
		FAULT_HERE(CORE_RESYNC_HELD);
		ask_held(core);
		break;
	case RESYNC_SWEEP:
		FAULT_HERE(CORE_RESYNC_SWEEP);
		ask_sweep(core);
		break;
	case RESYNC_DONE:
		FAULT_HERE(CORE_RESYNC_DONE);
		done(core);
		return;
	}
	answered(core);
}

void resync_start(struct core *core)
{
	next_stage(core);
}
