/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel between an application and the message stack, as it lies in shared memory,
 * and the messages of the control socket by which it comes about: Machnet's, byte for
 * byte (facts: the reference's headers compiled and printed, and a channel of a running
 * daemon; LP64, host byte order). Both sides include this; what each of them makes of it
 * is in channel/ and shim/. Nothing but layout is here.
 *
 * An application can write all of this memory at any time. So the stack reads each number
 * once, holds it against what it knows itself (sizes and places are those it made the
 * channel with, never those that stand here), and keeps its own ends of rings to itself.
 */
#ifndef REEVE_WIRE_CHANNEL_H
#define REEVE_WIRE_CHANNEL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* --- the control socket: SOCK_STREAM, one message each way, 154 bytes ---------------------- */

#define CHAN_SOCKET_DIR "/var/run/machnet"
#define CHAN_SOCKET	CHAN_SOCKET_DIR "/machnet_ctrl.sock"

enum chan_msg_type {
	CHAN_REGISTER = 0x01,
	CHAN_REQ_CHANNEL = 0x02,
	CHAN_RESPONSE = 0x10, /* with CHAN_REQ_CHANNEL's: SCM_RIGHTS, the channel's memory */
};

struct chan_msg {
	uint16_t type;
	uint32_t id; /* echoed */
	uint8_t app[16];
	int32_t status; /* of a response: 0, or -1 */
	union {
		char app_name[128];
		struct {
			uint8_t channel[16];
			/*
			 * The reference sends 1024 and 4096 and its daemon ignores both. With
			 * CHAN_RINGS the application knows what is said below of `rings`, and
			 * buffers is how many it wants: a power of two.
			 */
			uint32_t rings, buffers;
		} __attribute__((packed)) channel;
	};
} __attribute__((packed));

#define CHAN_RINGS 0x72765201u

/* --- the memory ------------------------------------------------------------------------------ */

#define CHAN_MAGIC     0xA5A5A5A5u
#define CHAN_BUF_MAGIC 0xB6B6B6B6u
#define CHAN_NONE      UINT32_MAX /* no next buffer */

enum {
	CHAN_VERSION = 1,
	CHAN_RING_SLOTS = 256, /* of messages, each way */
	CHAN_CTRL_SLOTS = 2,
	CHAN_MSS = 1418,
	CHAN_BUF_SIZE = 2048, /* header, headroom, payload */
	CHAN_HEADROOM = 128,
	CHAN_CACHE = 64, /* buffers that an application may keep for itself */
	CHAN_BUFS_MIN = 256,
	CHAN_BUFS_MAX = 8192, /* a message of 8 MiB, and both caches: what is usual */
	CHAN_MESSAGE_MAX = 8 << 20,
};

/*
 * Single where one thread alone enqueues, or dequeues. One slot is always empty. Ends
 * run free, and are taken modulo `size`. Who enqueues reserves at head, writes, waits
 * for tail to come to where it reserved, and moves tail on; who dequeues likewise.
 */
struct chan_ring_end {
	uint32_t head, tail;
	int32_t single;
};

struct chan_ring {
	uint32_t size, mask, capacity, entry_size;
	uint32_t reserved[2];
	_Alignas(64) struct chan_ring_end prod;
	_Alignas(64) uint8_t pad0[64];
	_Alignas(64) struct chan_ring_end cons;
	_Alignas(64) uint8_t pad1[64];
	/* size entries follow */
};

/* The reference leaves all of it zero. */
struct chan_stats {
	uint64_t tx_drops, tx_messages, tx_bytes;
	/* --- where the reference has nothing; see `rings` --- */
	uint64_t rings;	      /* CHAN_RINGS: netd has the application's connection watched */
	uint32_t netd_sleeps; /* netd's: ring after putting something into a ring */
	uint32_t app_waits;   /* the application's: likewise */
	uint64_t reserved[3];
};

struct chan_ctx {
	uint32_t magic; /* written last */
	uint16_t version;
	uint64_t size; /* of the memory */
	char name[256];
	_Alignas(64) uint64_t req_id; /* the application's */
	_Alignas(64) uint64_t stats_ofs;
	uint64_t sq_ofs, cq_ofs;  /* control: to the stack, from it */
	uint64_t rx_ofs, tx_ofs;  /* messages: from the stack, to it */
	uint64_t free_ofs;	  /* buffers that are nobody's */
	uint64_t index_table_ofs; /* the application's */
	uint64_t pool_ofs, pool_mask;
	uint32_t buf_size, buf_mss;
	_Alignas(64) uint32_t cache_count; /* the application's */
	uint32_t cache[CHAN_CACHE];
};

