/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses as a whole. Whether the kernel has one is reeved's to find out, and
 * whether anybody else has it the ledger's.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "core.h"
#include "link.h"
#include "nic.h"
#include "record.h"
#include "txn.h"

struct adding {
	nic_done *done;
	ledger_id lease;
	struct res res;
	struct ipaddr address;
};

bool address_message(const struct lease *l, uint32_t on, struct pp_nic_address *m)
{
	if (!ipaddr_is_unicast(&l->address))
		return false;
	*m = (struct pp_nic_address){
		.head.type = PP_NIC_ADDRESS,
		.ifindex = l->res.scope,
		.owner = owner_of(l->instance),
		.on = on,
		.address = l->address,
	};
	return true;
}

static void refuse(struct conn *c, const struct adding *a, int error, const char *why)
{
	record_refusal_address(c, &a->res, &a->address, error, why);
	a->done(c, &(struct nic_grant){ .error = error, .why = why });
}

static void undo(struct conn *c, const struct adding *a, int error, const char *why)
{
	ledger_undo(c->core->ledger, a->lease);
	refuse(c, a, error, why);
}

static void made(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		 const int *fds)
{
	const struct adding *a = ctx;
	const char *why;
	int error = answer_error(m, &why);

	(void)fds;
	if (!c)
		return;
	if (error) {
		undo(c, a, error, why);
		return;
	}
	FAULT_HERE(CORE_COMMIT);
	if (ledger_commit(core->ledger, a->lease) < 0) {
		refuse(c, a, ENODEV, "the interface went away meanwhile");
		return;
	}
	txn_set_timer(core);
	a->done(c, &(struct nic_grant){ .why = "", .leases = &a->lease, .n = 1 });
}

static int check(struct conn *c, const struct nic *nic, const struct ipaddr *address,
		 const char **ret_why)
{
	const struct core *core = c->core;

	if (!conf_tenant_may_have_address(&core->conf, core->tenants[c->tenant].conf, address)) {
		*ret_why = "its tenant may not lease this address";
		return EACCES;
	}
	if (nic->form != NIC_FORM_SINGLE) {
		*ret_why = "addresses need the single form (xdp = \"single\" for the NIC)";
		return EOPNOTSUPP;
	}
	return 0;
}

static void run_address(struct conn *c, struct nic *nic, const struct nic_op *op)
{
	struct core *core = c->core;
	struct adding a = { .done = op->done,
			    .res = res_address(op->ifindex, &op->address),
			    .address = op->address };
	struct lease_want want = { .instance = c->instance,
				   .res = a.res,
				   .expires = txn_expiry(c, 0),
				   .wall_ns = clock_wall_ns() };
	struct pp_nic_address m;
	const char *why;
	struct lease l;
	int r = check(c, nic, &op->address, &why);

	if (r) {
		refuse(c, &a, r, why);
		return;
	}
	r = txn_reserve(c, &want, &a.lease);
	if (r < 0) {
		refuse(c, &a, -r, txn_why(r, RES_ADDRESS));
		return;
	}
	if (ledger_set_address(core->ledger, a.lease, &op->address) < 0 ||
	    ledger_lease(core->ledger, a.lease, &l) < 0 || !address_message(&l, 1, &m)) {
		undo(c, &a, ENOSPC, "there are as many addresses as can be kept");
		return;
	}
	if (ask(core, c, &m, made, &a, sizeof(a)) < 0)
		undo(c, &a, ENOMEM, "out of memory");
}

void nic_add_address(struct conn *c, uint32_t ifindex, const struct ipaddr *a, nic_done *done)
{
	nic_start(c, &(struct nic_op){ .run = run_address,
				       .done = done,
				       .ifindex = ifindex,
				       .single = true,
				       .address = *a });
}
