/* SPDX-License-Identifier: BSD-3-Clause */
#include "ledger/ledger.h"

#include <errno.h>

#include "ledger/layout.h"

size_t ledger_bytes(void)
{
	return (sizeof(struct ledger) + LEDGER_PAGE - 1) / LEDGER_PAGE * LEDGER_PAGE;
}

static bool memory_fits(const void *mem, size_t len)
{
	return mem && (uintptr_t)mem % LEDGER_ALIGN == 0 && len >= ledger_bytes();
}

int ledger_init(void *mem, size_t len, struct ledger **ret)
{
	struct ledger *l = mem;

	if (!memory_fits(mem, len))
		return -EINVAL;
	l->size = ledger_bytes();
	l->version = LEDGER_VERSION;
	store_barrier();
	l->magic = LEDGER_MAGIC;
	*ret = l;
	return 0;
}

int ledger_open(void *mem, size_t len, struct ledger **ret)
{
	struct ledger *l = mem;
	int r;

	if (!memory_fits(mem, len))
		return -EBADMSG;
	r = ledger_verify(l);
	if (r < 0)
		return r;
	if (l->last_seq > LEDGER_SEQ_LAST)
		return -EBADMSG;
	*ret = l;
	return 0;
}

void ledger_totals(const struct ledger *l, struct ledger_totals *ret)
{
	*ret = (struct ledger_totals){
		.instances = l->instance_pool.used,
		.leases = l->lease_pool.used,
		.last_seq = l->last_seq,
	};
}
