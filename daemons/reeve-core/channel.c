/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message stack leases channels for its applications: one connection stands for one of
 * them. Who that is the stack is believed, as it has the application's connection and we
 * have not; so it is believed nothing but that, and gets channels by it and nothing else.
 *
 * No part of a channel is the kernel's, so a grant is made at once.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "call.h"
#include "orphan.h"
#include "record.h"
#include "txn.h"

static bool is_stack(const struct conn *c)
{
	return c->peer->uid == c->core->conf.net_uid;
}

/* --- for whom ---------------------------------------------------------------------- */

static bool is_fresh(const struct conn *c)
{
	const struct kept_native *n = &c->kept->native;

	for (uint32_t plane = 0; plane < PLANE_MAX; plane++)
		if (n->hold[plane])
			return false;
	return !conn_acts(c) && !c->instance;
}

static bool has_room(const struct core *core)
{
	struct ledger_totals totals;

	ledger_totals(core->ledger, &totals);
	return totals.instances < LEDGER_INSTANCES;
}

static void begin(struct conn *c, const struct native_request *q)
{
	char name[TENANT_NAME_MAX];

	if (conn_start_instance(c, INSTANCE_STACK, q->act.peer.pid, q->act.name,
				strlen(q->act.name)) < 0) {
		call_fail(c, "Busy", "no room for another instance");
		return;
	}
	call_reply(c, json_pack("{s:I, s:s}", "instance", (json_int_t)c->instance, "tenant",
				tenant_name(c->core, c->tenant, name)));
}

void on_act_for(struct conn *c, const struct native_request *q)
{
	if (!is_stack(c))
		call_refuse(c, EACCES, "only the message stack acts for others");
	else if (!is_fresh(c))
		call_refuse(c, EACCES, "the connection stands for somebody already");
	else if (!has_room(c->core))
		call_refuse(c, EAGAIN, "no room for another instance");
	else if (!conn_act(c, &q->act.peer))
		call_refuse(c, EAGAIN, "its uid or tenant holds its share of the connections");
	else
		begin(c, q);
}

/* --- channels ------------------------------------------------------------------------ */

static const struct channel_terms *terms_of(const struct conn *c)
{
	uint32_t tenant = c->core->tenants[c->tenant].conf;

	return tenant < TENANT_MAX ? &c->core->conf.tenants[tenant].channel : NULL;
}

static void add_limit(json_t *reply, const char *name, uint64_t limit)
{
	if (limit)
		json_object_set_new(reply, name, json_integer((json_int_t)limit));
}

static void granted(struct conn *c, ledger_id lease, const struct channel_terms *t)
{
	struct lease l;
	json_t *reply;

	if (ledger_commit(c->core->ledger, lease) < 0 ||
	    ledger_lease(c->core->ledger, lease, &l) < 0) {
		call_fail(c, "Busy", "it ended at once");
		return;
	}
	reply = json_pack("{s:o}", "lease", lease_json(c->core, &l));
	add_limit(reply, "memory", t->memory);
	add_limit(reply, "ports", t->ports);
	add_limit(reply, "rate", t->rate);
	call_reply(c, reply);
}

static void refuse(struct conn *c, const struct res *res, int error, const char *why)
{
	record_refusal(c, res, error, why);
	call_fail_errno(c, error, why);
}

void on_acquire_channel(struct conn *c, const struct native_request *q)
{
	const struct res res = { .kind = RES_CHANNEL, .id = q->channel.number };
	struct lease_want want = { .instance = c->instance, .res = res };
	const struct channel_terms *t = terms_of(c);
	ledger_id lease;
	int r;

	if (!conn_acts(c)) {
		refuse(c, &res, EACCES, "channels are leased by the message stack");
		return;
	}
	orphans_give_back_one(c->core, c->peer, &res);
	if (!t) {
		refuse(c, &res, EACCES, "its tenant is no longer in the config");
		return;
	}
	if (t->memory && q->channel.bytes > t->memory) {
		refuse(c, &res, EDQUOT, "the tenant's channels may not have so much memory");
		return;
	}
	want.wall_ns = clock_wall_ns();
	r = txn_reserve(c, &want, &lease);
	if (r < 0)
		refuse(c, &res, -r, txn_why(r, RES_CHANNEL));
	else
		granted(c, lease, t);
}

void channel_release(struct conn *c, const struct lease *lease)
{
	if (lease->instance != c->instance)
		call_refuse(c, EOPNOTSUPP, "a channel ends with its application");
	else if (ledger_release(c->core->ledger, c->instance, lease->id, clock_wall_ns(),
				"released") < 0)
		call_fail(c, "Busy", "it ended meanwhile");
	else
		call_reply(c, json_object());
}

void on_release_lost(struct conn *c, const struct native_request *q)
{
	(void)q;
	if (!is_stack(c))
		call_refuse(c, EACCES, "only the message stack acts for others");
	else
		call_reply(c, json_pack("{s:I}", "instances",
					(json_int_t)orphans_give_back(c->core, c->peer)));
}
