/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet_frames.h"

#include "port/simnet_path.h"

#include "net.h"

enum { TOTAL = 1000, ROUNDS = 200000 };

static int pool_up(void **state)
{
	static struct frames f;

	*state = &f;
	return frames_init(&f, TOTAL);
}

static int pool_down(void **state)
{
	frames_fini(*state);
	return 0;
}

static void every_frame_is_taken_once(void **state)
{
	struct frames *f = *state;
	bool seen[TOTAL] = { false };
	uint32_t frame;

	for (int i = 0; i < TOTAL; i++) {
		frame = frames_take(f);
		assert_in_range(frame, 0, TOTAL - 1);
		assert_false(seen[frame]);
		seen[frame] = true;
	}
	assert_int_equal(frames_take(f), FRAME_NONE);
	assert_int_equal(frames_copy(f, 0), FRAME_NONE);
	frames_give(f, 7);
	assert_int_equal(frames_take(f), 7);
}

static void a_copy_is_its_own(void **state)
{
	struct frames *f = *state;
	uint32_t a = frames_take(f), b;

	memcpy(frame_data(f, a), "here", 5);
	f->info[a].len = 5;
	b = frames_copy(f, a);
	memcpy(frame_data(f, a), "gone", 5);
	assert_int_equal(f->info[b].len, 5);
	assert_string_equal((char *)frame_data(f, b), "here");
}

static void a_list_keeps_its_order(void **state)
{
	struct frames *f = *state;
	struct frame_list l = { 0 };
	uint32_t frame[5];

	for (int i = 0; i < 5; i++) {
		frame[i] = frames_take(f);
		list_put(f, &l, frame[i]);
	}
	assert_int_equal(list_take(f, &l), frame[0]);
	list_put(f, &l, frame[0]);
	for (int i = 1; i < 6; i++)
		assert_int_equal(list_take(f, &l), frame[i % 5]);
	assert_int_equal(l.count, 0);
	list_put(f, &l, frame[3]);
	assert_int_equal(list_take(f, &l), frame[3]);
}

static void a_list_goes_back_whole(void **state)
{
	struct frames *f = *state;
	struct frame_list l = { 0 };

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < TOTAL; i++)
			list_put(f, &l, frames_take(f));
		assert_int_equal(frames_take(f), FRAME_NONE);
		list_give(f, &l);
		assert_int_equal(l.count, 0);
	}
}

/* Few different times, so that many are equal: those come in the order they departed. */
static void frames_arrive_in_time_and_order(void **state)
{
	struct frames *f = *state;
	uint64_t seed = 1, order[TOTAL], last_at = 0, last_order = 0, at;
	uint32_t frame;

	for (uint64_t i = 1; i <= ROUNDS; i++) {
		if (f->on_way < TOTAL && random_below(&seed, 2)) {
			frame = frames_take(f);
			order[frame] = i;
			frames_depart(f, frame, last_at + random_below(&seed, 20));
		} else if (f->on_way) {
			at = frames_next(f);
			frame = frames_arrive(f);
			assert_true(at > last_at || (at == last_at && order[frame] > last_order));
			last_at = at;
			last_order = order[frame];
			frames_give(f, frame);
		}
	}
	while (f->on_way)
		frames_give(f, frames_arrive(f));
	assert_true(frames_next(f) == UINT64_MAX);
	for (int i = 0; i < TOTAL; i++)
		assert_int_not_equal(frames_take(f), FRAME_NONE);
}

#define on_pool(test) cmocka_unit_test_setup_teardown(test, pool_up, pool_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_pool(every_frame_is_taken_once),	  on_pool(a_copy_is_its_own),
		on_pool(a_list_keeps_its_order),	  on_pool(a_list_goes_back_whole),
		on_pool(frames_arrive_in_time_and_order),
	};

	return cmocka_run_group_tests_name("port/simnet_frames", tests, NULL, NULL);
}
