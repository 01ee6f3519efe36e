/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/view.h"

#include <stdlib.h>

#include "memory.h"

static struct memory m;

static int begin(void **state)
{
	(void)state;
	memory_make(&m, 4096);
	return 0;
}

static int end(void **state)
{
	(void)state;
	memory_close(&m);
	return 0;
}

static int look(struct view *v)
{
	return view_read(v, m.at, m.size);
}

static void test_as_it_should_be(void **state)
{
	struct view v;

	(void)state;
	assert_int_equal(look(&v), 0);
	assert_ptr_equal(v.sq.shared, m.sq);
	assert_ptr_equal(v.cq.shared, m.cq);
	assert_ptr_equal(v.rx.shared, m.rx);
	assert_ptr_equal(v.tx.shared, m.tx);
	assert_ptr_equal(v.free.shared, m.free);
	assert_int_equal(v.sq.entry_size, 32);
	assert_int_equal(v.rx.slots, 256);
	assert_int_equal(v.bufs, 4096);
	assert_int_equal(v.mss, 1418);
	assert_ptr_equal(view_buf(&v, 4095), memory_buf(&m, 4095));
	assert_ptr_equal(v.stats, NULL);
	m.stats->rings = CHAN_RINGS;
	assert_int_equal(look(&v), 0);
	assert_ptr_equal(v.stats, m.stats);
}

/* Each place and each size, one at a time, at what is just wrong and what is very wrong. */
static void test_each_number_that_is_wrong(void **state)
{
	const uint64_t bad[] = { 0,	      1,      8,	   63,	       832 + 32,
				 m.size - 64, m.size, m.size + 64, UINT64_MAX, UINT64_MAX - 63 };
	uint64_t *places[] = { &m.ctx->sq_ofs, &m.ctx->cq_ofs,	 &m.ctx->rx_ofs,
			       &m.ctx->tx_ofs, &m.ctx->free_ofs, &m.ctx->pool_ofs };
	struct chan_ring *rings[] = { m.sq, m.cq, m.rx, m.tx, m.free };
	struct view v = { .bufs = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint64_t good = *places[i];

		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			*places[i] = bad[j];
			assert_int_equal(look(&v), -EPROTO);
		}
		*places[i] = good;
	}
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		uint32_t *numbers[] = { &rings[i]->size, &rings[i]->mask, &rings[i]->capacity,
					&rings[i]->entry_size };

		for (size_t j = 0; j < 4; j++) {
			uint32_t good = *numbers[j];

			for (uint32_t k = 0; k < 32; k++) {
				*numbers[j] = good ^ UINT32_C(1) << k;
				assert_int_equal(look(&v), -EPROTO);
			}
			*numbers[j] = good;
		}
	}
	assert_int_equal(v.bufs, 7);
	assert_int_equal(look(&v), 0);
}

/* A ring whose numbers agree with each other, but not with the memory. */
static void test_a_ring_that_does_not_fit(void **state)
{
	struct view v;

	(void)state;
	m.rx->size = 1u << 31;
	m.rx->mask = m.rx->capacity = m.rx->size - 1;
	assert_int_equal(look(&v), -EPROTO);
	m.rx->size = 1;
	m.rx->mask = m.rx->capacity = 0;
	assert_int_equal(look(&v), -EPROTO);
}

static void test_buffers_that_do_not_fit(void **state)
{
	const struct {
		uint32_t size, mss;
	} bad[] = { { 0, 1418 },    { 2048, 0 },	{ 2048, 2048 },
		    { 2048, 1857 }, { 2049, 1418 },	{ 128, 1 },
		    { 2112, 1418 }, { 1u << 31, 1418 }, { 64, UINT32_MAX } };
	struct view v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.ctx->buf_size = bad[i].size;
		m.ctx->buf_mss = bad[i].mss;
		assert_int_equal(look(&v), -EPROTO);
	}
	m.ctx->buf_size = 2048;
	m.ctx->buf_mss = 2048 - 64 - 128;
	assert_int_equal(look(&v), 0);
}

static void test_no_channel(void **state)
{
	struct view v;

	(void)state;
	m.ctx->size = m.size + 1;
	assert_int_equal(look(&v), -EPROTO);
	m.ctx->size = m.size;
	assert_int_equal(view_read(&v, m.at, sizeof(struct chan_ctx) - 1), -EPROTO);
	m.ctx->magic = 0;
	assert_int_equal(look(&v), -EPROTO);
}

/* The bell is a plus: without its place there is none, and all else goes. */
static void test_no_place_for_the_bell(void **state)
{
	struct view v;

	(void)state;
	m.stats->rings = CHAN_RINGS;
	m.ctx->stats_ofs = m.size;
	assert_int_equal(look(&v), 0);
	assert_ptr_equal(v.stats, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_as_it_should_be, begin, end),
		cmocka_unit_test_setup_teardown(test_each_number_that_is_wrong, begin, end),
		cmocka_unit_test_setup_teardown(test_a_ring_that_does_not_fit, begin, end),
		cmocka_unit_test_setup_teardown(test_buffers_that_do_not_fit, begin, end),
		cmocka_unit_test_setup_teardown(test_no_channel, begin, end),
		cmocka_unit_test_setup_teardown(test_no_place_for_the_bell, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
