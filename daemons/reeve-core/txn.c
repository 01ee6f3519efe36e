/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A grant is a transaction: choose, reserve in the ledger, make the kernel
 * agree where the tenant is under a cpuset, then commit, or undo as if nothing
 * had been. All CPUs of a request are granted or none.
 *
 * The kernel's part takes a message to reeved and back. Meanwhile the
 * connection is busy; it may also go away, and its instance with all that was
 * reserved: the transaction then finds nothing to commit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "core.h"
#include "link.h"
#include "nic.h"
#include "record.h"
#include "txn.h"

/* So many times as many as are still free may be one tenant's. */
enum { LEASE_SHARES = 2 };

struct txn {
	struct txn *next;  /* enforced::waiting or enforced::next */
	struct conn *conn; /* NULL: it went away */
	txn_done *done;
	uint32_t tenant;
	uint32_t n;
	ledger_id leases[];
};

struct txn **txn_next(struct txn *t)
{
	return &t->next;
}

static const struct tenant_rights *rights_of(const struct conn *c)
{
	return &c->core->tenants[c->tenant];
}

/* Errors of an answer are positive, as in lcore_choose() and in events. */
static int say(struct lcore_answer *a, int error, const char *why)
{
	*a = (struct lcore_answer){ .error = error };
	str_copy(a->why, sizeof(a->why), why);
	return error;
}

int txn_check(struct conn *c, const struct txn_want *want, struct lcore_answer *ret)
{
	const struct tenant_rights *r = rights_of(c);

	if (r->conf == TENANT_MAX)
		return say(ret, EACCES, "its tenant is no longer in the config");
	lcore_choose(c->core->ledger, &c->core->host, c->tenant, &r->rights, &want->lcores, ret);
	return ret->error;
}

/* An id that is no CPU here has no node, no core and no reservation. */
static const char *check_bare(struct conn *c, uint16_t id, int *ret_error)
{
	struct res res = { .kind = RES_LCORE, .id = id };
	struct lease lease;

	if (cpuset_has(&rights_of(c)->rights.never, id)) {
		*ret_error = EACCES;
		return "the config never leases it";
	}
	if (ledger_holder(c->core->ledger, &res, &lease) == 0) {
		*ret_error = EBUSY;
		return "it is leased already";
	}
	*ret_error = 0;
	return NULL;
}

uint64_t txn_expiry(const struct conn *c, uint64_t ttl_ns)
{
	uint32_t tenant = rights_of(c)->conf;
	uint64_t limit = tenant < TENANT_MAX ? c->core->conf.tenants[tenant].time_limit_ns : 0;

	if (limit && (!ttl_ns || ttl_ns > limit))
		ttl_ns = limit;
	return ttl_ns ? clock_boot_ns() + ttl_ns : 0;
}

static void undo(struct core *core, const ledger_id *leases, uint32_t n)
{
	while (n--)
		ledger_undo(core->ledger, leases[n]);
}

/* Every tenant gets some of the table, whatever the others' quotas are. */
static bool has_its_share(const struct conn *c)
{
	struct ledger_totals all;
	uint32_t held = 0, share;
	struct tenant t;

	ledger_totals(c->core->ledger, &all);
	share = LEASE_SHARES * (LEDGER_LEASES - all.leases);
	if (all.leases < share)
		return false;
	if (ledger_tenant(c->core->ledger, c->tenant, &t) < 0)
		return true;
	for (unsigned kind = 0; kind < RES_KIND_MAX; kind++)
		held += t.used[kind];
	return held >= share;
}

int txn_reserve(const struct conn *c, const struct lease_want *want, ledger_id *ret)
{
	int r = has_its_share(c) ? -ENOSPC : FAULT(CORE_RESERVE);

	if (r == 0)
		r = ledger_reserve(c->core->ledger, &c->core->host, want, ret, NULL);
	FAULT_HERE(CORE_RESERVED);
	return r;
}

