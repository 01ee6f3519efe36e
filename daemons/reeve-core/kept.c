/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records are the core's own, but of an earlier life: when they are found again,
 * every number in them is checked before it is used, and who the peer is by a
 * checksum: nobody becomes somebody else by a bit that flipped.
 */
#include "kept.h"

#include <string.h>

#include "base/fault.h"
#include "core.h"
#include "wire/varlink.h"

/* What ends for a fault of its own has had two; killed from outside it may be a few times. */
enum { FAULT_WEIGHT = 4, KILL_WEIGHT = 1, FAULTS_MOST = 8 };

static struct undo *undo_of(struct core *core)
{
	return core->journal.undo;
}

static uint32_t mix(uint32_t hash, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len--)
		hash = (hash ^ *at++) * 16777619U;
	return hash;
}

/* The list of groups only as far as it goes, the path as well: the rest is zero. */
static uint32_t mix_peer(uint32_t hash, const struct peer *p)
{
	hash = mix(hash, p, offsetof(struct peer, groups));
	hash = mix(hash, p->groups, p->ngroups * sizeof(p->groups[0]));
	hash = mix(hash, &p->start_time, sizeof(p->start_time));
	hash = mix(hash, &p->cgroup_id, sizeof(p->cgroup_id));
	return mix(hash, p->cgroup, strnlen(p->cgroup, sizeof(p->cgroup)));
}

static bool acts(const struct kept *k)
{
	return k->door == PP_DOOR_NATIVE && k->native.acts;
}

static uint32_t check_of(const struct kept *k)
{
	uint32_t hash = 2166136261U;

	hash = mix(hash, &k->use, sizeof(k->use));
	hash = mix(hash, &k->door, sizeof(k->door));
	hash = mix_peer(hash, &k->peer);
	return acts(k) ? mix_peer(hash, &k->native.whom) : hash;
}

void kept_change(struct core *core, struct kept *k)
{
	undo_keep(undo_of(core), k, offsetof(struct kept, mtl));
}

void kept_change_extents(struct core *core, struct kept *k)
{
	size_t bytes = k->door == PP_DOOR_MTL ? offsetof(struct kept, mtl.in)
					      : offsetof(struct kept, native.whom);

	undo_keep(undo_of(core), k, bytes);
}

struct kept *kept_new(struct core *core, uint32_t slot, uint32_t use, uint32_t door,
		      const struct peer *peer)
{
	struct kept *k = &core->journal.kept[slot];

	if (!journal_ready_kept(&core->journal, slot))
		return NULL;
	undo_keep_object(undo_of(core), k);
	memset(k, 0, offsetof(struct kept, peer));
	k->peer = *peer;
	k->door = (uint16_t)door;
	k->use = use;
	k->check = check_of(k);
	return k;
}

void kept_act(struct core *core, struct kept *k, const struct peer *whom)
{
	kept_change_extents(core, k);
	undo_keep_object(undo_of(core), &k->native.whom);
	k->native.whom = *whom;
	k->native.acts = true;
	k->check = check_of(k);
}

void kept_give(struct core *core, struct extent *e)
{
	struct journal *j = &core->journal;

	if (e->units) {
		if (j->ngifts == JOURNAL_GIFTS) /* when many connections end at once */
			journal_settle(core);
		j->gifts[j->ngifts++] = *e;
	}
	*e = (struct extent){ 0 };
}

void kept_drop(struct core *core, struct kept *k)
{
	kept_change_extents(core, k);
	k->use = 0;
	if (k->door == PP_DOOR_MTL) {
		kept_give(core, &k->mtl.meanings);
	} else {
		kept_give(core, &k->native.in);
		kept_give(core, &k->native.out);
	}
}

void kept_forget(struct core *core, struct kept *k)
{
	kept_change(core, k);
	k->use = 0;
}

bool kept_grow(struct core *core, struct kept *k, struct extent *e, size_t bytes)
{
	struct heap *heap = &core->journal.heap;
	struct extent old = *e, next;

	if (!heap_take(heap, bytes, &next))
		return false;
	if (!journal_ready_heap(&core->journal, &next)) {
		heap_give(heap, &next);
		return false;
	}
	if (old.units)
		memcpy(heap_at(heap, &next), heap_at(heap, &old),
		       extent_bytes(old.units < next.units ? &old : &next));
	kept_give(core, &old);
	kept_change_extents(core, k);
	*e = next;
	return true;
}

/* --- requests ---------------------------------------------------------------------- */

