/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues, UDP ports and flows: reserved in the ledger, made by reeved, then
 * committed or undone. When a connection goes in the middle, its instance has
 * ended and reeved was told so after the request: whatever that made goes too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "core.h"
#include "link.h"
#include "nic.h"
#include "record.h"
#include "txn.h"

/* An ask's own copy of what is being done; small enough to travel with it. */
struct doing {
	nic_done *done;
	ledger_id lease;
	struct res res;
	uint32_t tenant; /* of a lease that ends */
};

static void undo(struct core *core, const struct doing *d, struct conn *c, int error,
		 const char *why)
{
	ledger_undo(core->ledger, d->lease);
	nic_refuse(c, d->done, &d->res, error, why);
}

static void granted(struct core *core, struct conn *c, const struct doing *d, uint32_t value)
{
	FAULT_HERE(CORE_COMMIT);
	if (ledger_commit(core->ledger, d->lease) < 0) {
		nic_refuse(c, d->done, &d->res, ENODEV, "the interface went away meanwhile");
		return;
	}
	txn_set_timer(core);
	d->done(c, &(struct nic_grant){ .why = "", .leases = &d->lease, .n = 1, .value = value });
}

static int reserve(struct conn *c, const struct res *res, uint64_t ttl_ns, ledger_id *ret)
{
	struct lease_want want = { .instance = c->instance,
				   .res = *res,
				   .expires = txn_expiry(c, ttl_ns),
				   .wall_ns = clock_wall_ns() };

	return txn_reserve(c, &want, ret);
}

/* --- queues -------------------------------------------------------------------- */

/* All or none, one after the other. */
struct queue_txn {
	nic_done *done;
	uint32_t ifindex, owner;
	uint32_t n, made;
	ledger_id leases[NIC_QUEUES_MAX];
	uint16_t queues[NIC_QUEUES_MAX];
};

static void send_queue_off(struct core *core, uint32_t ifindex, uint32_t owner, uint32_t queue)
{
	struct pp_nic_queue m = {
		.head.type = PP_NIC_QUEUE, .ifindex = ifindex, .owner = owner, .queue = queue
	};

	link_send(core, &m);
}

static void queues_fail(struct conn *c, struct queue_txn *t, int error, const char *why)
{
	struct res res = res_queue(t->ifindex, t->queues[t->made < t->n ? t->made : 0]);

	/* Of one that has ended meanwhile reeved knows. */
	for (uint32_t i = 0; i < t->n; i++) {
		bool was = ledger_undo(c->core->ledger, t->leases[i]) == 0;

		if (was && i < t->made)
			send_queue_off(c->core, t->ifindex, t->owner, t->queues[i]);
	}
	nic_refuse(c, t->done, &res, error, why);
	free(t);
}

static void queues_commit(struct conn *c, struct queue_txn *t)
{
	struct lease l;

	for (uint32_t i = 0; i < t->n; i++)
		if (ledger_lease(c->core->ledger, t->leases[i], &l) < 0) {
			queues_fail(c, t, ENODEV, "the queue went away meanwhile");
			return;
		}
	FAULT_HERE(CORE_COMMIT);
	for (uint32_t i = 0; i < t->n; i++)
		ledger_commit(c->core->ledger, t->leases[i]);
	FAULT_HERE(CORE_COMMITTED);
	txn_set_timer(c->core);
	t->done(c, &(struct nic_grant){ .why = "", .leases = t->leases, .n = t->n });
	free(t);
}

static void queues_next(struct conn *c, struct queue_txn *t);

struct queue_step {
	struct queue_txn *txn;
};

static void queue_made(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		       const int *fds)
{
	struct queue_txn *t = ((struct queue_step *)ctx)->txn;
	const char *why;
	int error = answer_error(m, &why);

	(void)core;
	(void)fds;
	if (!c) {
		free(t);
		return;
	}
	if (error) {
		queues_fail(c, t, error, why);
		return;
	}
	t->made++;
	queues_next(c, t);
}

static void queues_next(struct conn *c, struct queue_txn *t)
{
	struct pp_nic_queue m = {
		.head.type = PP_NIC_QUEUE, .ifindex = t->ifindex, .owner = t->owner, .on = 1
	};
	struct queue_step step = { .txn = t };

	if (t->made == t->n) {
		queues_commit(c, t);
		return;
	}
	m.queue = t->queues[t->made];
	if (ask(c->core, c, &m, queue_made, &step, sizeof(step)) < 0)
		queues_fail(c, t, ENOMEM, "out of memory");
}

/* The lowest free ones, or exactly those; an errno and its sentence when there are not. */
static int choose_queues(struct conn *c, const struct nic *nic, const struct nic_queue_want *want,
			 struct cpuset *ret, const char **ret_why)
{
	static char why[EVENT_WHY_MAX];
	struct cpuset leasable, taken = { 0 };
	unsigned q, n = 0;

