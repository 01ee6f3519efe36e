/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of a connection outlives the core: who it is, the bytes that it sent and
 * that are not answered yet, and the answer that it has not taken yet. One record
 * for each connection, in the journal.
 *
 * A request stays in the record until its answer stands there: both change in one
 * step, together with what the ledger has to say about it. So a request whose core
 * was killed is done again whole, or its answer is sent on; never both. What an
 * answer with descriptors needs can't be kept: its request stays until the first
 * byte is gone, and is done again.
 */
#ifndef REEVE_CORE_KEPT_H
#define REEVE_CORE_KEPT_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "journal/heap.h"
#include "ledger/ledger.h"
#include "model/conf.h"
#include "model/peer.h"
#include "wire/mtl.h"

struct core;
struct conn;

enum { KEPT_MTL_IN = 2 * MTL_FRAME };

struct kept_mtl {
	struct mtl_framer framer;
	bool registered;
	uint8_t fresh_ifs; /* that the REGISTER under way has joined, a bit for each */
	uint16_t nmeanings;
	struct extent meanings;
	uint8_t in[KEPT_MTL_IN];
	uint8_t reply[MTL_FRAME];
};

struct kept_native {
	struct extent in, out;
	uint64_t since; /* of the stream: the last event of which an answer was made */
	bool streaming;
	bool hold[PLANE_MAX];
	bool acts;	  /* for somebody else: */
	struct peer whom; /* last, since it changes once */
};

struct kept {
	uint32_t use; /* of the slot, see struct pp_conn; 0: no connection */
	uint32_t check;
	uint16_t door;
	uint8_t faults;	    /* see kept_blame() */
	uint8_t out_fds;    /* descriptors go with the answer's first byte */
	uint32_t in_at;	    /* what came is looked at from here ... */
	uint32_t in_len;    /* ... to there */
	uint32_t out_at;    /* what is to be sent: from here ... */
	uint32_t out_len;   /* ... to there; equal: nothing */
	ledger_id instance; /* 0: none */
	union {
		struct kept_mtl mtl;
		struct kept_native native;
	};
	alignas(8) struct peer peer;
} __attribute__((aligned(64)));

/* A record for a connection that was just accepted; NULL: no memory. */
struct kept *kept_new(struct core *core, uint32_t slot, uint32_t use, uint32_t door,
		      const struct peer *peer);
/* From now on it is of a connection that acts for somebody else; a part of who it is. */
void kept_act(struct core *core, struct kept *k, const struct peer *whom);
/* With all that it refers to. */
void kept_drop(struct core *core, struct kept *k);
/* The record of an earlier core's connection, if it is whole; its pieces are claimed. */
struct kept *kept_find(struct core *core, uint32_t slot, uint32_t use);
/* Whoever the record is of: not to be looked at any more. */
void kept_forget(struct core *core, struct kept *k);

/* Before any of its fields but the buffers is changed. */
void kept_change(struct core *core, struct kept *k);
/* The same, and before its pieces of the heap are. */
void kept_change_extents(struct core *core, struct kept *k);

/* The request at the front: out of the record, together with its answer. */
void kept_take_request(struct core *core, struct kept *k);
/* The same for MTL, without taking it: false: it is not there whole. */
bool kept_peek_mtl(const struct kept *k, uint8_t frame[static MTL_FRAME], size_t *ret_skipped);

/* A piece of at least `bytes` in place of *e, whose content is copied as far as it fits. */
bool kept_grow(struct core *core, struct kept *k, struct extent *e, size_t bytes);
void kept_give(struct core *core, struct extent *e);

/*
 * The core before ended while it looked at what this one sent. true: once too
 * often; the connection has to go.
 */
bool kept_blame(struct core *core, struct kept *k);

#endif
