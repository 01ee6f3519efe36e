/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Places as the reference's daemon chooses them without huge pages. */
static uint64_t place(uint64_t *at, uint64_t len, uint64_t align)
{
	uint64_t here = (*at + align - 1) / align * align;

	*at = here + len;
	return here;
}

static uint64_t place_ring(uint64_t *at, uint32_t slots, uint32_t entry)
{
	return place(at, sizeof(struct chan_ring) + (uint64_t)slots * entry, 64);
}

static struct chan_ring *init_ring(struct memory *m, uint64_t ofs, uint32_t slots, uint32_t entry)
{
	struct chan_ring *r = (struct chan_ring *)(m->at + ofs);

	r->size = slots;
	r->mask = r->capacity = slots - 1;
	r->entry_size = entry;
	return r;
}

static void init_bufs(struct memory *m)
{
	for (uint32_t i = 0; i < m->buffers; i++) {
		struct chan_buf *b = memory_buf(m, i);

		b->magic = CHAN_BUF_MAGIC;
		b->index = i;
		b->size = CHAN_MSS + CHAN_HEADROOM;
		b->next = b->last = CHAN_NONE;
		if (i < m->buffers - 1)
			assert_true(memory_put(m->free, &i));
	}
}

void memory_make(struct memory *m, uint32_t buffers)
{
	struct chan_ctx c = { .version = CHAN_VERSION,
			      .pool_mask = buffers - 1,
			      .buf_size = CHAN_BUF_SIZE,
			      .buf_mss = CHAN_MSS };
	uint64_t at = sizeof(c);

	c.stats_ofs = place(&at, sizeof(struct chan_stats), 64);
	c.sq_ofs = place_ring(&at, CHAN_CTRL_SLOTS, sizeof(struct chan_ctrl));
	c.cq_ofs = place_ring(&at, CHAN_CTRL_SLOTS, sizeof(struct chan_ctrl));
	c.rx_ofs = place_ring(&at, CHAN_RING_SLOTS, 4);
	c.tx_ofs = place_ring(&at, CHAN_RING_SLOTS, 4);
	c.free_ofs = place_ring(&at, buffers, 4);
	c.index_table_ofs = place(&at, 4 * (uint64_t)buffers, 64);
	c.pool_ofs = place(&at, (uint64_t)buffers * CHAN_BUF_SIZE, PAGE);
	*m = (struct memory){ .size = c.size = at, .buffers = buffers };
	m->fd = memfd_create("channel", MFD_CLOEXEC);
	assert_return_code(ftruncate(m->fd, (off_t)m->size), 0);
	m->at = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	assert_true(m->at != MAP_FAILED);
	m->ctx = memcpy(m->at, &c, sizeof(c));
	m->stats = (struct chan_stats *)(m->at + c.stats_ofs);
	m->sq = init_ring(m, c.sq_ofs, CHAN_CTRL_SLOTS, sizeof(struct chan_ctrl));
	m->cq = init_ring(m, c.cq_ofs, CHAN_CTRL_SLOTS, sizeof(struct chan_ctrl));
	m->rx = init_ring(m, c.rx_ofs, CHAN_RING_SLOTS, 4);
	m->tx = init_ring(m, c.tx_ofs, CHAN_RING_SLOTS, 4);
	m->free = init_ring(m, c.free_ofs, buffers, 4);
	init_bufs(m);
	m->ctx->magic = CHAN_MAGIC;
}

void memory_close(struct memory *m)
{
	munmap(m->at, m->size);
	close(m->fd);
}

static uint8_t *slot(const struct chan_ring *r, uint32_t at)
{
	return (uint8_t *)(r + 1) + (size_t)(at & r->mask) * r->entry_size;
}

uint32_t memory_count(const struct chan_ring *r)
{
	return __atomic_load_n(&r->prod.tail, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&r->cons.tail, __ATOMIC_ACQUIRE);
}

bool memory_take(struct chan_ring *r, void *ret_entry)
{
	if (!memory_count(r))
		return false;
	memcpy(ret_entry, slot(r, r->cons.head), r->entry_size);
	r->cons.head++;
	__atomic_store_n(&r->cons.tail, r->cons.head, __ATOMIC_RELEASE);
	return true;
}

bool memory_put(struct chan_ring *r, const void *entry)
{
	if (memory_count(r) == r->capacity)
		return false;
	memcpy(slot(r, r->prod.head), entry, r->entry_size);
	r->prod.head++;
	__atomic_store_n(&r->prod.tail, r->prod.head, __ATOMIC_RELEASE);
	return true;
}

struct chan_buf *memory_buf(const struct memory *m, uint32_t index)
{
	assert_true(index < m->buffers);
	return (struct chan_buf *)(m->at + m->ctx->pool_ofs + (size_t)index * CHAN_BUF_SIZE);
}

uint8_t *memory_data(const struct memory *m, uint32_t index)
{
	struct chan_buf *b = memory_buf(m, index);

	return (uint8_t *)(b + 1) + b->data_ofs;
}

uint32_t memory_bounce(struct memory *m)
{
	uint32_t index, n = 0;

	while (memory_count(m->rx) < m->rx->capacity && memory_take(m->tx, &index)) {
		struct chan_flow *f = &memory_buf(m, index)->flow;

		*f = (struct chan_flow){ f->dst_ip, f->src_ip, f->dst_port, f->src_port };
		assert_true(memory_put(m->rx, &index));
		n++;
	}
	return n;
}

uint32_t memory_deliver(struct memory *m, const void *bytes, uint32_t len)
{
	struct chan_buf *b;
	uint32_t index;

	assert_true(memory_take(m->free, &index));
	b = memory_buf(m, index);
	b->flags = CHAN_FIRST | CHAN_LAST;
	b->flow = (struct chan_flow){ 0x0a000001, 0x0a000002, 1000, 2000 };
	b->data_ofs = CHAN_HEADROOM;
	b->data_len = len;
	memcpy(memory_data(m, index), bytes, len);
	assert_true(memory_put(m->rx, &index));
	return index;
}
