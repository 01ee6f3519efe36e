/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

struct end {
	struct chan_ring_end *ours;
	const struct chan_ring_end *other;
	uint32_t ahead; /* how far our head may be in front of the other's tail */
	uint32_t most;	/* no end can have more before it */
};

/* Moves our head on by n where there is so much: the entries that it passes are ours alone. */
static int reserve(const struct end *e, uint32_t n, uint32_t *ret_at)
{
	uint32_t head = ring_load(&e->ours->head);

	for (int tries = 0; tries < RING_TRIES; tries++) {
		uint32_t left = e->ahead - (head - ring_load(&e->other->tail));

		if (left > e->most) {
			head = ring_load(&e->ours->head);
			continue;
		}
		if (left < n)
			return -EAGAIN;
		if (__atomic_compare_exchange_n(&e->ours->head, &head, head + n, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			*ret_at = head;
			return 0;
		}
	}
	return -EPROTO;
}

/* Who reserved before us is first. If it died there, nobody can go on in this ring. */
static int publish(struct chan_ring_end *ours, uint32_t at, uint32_t n)
{
	for (int spins = 0; ring_load(&ours->tail) != at; spins++) {
		if (spins == RING_PATIENCE)
			return -EPROTO;
		if (spins < RING_SPINS)
			ring_pause();
		else
			sched_yield();
	}
	__atomic_store_n(&ours->tail, at + n, __ATOMIC_RELEASE);
	return 0;
}

int ring_put_many(const struct ring *r, const uint32_t *entries, uint32_t n)
{
	const struct end end = { &r->shared->prod, &r->shared->cons, r->slots - 1, r->slots - 1 };
	uint32_t at;
	int e = reserve(&end, n, &at);

	if (e < 0)
		return e;
	for (uint32_t i = 0; i < n; i++)
		memcpy(ring_slot(r, at + i), &entries[i], sizeof(*entries));
	return publish(end.ours, at, n);
}

int ring_take_many(const struct ring *r, uint32_t *ret_entries, uint32_t n)
{
	const struct end end = { &r->shared->cons, &r->shared->prod, 0, r->slots - 1 };
	uint32_t at;
	int e = reserve(&end, n, &at);

	if (e < 0)
		return e;
	for (uint32_t i = 0; i < n; i++)
		memcpy(&ret_entries[i], ring_slot(r, at + i), sizeof(*ret_entries));
	return publish(end.ours, at, n);
}
