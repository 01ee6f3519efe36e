/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger's memory, for the files of this folder only.
 *
 * One flat struct without pointers: a file on tmpfs can hold it, and each
 * program may map it elsewhere. A link is a slot number; slot 0 of every table
 * stays unused, so that the zeroes of new memory mean "none". Slots are taken
 * from the free list first and above `high` only when that is empty: pages
 * beyond the high-water mark are neither read nor written.
 *
 * What the layout guarantees to whoever opens it after its writer was killed:
 *   1. `magic` is written last by ledger_init(): no magic, no ledger.
 *   2. Every line is kept in the undo log before a word of it changes, new slots
 *      and places of events not excepted: what is new to a tenant may be what
 *      the one before it had, and that one may come back. After undo_take_back()
 *      the memory is, byte for byte, what it was when it was settled last.
 *   3. The truth is in the slots alone: the tenants' name, state and quota, each
 *      live instance and lease with its generation, owner and resource, and the
 *      particulars of flows and addresses. Each slot that was ever used has a check word over
 *      these; only a quota, a client's name and what is counted have none.
 *   4. All else (free lists, hash chains, lease lists, timers, counts) follows
 *      from the slots; ledger_salvage() makes it anew from them.
 *   5. An id is never given out twice: a slot's generation only grows, and a
 *      slot whose generation reached its end is not used again.
 * Anything that changes this struct or the meaning of a word raises
 * LEDGER_VERSION.
 */
#ifndef REEVE_LEDGER_LAYOUT_H
#define REEVE_LEDGER_LAYOUT_H

#include <stdalign.h>

#include "journal/undo.h"
#include "ledger/ledger.h"

#define LEDGER_MAGIC UINT64_C(0x72656764656c7672) /* "rvledger" in memory */

/* Memory that counted further was not written by us, and leaves no room to go on. */
#define LEDGER_SEQ_LAST (UINT64_MAX / 2)

enum {
	LEDGER_VERSION = 5,
	LEDGER_BUCKETS = 16384,
	LEDGER_ALIGN = 64,
	LEDGER_PAGE = 4096,
};

enum tenant_state { TENANT_UNUSED, TENANT_LIVE, TENANT_RETIRED };

enum { SLOT_FREE = 0, INSTANCE_LIVE = 1, FLOW_LIVE = 1 };

/* Which slots of a table are in use. */
struct pool {
	uint32_t high; /* 1..high have been used at some time */
	uint32_t free; /* first of the free list */
	uint32_t used;
};

struct slot {
	uint32_t generation; /* uses so far, this one included */
	uint32_t link;	     /* next on the free list, or in the hash chain of a lease */
	uint32_t state;	     /* SLOT_FREE or the table's own */
};

/* Who it is, what it has, what it may: a lease changes the second line only. */
struct tenant_slot {
	char name[TENANT_NAME_MAX];
	uint32_t state; /* enum tenant_state */
	uint32_t instances;
	alignas(LEDGER_ALIGN) uint32_t used[RES_KIND_MAX];
	uint64_t granted;
	uint64_t events;   /* ever made; the ring keeps the last LEDGER_EVENTS */
	uint64_t lost_seq; /* of the newest event that was overwritten */
	alignas(LEDGER_ALIGN) struct quota quota;
	uint64_t refused;
};

struct instance_slot {
	struct slot slot;
	uint8_t kind;
	uint8_t orphan; /* 0 or 1 */
	uint16_t tenant;
	uint32_t pid, uid, gid;
	uint32_t claimed_pid;
	uint32_t leases;
	uint32_t first; /* of its leases; in one line with their number */
	uint64_t start_time;
	uint64_t cgroup_id;
	uint64_t since;
	char name[LEDGER_NAME_MAX];
};

struct lease_slot {
	struct slot slot; /* state: enum lease_state; link: hash chain, ordered by res */
	uint32_t instance;
	struct res res;
	uint64_t since;
	uint64_t expires;
	uint32_t next, prev; /* of the same instance */
	uint32_t timer;	     /* place in `timers` plus 1; 0: not there */
	uint16_t whole_core;
	uint16_t uses; /* at least 1 */
};

/* The particulars of a lease over a flow, or over an IPv6 address. */
struct flow_slot {
	struct slot slot;
	uint32_t check;
	ledger_id lease;
	union {
		struct flow flow;
		struct ipaddr address;
	};
};

