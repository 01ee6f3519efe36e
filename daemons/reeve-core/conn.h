/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection: who it is, and the bytes it sends and gets. */
#ifndef REEVE_CORE_CONN_H
#define REEVE_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kept.h"
#include "ledger/ledger.h"
#include "loop/loop.h"
#include "model/peer.h"
#include "privproto/privproto.h"
#include "process.h"
#include "wire/mtl.h"

struct core;
struct share;

struct mtl_state {
	int reply_fd; /* goes with the answer and is ours; -1: none, the core's /dev/null goes */
	struct {
		uint32_t ifs[MTL_IF_MAX];
		bool fresh[MTL_IF_MAX]; /* it was not on that one before */
		uint8_t n, at;
	} reg; /* interfaces of the REGISTER under way */
};

struct native_state {
	int out_fds[2]; /* go with the first byte of the answer */
	unsigned out_nfds;
	bool oneway;
	struct {
		ledger_id lease;
		uint32_t frames, frame_size, ring;
	} socket; /* that OpenSocket asked for, until the answer */
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
	struct kept *kept;	   /* what of it outlives the core */
	const struct peer *peer;
	const struct peer *who; /* it stands for: its peer, or whom that acts for */
	uint32_t tenant;	/* slot in the ledger */
	bool admin;
	bool busy;	       /* a transaction is under way: read and answer nothing more */
	struct waiter *waiter; /* for an interface to be opened; NULL: none */
	bool dead;
	uint8_t fds_passed; /* answers with descriptors since all was read */
	ledger_id instance; /* 0: not registered; as in `kept` */
	union {
		struct mtl_state mtl;
		struct native_state native;
	};
};

void conn_accept(struct core *core, const struct pp_accept *m, int fd, int pidfd);
/* A client of an earlier core; takes the socket. */
void conn_resume(struct core *core, const struct pp_conn *id, int fd);
/* All that are busy only because the core was not ready yet. */
void conns_go_on(struct core *core);
/* Ends the instance, frees all but the memory; that goes with the batch. */
void conn_close(struct conn *c, const char *why);
/* The same when the peer closed first. */
void conn_hung_up(struct conn *c);
void conns_close_all(struct core *core, const char *why);
void conns_bury(struct core *core);
void conns_match_tenants(struct core *core);
/*
 * As recv(2), without waiting: bytes, 0 at the end, or -errno; -EBADMSG: a descriptor
 * came. `buf` is where the record's in_len points to.
 */
ssize_t conn_read(struct conn *c, void *buf, size_t size);
/*
 * Before a descriptor is sent: false when the peer has left too many unread. What
 * is in flight counts against all that this user has, so that one may not pile up.
 */
bool conn_may_pass_fd(struct conn *c);
int conn_want(struct conn *c, uint32_t events);
/* What came in while it was busy is looked at now, unless it is busy again. */
void conn_go_on(struct conn *c);
/* An answer stands in the record, or part of one. */
static inline bool conn_answer_waits(const struct conn *c)
{
	return c->kept->out_at < c->kept->out_len;
}

static inline bool conn_acts(const struct conn *c)
{
	return c->who != c->peer;
}

/* From now on it stands for somebody else. false: who that is has its share. */
bool conn_act(struct conn *c, const struct peer *whom);

int conn_start_instance(struct conn *c, enum instance_kind kind, uint32_t claimed_pid,
			const char *name, size_t len);

#endif
