/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger: who holds what. Tenants with a quota for each kind, instances
 * (one client each), leases, and the events that led there.
 *
 * Owns nothing but the memory it is given. That memory is flat and holds no
 * pointers, so it can be a file that several programs map at different
 * addresses; it is all zero when new, and pages nobody used stay untouched.
 * Pure: no system call, no clock, no allocation; one thread.
 *
 * Promises, whatever the order of calls:
 *   - a resource has at most one lease;
 *   - a tenant never holds more of a kind than its quota at the time of the grant;
 *   - an instance that ended holds nothing;
 *   - a refused call changes nothing but the refusal counters and the events.
 *
 * A writer that may be killed gives an undo log (journal/undo.h), which lies in
 * front of the ledger in the same mapping. Every call then keeps what it
 * changes, and whoever calls settles: several calls, and changes of the caller's
 * own memory behind the same log, become one. The log is finite, so a call that
 * finds fewer than LEDGER_UNDO_ROOM lines left settles what there is before it
 * starts, and ledger_instance_end(), ledger_instance_orphan() and
 * ledger_undo_reserved() do it between two leases as well; each such point is a
 * sound ledger. Who needs several calls to be one looks at undo_room() first: a
 * lease that is made or ended takes at most LEDGER_LEASE_LINES.
 */
#ifndef REEVE_LEDGER_LEDGER_H
#define REEVE_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/conf.h"
#include "model/event.h"
#include "model/host.h"
#include "model/nic.h"
#include "model/res.h"

enum {
	LEDGER_INSTANCES = 16384,
	LEDGER_LEASES = 131072,
	LEDGER_EVENTS = 512,  /* kept for each tenant */
	LEDGER_FLOWS = 16384, /* and IPv6 addresses, whose particulars can be remembered */
	LEDGER_NAME_MAX = 64,
	LEDGER_UNDO_ROOM = 1024, /* lines of the undo log, here and below; see above */
	LEDGER_LEASE_LINES = 64,
};

/* INSTANCE_STACK: an application of the message stack; the process is the stack's. */
enum instance_kind { INSTANCE_MTL, INSTANCE_NATIVE, INSTANCE_STACK, INSTANCE_KIND_MAX };

struct ledger;
struct undo;

/*
 * Ids are given out once and never again while the memory lives; 0 is no id.
 * They stay below 2^53, so that any JSON reader has them exactly.
 */
typedef uint64_t ledger_id;

struct instance {
	ledger_id id;
	uint32_t kind; /* enum instance_kind */
	uint32_t tenant;
	uint32_t pid, uid, gid;
	uint32_t claimed_pid; /* what the client says of itself; for lists only */
	uint64_t start_time;
	uint64_t cgroup_id;
	uint64_t since; /* wall clock, ns */
	uint32_t leases;
	bool orphan;		    /* see ledger_instance_orphan() */
	char name[LEDGER_NAME_MAX]; /* the client's words, cut to end in a NUL: escape them */
};

enum lease_state { LEASE_RESERVED = 1, LEASE_HELD };

struct lease {
	ledger_id id;
	ledger_id instance;
	struct res res;
	struct ipaddr address; /* kind address: which; zeros: not known */
	uint32_t tenant;
	uint16_t state;
	uint16_t whole_core; /* lcore: SMT siblings go to the same instance or to nobody */
	uint32_t uses;	     /* how often its holder asked for it; see ledger_use() */
	uint64_t since;	     /* wall clock, ns */
	uint64_t expires;    /* boot clock, ns; 0: with the instance */
};

/* Bytes needed; a multiple of the page size. */
size_t ledger_bytes(void);

/*
 * Makes a new ledger in zeroed memory of ledger_bytes(), 64-byte aligned; else
 * -EINVAL. `undo` looks after this memory too, or is NULL.
 */
int ledger_init(void *mem, size_t len, struct undo *undo, struct ledger **ret);

/*
 * Takes over memory another process may have written: checks version, sizes and
 * every link before it believes one. -EBADMSG and *ret untouched when unsound.
 * The caller has done undo_take_back(); `undo` as above, whatever log the last
 * writer had.
 */
int ledger_open(void *mem, size_t len, struct undo *undo, struct ledger **ret);

/* So many at most: what does not prove that it was free counts as well. */
struct ledger_loss {
	uint32_t instances, leases, tenants;
	uint32_t rings; /* of events, which are empty now */
	uint32_t flows; /* leases over flows and addresses of which nothing more is known */
};

