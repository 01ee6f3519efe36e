/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core: everything that reads what clients write, and decides. No
 * privileges, no files but /proc and /sys, no way to get more; what needs root
 * it asks of reeved.
 *
 *   main.c      start, in the order that the sandbox needs
 *   sandbox.c   what the process gives up before it meets a client
 *   link.c      messages from and to reeved
 *   conn.c      connections
 *   process.c   the processes behind them
 *   share.c     how much of us one uid or tenant may take
 *   mtl.c       a connection that speaks the MTL protocol
 *   native.c    a connection that speaks Varlink; streams
 *   call.c      the methods of io.reeve
 *   list.c      those of them that only look
 *   txn.c       decide, reserve, make the kernel agree, commit or undo
 *   enforce.c   tenants' cgroups under a cpuset
 *   policy.c    the config in force, and what it means for each tenant
 *   record.c    events: recorded, logged, streamed
 *
 * One thread. A request runs decode -> authorise -> decide -> apply -> reply.
 */
#ifndef REEVE_CORE_H
#define REEVE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/rate.h"
#include "ledger/lcore.h"
#include "ledger/ledger.h"
#include "loop/loop.h"
#include "mech/lcore.h"
#include "model/conf.h"
#include "model/host.h"
#include "model/rights.h"
#include "privproto/privproto.h"
#include "privproto/queue.h"
#include "wire/mtl.h"

struct core;
struct conn;

/* --- connections ------------------------------------------------------------- */

/* What lcore ids were found to mean. */
struct meanings {
	uint16_t n;
	struct meaning {
		uint16_t lcore, cpu;
	} * all;
};

/*
 * A process that is connected, or was a moment ago. When it ends so do its
 * connections, whoever else holds their sockets by then.
 */
struct process {
	struct core *core;
	struct watch watch;			/* its pidfd */
	struct process *next;			/* same bucket */
	struct process *idle_next, **idle_prev; /* core::idle, while not connected */
	struct conn *conns;
	struct lcore_map *lcores; /* NULL until its first GET_LCORE */
	struct meanings meanings; /* as long as `lcores` is fresh */
	uint64_t lcores_ns;	  /* when they were looked at; boot clock */
	uint64_t use;
	uint32_t pid;
};

struct mtl_state {
	struct mtl_framer framer;
	uint8_t reply[MTL_FRAME];    /* not taken by the client yet ... */
	uint8_t reply_at, reply_len; /* ... from here to there; equal: none */
	bool reply_fd;		     /* and it carries a descriptor */
	struct meanings meanings;    /* for good: leases are found again by their id */
};

struct native_state {
	char *in;
	size_t in_len, in_size;
	char *out;
	size_t out_at, out_len, out_size;
	bool streaming, oneway, hold[PLANE_MAX];
	uint64_t since; /* of the stream: the last event sent */
	uint32_t stream_tenant;
	struct conn *next_stream, **prev_stream;
};

struct conn {
	struct core *core;
	struct watch watch;
	struct pp_conn id;
	enum pp_door door;
	struct share *share;
	struct process *process;   /* NULL: the kernel gave no pidfd */
	struct conn *next, **prev; /* process::conns, or the graveyard */
	struct peer peer;
	uint32_t tenant; /* slot in the ledger */
	bool admin;
	bool busy; /* a transaction is under way: read nothing more */
	bool dead;
	ledger_id instance; /* 0: not registered */
	uint8_t *stash;	    /* bytes read but not looked at yet */
	size_t stash_len;
	union {
		struct mtl_state mtl;
		struct native_state native;
	};
};

/* --- transactions -------------------------------------------------------------- */

enum { TXN_LEASES_MAX = CPU_MAX };

struct grant {
	int error; /* 0 or a positive errno */
	const char *why;
	const ledger_id *leases;
	uint32_t n;
};

/* Called once, at once or later; not when the connection went first. */
typedef void txn_done(struct conn *c, const struct grant *g);

