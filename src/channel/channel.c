/* SPDX-License-Identifier: BSD-3-Clause */
/* How the memory is made. What is done with it is in buffers.c. */
#include "channel/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { PAGE = 4096, STEP = 32 /* buffers that are written at once */ };

struct layout {
	size_t sq, cq, rx, tx, free, table, pool, size;
};

static const struct ring_kind ctrl_kind = { CHAN_CTRL_SLOTS, sizeof(struct chan_ctrl), true, true };
static const struct ring_kind rx_kind = { CHAN_RING_SLOTS, sizeof(uint32_t), true, false };
static const struct ring_kind tx_kind = { CHAN_RING_SLOTS, sizeof(uint32_t), false, true };

static void lay_out(uint32_t buffers, struct layout *l)
{
	const struct ring_kind free_kind = { buffers, sizeof(uint32_t), false, false };

	l->sq = sizeof(struct chan_ctx) + sizeof(struct chan_stats);
	l->cq = l->sq + ring_bytes(&ctrl_kind);
	l->rx = l->cq + ring_bytes(&ctrl_kind);
	l->tx = l->rx + ring_bytes(&rx_kind);
	l->free = l->tx + ring_bytes(&tx_kind);
	l->table = l->free + ring_bytes(&free_kind);
	l->pool = (l->table + buffers * sizeof(uint32_t) + PAGE - 1) / PAGE * PAGE;
	l->size = l->pool + (size_t)buffers * CHAN_BUF_SIZE;
}

size_t channel_bytes(uint32_t buffers)
{
	struct layout l;

	lay_out(buffers, &l);
	return l.size + sizeof(struct channel) + buffers * sizeof(uint32_t);
}

static void fill_ctx(struct channel *c, const struct layout *l)
{
	struct chan_ctx *x = c->ctx;

	x->version = CHAN_VERSION;
	x->size = l->size;
	x->stats_ofs = sizeof(*x);
	x->sq_ofs = l->sq;
	x->cq_ofs = l->cq;
	x->rx_ofs = l->rx;
	x->tx_ofs = l->tx;
	x->free_ofs = l->free;
	x->index_table_ofs = l->table;
	x->pool_ofs = l->pool;
	x->pool_mask = c->nbufs - 1;
	x->buf_size = CHAN_BUF_SIZE;
	x->buf_mss = CHAN_MSS;
}

static void fill(struct channel *c, const struct layout *l)
{
	c->ctx = (struct chan_ctx *)(void *)c->base;
	c->stats = (struct chan_stats *)(void *)(c->base + sizeof(struct chan_ctx));
	c->pool = c->base + l->pool;
	fill_ctx(c, l);
	ring_make(&c->sq, c->base + l->sq, &ctrl_kind);
	ring_make(&c->cq, c->base + l->cq, &ctrl_kind);
	ring_make(&c->rx, c->base + l->rx, &rx_kind);
	ring_make(&c->tx, c->base + l->tx, &tx_kind);
	shared_ring_make(&c->free, c->base + l->free, c->nbufs);
}

static int write_at(int fd, const void *data, size_t len, size_t at)
{
	ssize_t n = pwrite(fd, data, len, (off_t)at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int write_rings(int fd, const uint8_t *zeros, size_t size, size_t step)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < size; at += step)
		r = write_at(fd, zeros, size - at < step ? size - at : step, at);
	return r;
}

static int write_pool(int fd, uint8_t *bufs, size_t at, uint32_t nbufs)
{
	struct chan_buf head = { .magic = CHAN_BUF_MAGIC,
				 .size = CHAN_HEADROOM + CHAN_MSS,
				 .data_ofs = CHAN_HEADROOM,
				 .next = CHAN_NONE,
				 .last = CHAN_NONE };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < nbufs; i += STEP) {
		for (uint32_t k = 0; k < STEP; k++) {
			head.index = i + k;
			memcpy(bufs + (size_t)k * CHAN_BUF_SIZE, &head, sizeof(head));
		}
		r = write_at(fd, bufs, (size_t)STEP * CHAN_BUF_SIZE,
			     at + (size_t)i * CHAN_BUF_SIZE);
	}
	return r;
}

/* Its pages come by being written: a fault for each, and clearing it first, is twice the work. */
static int write_memory(int fd, const struct layout *l, uint32_t nbufs)
{
	const size_t step = (size_t)STEP * CHAN_BUF_SIZE;
	_cleanup_free_ uint8_t *bytes = calloc(1, step);
	int r;

	if (!bytes)
		return -ENOMEM;
	r = write_rings(fd, bytes, l->pool, step);
	return r < 0 ? r : write_pool(fd, bytes, l->pool, nbufs);
}

/* Pages that can't be had are an error here, and would be the end of the process later. */
static int make_memory(const struct layout *l, uint32_t nbufs, int *ret_fd)
{
	_cleanup_fd_ int fd = memfd_create("machnet-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)l->size) < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	r = write_memory(fd, l, nbufs);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int map(struct channel *c, int fd)
{
	void *at = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	c->base = at;
	madvise(at, c->size, MADV_DONTFORK);
	madvise(at, c->size, MADV_DONTDUMP);
	return 0;
}

static uint32_t spare_most(uint32_t buffers)
{
	return buffers / 8 < CHAN_CACHE ? buffers / 8 : CHAN_CACHE;
}

int channel_new(uint32_t buffers, struct channel **ret, int *ret_fd)
{
	_cleanup_fd_ int fd = -1;
	struct channel *c;
	struct layout l;
	int r;

	if (buffers < CHAN_BUFS_MIN || buffers > CHAN_BUFS_MAX || buffers & (buffers - 1))
		return -EINVAL;
	lay_out(buffers, &l);
	c = calloc(1, sizeof(*c) + buffers * sizeof(*c->spare));
	if (!c)
		return -ENOMEM;
	c->nbufs = buffers;
	c->size = l.size;
	c->spare = (uint32_t *)(c + 1);
	c->spare_most = spare_most(buffers);
	r = make_memory(&l, buffers, &fd);
	if (r == 0)
		r = map(c, fd);
	if (r < 0) {
		channel_free(c);
		return r;
	}
	assert(c->base);
	fill(c, &l);
	*ret = c;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Where the kernel can't do either of them, a page more or less is mapped now. */
static void advise_latter_half(const struct channel *c, int advice)
{
	size_t half = c->size / 2 / PAGE * PAGE;

	madvise(c->base + half, c->size - half, advice);
}

void channel_park(const struct channel *c)
{
	advise_latter_half(c, MADV_DONTNEED);
}

void channel_unpark(const struct channel *c)
{
	advise_latter_half(c, MADV_POPULATE_READ);
}

void channel_begin(struct channel *c, const uint8_t id[static CHAN_UUID], bool rings)
{
	chan_uuid_format(id, c->ctx->name);
	c->stats->rings = rings ? CHAN_RINGS : 0;
	__atomic_store_n(&c->ctx->magic, CHAN_MAGIC, __ATOMIC_SEQ_CST);
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	if (c->base)
		munmap(c->base, c->size);
	free(c);
}