/*
 * For memory that ledger_open() refuses: what is provably held stays held, each
 * live instance whose check fits and each held lease whose check fits and whose
 * instance stays; reservations are undone. All else is made anew. A tenant who
 * can't be proven is named "lost-" and its slot, and retired, while an instance
 * is in it. Of two leases over one resource the older stays. No id that was
 * given out comes again, and no number of an event that can still be known;
 * quotas are to be set again. -EBADMSG: not a ledger of this version and size;
 * nothing was changed. Settles the undo log first. Killed in here: do it again.
 */
int ledger_salvage(void *mem, size_t len, struct undo *undo, struct ledger_loss *ret_loss,
		   struct ledger **ret);

/* Verifies every invariant; for tests and for ledger_open(). 0 or -EBADMSG. */
int ledger_verify(const struct ledger *l);

/* --- tenants ------------------------------------------------------------ */

struct tenant {
	char name[TENANT_NAME_MAX];
	bool retired; /* no longer in the config; lives until its last lease ends */
	struct quota quota;
	uint32_t used[RES_KIND_MAX];
	uint32_t instances;
	uint64_t granted, refused;
};

/*
 * Brings the tenants in line with the config by name: new ones are added,
 * changed quotas apply from now on (nothing is taken away), missing ones are
 * retired. slot[i] becomes the ledger's number for c->tenants[i]. -ENOSPC when
 * retired tenants that still hold leases leave no room; then nothing changed.
 */
int ledger_set_tenants(struct ledger *l, const struct conf *c, uint32_t slot[static TENANT_MAX]);

/* -ENOENT when the slot is unused. */
int ledger_tenant(const struct ledger *l, uint32_t tenant, struct tenant *ret);

/* --- instances ---------------------------------------------------------- */

/*
 * Uses all of *in but id, leases, orphan; -ENOSPC when the table is full, -ENOENT when
 * the tenant is not in the config, -EINVAL for an unknown kind. Makes
 * EVENT_INSTANCE_START.
 */
int ledger_instance_start(struct ledger *l, const struct instance *in, ledger_id *ret);

/* A client says something new about itself (a repeated REGISTER). -ENOENT. */
int ledger_instance_claim(struct ledger *l, ledger_id id, uint32_t claimed_pid,
			  const char name[static LEDGER_NAME_MAX]);

/*
 * Releases all it holds, each with an EVENT_RELEASE (reservations are undone),
 * then makes EVENT_INSTANCE_END with `why`. -ENOENT.
 */
int ledger_instance_end(struct ledger *l, ledger_id id, uint64_t wall_ns, const char *why);

/*
 * Its connection is gone for good though its process lives. It keeps what it
 * holds until it is ended; its reservations are undone. Makes EVENT_ORPHAN, the
 * first time. -ENOENT.
 */
int ledger_instance_orphan(struct ledger *l, ledger_id id, uint64_t wall_ns, const char *why);

int ledger_instance(const struct ledger *l, ledger_id id, struct instance *ret);

/* "mtl", ...; NULL for a number that is no kind. */
const char *instance_kind_name(uint32_t kind);

/* A number that no other live instance has: 1 to LEDGER_INSTANCES. */
uint32_t ledger_instance_number(ledger_id id);

/* The next live one after `after` (0: the first), in slot order; -ENOENT at the end. */
int ledger_next_instance(const struct ledger *l, ledger_id after, struct instance *ret);

/* --- leases ------------------------------------------------------------- */

struct lease_want {
	ledger_id instance;
	struct res res;
	bool whole_core;
	uint64_t expires; /* boot clock, ns; 0: none */
	uint64_t wall_ns;
};

/*
 * Holds the resource back for the instance until commit or undo.
 * -ENOENT no such instance; -EDQUOT over quota; -EBUSY somebody has it (the
 * caller itself included) or it shares a core with a whole_core lease of
 * another instance, or whole_core is asked and another instance holds a
 * sibling: *ret_holder is that lease when not NULL; -ENOSPC table full; -EINVAL
 * no such kind, an lcore with a scope, or whole_core for anything but an lcore.
 * `host` gives the siblings; NULL: every CPU is a core of its own.
 * No event is made before commit.
 */