struct txn_want {
	struct lcore_want lcores;
	uint64_t ttl_ns; /* 0: none */
};

struct txn;

/* --- the whole -------------------------------------------------------------- */

enum {
	PROCESS_BUCKETS = 1024,
	PROCESS_IDLE_MAX = 64, /* processes kept without a connection */
	UID_BUCKETS = 1024,
};

struct share; /* how much one uid holds */

struct enforced {
	uint32_t serial; /* of the request under way; 0: none */
	uint32_t conf;	 /* serial of the config that it was made by */
	bool dirty;	 /* something changed since it was sent */
	bool told;	 /* that there is no cpuset for it, since the last config */
	enum enforce now;
	struct txn *waiting; /* for the request under way */
	struct txn *next;    /* for the one after it */
};

/* What is done for clients only so often, whoever asks. */
enum use { USE_LOG_CHANGE, USE_LOG_REFUSAL, USE_LOOK, USE_MAX };

/* How often one uid in one tenant had us do it. */
struct uid_uses {
	uint32_t uid, tenant;
	struct rate rates[USE_MAX];
};

/* What the config means for one ledger slot, worked out once. */
struct tenant_rights {
	uint32_t conf;	/* index into conf.tenants; TENANT_MAX: not in the config */
	uint32_t conns; /* open connections */
	bool fresh;	/* until this config the slot was another tenant's */
	struct rights rights;
};

struct core {
	struct loop *loop;
	int sock; /* to reeved */
	struct watch sock_watch;
	struct pp_queue queue;
	struct pp_hello hello;
	int null_fd;
	uint64_t since_ns; /* wall clock */

	struct conf conf;
	uint32_t conf_serial;
	uint32_t slots[TENANT_MAX];		  /* conf index -> ledger slot */
	struct tenant_rights tenants[TENANT_MAX]; /* by ledger slot */
	struct host host;
	struct cpuset usable;

	struct ledger *ledger;
	struct watch expiry_watch;
	uint64_t logged; /* seq of the last event that was logged */

	struct conn *conns[PP_CLIENTS_MAX]; /* by slot */
	uint32_t nconns, nprocesses, fd_budget;
	struct conn *graveyard; /* freed when the batch is over */
	struct conn *streams;
	struct process *processes[PROCESS_BUCKETS];
	struct process *idle; /* processes without a connection, newest first */
	uint32_t nidle;
	struct share *shares[UID_BUCKETS];
	struct uid_uses uid_uses[UID_BUCKETS];
	struct rate tenant_uses[TENANT_MAX][USE_MAX];
	size_t bytes; /* kept for all clients, see share_charge() */

	struct enforced enforced[TENANT_MAX]; /* by ledger slot */
	uint32_t serial;
	uint32_t plane_holders[PLANE_MAX];
	struct plane_call *plane_calls; /* waiting for reeved */
};

/* sandbox.c */
int sandbox_enter(struct err *e);

/* link.c */
int link_open(struct core *core, struct err *e);
void link_send(struct core *core, const void *msg);
/* The answer to PP_CONF: in force, or `r` and why not. */
void link_ready(struct core *core, uint32_t serial, int r, const struct err *e);
_Noreturn void link_lost(const char *why);

/* conn.c */
void conn_accept(struct core *core, const struct pp_accept *m, int fd, int pidfd);
/* Ends the instance, frees all but the memory; that goes with the batch. */
void conn_close(struct conn *c, const char *why);
/* The same when the peer closed first. */
void conn_hung_up(struct conn *c);
void conns_close_all(struct core *core, const char *why);
void conns_bury(struct core *core);
void conns_match_tenants(struct core *core);
/* As recv(2), without waiting: bytes, 0 at the end, or -errno; -EBADMSG: a descriptor came. */
ssize_t conn_read(struct conn *c, void *buf, size_t size);
int conn_want(struct conn *c, uint32_t events);
/* Keeps bytes for later, when the connection is not busy any more. */
bool conn_stash(struct conn *c, const void *data, size_t len);
uint8_t *conn_unstash(struct conn *c, size_t *ret_len);
int conn_start_instance(struct conn *c, enum instance_kind kind, uint32_t claimed_pid,
			const char *name, size_t len);