/* Host byte order, the address, too: 10.0.0.1 is 0x0a000001. */
struct chan_flow {
	uint32_t src_ip, dst_ip;
	uint16_t src_port, dst_port;
};

enum {
	CHAN_FIRST = 0x01, /* as MACHNET_FIRST, _MORE and _LAST of wire/machnet.h */
	CHAN_MORE = 0x02,
	CHAN_LAST = 0x04,
	CHAN_CHAIN = 0x08,
	CHAN_NOTIFY = 0x80,
};

struct chan_buf {
	uint32_t magic, index;
	uint32_t size; /* of what follows the header, headroom with it */
	uint64_t iova;
	uint8_t flags;
	struct chan_flow flow;	     /* as who sends sees it */
	uint32_t msg_len;	     /* in the first one, to the stack only */
	uint32_t data_len, data_ofs; /* behind the header */
	uint32_t next, last;	     /* `last`: in the first one, to the stack only */
	uint32_t reserved;
};

enum chan_op {
	CHAN_CONNECT = 1,
	CHAN_DISCONNECT = 2, /* the reference's daemon ignores it */
	CHAN_LISTEN = 3,
	CHAN_STATUS = 4,   /* from the stack: how `id` ended */
	CHAN_UNLISTEN = 5, /* only where there is CHAN_RINGS */
};

enum chan_status { CHAN_OK, CHAN_ERROR };

struct chan_ctrl {
	uint64_t id;
	uint32_t op;
	uint16_t status, pad;
	union {
		struct chan_flow flow;
		struct {
			uint32_t ip;
			uint16_t port, reserved;
		} listener;
	};
	/* The reference has no word here. A CHAN_STATUS of ours: 0, or a positive errno. */
	uint32_t error;
};

/*
 * `rings`: beside the memory, the connection over which it was asked for stays, and a byte
 * there, of any value, says "look at your rings". It is sent with MSG_DONTWAIT, and only
 * to who said that it sleeps (set the word, full barrier, look once more, sleep; the
 * other side: put, full barrier, look at the word). A full socket is as good as a byte.
 * The end of that connection is the end of the channel. Without CHAN_RINGS it is not: the
 * reference's library needs it no more.
 */

static_assert(sizeof(struct chan_msg) == 154, "as the reference");
static_assert(offsetof(struct chan_msg, id) == 2, "packed");
static_assert(offsetof(struct chan_msg, app) == 6, "packed");
static_assert(offsetof(struct chan_msg, status) == 22, "packed");
static_assert(offsetof(struct chan_msg, channel.channel) == 26, "packed");
static_assert(offsetof(struct chan_msg, channel.rings) == 42, "packed");
static_assert(offsetof(struct chan_msg, channel.buffers) == 46, "packed");
static_assert(sizeof(struct chan_ring) == 320, "as the reference");
static_assert(offsetof(struct chan_ring, prod) == 64, "as the reference");
static_assert(offsetof(struct chan_ring, cons) == 192, "as the reference");
static_assert(sizeof(struct chan_stats) == 64, "as the reference");
static_assert(sizeof(struct chan_ctx) == 832, "as the reference");
static_assert(offsetof(struct chan_ctx, size) == 8, "as the reference");
static_assert(offsetof(struct chan_ctx, name) == 16, "as the reference");
static_assert(offsetof(struct chan_ctx, req_id) == 320, "as the reference");
static_assert(offsetof(struct chan_ctx, stats_ofs) == 384, "as the reference");
static_assert(offsetof(struct chan_ctx, pool_mask) == 448, "as the reference");
static_assert(offsetof(struct chan_ctx, buf_mss) == 460, "as the reference");
static_assert(offsetof(struct chan_ctx, cache_count) == 512, "as the reference");
static_assert(sizeof(struct chan_flow) == 12, "as the reference");
static_assert(sizeof(struct chan_buf) == 64, "as the reference");
static_assert(offsetof(struct chan_buf, flags) == 24, "as the reference");
static_assert(offsetof(struct chan_buf, flow) == 28, "as the reference");
static_assert(offsetof(struct chan_buf, msg_len) == 40, "as the reference");
static_assert(offsetof(struct chan_buf, last) == 56, "as the reference");
static_assert(sizeof(struct chan_ctrl) == 32, "as the reference");
static_assert(offsetof(struct chan_ctrl, flow) == 16, "as the reference");

#endif
