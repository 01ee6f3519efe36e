/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line is kept once between two settlings: what it was first is what counts. A
 * small private table knows most of those that were kept; one that it has
 * forgotten is kept again, and taken back to what it was first in the end,
 * since taking back goes from the newest to the oldest.
 */
#include "journal/undo.h"

#include <errno.h>
#include <string.h>

#include "journal/barrier.h"

_Static_assert(offsetof(struct undo, lines) % UNDO_LINE == 0, "lines are copied whole");

enum { KNOWN = 256 };

/* Of this process: which lines were kept in which stretch between two settlings. */
static struct {
	const void *line;
	uint64_t stretch;
} known[KNOWN];
static uint64_t stretch = 1;

void undo_init(struct undo *u, size_t bytes)
{
	u->bytes = bytes;
	u->n = 0;
	stretch++;
}

static bool is_known(const void *line, uint32_t number)
{
	uint32_t place = number % KNOWN;

	if (known[place].line == line && known[place].stretch == stretch)
		return true;
	known[place].line = line;
	known[place].stretch = stretch;
	return false;
}

static void keep_line(struct undo *u, uint32_t number)
{
	const uint8_t *line = (const uint8_t *)u + (size_t)number * UNDO_LINE;

	if (is_known(line, number))
		return;
	if (u->n == UNDO_LINES) /* who changes that much settles in between: ours to get right */
		__builtin_trap();
	memcpy(u->lines[u->n], line, UNDO_LINE);
	u->where[u->n] = number;
	store_barrier();
	u->n++;
	store_barrier();
}

void undo_keep(struct undo *u, const void *at, size_t len)
{
	size_t from = (size_t)((const uint8_t *)at - (const uint8_t *)u);
	size_t last = (from + len - 1) / UNDO_LINE;

	for (size_t number = from / UNDO_LINE; number <= last; number++)
		keep_line(u, (uint32_t)number);
}

void undo_settle(struct undo *u)
{
	store_barrier();
	u->n = 0;
	store_barrier();
	stretch++;
}

static bool is_sound(const struct undo *u, size_t bytes)
{
	const uint32_t first = sizeof(*u) / UNDO_LINE, end = (uint32_t)(bytes / UNDO_LINE);

	if (u->bytes != bytes || u->n > UNDO_LINES)
		return false;
	for (uint32_t i = 0; i < u->n; i++)
		if (u->where[i] < first || u->where[i] >= end)
			return false;
	return true;
}

/* Killed here, the next one does it all again. */
int undo_take_back(struct undo *u, size_t bytes)
{
	if (!is_sound(u, bytes))
		return -EBADMSG;
	for (uint32_t i = u->n; i-- > 0;)
		memcpy((uint8_t *)u + (size_t)u->where[i] * UNDO_LINE, u->lines[i], UNDO_LINE);
	undo_settle(u);
	return 0;
}
