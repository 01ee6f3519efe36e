/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages of the MTL protocol about interfaces. Like the original they need
 * no REGISTER; other than there, a tenant has to be allowed on the interface, and
 * what is given back or changed has to be the client's own.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <string.h>

#include "core.h"
#include "mtl.h"
#include "nic.h"
#include "txn.h"

/*
 * Refused before there is an instance: who may not be on any interface leaves
 * nothing behind by asking.
 */
static bool may_be_on(struct conn *c, uint32_t ifindex, enum mtl_reply_kind kind)
{
	struct res res = res_xdp(ifindex, 0);
	const struct nic *nic = nic_by_index(c->core, ifindex);
	const char *why = "this host has no such interface";
	int error = nic ? nic_check(c, nic, &why) : ENOENT;
	if (error)
		mtl_refuse(c, kind, &res, error, why);
	return !error;
}

/* --- REGISTER -------------------------------------------------------------------- */

static void register_next(struct conn *c);

/* All of the interfaces or none: those that came with this request are left again. */
static void register_failed(struct conn *c)
{
	for (uint8_t i = 0; i < c->mtl.reg.at; i++)
		if (c->mtl.reg.fresh[i])
			nic_leave(c, c->mtl.reg.ifs[i], "another interface of the request failed");
	mtl_answer(c, MTL_REPLY_RESPONSE, -1);
}

static void register_joined(struct conn *c, const struct nic_grant *g)
{
	if (g->error) {
		register_failed(c);
		return;
	}
	if (c->mtl.reg.fresh[c->mtl.reg.at]) {
		undo_keep_object(c->core->journal.undo, &c->kept->mtl.fresh_ifs);
		c->kept->mtl.fresh_ifs |= (uint8_t)(1U << c->mtl.reg.at);
	}
	c->mtl.reg.at++;
	register_next(c);
}

static void register_next(struct conn *c)
{
	uint8_t at = c->mtl.reg.at;

	if (at == c->mtl.reg.n) {
		undo_keep_object(c->core->journal.undo, &c->kept->mtl.registered);
		c->kept->mtl.registered = true;
		mtl_answer(c, MTL_REPLY_RESPONSE, 0);
		return;
	}
	/* Or an earlier core joined it for this very request. */
	c->mtl.reg.fresh[at] = !nic_joined(c, c->mtl.reg.ifs[at]) ||
			       c->kept->mtl.fresh_ifs >> at & 1;
	nic_join(c, c->mtl.reg.ifs[at], register_joined);
}

void mtl_nic_register(struct conn *c, const struct mtl_request *q)
{
	int r;

	if (q->reg.num_if > MTL_IF_MAX) {
		mtl_refuse(c, MTL_REPLY_RESPONSE, NULL, EINVAL,
			   "it names more interfaces than the message holds");
		return;
	}
	for (uint16_t i = 0; i < q->reg.num_if; i++)
		if (!may_be_on(c, q->reg.ifindex[i], MTL_REPLY_RESPONSE))
			return;
	r = conn_start_instance(c, INSTANCE_MTL, q->reg.pid, q->reg.hostname, MTL_HOSTNAME);
	if (r < 0) {
		mtl_refuse(c, MTL_REPLY_RESPONSE, NULL, -r, "no room for another instance");
		return;
	}
	c->mtl.reg.n = (uint8_t)q->reg.num_if;
	c->mtl.reg.at = 0;
	memcpy(c->mtl.reg.ifs, q->reg.ifindex, sizeof(c->mtl.reg.ifs));
	register_next(c);
}

/* --- queues ------------------------------------------------------------------------- */

static void done_plain(struct conn *c, const struct nic_grant *g)
{
	mtl_answer(c, MTL_REPLY_RESPONSE, g->error ? -1 : 0);
}

static void got_queue(struct conn *c, const struct nic_grant *g)
{
	struct lease l;

	if (g->error || ledger_lease(c->core->ledger, g->leases[0], &l) < 0)
		mtl_answer(c, MTL_REPLY_QUEUE, -1);
	else
		mtl_answer(c, MTL_REPLY_QUEUE, (int32_t)l.res.id);
}

static void get_queue(struct conn *c, const struct mtl_request *q)
{
	nic_get_queues(c, q->intf.ifindex, &(struct nic_queue_want){ .count = 1 }, got_queue);
}

