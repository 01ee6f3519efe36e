/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interface under reeve: the first instance that uses it has it opened; when
 * the last one has left it stays open for a moment, so that nobody has programs
 * attached and detached as often as they can connect, and is then closed. An
 * instance that uses it holds a lease of kind xdp there; that lease ends before,
 * or with, all else it has there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "core.h"
#include "link.h"
#include "nic.h"
#include "record.h"
#include "txn.h"

#define LINGER_NS (300 * NS_PER_MS)

/* So many times as many as are still free may be one tenant's. */
enum { USE_SHARES = 2 };

struct waiter {
	struct waiter *next;
	struct conn *conn;
	struct nic_op op;
};

void nic_refuse(struct conn *c, nic_done *done, const struct res *res, int error, const char *why)
{
	record_refusal(c, res, error, why);
	done(c, &(struct nic_grant){ .error = error, .why = why });
}

/* --- the end of a use ---------------------------------------------------------- */

static void close_nic(struct core *core, struct nic *nic)
{
	struct pp_nic_close m = { .head.type = PP_NIC_CLOSE, .ifindex = nic->link.ifindex };

	link_send(core, &m);
	nic->state = NIC_IDLE;
	nic->form = NIC_FORM_NONE;
	nic->mode = NIC_MODE_NONE;
}

static void unused_from_now(struct core *core, struct nic *nic)
{
	nic->unused_ns = clock_boot_ns();
	if (core->linger_watch.loop)
		loop_timer_set(core->linger_watch.fd, nic->unused_ns + LINGER_NS);
}

void nic_leave_one(struct core *core, uint32_t ifindex)
{
	struct nic *nic = nic_by_index(core, ifindex);

	if (nic && nic->users && --nic->users == 0 && nic->state == NIC_OPEN)
		unused_from_now(core, nic);
}

void nics_close_unused(struct core *core, uint64_t boot_ns)
{
	uint64_t next = 0;

	for (struct nic *nic = core->nics; nic; nic = nic->next) {
		uint64_t due = nic->unused_ns + LINGER_NS;

		if (nic->state != NIC_OPEN || nic->users)
			continue;
		if (due <= boot_ns)
			close_nic(core, nic);
		else if (!next || due < next)
			next = due;
	}
	if (next && core->linger_watch.loop)
		loop_timer_set(core->linger_watch.fd, next);
}

void nic_owner_off(struct core *core, uint32_t ifindex, ledger_id instance)
{
	struct pp_nic_owner m = { .head.type = PP_NIC_OWNER,
				  .ifindex = ifindex,
				  .owner = owner_of(instance) };
	const struct nic *nic = nic_by_index(core, ifindex);

	if (nic && nic->state == NIC_OPEN)
		link_send(core, &m);
}

/* --- joining -------------------------------------------------------------------- */

static void not_joined(struct conn *c, const struct nic_op *op, int error, const char *why)
{
	struct res res = res_xdp(op->ifindex, owner_of(c->instance));

	if (ledger_undo(c->core->ledger, op->joining) == 0)
		nic_leave_one(c->core, op->ifindex);
	nic_refuse(c, op->done, &res, error, why);
}

static void joined(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		   const int *fds)
{
	const struct nic_op *op = ctx;
	const char *why;
	int error = answer_error(m, &why);
	struct nic *nic;

	(void)fds;
	if (!c)
		return;
	nic = nic_by_index(core, op->ifindex);
	if (error || !nic) {
		not_joined(c, op, error ? error : ENODEV, error ? why : "the interface is gone");
	} else if (ledger_commit(core->ledger, op->joining) < 0) {
		nic_refuse(c, op->done, NULL, ENODEV, "the interface went away meanwhile");
	} else {
		txn_set_timer(core);
		op->run(c, nic, op);
	}
}

void nic_owner_message(const struct core *core, uint32_t ifindex, ledger_id instance,
		       uint32_t tenant, struct pp_nic_owner *ret)
{
	*ret = (struct pp_nic_owner){
		.head.type = PP_NIC_OWNER,
		.ifindex = ifindex,
		.owner = owner_of(instance),
		.tenant = core->tenants[tenant].conf,
		.conf_serial = core->conf_serial,
		.on = 1,
	};
}

