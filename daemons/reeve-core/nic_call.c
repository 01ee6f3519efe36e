/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The methods of io.reeve about network interfaces that decide something. A
 * request that its tenant may not make at all does not make an instance.
 */
#include <errno.h>
#include <string.h>

#include "call.h"
#include "nic.h"
#include "record.h"

/* The interface, which the caller may use; NULL: it was refused. */
static struct nic *usable_nic(struct conn *c, const char *name)
{
	struct nic *nic = nic_by_name(c->core, name);
	const char *why = "this host has no network interface of that name";
	int error = nic ? nic_check(c, nic, &why) : ENOENT;

	if (!error)
		return nic;
	call_refuse(c, error, why);
	return NULL;
}

static bool start_instance(struct conn *c, const char *name)
{
	if (c->instance && !name[0])
		return true;
	if (conn_start_instance(c, INSTANCE_NATIVE, 0, name, strlen(name)) == 0)
		return true;
	call_refuse(c, EAGAIN, "no room for another instance");
	return false;
}

/* The one lease of an answer; NULL also when it ended in the meantime. */
static json_t *granted(struct conn *c, const struct nic_grant *g, struct lease *ret)
{
	if (!g->n || ledger_lease(c->core->ledger, g->leases[0], ret) < 0)
		return NULL;
	return lease_json(c->core, ret);
}

/* --- queues ------------------------------------------------------------------ */

static void queues_acquired(struct conn *c, const struct nic_grant *g)
{
	struct cpuset queues = { 0 };
	char text[1024];
	json_t *list;

	if (g->error) {
		call_fail_errno(c, g->error, g->why);
		return;
	}
	list = json_array();
	for (uint32_t i = 0; i < g->n; i++) {
		struct lease l;

		if (ledger_lease(c->core->ledger, g->leases[i], &l) < 0)
			continue;
		cpuset_add(&queues, (unsigned)l.res.id);
		json_array_append_new(list, lease_json(c->core, &l));
	}
	cpuset_format(&queues, text, sizeof(text));
	call_reply(c, json_pack("{s:o, s:s}", "leases", list, "queues", text));
}

void on_acquire_queues(struct conn *c, const struct native_request *q)
{
	const struct nic_queue_want want = { .count = q->queues.count,
					     .exact = q->queues.exact,
					     .ttl_ns = q->queues.ttl_ns };
	struct nic *nic = usable_nic(c, q->queues.nic);

	if (nic && start_instance(c, q->queues.name))
		nic_get_queues(c, nic->link.ifindex, &want, queues_acquired);
}

/* --- ports ------------------------------------------------------------------- */

static void port_added(struct conn *c, const struct nic_grant *g)
{
	struct lease l;
	json_t *lease;

	if (g->error) {
		call_fail_errno(c, g->error, g->why);
		return;
	}
	lease = granted(c, g, &l);
	if (lease)
		call_reply(c, json_pack("{s:o, s:I}", "lease", lease, "uses", (json_int_t)l.uses));
	else
		call_fail(c, "Busy", "the port was taken away at once");
}

void on_add_port(struct conn *c, const struct native_request *q)
{
	struct nic *nic = usable_nic(c, q->port.nic);

	if (nic && start_instance(c, ""))
		nic_add_port(c, nic->link.ifindex, q->port.port, port_added);
}

static void port_removed(struct conn *c, const struct nic_grant *g)
{
	if (g->error)
		call_fail_errno(c, g->error, g->why);
	else
		call_reply(c, json_pack("{s:I}", "uses", (json_int_t)g->value));
}

/* Who may not use the interface any more may still give back. */
void on_remove_port(struct conn *c, const struct native_request *q)
{
	struct nic *nic = nic_by_name(c->core, q->port.nic);

	if (nic && c->instance)
		nic_remove_port(c, nic->link.ifindex, q->port.port, port_removed);
	else
		call_refuse(c, ENOENT, "this connection has no such port");
}

/* --- addresses --------------------------------------------------------------- */

