/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "stack/impl.h"

/* Pages that no packet ever needed are never touched: the free list grows as it is used. */
int segs_init(struct seg_pool *p, uint32_t n)
{
	p->all = calloc(n, sizeof(*p->all));
	p->n = 0;
	p->nfree = n;
	p->free = NULL;
	return p->all ? 0 : -ENOMEM;
}

struct seg *seg_take(struct seg_pool *p)
{
	struct seg *seg = p->free;

	if (!p->nfree)
		return NULL;
	p->nfree--;
	if (!seg)
		return &p->all[p->n++];
	p->free = seg->next;
	return seg;
}

void seg_give(struct seg_pool *p, struct seg *seg)
{
	seg->next = p->free;
	p->free = seg;
	p->nfree++;
}
