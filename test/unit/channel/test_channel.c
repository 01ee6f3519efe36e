/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel/channel.h"

enum { PAGE = 4096 };
enum { DUMPED = 0x1300 }; /* bytes of the recording: all up to the list of free buffers */

static const uint8_t id[16] = { 0x9a, 0xaf, 0xc1, 0xdd, 0xc6, 0xc3, 0x42, 0x2e,
				0xbf, 0x92, 0x2c, 0xd9, 0xc0, 0x71, 0x38, 0x54 };

static struct channel *make(uint32_t buffers, bool rings, int *ret_fd)
{
	struct channel *c;

	assert_int_equal(channel_new(buffers, &c, ret_fd), 0);
	channel_begin(c, id, rings);
	return c;
}

/* --- the layout --------------------------------------------------------------------------- */

/* `hexdump -C`: an offset, bytes; "*" stands for the line before it again. */
static size_t read_dump(uint8_t *ret, size_t size)
{
	FILE *f = fopen(CHANNEL_DUMP, "re");
	uint8_t line[16] = { 0 };
	size_t end = 0;
	char text[128];

	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		char *at = text, *behind;
		size_t offset = strtoul(text, &behind, 16);

		if (behind - text != 8)
			continue;
		for (; end < offset && end + 16 <= size; end += 16)
			memcpy(ret + end, line, 16);
		at = behind;
		for (int i = 0; i < 16 && at[0] == ' ' && at[1] != '|' && at[1] != '\n'; i++)
			line[i] = (uint8_t)strtoul(at, &at, 16);
		if (end + 16 <= size && end == offset) {
			memcpy(ret + end, line, 16);
			end += 16;
		}
	}
	fclose(f);
	return end;
}

/* What an application and the daemon did there before it was recorded, and its place. */
static void undo(uint8_t *image)
{
	struct chan_ctx *x = (struct chan_ctx *)(void *)image;

	x->req_id = 0;
	x->size = 8429568;
	x->pool_ofs = 40960;
	for (size_t ring = x->sq_ofs; ring <= x->cq_ofs; ring += x->cq_ofs - x->sq_ofs) {
		struct chan_ring *r = (struct chan_ring *)(void *)(image + ring);

		r->prod.head = r->prod.tail = r->cons.head = r->cons.tail = 0;
		memset(r + 1, 0, CHAN_CTRL_SLOTS * sizeof(struct chan_ctrl));
	}
}

static void test_as_recorded(void **state)
{
	static _Alignas(64) uint8_t image[DUMPED];
	struct channel *c;
	int fd;

	(void)state;
	assert_int_equal(read_dump(image, sizeof(image)), DUMPED);
	undo(image);
	c = make(4096, false, &fd);
	assert_int_equal(c->size, 8429568);
	for (size_t i = 0; i < DUMPED; i++)
		if (c->base[i] != image[i])
			fail_msg("byte 0x%zx is %02x, the reference has %02x", i, c->base[i],
				 image[i]);
	close(fd);
	channel_free(c);
}

static void test_sizes(void **state)
{
	struct channel *c;
	struct stat st;
	int fd;

	(void)state;
	for (uint32_t n = CHAN_BUFS_MIN; n <= CHAN_BUFS_MAX; n *= 2) {
		c = make(n, true, &fd);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, c->size);
		assert_int_equal(c->ctx->size, c->size);
		assert_int_equal(c->ctx->pool_ofs % 4096, 0);
		assert_true(c->ctx->index_table_ofs + 4 * n <= c->ctx->pool_ofs);
		assert_int_equal(c->stats->rings, CHAN_RINGS);
		close(fd);
		channel_free(c);
	}
	assert_int_equal(channel_new(CHAN_BUFS_MIN / 2, &c, &fd), -EINVAL);
	assert_int_equal(channel_new(CHAN_BUFS_MAX * 2, &c, &fd), -EINVAL);
	assert_int_equal(channel_new(1000, &c, &fd), -EINVAL);
}

static void test_nobody_shrinks_it(void **state)
{
	int fd;
	struct channel *c = make(256, false, &fd);

	(void)state;
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1 << 30), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	close(fd);
	channel_free(c);
}

/* How many of its pages are in our page tables. */
static uint32_t mapped(const struct channel *c)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t page;
	uint32_t n = 0;

	assert_true(fd >= 0);
	for (uintptr_t at = (uintptr_t)c->base; at < (uintptr_t)c->base + c->size; at += PAGE) {
		assert_int_equal(pread(fd, &page, sizeof(page), (off_t)(at / PAGE * sizeof(page))),
				 sizeof(page));
		n += page >> 63;
	}
	close(fd);
	return n;
}

/* It can be used at once. */
static void test_parked(void **state)
{
	struct channel *c;
	uint32_t buf;
	int fd;

	(void)state;
	assert_int_equal(channel_new(256, &c, &fd), 0);
	assert_int_equal(mapped(c), c->size / PAGE);
	channel_park(c);
	assert_in_range(mapped(c), c->size / PAGE / 2 - 1, c->size / PAGE / 2 + 1);
	channel_unpark(c);
	assert_int_equal(mapped(c), c->size / PAGE);
	channel_begin(c, id, true);
	assert_int_equal(c->ctx->magic, CHAN_MAGIC);
	assert_int_equal(c->ctx->size, c->size);
	for (uint32_t i = 0; i < 255; i++)
		assert_int_equal(channel_take(c, &buf), 0);
	assert_int_equal(channel_take(c, &buf), -EAGAIN);
	close(fd);
	channel_free(c);
}

