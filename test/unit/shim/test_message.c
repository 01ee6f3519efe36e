/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/message.h"

#include <stdlib.h>

#include "memory.h"
#include "shim/bufs.h"

enum { SEGMENTS = 64, ROUNDS = 512 };

static struct memory m;
static struct channel *c;
static uint8_t *out, *in;
static const MachnetFlow_t flow = { 0x0a000001, 0x0a000002, 1024, 31580 };

static void make(uint32_t buffers)
{
	memory_make(&m, buffers);
	assert_int_equal(channel_map(m.fd, -1, &c), 0);
	out = malloc(MACHNET_MSG_MAX);
	in = malloc(MACHNET_MSG_MAX);
	for (uint32_t i = 0; i < MACHNET_MSG_MAX; i++)
		out[i] = (uint8_t)(i * 31 + i / 251);
	srand(1);
}

static int begin(void **state)
{
	(void)state;
	make(8192);
	return 0;
}

static int begin_small(void **state)
{
	(void)state;
	make(256);
	return 0;
}

/* For *state: the memory was damaged by the test. */
static char damaged[] = "";

/* Every test ends here: none of it may have lost a buffer, or have one twice. */
static int end(void **state)
{
	uint32_t n = m.buffers - 1, index;
	uint8_t *seen = calloc(m.buffers, 1);

	channel_unmap(c);
	if (!*state)
		while (memory_take(m.free, &index)) {
			assert_true(index < m.buffers);
			assert_int_equal(seen[index]++, 0);
			n--;
		}
	assert_true(*state || n == 0);
	free(seen);
	free(out);
	free(in);
	memory_close(&m);
	return 0;
}

static MachnetMsgHdr_t message(MachnetIovec_t *iov, size_t n, uint32_t size)
{
	return (MachnetMsgHdr_t){
		.msg_size = size, .flow_info = flow, .msg_iov = iov, .msg_iovlen = n
	};
}

static int send_bytes(const void *from, uint32_t len)
{
	MachnetIovec_t iov = { (void *)(uintptr_t)from, len };
	MachnetMsgHdr_t msg = message(&iov, 1, len);

	return message_send(c, &msg);
}

static int recv_bytes(void *to, size_t room, MachnetMsgHdr_t *ret)
{
	MachnetIovec_t iov = { to, room };
	int r;

	*ret = message(&iov, 1, 0);
	r = message_recv(c, ret);
	ret->msg_iov = NULL;
	return r;
}

static void there_and_back(uint32_t len)
{
	MachnetMsgHdr_t got;

	assert_int_equal(send_bytes(out, len), 0);
	assert_int_equal(memory_bounce(&m), 1);
	memset(in, 0, len);
	assert_int_equal(recv_bytes(in, len, &got), 1);
	assert_int_equal(got.msg_size, len);
	assert_memory_equal(in, out, len);
	assert_int_equal(got.flow_info.src_ip, flow.dst_ip);
	assert_int_equal(got.flow_info.dst_ip, flow.src_ip);
	assert_int_equal(got.flow_info.src_port, flow.dst_port);
	assert_int_equal(got.flow_info.dst_port, flow.src_port);
	assert_int_equal(recv_bytes(in, len, &got), 0);
}

static void test_sizes(void **state)
{
	const uint32_t edges[] = { 1,
				   64,
				   1417,
				   1418,
				   1419,
				   2836,
				   64 * 1418,
				   64 * 1418 + 1,
				   MACHNET_MSG_MAX - 1,
				   MACHNET_MSG_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		there_and_back(edges[i]);
	for (int i = 0; i < 100; i++)
		there_and_back(1 + (uint32_t)rand() % (i % 10 ? 200000 : MACHNET_MSG_MAX));
}

/* What the daemon finds, in the words of the reference's headers. */
static void test_what_lies_in_the_buffers(void **state)
{
	MachnetIovec_t iov = { out, 3000 };
	MachnetMsgHdr_t msg = message(&iov, 1, 3000);
	uint32_t index, first;
	struct chan_buf *b;

	(void)state;
	msg.flags = 0xff;
	assert_int_equal(message_send(c, &msg), 0);
	assert_true(memory_take(m.tx, &first));
	b = memory_buf(&m, first);
	assert_int_equal(b->flags, CHAN_FIRST | CHAN_MORE | CHAN_NOTIFY);
	assert_int_equal(b->msg_len, 3000);
	assert_int_equal(b->data_len, 1418);
	assert_int_equal(b->data_ofs, 128);
	assert_int_equal(b->size, 1546);
	assert_memory_equal(&b->flow, &flow, sizeof(flow));
	b = memory_buf(&m, index = b->next);
	assert_int_equal(b->flags, CHAN_MORE);
	assert_int_equal(b->index, index);
	assert_int_equal(b->data_len, 1418);
	b = memory_buf(&m, b->next);
	assert_int_equal(b->flags, CHAN_LAST);
	assert_int_equal(b->data_len, 3000 - 2 * 1418);
	assert_int_equal(b->next, CHAN_NONE);
	assert_int_equal(memory_buf(&m, first)->last, b->index);
	assert_memory_equal(memory_data(&m, b->index), out + 2 * 1418, b->data_len);
	assert_true(memory_put(m.rx, &first));
	assert_int_equal(recv_bytes(in, 3000, &(MachnetMsgHdr_t){ 0 }), 1);
}

/* Cuts [0, len) into pieces, some of them empty. */
static size_t cut(uint8_t *base, uint32_t len, MachnetIovec_t iov[static SEGMENTS])
{
	size_t n = 1 + (size_t)rand() % SEGMENTS;

	for (size_t i = 0; i < n; i++) {
		uint32_t some = i == n - 1 ? len : (uint32_t)rand() % (len / 4 + 1);

		iov[i] = (MachnetIovec_t){ base, some };
		base += some;
		len -= some;
	}
	return n;
}

static void test_scattered_and_gathered(void **state)
{
	MachnetIovec_t from[SEGMENTS], to[SEGMENTS];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t len = 1 + (uint32_t)rand() % 100000;
		MachnetMsgHdr_t msg = message(from, cut(out, len, from), len);

		assert_int_equal(message_send(c, &msg), 0);
		assert_int_equal(memory_bounce(&m), 1);
		memset(in, 0, len);
		msg = message(to, cut(in, len, to), 0);
		assert_int_equal(message_recv(c, &msg), 1);
		assert_int_equal(msg.msg_size, len);
		assert_memory_equal(in, out, len);
	}
}

