/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies where in Machnet's control messages and channels, as offsets and as nothing
 * else: written from a description of the reference, so that a mistake in
 * src/wire/channel.h is not made here again. Shares no code with src/.
 */
#ifndef TEST_FAKE_MACHNET_LAYOUT_H
#define TEST_FAKE_MACHNET_LAYOUT_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Control messages: 154 bytes, packed. */
enum {
	MSG_BYTES = 154,
	MSG_TYPE = 0,	 /* u16 */
	MSG_ID = 2,	 /* u32 */
	MSG_APP = 6,	 /* 16 bytes */
	MSG_STATUS = 22, /* i32 */
	MSG_CHANNEL = 26,
	MSG_RING_SIZE = 42, /* u32 */
	MSG_BUFFERS = 46,   /* u32 */
	TYPE_REGISTER = 1,
	TYPE_CHANNEL = 2,
	TYPE_RESPONSE = 0x10,
};

enum {
	CTX_BYTES = 832,
	CTX_MAGIC = 0,
	CTX_VERSION = 4,
	CTX_SIZE = 8,
	CTX_REQ_ID = 320,
	CTX_STATS = 384,
	CTX_SQ = 392,
	CTX_CQ = 400,
	CTX_TO_APP = 408,
	CTX_FROM_APP = 416,
	CTX_FREE = 424,
	CTX_TABLE = 432,
	CTX_POOL = 440,
	CTX_POOL_MASK = 448,
	CTX_BUF_SIZE = 456,
	CTX_MSS = 460,
};
#define MAGIC_CTX 0xA5A5A5A5u
#define MAGIC_BUF 0xB6B6B6B6u

enum {
	RING_BYTES = 320,
	RING_SIZE = 0,
	RING_MASK = 4,
	RING_CAPACITY = 8,
	RING_ESIZE = 12,
	RING_PROD = 64,
	RING_CONS = 192,
	END_HEAD = 0,
	END_TAIL = 4,
	END_SYNC = 8,
};

enum {
	BUF_HEADER = 64,
	BUF_HEADROOM = 128,
	BUF_MAGIC = 0,
	BUF_INDEX = 4,
	BUF_SIZE = 8,
	BUF_FLAGS = 24, /* u8 */
	BUF_FLOW = 28,	/* 12 bytes */
	BUF_MSG_LEN = 40,
	BUF_DATA_LEN = 44,
	BUF_DATA_OFS = 48,
	BUF_NEXT = 52,
	BUF_LAST = 56,
	FLAG_SYN = 1,
	FLAG_SG = 2,
	FLAG_FIN = 4,
};

/* Entries of the control rings: 32 bytes. */
enum {
	CTRL_BYTES = 32,
	CTRL_ID = 0,	  /* u64 */
	CTRL_OP = 8,	  /* u32 */
	CTRL_STATUS = 12, /* u16 */
	CTRL_FLOW = 16,
	CTRL_LISTEN_IP = 16,
	CTRL_LISTEN_PORT = 20,
	OP_CREATE_FLOW = 1,
	OP_DESTROY_FLOW = 2,
	OP_LISTEN = 3,
	OP_STATUS = 4,
};

/* 12 bytes, as they lie in both. */
struct lay_flow {
	uint32_t src_ip, dst_ip;
	uint16_t src_port, dst_port;
};

static inline uint32_t get32(const uint8_t *p)
{
	return __atomic_load_n((const uint32_t *)(const void *)p, __ATOMIC_ACQUIRE);
}

static inline void put32(uint8_t *p, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)p, v, __ATOMIC_RELEASE);
}

static inline uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint8_t *lay_ring(uint8_t *ctx, unsigned which)
{
	return ctx + get64(ctx + which);
}

static inline uint8_t *lay_buf(uint8_t *ctx, uint32_t i)
{
	return ctx + get64(ctx + CTX_POOL) + (uint64_t)i * get32(ctx + CTX_BUF_SIZE);
}

/* Head of `end` moves on by n, if so many are left to it; where they begin. */
static inline bool lay_reserve(uint8_t *end, const uint8_t *other, uint32_t ahead, uint32_t n,
			       uint32_t *ret)
{
	uint32_t head = get32(end + END_HEAD);

	do
		if (ahead + get32(other + END_TAIL) - head < n)
			return false;
	while (!__atomic_compare_exchange_n((uint32_t *)(void *)(end + END_HEAD), &head, head + n,
					    false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	*ret = head;
	return true;
}

static inline void lay_publish(uint8_t *end, uint32_t at, uint32_t n)
{
	while (get32(end + END_TAIL) != at)
		sched_yield();
	put32(end + END_TAIL, at + n);
}

/* One entry, whoever else is at that end. */
static inline bool lay_put(uint8_t *ring, const void *entry)
{
	uint32_t esize = get32(ring + RING_ESIZE), at;

	if (!lay_reserve(ring + RING_PROD, ring + RING_CONS, get32(ring + RING_CAPACITY), 1, &at))
		return false;
	memcpy(ring + RING_BYTES + (size_t)(at & get32(ring + RING_MASK)) * esize, entry, esize);
	lay_publish(ring + RING_PROD, at, 1);
	return true;
}

static inline bool lay_take(uint8_t *ring, void *ret)
{
	uint32_t esize = get32(ring + RING_ESIZE), at;

	if (!lay_reserve(ring + RING_CONS, ring + RING_PROD, 0, 1, &at))
		return false;
	memcpy(ret, ring + RING_BYTES + (size_t)(at & get32(ring + RING_MASK)) * esize, esize);
	lay_publish(ring + RING_CONS, at, 1);
	return true;
}

static inline uint32_t lay_count(uint8_t *ring)
{
	return get32(ring + RING_PROD + END_TAIL) - get32(ring + RING_CONS + END_TAIL);
}

#endif