static void ask_to_join(struct conn *c, const struct nic_op *op)
{
	struct pp_nic_owner m;

	nic_owner_message(c->core, op->ifindex, c->instance, c->tenant, &m);
	if (ask(c->core, c, &m, joined, op, sizeof(*op)) < 0)
		not_joined(c, op, ENOMEM, "out of memory");
}

/* --- opening --------------------------------------------------------------------- */

static struct waiter *take_waiters(struct nic *nic)
{
	struct waiter *turned = NULL;

	while (nic->waiters) {
		struct waiter *w = nic->waiters;

		nic->waiters = w->next;
		w->next = turned;
		turned = w;
	}
	return turned;
}

/* `fn` for each that waited, in the order in which they came. */
static void wake(struct nic *nic, int error, const char *why)
{
	struct waiter *list = take_waiters(nic);

	while (list) {
		struct waiter *w = list;
		struct conn *c = w->conn;

		list = w->next;
		c->waiter = NULL;
		c->busy = false;
		if (error)
			not_joined(c, &w->op, error, why);
		else
			ask_to_join(c, &w->op);
		conn_go_on(c);
		free(w);
	}
}

void nic_give_up(struct core *core, struct nic *nic, int error, const char *why)
{
	bool open = nic->state != NIC_IDLE;

	nic->state = NIC_IDLE;
	wake(nic, error, why);
	if (open)
		close_nic(core, nic);
}

struct opening {
	uint64_t life;
	uint32_t ifindex;
};

static void opened(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		   const int *fds)
{
	const struct opening *o = ctx;
	struct nic *nic = nic_by_index(core, o->ifindex);
	char why[EVENT_WHY_MAX];

	(void)c;
	(void)fds;
	/* Gone meanwhile: it was given up then, and reeved told to close it. */
	if (!nic || nic->life != o->life || nic->state != NIC_OPENING)
		return;
	if (m->result.error) {
		str_copy(why, sizeof(why), m->result.why);
		nic->state = NIC_IDLE;
		wake(nic, m->result.error, why);
		return;
	}
	nic_is_open(core, nic, &m->result);
	wake(nic, 0, NULL);
	if (!nic->users)
		unused_from_now(core, nic);
}

void nic_is_open(struct core *core, struct nic *nic, const struct pp_result *m)
{
	nic->state = NIC_OPEN;
	nic->form = m->value & 0xff;
	nic->mode = m->value >> 8 & 0xff;
	nic_look(core, nic);
	if (!nic->users)
		unused_from_now(core, nic);
}

/* Whose addresses the config speaks of; the tenant system may have any, and is asked then. */
static bool addresses_expected(const struct conf *c, const char *name)
{
	for (uint32_t i = 0; i < c->ntenants; i++)
		if (c->tenants[i].nnets && conf_tenant_may_have_addresses(c, i) &&
		    conf_tenant_may_use_nic(c, i, name))
			return true;
	return false;
}

/*
 * By default the form is the one that other XDP programs can share, as long as
 * nobody has to be kept apart there and nobody needs what only the single form has.
 */
static enum nic_want_form form_for(const struct core *core, const struct nic *nic)
{
	const struct nic_conf *conf = nic_conf_of(core, nic);

	if (conf->form != NIC_WANT_AUTO)
		return conf->form;
	if (nic->single || conf->soft_flows || addresses_expected(&core->conf, nic->link.name) ||
	    conf_nic_tenants(&core->conf, nic->link.name) > 1)
		return NIC_WANT_SINGLE;
	return NIC_WANT_EITHER;
}

void nic_open_message(const struct core *core, const struct nic *nic, struct pp_nic_open *ret)
{
	*ret = (struct pp_nic_open){
		.head.type = PP_NIC_OPEN,
		.ifindex = nic->link.ifindex,
		.form = form_for(core, nic),
		.conf_serial = core->conf_serial,
	};
	str_copy(ret->name, sizeof(ret->name), nic->link.name);
}

static int ask_to_open(struct core *core, struct nic *nic)
{
	const struct opening o = { .life = nic->life, .ifindex = nic->link.ifindex };
	struct pp_nic_open m;
	int r;

	nic_open_message(core, nic, &m);
	r = ask(core, NULL, &m, opened, &o, sizeof(o));
	if (r == 0)
		nic->state = NIC_OPENING;
	return r;
}

