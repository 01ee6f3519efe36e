/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel/channel.h"
#include "reeve-netd/endpoint.h"
#include "reeve-netd/stock.h"

static const uint8_t id[CHAN_UUID] = { 7 };

static struct endpoint *serve(struct channel *ch)
{
	struct endpoint *ep;

	channel_begin(ch, id, true);
	assert_int_equal(endpoint_new(ch, true, 16, 1, &ep), 0);
	return ep;
}

/* It works: memory that is all there, and whose buffers can be had. */
static struct channel *take(struct stock *s, uint32_t buffers)
{
	struct channel *ch;
	uint32_t buf;
	int fd;

	assert_int_equal(stock_take(s, buffers, &ch, &fd), 0);
	assert_int_equal(ch->nbufs, buffers);
	assert_int_equal(lseek(fd, 0, SEEK_END), ch->size);
	assert_int_equal(channel_take(ch, &buf), 0);
	close(fd);
	return ch;
}

static void test_what_is_usual_lies_ready(void **state)
{
	struct stock s = { 0 };

	(void)state;
	assert_int_equal(stock_open(&s), 0);
	for (int round = 0; round < 2; round++) {
		struct channel *ready;

		stock_settle(&s);
		ready = s.ready;
		assert_non_null(ready);
		assert_ptr_equal(take(&s, CHAN_BUFS_MAX), ready);
		if (round) {
			stock_settle(&s);
			assert_null(s.parked.base);
		}
		stock_drop(&s, serve(ready));
	}
	stock_close(&s);
}

static void test_others_are_made(void **state)
{
	struct stock s = { 0 };
	struct channel *ch;
	int fd;

	(void)state;
	assert_int_equal(stock_open(&s), 0);
	channel_free(take(&s, 256));
	assert_int_equal(stock_take(&s, 1000, &ch, &fd), -EINVAL);
	stock_close(&s);
}

/* One after the other, faster than they are made; more than the bin holds. */
static void test_many(void **state)
{
	struct endpoint *eps[STOCK_BIN * 2];
	struct stock s = { 0 };

	(void)state;
	assert_int_equal(stock_open(&s), 0);
	for (int i = 0; i < 4; i++)
		stock_drop(&s, serve(take(&s, CHAN_BUFS_MAX)));
	for (int i = 0; i < STOCK_BIN * 2; i++)
		eps[i] = serve(take(&s, CHAN_BUFS_MIN));
	for (int i = 0; i < STOCK_BIN * 2; i++)
		stock_drop(&s, eps[i]);
	stock_settle(&s);
	assert_int_equal(s.nbin, 0);
	stock_drop(&s, serve(take(&s, CHAN_BUFS_MIN)));
	stock_close(&s);
}

static void test_without_a_thread(void **state)
{
	struct stock s = { 0 };

	(void)state;
	stock_drop(&s, serve(take(&s, CHAN_BUFS_MAX)));
	stock_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_usual_lies_ready),
		cmocka_unit_test(test_others_are_made),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_without_a_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