	nic_leasable(c->core, nic, &leasable);
	*ret = (struct cpuset){ 0 };
	*ret_why = why;
	cpuset_for_each(q, &leasable) {
		struct res res = res_queue(nic->link.ifindex, q);
		struct lease l;

		if (ledger_holder(c->core->ledger, &res, &l) == 0)
			cpuset_add(&taken, q);
		else if (n < want->count) {
			cpuset_add(ret, q);
			n++;
		}
	}
	if (want->count && n == want->count)
		return 0;
	if (want->count) {
		snprintf(why, sizeof(why), "%s has %u free queues, %u are wanted", nic->link.name,
			 n, want->count);
		return ENOSPC;
	}
	cpuset_for_each(q, &want->exact) {
		if (!cpuset_has(&leasable, q)) {
			snprintf(why, sizeof(why), "queue %u of %s is not one to lease", q,
				 nic->link.name);
			return ENOENT;
		}
		if (cpuset_has(&taken, q)) {
			snprintf(why, sizeof(why), "queue %u of %s is leased already", q,
				 nic->link.name);
			return EBUSY;
		}
	}
	*ret = want->exact;
	return 0;
}

static int reserve_queues(struct conn *c, struct queue_txn *t, const struct cpuset *queues,
			  uint64_t ttl_ns)
{
	unsigned q;

	cpuset_for_each(q, queues) {
		struct res res = res_queue(t->ifindex, q);
		int r = reserve(c, &res, ttl_ns, &t->leases[t->n]);

		if (r < 0)
			return r;
		t->queues[t->n++] = (uint16_t)q;
	}
	return 0;
}

static void run_queues(struct conn *c, struct nic *nic, const struct nic_op *op)
{
	struct res res = { .kind = RES_KIND_MAX };
	struct queue_txn *t;
	struct cpuset queues;
	const char *why;
	int r;

	nic_look(c->core, nic);
	r = choose_queues(c, nic, &op->queues, &queues, &why);
	if (r) {
		nic_refuse(c, op->done, &res, r, why);
		return;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		nic_refuse(c, op->done, &res, ENOMEM, "out of memory");
		return;
	}
	t->done = op->done;
	t->ifindex = op->ifindex;
	t->owner = owner_of(c->instance);
	r = reserve_queues(c, t, &queues, op->queues.ttl_ns);
	if (r < 0)
		queues_fail(c, t, -r, txn_why(r, RES_QUEUE));
	else
		queues_next(c, t);
}

void nic_get_queues(struct conn *c, uint32_t ifindex, const struct nic_queue_want *want,
		    nic_done *done)
{
	nic_start(c,
		  &(struct nic_op){
			  .run = run_queues, .done = done, .ifindex = ifindex, .queues = *want });
}

/* --- ports ------------------------------------------------------------------------ */

static int port_lease(const struct conn *c, uint32_t ifindex, uint16_t port, struct lease *ret)
{
	struct res res = res_udp_port(ifindex, owner_of(c->instance), port);

	return c->instance ? ledger_holder(c->core->ledger, &res, ret) : -ENOENT;
}

static void port_made(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		      const int *fds)
{
	const char *why;
	int error = answer_error(m, &why);

	(void)fds;
	if (c && error)
		undo(core, ctx, c, error, why);
	else if (c)
		granted(core, c, ctx, 1);
}

static void use_again(struct conn *c, const struct nic_op *op, const struct lease *l)
{
	uint32_t uses = 0;

	if (ledger_use(c->core->ledger, l->id, &uses) < 0)
		nic_refuse(c, op->done, &l->res, ENOSPC, "it was asked for too often already");
	else
		op->done(c,
			 &(struct nic_grant){ .why = "", .leases = &l->id, .n = 1, .value = uses });
}

static void run_port(struct conn *c, struct nic *nic, const struct nic_op *op)
{
	struct doing d = { .done = op->done,
			   .res = res_udp_port(op->ifindex, owner_of(c->instance), op->port) };
	struct pp_nic_port m = { .head.type = PP_NIC_PORT,
				 .ifindex = op->ifindex,
				 .owner = owner_of(c->instance),
				 .port = op->port,
				 .on = 1 };
	struct lease l;
	int r;

	(void)nic;
	if (port_lease(c, op->ifindex, op->port, &l) == 0) {
		use_again(c, op, &l);
		return;
	}
	r = reserve(c, &d.res, 0, &d.lease);
	if (r < 0)
		nic_refuse(c, op->done, &d.res, -r, txn_why(r, RES_UDP_PORT));
	else if (ask(c->core, c, &m, port_made, &d, sizeof(d)) < 0)
		undo(c->core, &d, c, ENOMEM, "out of memory");
}

void nic_add_port(struct conn *c, uint32_t ifindex, uint16_t port, nic_done *done)
{
	struct res res = res_udp_port(ifindex, 0, port);

	if (!port)
		nic_refuse(c, done, &res, EINVAL, "port 0 is no UDP port");
	else
		nic_start(c, &(struct nic_op){ .run = run_port,
					       .done = done,
					       .ifindex = ifindex,
					       .port = port });
}

