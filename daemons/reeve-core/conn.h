/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection: who it is, and the bytes it sends and gets. */
#ifndef REEVE_CORE_CONN_H
#define REEVE_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ledger/ledger.h"
#include "loop/loop.h"
#include "model/peer.h"
#include "privproto/privproto.h"
#include "process.h"
#include "wire/mtl.h"

struct core;
struct share;

struct mtl_state {
	struct mtl_framer framer;
	uint8_t reply[MTL_FRAME];    /* not taken by the client yet ... */
	uint8_t reply_at, reply_len; /* ... from here to there; equal: none */
	int reply_fd;		     /* goes with it and is ours; -1: none */
	bool null_fd;		     /* what goes with it is the core's /dev/null */
	bool registered;
	struct meanings meanings; /* for good: leases are found again by their id */
	struct {
		uint32_t ifs[MTL_IF_MAX];
		bool fresh[MTL_IF_MAX]; /* it was not on that one before */
		uint8_t n, at;
	} reg; /* interfaces of the REGISTER under way */
};

struct native_state {
	char *in;
	size_t in_len, in_size;
	char *out;
	size_t out_at, out_len, out_size;
	int out_fds[2]; /* go with the first byte of `out` */
	unsigned out_nfds;
	bool streaming, oneway, hold[PLANE_MAX];
	struct {
		ledger_id lease;
		uint32_t frames, frame_size, ring;
	} socket;	/* that OpenSocket asked for, until the answer */
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
	bool busy;	       /* a transaction is under way: read nothing more */
	struct waiter *waiter; /* for an interface to be opened; NULL: none */
	bool dead;
	uint8_t fds_passed; /* answers with descriptors since all was read */
	ledger_id instance; /* 0: not registered */
	uint8_t *stash;	    /* bytes read but not looked at yet */
	size_t stash_len;
	union {
		struct mtl_state mtl;
		struct native_state native;
	};
};

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
/*
 * Before a descriptor is sent: false when the peer has left too many unread. What
 * is in flight counts against all that this user has, so that one may not pile up.
 */
bool conn_may_pass_fd(struct conn *c);
int conn_want(struct conn *c, uint32_t events);
/* What came in while it was busy is looked at now, unless it is busy again. */
void conn_go_on(struct conn *c);
/* Keeps bytes for later, when the connection is not busy any more. */
bool conn_stash(struct conn *c, const void *data, size_t len);
uint8_t *conn_unstash(struct conn *c, size_t *ret_len);
int conn_start_instance(struct conn *c, enum instance_kind kind, uint32_t claimed_pid,
			const char *name, size_t len);

#endif
