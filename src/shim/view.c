/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/view.h"

/* All of shared memory that is decoded is copied first; the compiler may not look twice. */
static void copy_once(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	__asm__ volatile("" ::: "memory");
}

static bool fits(uint64_t ofs, uint64_t len, uint64_t size)
{
	return ofs % 64 == 0 && ofs >= sizeof(struct chan_ctx) && ofs <= size && len <= size - ofs;
}

static bool is_power_of_2(uint32_t n)
{
	return n && (n & (n - 1)) == 0;
}

/* At least two slots: one is always empty. */
static int read_ring(struct ring *ret, uint8_t *memory, uint64_t size, uint64_t ofs,
		     uint32_t entry_size)
{
	struct chan_ring r;

	if (!fits(ofs, sizeof(r), size))
		return -EPROTO;
	copy_once(&r, memory + ofs, sizeof(r));
	if (!is_power_of_2(r.size) || r.size < 2 || r.mask != r.size - 1 ||
	    r.capacity != r.size - 1 || r.entry_size != entry_size)
		return -EPROTO;
	if (!fits(ofs, sizeof(r) + (uint64_t)r.size * entry_size, size))
		return -EPROTO;
	*ret = (struct ring){ (struct chan_ring *)(memory + ofs), r.size, entry_size };
	return 0;
}

static int read_rings(struct view *v, const struct chan_ctx *ctx, uint8_t *memory, uint64_t size)
{
	const struct {
		struct ring *ret;
		uint64_t ofs;
		uint32_t entry_size;
	} rings[] = {
		{ &v->sq, ctx->sq_ofs, sizeof(struct chan_ctrl) },
		{ &v->cq, ctx->cq_ofs, sizeof(struct chan_ctrl) },
		{ &v->rx, ctx->rx_ofs, sizeof(uint32_t) },
		{ &v->tx, ctx->tx_ofs, sizeof(uint32_t) },
		{ &v->free, ctx->free_ofs, sizeof(uint32_t) },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(rings) / sizeof(rings[0]); i++)
		r = read_ring(rings[i].ret, memory, size, rings[i].ofs, rings[i].entry_size);
	return r;
}

static int read_pool(struct view *v, const struct chan_ctx *ctx, uint8_t *memory, uint64_t size)
{
	uint64_t headers = sizeof(struct chan_buf) + CHAN_HEADROOM;

	if (v->free.slots > CHAN_BUFS_MAX || ctx->buf_size % 64 || !ctx->buf_mss ||
	    ctx->buf_size < headers || ctx->buf_mss > ctx->buf_size - headers)
		return -EPROTO;
	if (!fits(ctx->pool_ofs, (uint64_t)v->free.slots * ctx->buf_size, size))
		return -EPROTO;
	v->pool = memory + ctx->pool_ofs;
	v->bufs = v->free.slots;
	v->buf_size = ctx->buf_size;
	v->mss = ctx->buf_mss;
	return 0;
}

static void read_stats(struct view *v, const struct chan_ctx *ctx, uint8_t *memory, uint64_t size)
{
	struct chan_stats *stats = (struct chan_stats *)(memory + ctx->stats_ofs);

	if (fits(ctx->stats_ofs, sizeof(*stats), size) &&
	    __atomic_load_n(&stats->rings, __ATOMIC_RELAXED) == CHAN_RINGS)
		v->stats = stats;
}

int view_read(struct view *ret, void *memory, uint64_t size)
{
	struct view v = { .ctx = memory };
	struct chan_ctx ctx;
	int r;

	if (size < sizeof(ctx) || ring_load(&v.ctx->magic) != CHAN_MAGIC)
		return -EPROTO;
	copy_once(&ctx, memory, sizeof(ctx));
	if (ctx.size > size)
		return -EPROTO;
	r = read_rings(&v, &ctx, memory, size);
	if (r == 0)
		r = read_pool(&v, &ctx, memory, size);
	if (r < 0)
		return r;
	read_stats(&v, &ctx, memory, size);
	*ret = v;
	return 0;
}
