/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet_frames.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__ /* gcc */
#define POISON 1
#elif defined(__has_feature) /* clang */
#define POISON __has_feature(address_sanitizer)
#else
#define POISON 0
#endif

#if POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

int frames_init(struct frames *f, uint32_t total)
{
	memset(f, 0, sizeof(*f));
	f->total = total;
	f->bytes = calloc(total, FRAME_BYTES);
	f->info = calloc(total, sizeof(*f->info));
	f->heap = calloc(total, sizeof(*f->heap));
	if (!f->bytes || !f->info || !f->heap) {
		frames_fini(f);
		return -ENOMEM;
	}
	f->free = FRAME_NONE;
	while (total--)
		frames_give(f, total);
	return 0;
}

void frames_fini(struct frames *f)
{
	/* The allocator would not have it back otherwise. */
	if (f->bytes)
		ASAN_UNPOISON_MEMORY_REGION(f->bytes, (size_t)f->total * FRAME_BYTES);
	free(f->bytes);
	free(f->info);
	free(f->heap);
	memset(f, 0, sizeof(*f));
}

void frame_open(const struct frames *f, uint32_t frame, uint32_t bytes)
{
	uint8_t *data = frame_data(f, frame);

	ASAN_POISON_MEMORY_REGION(data, FRAME_BYTES);
	ASAN_UNPOISON_MEMORY_REGION(data, bytes);
}

uint32_t frames_take(struct frames *f)
{
	uint32_t frame = f->free;

	if (frame == FRAME_NONE)
		return FRAME_NONE;
	f->free = f->info[frame].next;
	frame_open(f, frame, FRAME_BYTES);
	return frame;
}

uint32_t frames_copy(struct frames *f, uint32_t frame)
{
	uint32_t copy = frames_take(f);

	if (copy == FRAME_NONE)
		return FRAME_NONE;
	f->info[copy] = f->info[frame];
	memcpy(frame_data(f, copy), frame_data(f, frame), f->info[frame].len);
	frame_open(f, copy, f->info[frame].len);
	return copy;
}

void frames_give(struct frames *f, uint32_t frame)
{
	frame_open(f, frame, 0);
	f->info[frame].next = f->free;
	f->free = frame;
}

void list_put(struct frames *f, struct frame_list *l, uint32_t frame)
{
	if (l->count++)
		f->info[l->last].next = frame;
	else
		l->first = frame;
	l->last = frame;
}

uint32_t list_take(struct frames *f, struct frame_list *l)
{
	uint32_t frame = l->first;

	/* Of the last one `next` is stale; nobody reads it while the count is 0. */
	l->first = f->info[frame].next;
	l->count--;
	return frame;
}

void list_give(struct frames *f, struct frame_list *l)
{
	while (l->count)
		frames_give(f, list_take(f, l));
}

static bool before(const struct frame_event *a, const struct frame_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void frames_depart(struct frames *f, uint32_t frame, uint64_t at)
{
	struct frame_event e = { .at = at, .order = f->order++, .frame = frame };
	uint32_t i = f->on_way++, parent;

	for (; i; i = parent) {
		parent = (i - 1) / 2;
		if (before(&f->heap[parent], &e))
			break;
		f->heap[i] = f->heap[parent];
	}
	f->heap[i] = e;
}

/* Of the two below `i` the earlier one; on_way or more: there are none. */
static uint32_t earlier_child(const struct frames *f, uint32_t i)
{
	uint32_t child = 2 * i + 1;

	if (child + 1 < f->on_way && before(&f->heap[child + 1], &f->heap[child]))
		child++;
	return child;
}

uint32_t frames_arrive(struct frames *f)
{
	uint32_t frame = f->heap[0].frame, i = 0, child;
	struct frame_event e = f->heap[--f->on_way];

	while ((child = earlier_child(f, i)) < f->on_way && before(&f->heap[child], &e)) {
		f->heap[i] = f->heap[child];
		i = child;
	}
	f->heap[i] = e;
	return frame;
}

void frames_orphan(struct frames *f, const struct simport *from)
{
	struct frame_info *info;

	for (uint32_t i = 0; i < f->on_way; i++) {
		info = &f->info[f->heap[i].frame];
		if (info->from == from)
			info->from = NULL;
	}
}