const char *txn_why(int r, uint32_t kind)
{
	static char why[EVENT_WHY_MAX];

	switch (r) {
	case -EDQUOT:
		snprintf(why, sizeof(why), "the tenant's quota of %ss is used up",
			 res_kind_name(kind));
		return why;
	case -EBUSY:
		return "it is leased already";
	case -ENOSPC:
		return "the tenant holds as many leases as others leave it";
	default:
		return strerror(-r);
	}
}

static int reserve(struct conn *c, const struct txn_want *want, const struct cpuset *cpus,
		   ledger_id *ret, uint32_t *ret_n)
{
	struct lease_want lw = {
		.instance = c->instance,
		.res.kind = RES_LCORE,
		.whole_core = want->lcores.whole_core,
		.expires = txn_expiry(c, want->ttl_ns),
		.wall_ns = clock_wall_ns(),
	};
	uint32_t n = 0;
	unsigned cpu;

	cpuset_for_each(cpu, cpus) {
		int r;

		lw.res.id = cpu;
		r = txn_reserve(c, &lw, &ret[n]);
		if (r < 0) {
			undo(c->core, ret, n);
			return r;
		}
		n++;
	}
	*ret_n = n;
	return 0;
}

void txn_set_timer(struct core *core)
{
	static uint64_t set_to;
	uint64_t next = ledger_next_expiry(core->ledger);

	if (next != set_to)
		loop_timer_set(core->expiry_watch.fd, next);
	set_to = next;
}

static void commit(struct core *core, const ledger_id *leases, uint32_t n)
{
	FAULT_HERE(CORE_COMMIT);
	for (uint32_t i = 0; i < n; i++)
		ledger_commit(core->ledger, leases[i]);
	FAULT_HERE(CORE_COMMITTED);
	txn_set_timer(core);
}

static void refused(struct conn *c, unsigned cpu, int error, const char *why, txn_done *done)
{
	struct grant g = { .error = error, .why = why };
	struct res res = { .kind = RES_KIND_MAX };

	if (cpu < CPU_MAX)
		res = (struct res){ .kind = RES_LCORE, .id = cpu };
	record_refusal(c, &res, error, why);
	done(c, &g);
}

static void wait_for_kernel(struct conn *c, const ledger_id *leases, uint32_t n, txn_done *done)
{
	struct txn *t = malloc(sizeof(*t) + n * sizeof(t->leases[0]));

	if (!t) {
		undo(c->core, leases, n);
		done(c, &(struct grant){ .error = ENOMEM, .why = "out of memory" });
		return;
	}
	*t = (struct txn){ .conn = c, .done = done, .tenant = c->tenant, .n = n };
	memcpy(t->leases, leases, n * sizeof(t->leases[0]));
	c->busy = true;
	enforce_apply(c->core, c->tenant, t);
}

static void settle(struct conn *c, const ledger_id *leases, uint32_t n, txn_done *done)
{
	if (enforce_wanted(c->core, c->tenant)) {
		wait_for_kernel(c, leases, n, done);
		return;
	}
	commit(c->core, leases, n);
	done(c, &(struct grant){ .leases = leases, .n = n });
}

void txn_acquire(struct conn *c, const struct txn_want *want, txn_done *done)
{
	static ledger_id leases[TXN_LEASES_MAX];
	struct lcore_answer a;
	uint32_t n;
	int r;

	r = txn_check(c, want, &a);
	if (r == 0)
		r = -reserve(c, want, &a.cpus, leases, &n);
	if (r != 0)
		refused(c, cpuset_next(&want->lcores.exact, 0), r,
			a.error ? a.why : txn_why(-r, RES_LCORE), done);
	else
		settle(c, leases, n, done);
}

/* The long way, for its sentence. */
static void refuse_one(struct conn *c, unsigned cpu, txn_done *done)
{
	struct txn_want want = { .lcores = { .node = NODE_NONE, .instance = c->instance } };
	struct lcore_answer a;

	cpuset_add(&want.lcores.exact, cpu);
	if (txn_check(c, &want, &a) == 0)
		say(&a, EBUSY, "it is leased already");
	refused(c, cpu, a.error, a.why, done);
}