/* What is given back has to be the client's own. */
static void give_back(struct conn *c, const struct res *res)
{
	struct lease l;

	if (ledger_holder(c->core->ledger, res, &l) < 0)
		mtl_refuse(c, MTL_REPLY_RESPONSE, res, ENOENT, "nobody holds it");
	else if (l.instance != c->instance || l.state != LEASE_HELD)
		mtl_refuse(c, MTL_REPLY_RESPONSE, res, EPERM, "another instance holds it");
	else
		nic_release(c, &l, "put", done_plain);
}

static void put_queue(struct conn *c, const struct mtl_request *q)
{
	struct res res = res_queue(q->intf.ifindex, q->intf.queue);

	give_back(c, &res);
}

/* --- flows ---------------------------------------------------------------------------- */

static void flow_added(struct conn *c, const struct nic_grant *g)
{
	mtl_answer(c, MTL_REPLY_FLOW, g->error ? -1 : (int32_t)g->value);
}

static void add_flow(struct conn *c, const struct mtl_request *q)
{
	struct flow flow = { .queue = q->intf.queue,
			     .src_port = q->intf.src_port,
			     .dst_port = q->intf.dst_port };
	struct res res = { .kind = RES_KIND_MAX };

	memcpy(flow.src, &q->intf.src_ip, sizeof(q->intf.src_ip));
	memcpy(flow.dst, &q->intf.dst_ip, sizeof(q->intf.dst_ip));
	if (q->intf.flow_type != UDP_V4_FLOW)
		mtl_refuse(c, MTL_REPLY_FLOW, &res, EOPNOTSUPP, "a flow that is not UDP over IPv4");
	else
		nic_add_flow(c, q->intf.ifindex, &flow, flow_added);
}

/* The client knows a number; whether XDP or the NIC has it follows from the lease. */
static void del_flow(struct conn *c, const struct mtl_request *q)
{
	struct res hard = res_flow(q->intf.ifindex, q->intf.flow_id);
	struct res soft = res_flow(q->intf.ifindex, RES_FLOW_SOFT | q->intf.flow_id);
	struct lease l;

	if (ledger_holder(c->core->ledger, &soft, &l) == 0 && l.instance == c->instance)
		give_back(c, &soft);
	else
		give_back(c, &hard);
}

/* --- the rest ------------------------------------------------------------------------- */

static void got_map(struct conn *c, const struct nic_grant *g)
{
	mtl_answer_fd(c, g->error ? -1 : g->fds[0]);
}

/* What starts something needs an instance, whether it registered or not. */
static bool get_ready(struct conn *c, uint32_t ifindex, enum mtl_reply_kind kind)
{
	int r = 0;

	if (!may_be_on(c, ifindex, kind))
		return false;
	if (!c->instance)
		r = conn_start_instance(c, INSTANCE_MTL, 0, "", 0);
	if (r < 0)
		mtl_refuse(c, kind, NULL, -r, "no room for another instance");
	return r == 0;
}

static uint32_t ifindex_of(const struct mtl_request *q)
{
	return q->type == MTL_ADD_UDP_FILTER ? q->udp.ifindex : q->intf.ifindex;
}

static void take_request(struct conn *c, const struct mtl_request *q)
{
	if (!get_ready(c, ifindex_of(q), mtl_reply_kind(q->type)))
		return;
	switch (q->type) {
	case MTL_ADD_UDP_FILTER:
		nic_add_port(c, q->udp.ifindex, q->udp.port, done_plain);
		break;
	case MTL_XSK_MAP_FD:
		nic_get_map(c, q->intf.ifindex, got_map);
		break;
	case MTL_GET_QUEUE:
		get_queue(c, q);
		break;
	case MTL_ADD_FLOW:
		add_flow(c, q);
		break;
	}
}

/* Who may not use the interface any more may still give back. */
void mtl_nic_request(struct conn *c, const struct mtl_request *q)
{
	switch (q->type) {
	case MTL_DEL_UDP_FILTER:
		nic_remove_port(c, q->udp.ifindex, q->udp.port, done_plain);
		break;
	case MTL_PUT_QUEUE:
		put_queue(c, q);
		break;
	case MTL_DEL_FLOW:
		del_flow(c, q);
		break;
	default:
		take_request(c, q);
	}
}