struct ledger {
	uint64_t magic;
	uint64_t size;
	uint32_t version;
	uint32_t undo; /* the log lies so many bytes in front of this; 0: there is none */
	uint64_t last_seq;
	struct pool instance_pool;
	struct pool lease_pool;
	uint32_t ntimers;
	uint32_t last_tenant; /* whose ring has the event numbered last_seq */
	alignas(LEDGER_ALIGN) struct tenant_slot tenants[TENANT_MAX];
	alignas(LEDGER_ALIGN) uint32_t buckets[LEDGER_BUCKETS];
	/* A heap of the held leases that have a time limit, the next one first. */
	alignas(LEDGER_ALIGN) uint32_t timers[LEDGER_LEASES];
	alignas(LEDGER_ALIGN) struct instance_slot instances[LEDGER_INSTANCES + 1];
	alignas(LEDGER_ALIGN) struct lease_slot leases[LEDGER_LEASES + 1];
	alignas(LEDGER_ALIGN) struct event events[TENANT_MAX][LEDGER_EVENTS];
	alignas(LEDGER_ALIGN) struct flow_slot flows[LEDGER_FLOWS + 1];
	/* See check.c. */
	uint32_t tenant_checks[TENANT_MAX];
	uint32_t instance_checks[LEDGER_INSTANCES + 1];
	uint32_t lease_checks[LEDGER_LEASES + 1];
	struct pool flow_pool;
	uint16_t
		flow_of[LEDGER_LEASES + 1]; /* by lease, of those that has_particulars(); 0: none */
};

_Static_assert(sizeof(struct tenant_slot) == 192, "layout");
_Static_assert(offsetof(struct tenant_slot, quota) == 128, "layout");
_Static_assert(sizeof(struct instance_slot) == 128, "layout");
_Static_assert(offsetof(struct instance_slot, first) < LEDGER_ALIGN, "layout");
_Static_assert(sizeof(struct lease_slot) == 64, "layout");
_Static_assert(sizeof(struct flow_slot) == 64, "layout");
_Static_assert(LEDGER_FLOWS <= UINT16_MAX, "layout");
_Static_assert(offsetof(struct ledger, tenants) == 64, "layout");
_Static_assert(offsetof(struct ledger, buckets) == 12352, "layout");
_Static_assert(offsetof(struct ledger, timers) == 77888, "layout");
_Static_assert(offsetof(struct ledger, instances) == 602176, "layout");
_Static_assert(offsetof(struct ledger, leases) == 2699456, "layout");
_Static_assert(offsetof(struct ledger, events) == 11088128, "layout");
_Static_assert(offsetof(struct ledger, flows) == 17903872, "layout");
_Static_assert(offsetof(struct ledger, tenant_checks) == 18952512, "layout");
_Static_assert(sizeof(struct ledger) < 20 << 20, "about 19 MB");

static inline struct undo *undo_of(struct ledger *l)
{
	return l->undo ? (struct undo *)((char *)l - l->undo) : NULL;
}

/* Before anything of *object changes. */
#define keep(l, object) keep_bytes(l, object, sizeof(*(object)))

static inline void keep_bytes(struct ledger *l, const void *at, size_t len)
{
	struct undo *u = undo_of(l);

	if (u)
		undo_keep(u, at, len);
}

/*
 * Before each step, where the memory is sound: of a change that is too large for
 * the log, what was done stays. No step takes as many lines as this leaves.
 */
static inline void make_room(struct ledger *l)
{
	struct undo *u = undo_of(l);

	if (u && undo_room(u) < LEDGER_UNDO_ROOM)
		undo_settle(u);
}

/*
 * Slot and use in one decimal number, since people read and type it: the slot's
 * number when it is used for the first time, then 1000000 more each time.
 */
#define ID_STEP 1000000
_Static_assert(LEDGER_LEASES < ID_STEP && LEDGER_INSTANCES < ID_STEP, "a slot fits below the step");

static inline ledger_id slot_id(const struct slot *s, uint32_t n)
{
	return (uint64_t)(s->generation - 1) * ID_STEP + n;
}

static inline uint32_t slot_of(ledger_id id)
{
	return (uint32_t)(id % ID_STEP);
}

/* So many slots are used once before any is used again: ids stay short. */
#define POOL_FRESH 1000

/* The slot that pool_take() would take; 0: the table is full. */
static inline uint32_t pool_next(const struct pool *p, uint32_t max)
{
	if (p->free && p->high >= POOL_FRESH)
		return p->free;
	return p->high < max ? p->high + 1 : p->free;
}

