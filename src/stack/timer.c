/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A heap of flows by when they are due. A deadline that moves back, as with every
 * acknowledgement, leaves the heap alone: who is found there too early is put
 * back by its real time.
 */
#include "stack/impl.h"

static void put(struct stack *s, uint32_t at, struct flow *f)
{
	s->heap[at] = f;
	f->heap_at = at + 1;
}

static void sift_up(struct stack *s, uint32_t at)
{
	struct flow *f = s->heap[at];

	while (at && s->heap[(at - 1) / 2]->timer_ns > f->timer_ns) {
		put(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(s, at, f);
}

static void sift_down(struct stack *s, uint32_t at)
{
	struct flow *f = s->heap[at];
	uint32_t child;

	while ((child = 2 * at + 1) < s->nheap) {
		if (child + 1 < s->nheap && s->heap[child + 1]->timer_ns < s->heap[child]->timer_ns)
			child++;
		if (s->heap[child]->timer_ns >= f->timer_ns)
			break;
		put(s, at, s->heap[child]);
		at = child;
	}
	put(s, at, f);
}

void timer_set(struct flow *f, uint64_t at_ns)
{
	struct stack *s = f->stack;

	f->deadline = at_ns;
	if (!f->heap_at) {
		f->timer_ns = at_ns;
		put(s, s->nheap, f);
		s->nheap++;
		sift_up(s, s->nheap - 1);
	} else if (at_ns < f->timer_ns) {
		f->timer_ns = at_ns;
		sift_up(s, f->heap_at - 1);
	}
}

void timer_clear(struct flow *f)
{
	struct stack *s = f->stack;
	uint32_t at = f->heap_at - 1;

	f->deadline = UINT64_MAX;
	if (!f->heap_at)
		return;
	f->heap_at = 0;
	s->nheap--;
	if (at == s->nheap)
		return;
	put(s, at, s->heap[s->nheap]);
	sift_up(s, at);
	sift_down(s, s->heap[at]->heap_at - 1);
}

struct flow *timer_next(struct stack *s)
{
	while (s->nheap && s->heap[0]->timer_ns <= s->now) {
		struct flow *f = s->heap[0];

		if (f->deadline <= s->now)
			return f;
		f->timer_ns = f->deadline;
		sift_down(s, 0);
	}
	return NULL;
}
