/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network interfaces in the core: what is there (from rtnetlink and ethtool
 * netlink), how reeve sits on it, and the transactions over queues, UDP ports
 * and flows. A transaction reserves in the ledger, asks reeved, and commits or
 * undoes; meanwhile its connection is busy. What a lease had in the kernel is
 * given back wherever the lease ends: nic_lease_ended(), nic_instance_ending().
 *
 *   nic.c       the table of interfaces: found, changed, gone
 *   nic_open.c  an interface's life under reeve: opened by the first user, closed by the last
 *   nic_fds.c   maps and sockets for clients
 *   nic_txn.c   queues, ports; the end of all of them
 *   nic_flow.c  flows
 *   nic_address.c  IP addresses
 *   nic_count.c what ports counted
 *   nic_call.c  the methods of io.reeve about them; nic_list.c those that only look
 *   mtl_nic.c   the messages of the MTL protocol about them
 */
#ifndef REEVE_CORE_NIC_H
#define REEVE_CORE_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cpuset.h"
#include "ledger/ledger.h"
#include "mech/ethnl.h"
#include "mech/rtnl.h"
#include "model/conf.h"
#include "model/nic.h"

struct core;
struct conn;
struct waiter;

enum nic_state { NIC_IDLE, NIC_OPENING, NIC_OPEN };

struct nic {
	struct nic *next; /* with a higher ifindex */
	struct rtnl_link link;
	uint32_t queues; /* it has now; 0: none that can be leased */
	enum nic_state state;
	enum nic_form form;
	enum nic_mode mode;
	uint64_t life;		/* tells it from an earlier one of the same ifindex */
	uint32_t users;		/* leases over its use, reserved ones too */
	uint64_t unused_ns;	/* boot clock; since when it is open and has none */
	struct waiter *waiters; /* for the end of NIC_OPENING */
	bool seen;		/* by the dump that is under way */
	bool ntuple;		/* it takes flow rules */
	bool single;		/* who has it opened needs the single form */
	uint32_t soft_flow;	/* number given out last */
};

/* --- nic.c ------------------------------------------------------------------- */

/* Takes the two sockets; dumps what is there. */
int nics_open(struct core *core, int rtnl_sock, int ethnl_sock, struct err *e);
struct nic *nic_by_index(struct core *core, uint32_t ifindex);
struct nic *nic_by_name(struct core *core, const char *name);
/* Looks at all of them again, for what the kernel does not tell by itself. */
void nics_refresh(struct core *core);
/* What is only reserved ends too: its transaction finds nothing to commit. */
void nic_end_lease(struct core *core, const struct lease *l, const char *why);
/* All leases over it end, or over what was there before it. */
void nic_end_leases(struct core *core, uint32_t ifindex, const char *why);
/* The kernel has it no more: all leases over it end. */
void nic_removed(struct core *core, uint32_t ifindex);
/* Asks the driver again: how many queues, and whether it takes flow rules. */
void nic_look(struct core *core, struct nic *nic);
const struct nic_conf *nic_conf_of(const struct core *core, const struct nic *nic);
/* Which queues are ever leased. */
void nic_leasable(const struct core *core, const struct nic *nic, struct cpuset *ret);
/* Whether the caller's tenant may use it; if not, the errno and the sentence. */
int nic_check(struct conn *c, const struct nic *nic, const char **ret_why);

/* --- transactions -------------------------------------------------------------- */

struct nic_grant {
	int error; /* 0 or a positive errno */
	const char *why;
	const ledger_id *leases;
	uint32_t n;	/* of leases */
	uint32_t value; /* flow: location or number; remove_port: uses left; socket: bound */
	const int *fds; /* map: 1; socket: 2; closed after the call */
};

/* Called once, at once or later; not when the connection went first. Refusals are recorded before.
 */
typedef void nic_done(struct conn *c, const struct nic_grant *g);

struct nic_queue_want {
	uint32_t count;	     /* 0: exact */
	struct cpuset exact; /* of queue numbers */
	uint64_t ttl_ns;     /* 0: none */
};

/* The instance uses the interface: all that follow do this first if it does not yet. */
void nic_join(struct conn *c, uint32_t ifindex, nic_done *done);
/* Whether it does. */
bool nic_joined(const struct conn *c, uint32_t ifindex);
/* It does no longer: what it has there ends. Nothing to do is no error. */
void nic_leave(struct conn *c, uint32_t ifindex, const char *why);
void nic_get_queues(struct conn *c, uint32_t ifindex, const struct nic_queue_want *want,
		    nic_done *done);