static void address_acquired(struct conn *c, const struct nic_grant *g)
{
	struct lease l;
	json_t *lease;

	if (g->error) {
		call_fail_errno(c, g->error, g->why);
		return;
	}
	lease = granted(c, g, &l);
	if (lease)
		call_reply(c, json_pack("{s:o}", "lease", lease));
	else
		call_fail(c, "Busy", "the address was taken away at once");
}

void on_acquire_address(struct conn *c, const struct native_request *q)
{
	struct nic *nic = usable_nic(c, q->address.nic);

	if (nic && start_instance(c, q->address.name))
		nic_add_address(c, nic->link.ifindex, &q->address.ip, address_acquired);
}

/* --- flows ------------------------------------------------------------------- */

static void flow_added(struct conn *c, const struct nic_grant *g)
{
	struct lease l;
	json_t *lease;

	if (g->error) {
		call_fail_errno(c, g->error, g->why);
		return;
	}
	lease = granted(c, g, &l);
	if (lease)
		call_reply(c, json_pack("{s:o, s:I, s:s}", "lease", lease, "rule",
					(json_int_t)g->value, "by",
					l.res.id & RES_FLOW_SOFT ? "software" : "nic"));
	else
		call_fail(c, "Busy", "the rule was taken away at once");
}

static bool has_queue(struct conn *c, uint32_t ifindex, uint32_t queue)
{
	const struct res res = res_queue(ifindex, queue);
	struct lease l;

	return c->instance && ledger_holder(c->core->ledger, &res, &l) == 0 &&
	       l.instance == c->instance;
}

void on_add_flow(struct conn *c, const struct native_request *q)
{
	struct nic *nic = usable_nic(c, q->flow.nic);

	if (!nic)
		return;
	if (has_queue(c, nic->link.ifindex, q->flow.flow.queue))
		nic_add_flow(c, nic->link.ifindex, &q->flow.flow, flow_added);
	else
		call_refuse(c, EACCES, "the flow's queue is not leased to this connection");
}

/* --- sockets ----------------------------------------------------------------- */

static void socket_opened(struct conn *c, const struct nic_grant *g)
{
	const struct native_state *n = &c->native;
	struct lease l;

	if (g->error) {
		call_fail_errno(c, g->error, g->why);
		return;
	}
	if (ledger_lease(c->core->ledger, n->socket.lease, &l) < 0) {
		call_fail(c, "Busy", "the queue was taken away at once");
		return;
	}
	call_reply_fds(c,
		       json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "bound", g->value != 0,
				 "ifindex", (json_int_t)l.res.scope, "queue", (json_int_t)l.res.id,
				 "frames", (json_int_t)n->socket.frames, "frame_size",
				 (json_int_t)n->socket.frame_size, "ring",
				 (json_int_t)n->socket.ring),
		       g->fds, 2);
}

static void lease_refused(struct conn *c, const char *name, ledger_id lease)
{
	record_refusal(c, NULL, ENOENT, "a socket for a lease it does not hold");
	call_fail_with(c, name, json_pack("{s:I}", "lease", (json_int_t)lease));
}

void on_open_socket(struct conn *c, const struct native_request *q)
{
	const struct nic_socket_want want = { .frames = q->socket.frames,
					      .frame_size = q->socket.frame_size,
					      .ring = q->socket.ring };
	struct lease l;

	if (ledger_lease(c->core->ledger, q->socket.lease, &l) < 0 || !may_see(c, l.tenant)) {
		lease_refused(c, "io.reeve.NoSuchLease", q->socket.lease);
		return;
	}
	if (!c->instance || l.instance != c->instance) {
		lease_refused(c, "io.reeve.NotYours", q->socket.lease);
		return;
	}
	if (l.res.kind != RES_QUEUE) {
		call_refuse(c, EOPNOTSUPP,
			    "a socket is for a queue, and the lease is not over one");
		return;
	}
	c->native.socket.lease = l.id;
	c->native.socket.frames = want.frames;
	c->native.socket.frame_size = want.frame_size;
	c->native.socket.ring = want.ring;
	nic_open_socket(c, &l, &want, socket_opened);
}
