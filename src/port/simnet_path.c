/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet_path.h"

#include <errno.h>

enum { NS_PER_S = 1000000000 };

typedef unsigned __int128 wide; /* bits times nanoseconds go beyond 64 bits */

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *state, uint64_t bound)
{
	return (uint64_t)(((wide)random_next(state) * bound) >> 64);
}

/* A frame that finds the line free need not wait, however long it is. */
static bool queue_holds(const struct path *p, uint32_t len, uint64_t wait_ns)
{
	wide bits = (wide)wait_ns * p->link.bits_per_s / NS_PER_S;

	if (!wait_ns || !p->link.queue_bytes)
		return true;
	return bits / 8 + len <= p->link.queue_bytes;
}

int path_queue(struct path *p, uint32_t len, uint64_t now, uint64_t *ret_left)
{
	uint64_t work;

	if (p->line_free <= now) {
		p->line_free = now;
		p->rest = 0;
	}
	if (p->link.bits_per_s) {
		if (!queue_holds(p, len, p->line_free - now))
			return -ENOBUFS;
		work = (uint64_t)len * 8 * NS_PER_S + p->rest;
		p->line_free += work / p->link.bits_per_s;
		p->rest = work % p->link.bits_per_s;
	}
	*ret_left = p->line_free;
	return 0;
}

/* Jitter does not reorder: a frame never overtakes the one before it. */
uint64_t path_arrival(struct path *p, uint64_t *state, uint64_t left, bool *ret_held)
{
	const struct simnet_link *l = &p->link;
	uint64_t at = left + l->delay_ns;

	if (l->jitter_ns)
		at += random_below(state, l->jitter_ns + 1);
	if (at < p->last)
		at = p->last;
	*ret_held = random_chance(state, l->reorder_ppm);
	if (*ret_held)
		return at + 1 + random_below(state, l->reorder_ns);
	p->last = at;
	return at;
}

void path_corrupt(uint64_t *state, uint8_t *frame, uint32_t len)
{
	uint64_t bit = random_below(state, (uint64_t)len * 8);

	frame[bit / 8] ^= (uint8_t)(1 << (bit % 8));
}