static void wait_for_opening(struct conn *c, struct nic *nic, const struct nic_op *op)
{
	struct waiter *w = malloc(sizeof(*w));

	/* reeve-netd leases queues first, then addresses. */
	if (nic->state == NIC_IDLE)
		nic->single = op->single || c->peer->uid == c->core->conf.net_uid;
	if (!w || (nic->state == NIC_IDLE && ask_to_open(c->core, nic) < 0)) {
		free(w);
		not_joined(c, op, ENOMEM, "out of memory");
		return;
	}
	*w = (struct waiter){ .next = nic->waiters, .conn = c, .op = *op };
	nic->waiters = w;
	c->waiter = w;
	c->busy = true;
}

void nic_forget(struct conn *c)
{
	struct waiter *w = take_ptr(&c->waiter), **at;
	struct nic *nic;

	nic_forget_socket(c);
	if (!w)
		return;
	nic = nic_by_index(c->core, w->op.ifindex);
	for (at = &nic->waiters; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	free(w);
}

/* --- the way in ------------------------------------------------------------------ */

bool nic_joined(const struct conn *c, uint32_t ifindex)
{
	struct res res = res_xdp(ifindex, owner_of(c->instance));
	struct lease l;

	return c->instance && ledger_holder(c->core->ledger, &res, &l) == 0 &&
	       l.state == LEASE_HELD;
}

/* Of all uses of interfaces that there can be; so that every tenant gets some. */
static bool has_its_share(const struct conn *c)
{
	uint32_t used = 0;
	struct tenant t;

	for (const struct nic *nic = c->core->nics; nic; nic = nic->next)
		used += nic->users;
	return ledger_tenant(c->core->ledger, c->tenant, &t) == 0 &&
	       t.used[RES_XDP] >= USE_SHARES * (PP_NIC_USES_MAX - used);
}

static void join(struct conn *c, struct nic *nic, struct nic_op *op)
{
	struct lease_want want = { .instance = c->instance,
				   .res = res_xdp(op->ifindex, owner_of(c->instance)),
				   .expires = txn_expiry(c, 0),
				   .wall_ns = clock_wall_ns() };
	int r = has_its_share(c) ? -ENOSPC : txn_reserve(c, &want, &op->joining);

	if (r < 0) {
		nic_refuse(c, op->done, &want.res, -r, txn_why(r, RES_XDP));
		return;
	}
	nic->users++;
	if (nic->state == NIC_OPEN)
		ask_to_join(c, op);
	else
		wait_for_opening(c, nic, op);
}

void nic_start(struct conn *c, const struct nic_op *op)
{
	struct res res = res_xdp(op->ifindex, owner_of(c->instance));
	struct nic *nic = nic_by_index(c->core, op->ifindex);
	struct nic_op copy = *op;
	const char *why;
	bool there;
	int error;

	if (!nic) {
		nic_refuse(c, op->done, &res, ENOENT, "this host has no such interface");
		return;
	}
	there = nic_joined(c, op->ifindex);
	if (!there)
		nic_look(c->core, nic);
	error = nic_check(c, nic, &why);
	if (error)
		nic_refuse(c, op->done, &res, error, why);
	else if (there)
		op->run(c, nic, op);
	else
		join(c, nic, &copy);
}

static void run_join(struct conn *c, struct nic *nic, const struct nic_op *op)
{
	(void)nic;
	op->done(c, &(struct nic_grant){ .why = "" });
}

void nic_join(struct conn *c, uint32_t ifindex, nic_done *done)
{
	nic_start(c, &(struct nic_op){ .run = run_join, .done = done, .ifindex = ifindex });
}

void nic_leave(struct conn *c, uint32_t ifindex, const char *why)
{
	struct res res = res_xdp(ifindex, owner_of(c->instance));
	struct lease l;

	if (ledger_holder(c->core->ledger, &res, &l) < 0 || l.state != LEASE_HELD)
		return;
	ledger_revoke(c->core->ledger, l.id, clock_wall_ns(), why);
	nic_lease_ended(c->core, &l);
}