void nic_add_port(struct conn *c, uint32_t ifindex, uint16_t port, nic_done *done);
void nic_remove_port(struct conn *c, uint32_t ifindex, uint16_t port, nic_done *done);
void nic_add_flow(struct conn *c, uint32_t ifindex, const struct flow *flow, nic_done *done);
/* Exclusive on the interface, over all tenants. */
void nic_add_address(struct conn *c, uint32_t ifindex, const struct ipaddr *a, nic_done *done);
void nic_get_map(struct conn *c, uint32_t ifindex, nic_done *done);
struct nic_socket_want {
	uint32_t frames, frame_size, ring;
};
/* `lease` is the caller's, over a queue. */
void nic_open_socket(struct conn *c, const struct lease *lease, const struct nic_socket_want *want,
		     nic_done *done);
/* One lease over a queue, flow or port ends: the kernel follows, then `done`. -> error 0 */
void nic_release(struct conn *c, const struct lease *lease, const char *why, nic_done *done);

/*
 * What `n` (at most PP_COUNTS_MAX) of an owner's ports counted. `done` comes once,
 * also without the connection (c == NULL: it went away, `arg` is still the
 * caller's to free) and without counts (NULL: not to be had). -ENOMEM: never.
 */
struct pp_nic_counts;
typedef void nic_counted(struct conn *c, void *arg, const struct pp_nic_counts *counts);
int nic_count(struct conn *c, uint32_t ifindex, uint32_t owner, const uint16_t *ports, uint32_t n,
	      nic_counted *done, void *arg);

/*
 * A lease over a queue, port, flow or interface has ended in the ledger (expiry,
 * an administrator): the kernel's side follows. With that over an interface, all
 * the instance had there ends too.
 */
void nic_lease_ended(struct core *core, const struct lease *lease);
/* Before the ledger ends the instance. */
void nic_instance_ending(struct core *core, ledger_id instance);
/* The connection ends: it waits for no interface, and for no socket, any more. */
void nic_forget(struct conn *c);

/* The number by which reeved knows an instance. */
static inline uint32_t owner_of(ledger_id instance)
{
	return ledger_instance_number(instance);
}

/* --- between nic.c, nic_open.c and nic_txn.c --------------------------------------- */

/* A request about an interface, while the instance gets there. */
struct nic_op {
	/* Called when the instance is on the interface; says `done` at the end. */
	void (*run)(struct conn *c, struct nic *nic, const struct nic_op *op);
	nic_done *done;
	uint32_t ifindex;
	bool single;	   /* it needs that form */
	ledger_id joining; /* the lease that is reserved meanwhile; 0: it is there already */
	union {
		struct nic_queue_want queues;
		uint16_t port;
		struct flow flow;
		struct ipaddr address;
	};
};

/* Authorises, joins if need be, then runs it. */
void nic_start(struct conn *c, const struct nic_op *op);
/* The refusal of one: recorded, then told. `res` may be NULL. */
void nic_refuse(struct conn *c, nic_done *done, const struct res *res, int error, const char *why);
/* Nobody waits for the interface any more: it can't be opened, or is gone. */
void nic_give_up(struct core *core, struct nic *nic, int error, const char *why);
/* What asks reeved to open it, and what follows when that is done. */
struct pp_nic_open;
struct pp_nic_owner;
struct pp_result;
void nic_owner_message(const struct core *core, uint32_t ifindex, ledger_id instance,
		       uint32_t tenant, struct pp_nic_owner *ret);
void nic_open_message(const struct core *core, const struct nic *nic, struct pp_nic_open *ret);
void nic_is_open(struct core *core, struct nic *nic, const struct pp_result *m);
/* One user less; some time after the last one it is closed. */
void nic_leave_one(struct core *core, uint32_t ifindex);
/* Those that have had no user for long enough; the others' time comes later. */
void nics_close_unused(struct core *core, uint64_t boot_ns);
void nic_forget_socket(struct conn *c);
/*
 * nic_address.c: `on` 0: what reeved is told of one that ends, also in the ledger. false:
 * which it was is not known any more; reeved drops what nobody names.
 */
struct pp_nic_address;
bool address_message(const struct lease *l, uint32_t on, struct pp_nic_address *m);
/* nic_flow.c */
struct pp_nic_flow;
/* What reeved is told of one that ends, also in the ledger; false: it never was. */
bool flow_off_message(const struct lease *l, struct pp_nic_flow *m);
/* The same with all that is known of it. */
bool flow_message(const struct core *core, const struct lease *l, struct pp_nic_flow *m);
void nic_owner_off(struct core *core, uint32_t ifindex, ledger_id instance);

/* --- mtl_nic.c ----------------------------------------------------------------- */

struct mtl_request;
void mtl_nic_register(struct conn *c, const struct mtl_request *q);
void mtl_nic_request(struct conn *c, const struct mtl_request *q);

#endif
