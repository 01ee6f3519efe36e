/* SPDX-License-Identifier: BSD-3-Clause */
#include "channel/ring.h"

#include <errno.h>
#include <string.h>

/* So often the application's threads may come between our two loads and our exchange. */
enum { TRIES = 16 };

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes there. */
static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static uint8_t *slot(const struct ring *r, uint32_t at)
{
	return (uint8_t *)(r->shared + 1) + (size_t)(at & (r->slots - 1)) * r->entry_size;
}

size_t ring_bytes(const struct ring_kind *kind)
{
	return (sizeof(struct chan_ring) + (size_t)kind->slots * kind->entry_size + 63) / 64 * 64;
}

void ring_make(struct ring *r, void *at, const struct ring_kind *kind)
{
	*r = (struct ring){ .shared = at, .slots = kind->slots, .entry_size = kind->entry_size };
	r->shared->size = kind->slots;
	r->shared->mask = r->shared->capacity = kind->slots - 1;
	r->shared->entry_size = kind->entry_size;
	r->shared->prod.single = kind->prod_single;
	r->shared->cons.single = kind->cons_single;
}

/* --- where our end is ours alone ---------------------------------------------------------------
 */

int ring_take(struct ring *r, void *ret_entry)
{
	uint32_t n = load(&r->shared->prod.tail) - r->at;

	if (n == 0 || n >= r->slots)
		return n ? -EPROTO : 0;
	memcpy(ret_entry, slot(r, r->at), r->entry_size);
	r->at++;
	store(&r->shared->cons.head, r->at);
	store(&r->shared->cons.tail, r->at);
	return 1;
}

bool ring_has(const struct ring *r)
{
	return load(&r->shared->prod.tail) != r->at;
}

static uint32_t used(const struct ring *r)
{
	return r->at - load(&r->shared->cons.tail);
}

int ring_put(struct ring *r, const void *entry)
{
	uint32_t n = used(r);

	if (n >= r->slots - 1)
		return n >= r->slots ? -EPROTO : 0;
	store(&r->shared->prod.head, r->at + 1);
	memcpy(slot(r, r->at), entry, r->entry_size);
	r->at++;
	store(&r->shared->prod.tail, r->at);
	return 1;
}

bool ring_has_room(const struct ring *r)
{
	return used(r) != r->slots - 1;
}

/* --- both sides at both ends -------------------------------------------------------------- */

void shared_ring_make(struct shared_ring *r, void *at, uint32_t slots)
{
	const struct ring_kind kind = { .slots = slots, .entry_size = sizeof(uint32_t) };

	*r = (struct shared_ring){ 0 };
	ring_make(&r->ring, at, &kind);
	for (uint32_t i = 0; i < slots - 1; i++)
		memcpy(slot(&r->ring, i), &i, sizeof(i));
	r->ring.shared->prod.head = r->ring.shared->prod.tail = slots - 1;
}

static bool settle(struct chan_ring_end *end, struct ring_pending *p)
{
	if (p->n && load(&end->tail) == p->at) {
		store(&end->tail, p->at + p->n);
		p->n = 0;
	}
	return !p->n;
}

bool shared_ring_settle(struct shared_ring *r)
{
	bool put = settle(&r->ring.shared->prod, &r->put);

	return settle(&r->ring.shared->cons, &r->take) && put;
}

/*
 * Moves *head on by up to *ret_at, as far as the other end lets it: by how many, and from
 * where. The other end is looked at after *head, so what seems too much is, unless *head
 * moved meanwhile.
 */
static int reserve(uint32_t *head, const uint32_t *other, uint32_t ahead, uint32_t most,
		   uint32_t *ret_at)
{
	uint32_t at = load(head), want = *ret_at;

	for (int i = 0; i < TRIES; i++) {
		uint32_t left = load(other) + ahead - at, n = left < want ? left : want;

		if (left > most) {
			uint32_t again = load(head);

			if (again == at)
				return -EPROTO;
			at = again;
			continue;
		}
		if (!n)
			return 0;
		if (__atomic_compare_exchange_n(head, &at, at + n, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE)) {
			*ret_at = at;
			return (int)n;
		}
	}
	return 0;
}

int shared_ring_take(struct shared_ring *r, uint32_t *ret_entries, uint32_t n)
{
	struct chan_ring *s = r->ring.shared;
	uint32_t at = n;
	int got;

	if (!settle(&s->cons, &r->take))
		return 0;
	got = reserve(&s->cons.head, &s->prod.tail, 0, r->ring.slots - 1, &at);
	if (got <= 0)
		return got;
	for (uint32_t i = 0; i < (uint32_t)got; i++)
		memcpy(&ret_entries[i], slot(&r->ring, at + i), sizeof(*ret_entries));
	r->take = (struct ring_pending){ .at = at, .n = (uint32_t)got };
	settle(&s->cons, &r->take);
	return got;
}

int shared_ring_put(struct shared_ring *r, const uint32_t *entries, uint32_t n)
{
	struct chan_ring *s = r->ring.shared;
	uint32_t at = n;
	int put;

	if (!settle(&s->prod, &r->put))
		return 0;
	put = reserve(&s->prod.head, &s->cons.tail, r->ring.slots - 1, r->ring.slots - 1, &at);
	if (put <= 0)
		return put;
	for (uint32_t i = 0; i < (uint32_t)put; i++)
		memcpy(slot(&r->ring, at + i), &entries[i], sizeof(*entries));
	r->put = (struct ring_pending){ .at = at, .n = (uint32_t)put };
	settle(&s->prod, &r->put);
	return put;
}

uint32_t shared_ring_count(const struct shared_ring *r)
{
	uint32_t n = load(&r->ring.shared->prod.tail) - load(&r->ring.shared->cons.head);

	return n < r->ring.slots ? n : 0;
}
