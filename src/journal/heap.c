/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/heap.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"

void heap_init(struct heap *h, void *mem)
{
	memset(h, 0, sizeof(*h));
	h->mem = mem;
}

static void mark(struct heap *h, const struct extent *e, bool used)
{
	for (uint32_t unit = e->at; unit < e->at + e->units; unit++)
		bits_put(h->map, unit, used);
	h->used = used ? h->used + e->units : h->used - e->units;
}

/* The first unit from `unit` on that is free, or in use; HEAP_UNITS: there is none. */
static uint32_t next_unit(const struct heap *h, uint32_t unit, bool used)
{
	return bits_next(h->map, unit, HEAP_UNITS, used);
}

bool heap_take(struct heap *h, size_t bytes, struct extent *ret)
{
	struct extent e = { .units = (uint32_t)((bytes + HEAP_UNIT - 1) / HEAP_UNIT) };
	uint32_t at, end;

	if (!bytes || bytes > HEAP_BYTES)
		return false;
	h->lowest = next_unit(h, h->lowest, false);
	for (at = h->lowest; at < HEAP_UNITS; at = next_unit(h, end, false)) {
		end = next_unit(h, at, true);
		if (end - at < e.units)
			continue;
		e.at = at;
		mark(h, &e, true);
		*ret = e;
		return true;
	}
	return false;
}

void heap_give(struct heap *h, const struct extent *e)
{
	mark(h, e, false);
	if (e->units && e->at < h->lowest)
		h->lowest = e->at;
}

int heap_claim(struct heap *h, const struct extent *e)
{
	if (e->at > HEAP_UNITS || e->units > HEAP_UNITS - e->at)
		return -EBADMSG;
	if (next_unit(h, e->at, true) < e->at + e->units)
		return -EBADMSG;
	mark(h, e, true);
	return 0;
}