void nic_remove_port(struct conn *c, uint32_t ifindex, uint16_t port, nic_done *done)
{
	struct res res = res_udp_port(ifindex, owner_of(c->instance), port);
	struct lease l;
	uint32_t uses;

	if (port_lease(c, ifindex, port, &l) < 0) {
		nic_refuse(c, done, &res, ENOENT, "it did not ask for this port");
		return;
	}
	ledger_unuse(c->core->ledger, l.id, &uses);
	if (uses)
		done(c, &(struct nic_grant){ .why = "", .value = uses });
	else
		nic_release(c, &l, "removed", done);
}

/* --- the end ---------------------------------------------------------------------------- */

/* What reeved is told of a lease's end; false: nothing by itself. */
static bool off_message(struct core *core, const struct lease *l, union pp_msg *m)
{
	uint32_t owner = owner_of(l->instance), ifindex = l->res.scope;
	const struct nic *nic = nic_by_index(core, ifindex);

	if (!nic || nic->state != NIC_OPEN)
		return false;
	switch (l->res.kind) {
	case RES_QUEUE:
		m->nic_queue = (struct pp_nic_queue){ .head.type = PP_NIC_QUEUE,
						      .ifindex = ifindex,
						      .owner = owner,
						      .queue = (uint32_t)l->res.id };
		return true;
	case RES_UDP_PORT:
		m->nic_port = (struct pp_nic_port){ .head.type = PP_NIC_PORT,
						    .ifindex = ifindex,
						    .owner = owner,
						    .port = (uint16_t)l->res.id };
		return true;
	case RES_ADDRESS:
		return address_message(l, 0, &m->nic_address);
	case RES_FLOW:
		return flow_off_message(l, &m->nic_flow);
	default:
		return false;
	}
}

/*
 * What can't be without the lease that ended: without a queue the NIC's rules
 * that lead there, which reeved drops with it; without the interface everything.
 */
static bool needs(const struct core *core, const struct lease *l, const struct lease *ended)
{
	struct flow flow;

	if (l->res.kind == RES_LCORE || l->res.scope != ended->res.scope)
		return false;
	if (ended->res.kind == RES_XDP)
		return true;
	return !(l->res.id & RES_FLOW_SOFT) && ledger_flow(core->ledger, l->id, &flow) == 0 &&
	       flow.queue == ended->res.id;
}

static void end_what_needs(struct core *core, const struct lease *ended)
{
	struct lease l = { 0 }, next;
	int r = ledger_instance_next_lease(core->ledger, ended->instance, 0, &l);

	while (r == 0) {
		r = ledger_instance_next_lease(core->ledger, ended->instance, l.id, &next);
		if (needs(core, &l, ended)) {
			if (ledger_revoke(core->ledger, l.id, clock_wall_ns(),
					  ended->res.kind == RES_XDP
						  ? "its instance has left the interface"
						  : "the queue it leads to was given back") < 0)
				ledger_undo(core->ledger, l.id);
		}
		l = next;
	}
}

static void released(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		     const int *fds)
{
	const struct doing *d = ctx;
	const char *why;
	int error = answer_error(m, &why);

	(void)fds;
	(void)c;
	if (error)
		record_event(core, EVENT_ENFORCE, d->tenant, "a release did not reach the NIC: %s",
			     why);
}

/*
 * The end of the lease and the answer are one step; the answer is on its way only
 * when the connection is not busy any more: then the kernel has followed.
 */
static void follow(struct conn *c, const struct lease *lease, const struct doing *d)
{
	struct core *core = c->core;
	union pp_msg m;

	if (!off_message(core, lease, &m) || ask(core, c, &m, released, d, sizeof(*d)) < 0)
		nic_lease_ended(core, lease);
}

void nic_release(struct conn *c, const struct lease *lease, const char *why, nic_done *done)
{
	struct doing d = { .done = done, .res = lease->res, .tenant = lease->tenant };
	struct core *core = c->core;

	if (ledger_revoke(core->ledger, lease->id, clock_wall_ns(), why) < 0) {
		nic_refuse(c, done, &lease->res, ENOENT, "there is no such lease");
		return;
	}
	FAULT_HERE(CORE_RELEASED);
	txn_set_timer(core);
	if (lease->res.kind == RES_QUEUE)
		end_what_needs(core, lease);
	follow(c, lease, &d);
	done(c, &(struct nic_grant){ .why = "" });
}

void nic_lease_ended(struct core *core, const struct lease *lease)
{
	union pp_msg m;

	if (lease->res.kind == RES_XDP) {
		end_what_needs(core, lease);
		nic_owner_off(core, lease->res.scope, lease->instance);
		nic_leave_one(core, lease->res.scope);
		return;
	}
	if (lease->res.kind == RES_QUEUE)
		end_what_needs(core, lease);
	if (off_message(core, lease, &m))
		link_send(core, &m);
}

void nic_instance_ending(struct core *core, ledger_id instance)
{
	struct lease l = { 0 };
	int r = ledger_instance_next_lease(core->ledger, instance, 0, &l);

	while (r == 0) {
		if (l.res.kind == RES_XDP) {
			nic_owner_off(core, l.res.scope, instance);
			nic_leave_one(core, l.res.scope);
		}
		r = ledger_instance_next_lease(core->ledger, instance, l.id, &l);
	}
}
