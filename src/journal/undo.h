/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The undo log: it makes changes of memory that outlives its writer all or
 * nothing. Who is about to change a word keeps it first; when all that belongs
 * together has been changed, it is settled. A writer that is killed in between
 * leaves a log by which its successor takes everything back to the last settling.
 *
 * Killed, not powered off: a compiler barrier is all the order that needs. The log
 * looks after the memory behind it, up to `bytes` from its own start, by lines of
 * 64 bytes; it holds no pointer. Pure; one thread.
 */
#ifndef REEVE_JOURNAL_UNDO_H
#define REEVE_JOURNAL_UNDO_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UNDO_LINE = 64,
	UNDO_LINES = 16384, /* that may be changed between two settlings */
};

struct undo {
	uint64_t bytes;
	uint32_t n; /* lines that are kept; 0: settled */
	uint32_t pad;
	uint32_t where[UNDO_LINES];
	alignas(UNDO_LINE) uint8_t lines[UNDO_LINES][UNDO_LINE];
};

/* `u` is zeroed and aligned to UNDO_LINE; it looks after `bytes` from there on, itself apart. */
void undo_init(struct undo *u, size_t bytes);

/* Before anything of [at, at + len) is changed, new memory that nothing leads to excepted. */
void undo_keep(struct undo *u, const void *at, size_t len);
#define undo_keep_object(u, object) undo_keep(u, object, sizeof(*(object)))

/* What was changed so far stays. */
void undo_settle(struct undo *u);

/* So many lines can still be kept. */
static inline uint32_t undo_room(const struct undo *u)
{
	return UNDO_LINES - u->n;
}

/* Everything is as it was when it was settled last. -EBADMSG: no log of ours; nothing changed. */
int undo_take_back(struct undo *u, size_t bytes);

#endif