static void test_what_can_not_be_sent(void **state)
{
	MachnetIovec_t iov[2] = { { out, 10 }, { NULL, 10 } };
	MachnetMsgHdr_t msg = message(iov, 2, 20);

	(void)state;
	assert_int_equal(message_send(c, &msg), -EINVAL);
	iov[1].len = 0;
	assert_int_equal(message_send(c, &msg), -EINVAL);
	msg.msg_size = 0;
	assert_int_equal(message_send(c, &msg), -EINVAL);
	msg.msg_size = MACHNET_MSG_MAX + 1;
	assert_int_equal(message_send(c, &msg), -EMSGSIZE);
	iov[0].len = SIZE_MAX;
	assert_int_equal(message_send(c, &msg), -EMSGSIZE);
	msg = message(NULL, 1, 10);
	assert_int_equal(message_send(c, &msg), -EINVAL);
	assert_int_equal(memory_count(m.tx), 0);
}

/* More than all buffers together: not now, nor ever. */
static void test_longer_than_the_pool(void **state)
{
	(void)state;
	assert_int_equal(send_bytes(out, 255 * 1418 + 1), -EMSGSIZE);
	there_and_back(255 * 1418);
	assert_int_equal(send_bytes(out, 200 * 1418), 0);
	assert_int_equal(send_bytes(out, 56 * 1418), -EAGAIN);
	assert_int_equal(send_bytes(out, 55 * 1418), 0);
	assert_int_equal(send_bytes(out, 1), -EAGAIN);
	assert_int_equal(memory_bounce(&m), 2);
	assert_int_equal(recv_bytes(in, MACHNET_MSG_MAX, &(MachnetMsgHdr_t){ 0 }), 1);
	assert_int_equal(recv_bytes(in, MACHNET_MSG_MAX, &(MachnetMsgHdr_t){ 0 }), 1);
	there_and_back(255 * 1418);
}

static void test_a_full_ring_costs_no_buffer(void **state)
{
	MachnetMsgHdr_t got;
	uint32_t n = 0;

	(void)state;
	while (send_bytes(out, 100) == 0)
		n++;
	assert_int_equal(n, CHAN_RING_SLOTS - 1);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(send_bytes(out, 5000), -EAGAIN);
	assert_int_equal(c->counts.tx_no_room, 5001);
	assert_int_equal(memory_bounce(&m), n);
	while (recv_bytes(in, 100, &got) == 1)
		n--;
	assert_int_equal(n, 0);
}

static void test_too_long_for_its_room_is_discarded(void **state)
{
	MachnetMsgHdr_t got;

	(void)state;
	assert_int_equal(send_bytes(out, 5000), 0);
	assert_int_equal(send_bytes(out, 1), 0);
	memory_bounce(&m);
	memset(in, 0x5a, 5000);
	assert_int_equal(recv_bytes(in, 4999, &got), -EMSGSIZE);
	assert_int_equal(got.msg_size, 5000);
	assert_int_equal(in[4999], 0x5a);
	assert_int_equal(recv_bytes(in, 4999, &got), 1);
	assert_int_equal(got.msg_size, 1);
	assert_int_equal(c->counts.rx_discarded, 1);
}

static void test_an_empty_message(void **state)
{
	MachnetMsgHdr_t got;

	(void)state;
	memory_deliver(&m, "", 0);
	assert_int_equal(recv_bytes(NULL, 0, &got), 1);
	assert_int_equal(got.msg_size, 0);
}

/* --- memory that can't be right --------------------------------------------------------------- */

