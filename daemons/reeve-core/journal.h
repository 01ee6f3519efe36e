/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file that outlives the core: the ledger, and what is kept of connections.
 * Whatever is changed in it is taken back, should the core be killed, unless it
 * was settled: what belongs together is settled together, before anybody is told.
 *
 *   head, the call under way | undo log | ledger | records of connections | heap
 *
 * The pages of the last two are made when they are needed, in such a way that a
 * full tmpfs is an error and no signal.
 */
#ifndef REEVE_CORE_JOURNAL_H
#define REEVE_CORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "journal/heap.h"
#include "journal/undo.h"
#include "kept.h"
#include "privproto/privproto.h"

struct core;
struct conn;
struct journal_file;

enum { JOURNAL_GIFTS = 64 };

struct journal {
	struct journal_file *file;
	struct undo *undo;
	struct kept *kept;	/* by slot */
	uint32_t kept_ready;	/* so many have their pages */
	uint32_t heap_ready;	/* so many units likewise */
	bool taken_over;	/* it is an earlier core's ... */
	struct pp_conn suspect; /* ... which ended at work on this one; use 0: on none */
	struct heap heap;
	/* Given back, but what is settled may still refer to them. */
	struct extent gifts[JOURNAL_GIFTS];
	uint32_t ngifts;
};

/*
 * `mem` is the whole file. A new one is made; one of an earlier core is brought to
 * where that had settled it last, with what its last call did. What is damaged in
 * it is said in the log; -EBADMSG: nothing in it can be used.
 */
int journal_open(struct core *core, void *mem, size_t bytes, struct err *e);
/* What was changed so far stays, whatever happens. */
void journal_settle(struct core *core);
/*
 * Where nothing is half done: makes sure that what is given back until the next such
 * place finds room. Who found none would have to settle in the middle of a step.
 */
void journal_between_steps(struct core *core);
/* How far events are in the log: core::logged, to be found there by the next core. */
void journal_logged(struct core *core);
/* So many units of the heap are about to be used; false: there is no memory. */
bool journal_ready_heap(struct journal *j, const struct extent *e);
bool journal_ready_kept(struct journal *j, uint32_t slot);

/*
 * What this client sent is about to be looked at, until the next settling: should
 * the core end over it, the next one knows.
 */
void journal_at_work(struct conn *c);

/*
 * As recv(2) and send(2) without waiting, into the connection's buffer and out of
 * it; the kernel itself writes down how much it was, so that a kill leaves no
 * doubt. Both settle first. In the record, in_len or out_at has moved by as much.
 */
ssize_t journal_recv(struct conn *c, void *at, size_t size);
ssize_t journal_send(struct conn *c, const void *at, size_t size, const int *fds, unsigned nfds);

#endif
