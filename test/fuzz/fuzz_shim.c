/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel whose memory the daemon writes what it likes into, between any two calls of
 * the library: errors, or garbage in messages, and nothing else. The input is a list of
 * steps: a byte says which one, up to six more what with.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "shim/channel.h"
#include "shim/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BUFFERS = 256, STEPS_MAX = 64, BYTES_MAX = 200000 };

static struct memory m;
static uint8_t *pristine, bytes[BYTES_MAX];

struct input {
	const uint8_t *at, *end;
};

static uint32_t next(struct input *in, size_t n)
{
	uint32_t v = 0;

	if ((size_t)(in->end - in->at) < n)
		n = (size_t)(in->end - in->at);
	memcpy(&v, in->at, n);
	in->at += n;
	return v;
}

static void make_memory(void)
{
	if (pristine) {
		memcpy(m.at, pristine, m.size);
		return;
	}
	memory_make(&m, BUFFERS);
	pristine = malloc(m.size);
	assert(pristine);
	memcpy(pristine, m.at, m.size);
}

static void send_one(struct channel *c, uint32_t len)
{
	MachnetIovec_t iov[2] = { { bytes, len / 2 }, { bytes, len - len / 2 } };
	const MachnetMsgHdr_t msg = { .msg_size = len, .msg_iov = iov, .msg_iovlen = 2 };

	message_send(c, &msg);
}

/* Exactly as long as it is said to be, so that a byte more is found. */
static void recv_one(struct channel *c, uint32_t len)
{
	uint8_t *room = malloc(len ? len : 1);
	MachnetIovec_t iov = { room, len };
	MachnetMsgHdr_t msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert(room);
	if (message_recv(c, &msg) > 0)
		assert(msg.msg_size <= len);
	free(room);
}

static void write_at(uint64_t place, uint32_t v)
{
	if (place <= m.size - sizeof(v))
		memcpy(m.at + place, &v, sizeof(v));
}

static void step(struct input *in, struct channel *c)
{
	uint32_t what = next(in, 1), a = next(in, 2);

	switch (what % 6) {
	case 0: /* the head of the memory: places, ends, entries */
		write_at(a * 4ULL, next(in, 4));
		break;
	case 1: /* a buffer's header */
		write_at(((struct chan_ctx *)pristine)->pool_ofs +
				 (uint64_t)(a % BUFFERS) * CHAN_BUF_SIZE + (a >> 8) % 64,
			 next(in, 4));
		break;
	case 2:
		if (c)
			send_one(c, a * 3 % BYTES_MAX);
		break;
	case 3:
		if (c)
			recv_one(c, a * 3 % BYTES_MAX);
		break;
	case 4: { /* what was sent comes back */
		uint32_t *from = (uint32_t *)(m.tx + 1), *to = (uint32_t *)(m.rx + 1);

		to[m.rx->prod.tail % CHAN_RING_SLOTS] = from[m.tx->cons.tail % CHAN_RING_SLOTS];
		m.rx->prod.tail++;
		m.tx->cons.tail++;
		break;
	}
	default: /* any index comes */
		((uint32_t *)(m.rx + 1))[m.rx->prod.tail % CHAN_RING_SLOTS] = a;
		m.rx->prod.tail++;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct channel *c = NULL;
	uint32_t before;

	make_memory();
	/* So many steps before the library looks at it for the first time. */
	before = next(&in, 1) % 8;
	for (uint32_t i = 0; in.at < in.end && i < STEPS_MAX; i++) {
		if (i == before)
			channel_map(m.fd, -1, &c);
		step(&in, c);
	}
	channel_unmap(c);
	return 0;
}