/* share.c */
void shares_init(struct core *core);
/* One more connection for the uid and the tenant; false: they have their share. */
bool share_take(struct conn *c);
void share_give_back(struct conn *c);
/* Memory that a client makes us keep. false: its uid has its share; close it then. */
bool share_charge(struct conn *c, size_t bytes);
void share_refund(struct conn *c, size_t bytes);
/*
 * Once more for the uid and its tenant; false: they had it too often. *ret_held
 * (may be NULL): how often they were told so since the last true.
 */
bool share_use(struct core *core, uint32_t uid, uint32_t tenant, enum use use, uint32_t *ret_held);

/* process.c */
/* Takes the pidfd; -1 (an old kernel, another pid namespace) leaves c->process NULL. */
int process_join(struct conn *c, int pidfd);
void process_leave(struct conn *c);

/* mtl.c, native.c: one pair of callbacks for each door */
void mtl_events(struct conn *c, uint32_t events);
void mtl_closed(struct conn *c);
void native_events(struct conn *c, uint32_t events);
void native_closed(struct conn *c);
/* A message with its NUL; takes the text. NULL closes: out of memory. */
void native_send(struct conn *c, char *text, size_t len);
void native_resume(struct conn *c);
void native_stream(struct conn *c, uint64_t since);
void native_streams_push(struct core *core);
/* After a new config: a stream shows what its client may see now, or it ends. */
void native_match_stream(struct conn *c, bool changed);

/* call.c, list.c */
struct native_request;
void call_run(struct conn *c, const char *text, size_t len);
void call_plane_done(struct core *core, const struct pp_result *m);
void call_forget(struct conn *c);

/* txn.c */
void txn_acquire(struct conn *c, const struct txn_want *want, txn_done *done);
/* One CPU below CPU_MAX by number; `bare`: an id that is no CPU of this host. */
void txn_acquire_one(struct conn *c, unsigned cpu, bool bare, txn_done *done);
/* The errno of the refusal, and its sentence; 0 when it would be granted. */
int txn_check(struct conn *c, const struct txn_want *want, struct lcore_answer *ret);
/* -EPERM: it is another instance's, and the caller no administrator. */
int txn_release(struct conn *c, const struct lease *lease, const char *why);
void txn_expire(struct core *core);
void txn_finish(struct core *core, struct txn *list, int error, const char *why);
void txn_forget(struct conn *c);
/* The link by which enforce.c keeps transactions in lists. */
struct txn **txn_next(struct txn *t);

/* enforce.c */
bool enforce_wanted(const struct core *core, uint32_t tenant);
/* Puts the tenant's cgroup under what it holds now; `t` waits for that. May be NULL. */
void enforce_apply(struct core *core, uint32_t tenant, struct txn *t);
void enforce_result(struct core *core, const struct pp_result *m);
void enforce_all(struct core *core);
const char *enforce_shown(const struct core *core, uint32_t tenant);

/* policy.c */
int policy_apply(struct core *core, const struct conf *c, uint32_t serial, struct err *e);
/* Works out what the config and the host mean for each tenant. */
void policy_work_out_rights(struct core *core);
/* Whether the caller may see what belongs to the tenant. */
static inline bool may_see(const struct conn *c, uint32_t tenant)
{
	return c->admin || c->tenant == tenant;
}

/* record.c */
void record_refusal(struct conn *c, const struct res *res, int error, const char *why);
void record_event(struct core *core, enum event_type type, uint32_t tenant, const char *fmt, ...)
	_printf_(4, 5);
/* Logs and streams what is new; the loop's idle call. */
void record_publish(void *arg);
const char *tenant_name(const struct core *core, uint32_t tenant, char buf[static TENANT_NAME_MAX]);

#endif
