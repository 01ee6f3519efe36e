/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core: everything that reads what clients write, and decides. No
 * privileges, no files but /proc and /sys, no way to get more; what needs root
 * it asks of reeved.
 *
 *   main.c      start, in the order that the sandbox needs
 *   sandbox.c   what the process gives up before it meets a client
 *   link.c      messages from and to reeved
 *   journal.c   what outlives the core
 *   kept.c      ... of connections
 *   resync.c    ... and is to be held by reeved, too
 *   orphan.c    instances whose connection is gone for good
 *   conn.c      connections
 *   process.c   the processes behind them
 *   share.c     how much of us one uid or tenant may take
 *   mtl.c       a connection that speaks the MTL protocol
 *   mtl_nic.c   its messages about network interfaces
 *   native.c    a connection that speaks Varlink; streams
 *   call.c      the methods of io.reeve
 *   list.c      those of them that only look
 *   channel.c   those of the message stack, for its applications
 *   admin.c     those about the daemon itself
 *   txn.c       leases of lcores; the end of any lease
 *   ask.c       requests to reeved that wait for an answer
 *   nic*.c      network interfaces, see nic.h
 *   enforce.c   tenants' cgroups under a cpuset
 *   policy.c    the config in force, and what it means for each tenant
 *   record.c    events: recorded, logged, streamed
 *
 * This header has the state; what a file does for the others is in the header of
 * its name (of mtl.c and native.c also in session.h). One thread. A request runs
 * decode -> authorise -> decide -> apply -> reply.
 */
#ifndef REEVE_CORE_H
#define REEVE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/rate.h"
#include "conn.h"
#include "enforce.h"
#include "journal.h"
#include "ledger/ledger.h"
#include "loop/loop.h"
#include "mech/ethnl.h"
#include "model/conf.h"
#include "model/host.h"
#include "policy.h"
#include "privproto/privproto.h"
#include "privproto/queue.h"
#include "process.h"
#include "resync.h"
#include "share.h"

/* A tenant's sockets are made one after the other. */
struct socket_turn {
	struct socket_wait *waiting;
	bool taken;
};

struct core {
	struct loop *loop;
	struct watch sock_watch; /* to reeved */
	struct pp_queue queue;
	struct pp_hello hello;
	int sock, null_fd;
	uint64_t since_ns; /* wall clock */

	struct conf conf;
	uint32_t conf_serial, serial;		  /* of the config; of the last request to reeved */
	uint32_t slots[TENANT_MAX];		  /* conf index -> ledger slot */
	struct tenant_rights tenants[TENANT_MAX]; /* by ledger slot */
	struct host host;
	struct cpuset usable;

	struct journal journal;
	struct ledger *ledger;
	struct {
		enum resync_stage stage; /* the next one */
		uint32_t waiting;	 /* for so many answers of the one under way */
	} resync;
	bool upgraded; /* calls of before are looked at, and reeved is a new one since */
	bool synced;   /* reeved holds what the ledger says, no less and no more */
	struct orphan *orphans;
	struct watch expiry_watch;
	uint64_t logged; /* seq of the last event that was logged */

	struct conn *conns[PP_CLIENTS_MAX];	/* by slot */
	struct pp_conn unknown[PP_CLIENTS_MAX]; /* clients of an earlier core, without a record */
	uint32_t nunknown;
	uint32_t nconns, nprocesses, fd_budget, nidle;
	struct conn *graveyard; /* freed when the batch is over */
	struct conn *streams;
	struct process *processes[PROCESS_BUCKETS];
	struct process *idle; /* processes without a connection, newest first */
	struct share *shares[UID_BUCKETS];
	struct uid_uses uid_uses[UID_BUCKETS];
	struct rate tenant_uses[TENANT_MAX][USE_MAX];
	size_t bytes; /* kept for all clients, see share_charge() */

	struct enforced enforced[TENANT_MAX]; /* by ledger slot */
	struct ask *asks[ASK_BUCKETS];	      /* by serial */

	struct watch rtnl_watch, ethnl_watch, linger_watch;
	struct ethnl ethnl;
	uint32_t plane_holders[PLANE_MAX];
	struct nic *nics; /* in the order of their ifindex */
	uint64_t nic_lives;
	bool dumping, reading_links; /* all links are being told of; just now */
	uint64_t unnamed_flow;
	struct socket_turn socket_turns[TENANT_MAX]; /* by ledger slot */
};

#endif
