/* SPDX-License-Identifier: BSD-3-Clause */
#include "ledger/ledger.h"

#include <errno.h>

#include "journal/barrier.h"
#include "ledger/layout.h"

size_t ledger_bytes(void)
{
	return (sizeof(struct ledger) + LEDGER_PAGE - 1) / LEDGER_PAGE * LEDGER_PAGE;
}

static bool memory_fits(const void *mem, size_t len)
{
	return mem && (uintptr_t)mem % LEDGER_ALIGN == 0 && len >= ledger_bytes();
}

/* The log lies in front of the memory and looks after all of it. */
static bool undo_fits(const void *mem, const struct undo *undo)
{
	uintptr_t from = (uintptr_t)undo, to = (uintptr_t)mem;

	if (!undo)
		return true;
	return from % UNDO_LINE == 0 && to >= from + sizeof(*undo) && to - from <= UINT32_MAX &&
	       undo->bytes >= to - from + ledger_bytes();
}

static uint32_t undo_offset(const void *mem, const struct undo *undo)
{
	return undo ? (uint32_t)((uintptr_t)mem - (uintptr_t)undo) : 0;
}

int ledger_init(void *mem, size_t len, struct undo *undo, struct ledger **ret)
{
	struct ledger *l = mem;

	if (!memory_fits(mem, len) || !undo_fits(mem, undo))
		return -EINVAL;
	l->size = ledger_bytes();
	l->version = LEDGER_VERSION;
	l->undo = undo_offset(mem, undo);
	store_barrier();
	l->magic = LEDGER_MAGIC;
	*ret = l;
	return 0;
}

int ledger_open(void *mem, size_t len, struct undo *undo, struct ledger **ret)
{
	struct ledger *l = mem;
	int r;

	if (!memory_fits(mem, len) || !undo_fits(mem, undo))
		return -EBADMSG;
	r = ledger_verify(l);
	if (r < 0)
		return r;
	if (l->last_seq > LEDGER_SEQ_LAST)
		return -EBADMSG;
	l->undo = undo_offset(mem, undo);
	*ret = l;
	return 0;
}

int ledger_salvage(void *mem, size_t len, struct undo *undo, struct ledger_loss *ret_loss,
		   struct ledger **ret)
{
	struct ledger_loss loss = { 0 };
	int r;

	if (!memory_fits(mem, len) || !undo_fits(mem, undo) || !header_ours(mem))
		return -EBADMSG;
	if (undo) /* taking it back later would undo a part of this */
		undo_settle(undo);
	ledger_rebuild(mem, &loss);
	r = ledger_open(mem, len, undo, ret);
	if (r == 0)
		*ret_loss = loss;
	return r;
}

void ledger_totals(const struct ledger *l, struct ledger_totals *ret)
{
	*ret = (struct ledger_totals){
		.instances = l->instance_pool.used,
		.leases = l->lease_pool.used,
		.last_seq = l->last_seq,
	};
}