int ledger_reserve(struct ledger *l, const struct host *host, const struct lease_want *want,
		   ledger_id *ret, ledger_id *ret_holder);

/* The mechanism agreed: makes EVENT_GRANT. -ENOENT: the instance ended meanwhile. */
int ledger_commit(struct ledger *l, ledger_id lease);
/* The mechanism did not: as if never reserved. -ENOENT likewise. */
int ledger_undo(struct ledger *l, ledger_id lease);
/* All of them: who was at work on them is dead. */
void ledger_undo_reserved(struct ledger *l);

/*
 * A reserved lease whose number only the kernel could tell. -ENOENT likewise;
 * -EBUSY: another lease is over that; -EINVAL: it is an lcore. Then nothing changed.
 */
int ledger_rename(struct ledger *l, ledger_id lease, uint64_t res_id);

/*
 * Its holder asks once more for what it has, or (below) once less. -ENOENT no
 * such held lease; -EOVERFLOW. *ret: the uses there are now. No event.
 */
int ledger_use(struct ledger *l, ledger_id lease, uint32_t *ret);
/* The last use is not taken: release the lease instead; *ret is then 0. */
int ledger_unuse(struct ledger *l, ledger_id lease, uint32_t *ret);

/*
 * Given back by its holder. -ENOENT no such lease, or one that is only reserved;
 * -EPERM another instance holds it. Makes EVENT_RELEASE.
 */
int ledger_release(struct ledger *l, ledger_id instance, ledger_id lease, uint64_t wall_ns,
		   const char *why);
/* The same whoever holds it: for an administrator. -ENOENT. */
int ledger_revoke(struct ledger *l, ledger_id lease, uint64_t wall_ns, const char *why);

/*
 * Ends one held lease (a reservation waits) whose time has come:
 * EVENT_EXPIRE, *ret is the lease as it was. -ENOENT when none is due.
 */
int ledger_expire(struct ledger *l, uint64_t boot_ns, uint64_t wall_ns, struct lease *ret);
/* Boot clock of the next expiry; 0: none. */
uint64_t ledger_next_expiry(const struct ledger *l);

int ledger_lease(const struct ledger *l, ledger_id id, struct lease *ret);
int ledger_next_lease(const struct ledger *l, ledger_id after, struct lease *ret);
/* The next lease of one instance, any order; after = 0 for the first, else one it still has. */
int ledger_instance_next_lease(const struct ledger *l, ledger_id instance, ledger_id after,
			       struct lease *ret);
/* The lease over a resource; -ENOENT: it is free. */
int ledger_holder(const struct ledger *l, const struct res *res, struct lease *ret);

/*
 * What a lease over a flow is about, until the lease ends; a second time takes
 * the place of the first. -ENOENT no such lease; -EINVAL it is not over a flow,
 * or flow_check() refuses; -ENOSPC LEDGER_FLOWS have theirs.
 */
int ledger_set_flow(struct ledger *l, ledger_id lease, const struct flow *flow);
/* -ENOENT: there is no such lease, or nothing was said of it. */
int ledger_flow(const struct ledger *l, ledger_id lease, struct flow *ret);
/* The same of a lease over an address, which must be the one that its resource stands for. */
int ledger_set_address(struct ledger *l, ledger_id lease, const struct ipaddr *a);

struct ledger_totals {
	uint32_t instances, leases;
	uint64_t last_seq;
};
void ledger_totals(const struct ledger *l, struct ledger_totals *ret);

/* --- events ------------------------------------------------------------- */

/*
 * Records a decision; seq is set here. Each tenant has a ring of its own, so
 * that a tenant who makes many events shortens nobody's history but its own.
 * EVENT_REFUSE also counts the tenant's refusals. 0, and nothing is recorded,
 * when the tenant, the type or the resource's kind is out of range.
 */
uint64_t ledger_event(struct ledger *l, struct event *ev);

#define LEDGER_ALL_TENANTS UINT32_MAX

/*
 * The first event above `after` that is still there, of one tenant or of all.
 * *ret_lost (may be NULL): how many between `after` and it were overwritten (0
 * for a gap that only belongs to other tenants); for one tenant at most so
 * many, and 0 exactly when none. -ENOENT: none yet.
 */
int ledger_next_event(const struct ledger *l, uint32_t tenant, uint64_t after, struct event *ret,
		      uint64_t *ret_lost);

#endif
