/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows: a rule of the NIC where it takes any, else, if the config allows it,
 * one that XDP follows. A rule's location is known only when the NIC has it, so
 * the lease is reserved under a number of its own and renamed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core.h"
#include "link.h"
#include "nic.h"
#include "txn.h"

/* Above every location and every number of a software flow. */
#define UNNAMED_FLOW (UINT64_C(1) << 33)

enum { SOFT_FLOWS = 1 << 20 };

bool flow_off_message(const struct lease *l, struct pp_nic_flow *m)
{
	/* One that was never made has no location to name. */
	if (l->res.id >= UNNAMED_FLOW)
		return false;
	*m = (struct pp_nic_flow){
		.head.type = PP_NIC_FLOW,
		.ifindex = l->res.scope,
		.owner = owner_of(l->instance),
		.soft = (l->res.id & RES_FLOW_SOFT) != 0,
		.location = (uint32_t)l->res.id,
	};
	return true;
}

bool flow_message(const struct core *core, const struct lease *l, struct pp_nic_flow *m)
{
	return flow_off_message(l, m) && ledger_flow(core->ledger, l->id, &m->flow) == 0;
}

/* --- adding ------------------------------------------------------------------------ */

struct adding {
	nic_done *done;
	ledger_id lease, instance;
	struct res res;
};

static void undo(struct conn *c, const struct adding *a, int error, const char *why)
{
	ledger_undo(c->core->ledger, a->lease);
	nic_refuse(c, a->done, &a->res, error, why);
}

static void take_back(struct conn *c, const struct adding *a, uint32_t location)
{
	struct pp_nic_flow m;
	struct lease l = { .id = a->lease, .instance = a->instance };

	l.res = res_flow(a->res.scope, location);
	if (flow_off_message(&l, &m))
		link_send(c->core, &m);
	undo(c, a, EBUSY, "the NIC put it where another lease's rule was");
}

static void made(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		 const int *fds)
{
	const struct adding *a = ctx;
	bool soft = a->res.id & RES_FLOW_SOFT;
	uint32_t location = m->result.value;
	const char *why;
	int error = answer_error(m, &why);

	(void)fds;
	if (!c)
		return;
	if (error) {
		undo(c, a, error, why);
	} else if (!soft && ledger_rename(core->ledger, a->lease, location) == -EBUSY) {
		take_back(c, a, location);
	} else if (ledger_commit(core->ledger, a->lease) < 0) {
		undo(c, a, ENODEV, "the interface went away meanwhile");
	} else {
		txn_set_timer(core);
		a->done(c, &(struct nic_grant){ .why = "",
						.leases = &a->lease,
						.n = 1,
						.value = soft ? (uint32_t)a->res.id : location });
	}
}

static bool has_queue(const struct conn *c, uint32_t ifindex, uint32_t queue)
{
	struct res res = res_queue(ifindex, queue);
	struct lease l;

	return ledger_holder(c->core->ledger, &res, &l) == 0 && l.instance == c->instance &&
	       l.state == LEASE_HELD;
}

static bool has_any_queue(const struct conn *c, uint32_t ifindex)
{
	struct lease l = { 0 };
	int r = ledger_instance_next_lease(c->core->ledger, c->instance, 0, &l);

	for (; r == 0; r = ledger_instance_next_lease(c->core->ledger, c->instance, l.id, &l))
		if (l.res.kind == RES_QUEUE && l.res.scope == ifindex && l.state == LEASE_HELD)
			return true;
	return false;
}

static uint64_t soft_number(struct core *core, struct nic *nic)
{
	for (;;) {
		uint64_t id;
		struct lease l;
		struct res res;

		nic->soft_flow = nic->soft_flow % SOFT_FLOWS + 1;
		id = RES_FLOW_SOFT | nic->soft_flow;
		res = res_flow(nic->link.ifindex, id);
		if (ledger_holder(core->ledger, &res, &l) < 0)
			return id;
	}
}

/*
 * A rule sends frames to a queue, whoever has it: so the queue must be the
 * caller's. In XDP the number is a slot of the caller's own map.
 */
static int check(struct conn *c, const struct nic *nic, const struct flow *flow, bool *ret_soft,
		 const char **ret_why)
{
	const struct nic_conf *conf = nic_conf_of(c->core, nic);

	*ret_soft = !nic->ntuple;
	if (!nic->ntuple && !conf->soft_flows) {
		*ret_why = "the NIC takes no flow rules, and the config no software flows for it";
		return EOPNOTSUPP;
	}
	if (!nic->ntuple && nic->form != NIC_FORM_SINGLE) {
		*ret_why = "software flows need the single form";
		return EOPNOTSUPP;
	}
	if (flow_check(flow) < 0) {
		*ret_why = "the flow names neither an address nor a port";
		return EINVAL;
	}
	if (nic->ntuple ? has_queue(c, nic->link.ifindex, flow->queue)
			: has_any_queue(c, nic->link.ifindex))
		return 0;
	*ret_why = "the instance does not have the queue";
	return EPERM;
}

static void run_flow(struct conn *c, struct nic *nic, const struct nic_op *op)
{
	struct core *core = c->core;
	struct adding a = { .done = op->done,
			    .instance = c->instance,
			    .res = res_flow(op->ifindex, UNNAMED_FLOW | ++core->unnamed_flow) };
	struct lease_want want = { .instance = c->instance,
				   .expires = txn_expiry(c, 0),
				   .wall_ns = clock_wall_ns() };
	struct pp_nic_flow m = { .head.type = PP_NIC_FLOW,
				 .ifindex = op->ifindex,
				 .owner = owner_of(c->instance),
				 .on = 1,
				 .flow = op->flow };
	const char *why;
	bool soft;
	int r = check(c, nic, &op->flow, &soft, &why);

	if (r) {
		nic_refuse(c, op->done, &(struct res){ .kind = RES_KIND_MAX }, r, why);
		return;
	}
	if (soft)
		a.res.id = soft_number(core, nic);
	m.soft = soft;
	m.location = (uint32_t)a.res.id;
	want.res = a.res;
	r = txn_reserve(c, &want, &a.lease);
	if (r < 0)
		nic_refuse(c, op->done, &a.res, -r, txn_why(r, RES_FLOW));
	else if (ledger_set_flow(core->ledger, a.lease, &op->flow) < 0)
		undo(c, &a, ENOSPC, "there are as many flows as can be kept");
	else if (ask(core, c, &m, made, &a, sizeof(a)) < 0)
		undo(c, &a, ENOMEM, "out of memory");
}

void nic_add_flow(struct conn *c, uint32_t ifindex, const struct flow *flow, nic_done *done)
{
	nic_start(c, &(struct nic_op){
			     .run = run_flow, .done = done, .ifindex = ifindex, .flow = *flow });
}
