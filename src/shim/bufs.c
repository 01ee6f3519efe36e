/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/bufs.h"

enum { HALF = CHAN_CACHE / 2 };

static void from_cache(struct channel *c, uint32_t *to, uint32_t n)
{
	c->cached -= n;
	memcpy(to, c->cache + c->cached, n * sizeof(*to));
}

/* An index that is none would have us write anywhere. */
static int check(struct channel *c, const uint32_t *bufs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (bufs[i] >= c->view.bufs)
			return -EPROTO;
	return 0;
}

static int from_ring(struct channel *c, uint32_t *to, uint32_t n)
{
	int r = ring_take_many(&c->view.free, to, n);

	if (r == 0)
		r = check(c, to, n);
	return r < 0 && r != -EAGAIN ? channel_break(c, r) : r;
}

/* Small messages come often: half a cache more saves the next ones the way to the ring. */
static int take_more(struct channel *c, uint32_t *to, uint32_t n)
{
	uint32_t extra = n <= HALF ? HALF : 0;

	if (!extra || from_ring(c, to, n + extra) < 0)
		return c->broken ? c->broken : from_ring(c, to, n);
	memcpy(c->cache + c->cached, to + n, extra * sizeof(*to));
	c->cached += extra;
	return 0;
}

int bufs_take(struct channel *c, uint32_t n)
{
	uint32_t kept = c->cached;
	int r;

	if (n <= kept) {
		from_cache(c, c->chain, n);
		return 0;
	}
	from_cache(c, c->chain, kept);
	r = take_more(c, c->chain + kept, n - kept);
	if (r < 0)
		bufs_give(c, c->chain, kept);
	return r;
}

/* A ring without room for them has some that aren't buffers; these are lost then. */
static void to_ring(struct channel *c, uint32_t n)
{
	int r;

	if (!n)
		return;
	r = ring_put_many(&c->view.free, c->cache, n);
	if (r == -EPROTO)
		channel_break(c, r);
	c->cached -= n;
	memmove(c->cache, c->cache + n, c->cached * sizeof(*c->cache));
	channel_wake(c);
}

/* Those that were used last stay: they are in the CPU's caches. */
void bufs_give(struct channel *c, const uint32_t *bufs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (c->cached == CHAN_CACHE)
			to_ring(c, HALF);
		c->cache[c->cached++] = bufs[i];
	}
}

void bufs_flush(struct channel *c)
{
	to_ring(c, c->cached);
}