/* --- buffers ------------------------------------------------------------------------------------
 */

static void test_buffers_come_and_go(void **state)
{
	int fd;
	struct channel *c = make(256, false, &fd);
	uint32_t all[256], n = 0;
	bool waits;

	(void)state;
	while (channel_take(c, &all[n]) == 0)
		n++;
	assert_int_equal(n, 255);
	assert_false(channel_has_free(c));
	for (uint32_t i = 0; i < n; i++)
		channel_give(c, all[i]);
	assert_int_equal(channel_settle(c, &waits), 0);
	assert_false(waits);
	assert_int_equal(c->nspare, c->spare_most / 2);
	assert_int_equal(shared_ring_count(&c->free) + c->nspare, 255);
	close(fd);
	channel_free(c);
}

/* It may be waiting for one to send with, and reads when it has sent. */
static void test_none_is_kept_from_who_can_get_no_more(void **state)
{
	int fd;
	struct channel *c = make(256, false, &fd);
	uint32_t buf = 0;
	bool waits;

	(void)state;
	while (ring_put(&c->rx, &buf) > 0)
		;
	assert_int_equal(channel_take(c, &buf), 0);
	channel_give(c, buf);
	assert_int_equal(channel_settle(c, &waits), 0);
	assert_int_equal(c->nspare, 0);
	assert_int_equal(shared_ring_count(&c->free), 255);
	close(fd);
	channel_free(c);
}

static void test_indices_that_are_none(void **state)
{
	int fd;
	struct channel *c = make(256, false, &fd);
	uint32_t *slots = (uint32_t *)(void *)(c->free.ring.shared + 1), buf, n = 0;

	(void)state;
	for (int i = 0; i < 256; i++)
		slots[i] = i % 2 ? UINT32_MAX : 256;
	slots[100] = 7;
	while (channel_take(c, &buf) == 0) {
		assert_int_equal(buf, 7);
		n++;
	}
	assert_int_equal(n, 1);
	for (int i = 0; i < 1000; i++)
		channel_give(c, 7);
	assert_int_equal(c->nspare, 256);
	close(fd);
	channel_free(c);
}

/* The application reserved, and stands still: the ring counts what we took behind it. */
static void test_behind_one_that_stopped(void **state)
{
	int fd;
	struct channel *c = make(256, false, &fd);
	struct chan_ring_end *cons = &c->free.ring.shared->cons;
	uint32_t buf;
	bool waits;

	(void)state;
	cons->head++;
	assert_int_equal(channel_take(c, &buf), -EAGAIN);
	assert_int_equal(channel_take(c, &buf), -EAGAIN);
	assert_false(channel_has_free(c));
	assert_int_equal(channel_settle(c, &waits), 0);
	assert_true(waits);
	channel_give(c, 0); /* what is not held may be used meanwhile */
	assert_int_equal(channel_take(c, &buf), 0);
	assert_int_equal(buf, 0);
	assert_int_equal(channel_take(c, &buf), -EAGAIN);
	cons->tail++;
	assert_int_equal(channel_take(c, &buf), 0);
	assert_int_equal(cons->tail, cons->head);
	assert_int_equal(channel_settle(c, &waits), 0);
	assert_false(waits);
	close(fd);
	channel_free(c);
}

static void test_data_within_its_buffer(void **state)
{
	const uint32_t room = CHAN_BUF_SIZE - sizeof(struct chan_buf);
	struct chan_buf head = { .data_len = 1, .data_ofs = room - 1 };
	int fd;
	struct channel *c = make(256, false, &fd);

	(void)state;
	assert_ptr_equal(channel_data(c, 255, &head), c->base + c->size - 1);
	head.data_len = 2;
	assert_null(channel_data(c, 255, &head));
	head.data_ofs = UINT32_MAX;
	assert_null(channel_data(c, 255, &head));
	head = (struct chan_buf){ .data_len = UINT32_MAX, .data_ofs = 2 };
	assert_null(channel_data(c, 255, &head));
	head = (struct chan_buf){ .data_len = 0 };
	assert_null(channel_data(c, 255, &head));
	close(fd);
	channel_free(c);
}

static void test_a_packet(void **state)
{
	const struct chan_flow flow = { 1, 2, 3, 4 };
	struct chan_buf head;
	int fd;
	struct channel *c = make(256, false, &fd);

	(void)state;
	channel_write(c, 9, CHAN_FIRST | CHAN_MORE, &flow, "abc", 3);
	channel_chain(c, 9, 11);
	channel_read(c, 9, &head);
	assert_int_equal(head.magic, CHAN_BUF_MAGIC);
	assert_int_equal(head.index, 9);
	assert_int_equal(head.next, 11);
	assert_int_equal(head.msg_len, 0);
	assert_memory_equal(&head.flow, &flow, sizeof(flow));
	assert_memory_equal(channel_data(c, 9, &head), "abc", 3);
	close(fd);
	channel_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_recorded),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_nobody_shrinks_it),
		cmocka_unit_test(test_parked),
		cmocka_unit_test(test_buffers_come_and_go),
		cmocka_unit_test(test_none_is_kept_from_who_can_get_no_more),
		cmocka_unit_test(test_indices_that_are_none),
		cmocka_unit_test(test_behind_one_that_stopped),
		cmocka_unit_test(test_data_within_its_buffer),
		cmocka_unit_test(test_a_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
