/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/undo.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 64 * 1024 };

struct memory {
	alignas(UNDO_LINE) struct undo undo;
	uint32_t words[WORDS];
};

static struct memory *m;

static int setup(void **state)
{
	(void)state;
	m = aligned_alloc(UNDO_LINE, sizeof(*m));
	if (!m)
		return -1;
	memset(m, 0, sizeof(*m));
	undo_init(&m->undo, sizeof(*m));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(m);
	return 0;
}

static void set(uint32_t word, uint32_t value)
{
	undo_keep_object(&m->undo, &m->words[word]);
	m->words[word] = value;
}

static void test_taken_back(void **state)
{
	(void)state;
	set(1, 7);
	undo_settle(&m->undo);
	set(1, 8);
	set(1000, 9);
	set(1, 10);
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	assert_int_equal(m->words[1], 7);
	assert_int_equal(m->words[1000], 0);
	assert_int_equal(undo_room(&m->undo), UNDO_LINES);
	/* And once more: nothing is left to be taken back. */
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	assert_int_equal(m->words[1], 7);
}

static void test_settled_stays(void **state)
{
	(void)state;
	set(5, 1);
	undo_settle(&m->undo);
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	assert_int_equal(m->words[5], 1);
	/* What was kept before is kept anew after the settling. */
	set(5, 2);
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	assert_int_equal(m->words[5], 1);
}

/* More lines than the private table knows: some are kept twice. */
static void test_many_lines_changed_many_times(void **state)
{
	(void)state;
	for (uint32_t round = 1; round < 4; round++)
		for (uint32_t i = 0; i < 4000; i++)
			set(i * 16, round * 10000 + i);
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	for (uint32_t i = 0; i < WORDS; i++)
		assert_int_equal(m->words[i], 0);
}

static void test_a_range_over_lines(void **state)
{
	(void)state;
	undo_keep(&m->undo, &m->words[10], 100 * sizeof(uint32_t));
	memset(&m->words[10], 0xff, 100 * sizeof(uint32_t));
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(m->words[i], 0);
}

/* Taking back is killed after any number of lines: the next one does it whole. */
static void test_taken_back_twice(void **state)
{
	struct undo *copy = malloc(sizeof(*copy));

	(void)state;
	assert_non_null(copy);
	for (uint32_t i = 0; i < 100; i++)
		set(i * 16, i);
	memcpy(copy, &m->undo, sizeof(*copy));
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	memcpy(&m->undo, copy, sizeof(*copy));
	m->words[160] = 12345;
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(m->words[i * 16], 0);
	free(copy);
}

static void test_no_log_of_ours(void **state)
{
	(void)state;
	set(0, 1);
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m) - UNDO_LINE), -EBADMSG);
	m->undo.n = UNDO_LINES + 1;
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), -EBADMSG);
	m->undo.n = 1;
	m->undo.where[0] = 0; /* the log itself */
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), -EBADMSG);
	m->undo.where[0] = sizeof(*m) / UNDO_LINE;
	assert_int_equal(undo_take_back(&m->undo, sizeof(*m)), -EBADMSG);
	assert_int_equal(m->words[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_taken_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settled_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_lines_changed_many_times, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_range_over_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_back_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_log_of_ours, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