static void send_chain(uint32_t bufs)
{
	assert_int_equal(send_bytes(out, bufs * 1418), 0);
	memory_bounce(&m);
}

static uint32_t first_of(const struct memory *of)
{
	return ((uint32_t *)(of->rx + 1))[of->rx->cons.head & of->rx->mask];
}

static void damage(struct chan_buf *b, int what)
{
	switch (what) {
	case 0:
		b->magic++;
		break;
	case 1:
		b->data_len = 1857 + 128;
		break;
	case 2:
		b->data_ofs = UINT32_MAX;
		break;
	case 3:
		b->data_len = UINT32_MAX - 100;
		break;
	case 4:
		b->next = m.buffers;
		break;
	case 5:
		b->next = CHAN_NONE;
		break;
	case 6:
		b->data_ofs = 1985;
		b->data_len = 0;
		break;
	default:
		b->next = UINT32_MAX / 2;
		break;
	}
}

/* What of the chain can't be found any more is lost, and nothing else. */
static void test_damaged_headers(void **state)
{
	MachnetMsgHdr_t got;

	(void)state;
	*state = damaged;
	for (int what = 0; what < 8; what++) {
		send_chain(3);
		damage(memory_buf(&m, first_of(&m)), what);
		assert_int_equal(recv_bytes(in, MACHNET_MSG_MAX, &got), -EBADMSG);
	}
	assert_int_equal(c->broken, 0);
	assert_int_equal(c->cached + memory_count(m.free), m.buffers - 1 - 8 * 2);
	there_and_back(5000);
}

/* A chain that bites its tail ends all the same. */
static void test_a_chain_without_end(void **state)
{
	MachnetMsgHdr_t got;
	uint32_t first;

	(void)state;
	*state = damaged;
	send_chain(3);
	first = first_of(&m);
	memory_buf(&m, memory_buf(&m, first)->next)->next = first;
	assert_int_equal(recv_bytes(in, MACHNET_MSG_MAX, &got), -EBADMSG);
	assert_int_equal(c->broken, 0);
}

static void test_indices_that_are_none(void **state)
{
	uint32_t bad = m.buffers;
	MachnetMsgHdr_t got;

	(void)state;
	*state = damaged;
	assert_true(memory_put(m.rx, &bad));
	assert_int_equal(recv_bytes(in, 100, &got), -EBADMSG);
	assert_int_equal(c->broken, 0);
	for (uint32_t i = 0; i < m.buffers; i++)
		((uint32_t *)(m.free + 1))[i] = UINT32_MAX - i;
	assert_int_equal(send_bytes(out, 100), -EPROTO);
	assert_int_equal(send_bytes(out, 100), -EPROTO);
	assert_int_equal(recv_bytes(in, 100, &got), -EPROTO);
}

static void test_ends_of_rings(void **state)
{
	MachnetMsgHdr_t got;

	(void)state;
	*state = damaged;
	m.rx->prod.tail = m.rx->cons.head + m.rx->size;
	assert_int_equal(recv_bytes(in, 100, &got), -EPROTO);
	channel_unmap(c);
	m.rx->prod.tail = m.rx->cons.head;
	assert_int_equal(channel_map(m.fd, -1, &c), 0);
	m.tx->cons.tail = m.tx->prod.head + 1;
	assert_int_equal(send_bytes(out, 100), -EPROTO);
}

/* Whatever is written anywhere, at any time: an error, or garbage, and no more. */
static void test_random_memory(void **state)
{
	MachnetMsgHdr_t got;

	(void)state;
	*state = damaged;
	for (int round = 0; round < 300; round++) {
		if (c->broken) {
			channel_unmap(c);
			memory_close(&m);
			memory_make(&m, 256);
			assert_int_equal(channel_map(m.fd, -1, &c), 0);
		}
		send_bytes(out, 1 + (uint32_t)rand() % 20000);
		memory_bounce(&m);
		for (int i = 0; i < 16; i++) {
			size_t at = (size_t)rand() % (m.size / 4);

			/* Not what memory_bounce() itself believes in. */
			if (at * 4 >= m.ctx->free_ofs)
				((uint32_t *)m.at)[at] = (uint32_t)rand() * (rand() % 2 ? 1 : 999);
		}
		m.free->prod.tail = m.free->prod.head;
		m.free->cons.tail = m.free->cons.head;
		recv_bytes(in, (size_t)rand() % 30000, &got);
	}
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(test_##name, how, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sizes, begin),
		TEST(what_lies_in_the_buffers, begin),
		TEST(scattered_and_gathered, begin),
		TEST(what_can_not_be_sent, begin),
		TEST(longer_than_the_pool, begin_small),
		TEST(a_full_ring_costs_no_buffer, begin),
		TEST(too_long_for_its_room_is_discarded, begin_small),
		TEST(an_empty_message, begin_small),
		TEST(damaged_headers, begin_small),
		TEST(a_chain_without_end, begin_small),
		TEST(indices_that_are_none, begin_small),
		TEST(ends_of_rings, begin_small),
		TEST(random_memory, begin_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