/* Here and below, the caller has kept the slot. */
static inline void pool_take(struct ledger *l, struct pool *p, uint32_t n, struct slot *s)
{
	keep(l, p);
	if (n > p->high) {
		p->high = n;
		s->generation = 1;
	} else {
		p->free = s->link;
		s->generation++;
	}
	s->link = 0;
	p->used++;
}

/* The caller has cleared the state. */
static inline void pool_give(struct ledger *l, struct pool *p, uint32_t n, struct slot *s)
{
	keep(l, p);
	p->used--;
	s->link = 0;
	if (s->generation == UINT32_MAX)
		return;
	s->link = p->free;
	p->free = n;
}

/* The slot of a live id; 0: there is none. */
static inline uint32_t instance_find(const struct ledger *l, ledger_id id)
{
	uint32_t n = slot_of(id);

	if (!n || n > l->instance_pool.high || l->instances[n].slot.state == SLOT_FREE)
		return 0;
	return slot_id(&l->instances[n].slot, n) == id ? n : 0;
}

static inline uint32_t lease_find(const struct ledger *l, ledger_id id)
{
	uint32_t n = slot_of(id);

	if (!n || n > l->lease_pool.high || l->leases[n].slot.state == SLOT_FREE)
		return 0;
	return slot_id(&l->leases[n].slot, n) == id ? n : 0;
}

/* index.c: from a resource to its lease, whose slot is kept. */
uint32_t index_bucket(const struct res *res);
int index_compare(const struct res *a, const struct res *b);
uint32_t index_find(const struct ledger *l, const struct res *res);
void index_add(struct ledger *l, uint32_t lease);
void index_del(struct ledger *l, uint32_t lease);

/* timer.c: likewise. */
void timer_add(struct ledger *l, uint32_t lease);
void timer_del(struct ledger *l, uint32_t lease);

/* check.c: what the check word of a slot has to be; its new one after a change. */
uint32_t check_tenant(const struct ledger *l, uint32_t n);
uint32_t check_instance(const struct ledger *l, uint32_t n);
uint32_t check_lease(const struct ledger *l, uint32_t n);
uint32_t check_flow(const struct ledger *l, uint32_t n);
void seal_tenant(struct ledger *l, uint32_t n);
void seal_instance(struct ledger *l, uint32_t n);
void seal_lease(struct ledger *l, uint32_t n);
void seal_flow(struct ledger *l, uint32_t n);

/* tenant.c: gives up a retired tenant's slot once nobody is left. */
void tenant_drop_idle(struct ledger *l, uint32_t tenant);

/* lease.c: a lease that is made counts with its instance and its tenant. */
void lease_enlist(struct ledger *l, uint32_t lease);
/* Ends a lease in any state, without an event. */
void lease_end(struct ledger *l, uint32_t lease);
/* Fills *ev with what is known of a lease, or of an instance. */
void lease_describe(const struct ledger *l, uint32_t lease, struct event *ev);
void instance_describe(const struct ledger *l, uint32_t instance, struct event *ev);

/* What of a resource neither its scope nor its id says is kept for its lease. */
static inline bool has_particulars(const struct res *res)
{
	return res->kind == RES_FLOW || (res->kind == RES_ADDRESS && res->id & RES_ADDRESS_IPV6);
}

/* flow.c: such a lease begins, without particulars, and ends; whether they fit it. */
void flow_clear(struct ledger *l, uint32_t lease);
void flow_drop(struct ledger *l, uint32_t lease);
/* That a lease is over; zeros: none, or not known. */
struct ipaddr lease_address(const struct ledger *l, uint32_t lease);
bool flow_fits(const struct flow_slot *f, const struct res *res);

/* event.c: ledger_event() within a change. */
void event_add(struct ledger *l, struct event *ev);
/* How many of the tenant's events are still there, and the nth of them, oldest first. */
uint32_t event_kept(const struct ledger *l, uint32_t tenant);
const struct event *event_at(const struct ledger *l, uint32_t tenant, uint32_t n);

/* verify.c: of this version, and not cut short. */
bool header_ours(const struct ledger *l);
/* What a live lease says is possible, its neighbours apart; its instance is live. */
bool lease_words_sound(const struct ledger *l, const struct lease_slot *s);
bool ring_sound(const struct ledger *l, uint32_t tenant);
/* A tenant whose ring has a number that stands in another as well; else TENANT_MAX. */
uint32_t rings_clash(const struct ledger *l);

/* salvage.c: adds to *loss. */
void ledger_rebuild(struct ledger *l, struct ledger_loss *loss);

#endif