/* What is at the front of what came; *at, *f: where it goes on behind it. */
static bool next_frame(const struct kept *k, struct mtl_framer *f, uint32_t *at,
		       uint8_t frame[static MTL_FRAME], size_t *skipped)
{
	const uint8_t *data = k->mtl.in + k->in_at;
	size_t len = k->in_len - k->in_at;
	bool whole;

	*f = k->mtl.framer;
	*skipped = 0;
	whole = mtl_frame_next(f, &data, &len, k->in_at == 0, frame, skipped);
	*at = k->in_len - (uint32_t)len;
	return whole;
}

bool kept_peek_mtl(const struct kept *k, uint8_t frame[static MTL_FRAME], size_t *ret_skipped)
{
	struct mtl_framer f;
	uint32_t at;

	*ret_skipped = 0;
	return k->in_at < k->in_len && next_frame(k, &f, &at, frame, ret_skipped);
}

static void take_mtl(struct core *core, struct kept *k)
{
	uint8_t frame[MTL_FRAME];
	struct mtl_framer f;
	size_t skipped;

	next_frame(k, &f, &k->in_at, frame, &skipped);
	if (f.nheld || k->mtl.framer.nheld) {
		undo_keep_object(undo_of(core), &k->mtl.framer);
		k->mtl.framer = f;
	}
	if (k->mtl.fresh_ifs) {
		undo_keep_object(undo_of(core), &k->mtl.fresh_ifs);
		k->mtl.fresh_ifs = 0;
	}
}

static void take_native(struct core *core, struct kept *k)
{
	const char *in = heap_at(&core->journal.heap, &k->native.in);
	const char *end = memchr(in + k->in_at, '\0', k->in_len - k->in_at);

	k->in_at = end ? (uint32_t)(end - in) + 1 : k->in_len;
}

void kept_take_request(struct core *core, struct kept *k)
{
	FAULT_HERE(CORE_REPLY);
	kept_change(core, k);
	if (k->door == PP_DOOR_MTL)
		take_mtl(core, k);
	else
		take_native(core, k);
	if (k->in_at == k->in_len)
		k->in_at = k->in_len = 0;
	k->faults = 0;
	FAULT_HERE(CORE_RECORDED);
}

/* --- found again ------------------------------------------------------------------- */

static bool counts_sound(const struct kept *k, size_t in_size, size_t out_size)
{
	return k->in_at <= k->in_len && k->in_len <= in_size && k->out_at <= k->out_len &&
	       k->out_len <= out_size;
}

static bool mtl_sound(struct core *core, const struct kept *k)
{
	const struct kept_mtl *m = &k->mtl;

	return counts_sound(k, sizeof(m->in), sizeof(m->reply)) && m->framer.nheld < MTL_FRAME &&
	       m->nmeanings * sizeof(struct meaning) <= extent_bytes(&m->meanings) &&
	       heap_claim(&core->journal.heap, &m->meanings) == 0;
}

static bool native_sound(struct core *core, const struct kept *k)
{
	const struct kept_native *n = &k->native;
	struct heap *heap = &core->journal.heap;

	if (heap_claim(heap, &n->in) < 0)
		return false;
	if (heap_claim(heap, &n->out) < 0) {
		heap_give(heap, &n->in);
		return false;
	}
	if (counts_sound(k, extent_bytes(&n->in), extent_bytes(&n->out)))
		return true;
	heap_give(heap, &n->in);
	heap_give(heap, &n->out);
	return false;
}

static bool peer_sound(const struct peer *p)
{
	return p->ngroups <= PEER_GROUPS_MAX && memchr(p->cgroup, '\0', sizeof(p->cgroup));
}

static bool is_whom_it_says(const struct kept *k)
{
	return peer_sound(&k->peer) && (!acts(k) || peer_sound(&k->native.whom)) &&
	       k->check == check_of(k);
}

struct kept *kept_find(struct core *core, uint32_t slot, uint32_t use)
{
	struct kept *k = &core->journal.kept[slot];

	if (slot >= core->journal.kept_ready || k->use != use || !use)
		return NULL;
	if (!is_whom_it_says(k) || k->door >= PP_DOOR_MAX)
		return NULL;
	return (k->door == PP_DOOR_MTL ? mtl_sound(core, k) : native_sound(core, k)) ? k : NULL;
}

bool kept_blame(struct core *core, struct kept *k)
{
	uint8_t weight = core->hello.last_end == PP_END_FAULT ? FAULT_WEIGHT : KILL_WEIGHT;

	kept_change(core, k);
	k->faults = (uint8_t)(k->faults + weight);
	return k->faults >= FAULTS_MOST;
}