static void reserve_one(struct conn *c, unsigned cpu, txn_done *done)
{
	struct lease_want lw = { .instance = c->instance,
				 .res = { .kind = RES_LCORE, .id = cpu },
				 .expires = txn_expiry(c, 0),
				 .wall_ns = clock_wall_ns() };
	ledger_id lease;
	int r = txn_reserve(c, &lw, &lease);

	if (r == 0)
		settle(c, &lease, 1, done);
	else
		refused(c, cpu, -r, txn_why(r, RES_LCORE), done);
}

void txn_acquire_one(struct conn *c, unsigned cpu, bool bare, txn_done *done)
{
	const struct lcore_want any = { .node = NODE_NONE, .instance = c->instance };
	const struct tenant_rights *r = rights_of(c);
	const char *why;
	int error;

	if (bare && r->conf != TENANT_MAX) {
		why = check_bare(c, (uint16_t)cpu, &error);
		if (error)
			refused(c, cpu, error, why, done);
		else
			reserve_one(c, cpu, done);
		return;
	}
	if (r->conf == TENANT_MAX ||
	    lcore_state(c->core->ledger, &c->core->host, &r->rights, &any, cpu) != CPU_FREE)
		refuse_one(c, cpu, done);
	else
		reserve_one(c, cpu, done);
}

static void finish_one(struct core *core, struct txn *t, int error, const char *why)
{
	struct conn *c = t->conn;
	struct grant g = { .error = error, .why = why, .leases = t->leases, .n = t->n };

	if (error)
		undo(core, t->leases, t->n);
	else
		commit(core, t->leases, t->n);
	if (!c)
		return;
	c->busy = false;
	if (error)
		record_refusal(c, NULL, error, why);
	t->done(c, &g);
	conn_go_on(c);
}

/* In the order in which they were asked for. */
void txn_finish(struct core *core, struct txn *list, int error, const char *why)
{
	struct txn *turned = NULL;

	while (list) {
		struct txn *next = list->next;

		list->next = turned;
		turned = list;
		list = next;
	}
	while (turned) {
		struct txn *t = turned;

		turned = t->next;
		finish_one(core, t, error, why);
		free(t);
	}
}

static void forget_in(struct txn *list, const struct conn *c)
{
	for (; list; list = list->next)
		if (list->conn == c)
			list->conn = NULL;
}

void txn_forget(struct conn *c)
{
	if (!c->busy)
		return;
	forget_in(c->core->enforced[c->tenant].waiting, c);
	forget_in(c->core->enforced[c->tenant].next, c);
}

int txn_release(struct conn *c, const struct lease *lease, const char *why)
{
	bool administrator = c->admin && c->door == PP_DOOR_NATIVE;
	uint64_t now = clock_wall_ns();
	struct core *core = c->core;
	int r;

	if (administrator)
		r = ledger_revoke(core->ledger, lease->id, now, why);
	else
		r = ledger_release(core->ledger, c->instance, lease->id, now, why);
	if (r < 0)
		return r;
	FAULT_HERE(CORE_RELEASED);
	txn_set_timer(core);
	if (enforce_wanted(core, lease->tenant))
		enforce_apply(core, lease->tenant, NULL);
	return 0;
}

void txn_end_instance(struct core *core, ledger_id instance, const char *why)
{
	struct instance in;
	bool enforced;

	if (ledger_instance(core->ledger, instance, &in) < 0)
		return;
	enforced = enforce_wanted(core, in.tenant);
	nic_instance_ending(core, instance);
	ledger_instance_end(core->ledger, instance, clock_wall_ns(), why);
	if (enforced)
		enforce_apply(core, in.tenant, NULL);
}

void txn_expire(struct core *core)
{
	uint64_t now = clock_boot_ns();
	struct lease lease;

	while (ledger_expire(core->ledger, now, clock_wall_ns(), &lease) == 0) {
		FAULT_HERE(CORE_EXPIRED);
		if (lease.res.kind != RES_LCORE)
			nic_lease_ended(core, &lease);
		else if (enforce_wanted(core, lease.tenant))
			enforce_apply(core, lease.tenant, NULL);
	}
	txn_set_timer(core);
}
