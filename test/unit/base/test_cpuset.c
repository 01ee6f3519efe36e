/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The properties are checked against an array of bools, which is too simple to
 * be wrong in the same way. The seed is fixed: a failure comes again.
 */
#include "base/cpuset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 200, TEXT_MAX = CPU_MAX * 6 };

struct naive {
	bool has[CPU_MAX];
};

static uint64_t seed = 1;

static unsigned rnd(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % below;
}

/* Runs of any length, often at the ends of words and of the set. */
static void make_random(struct cpuset *s, struct naive *n)
{
	unsigned runs = rnd(12);

	memset(s, 0, sizeof(*s));
	memset(n, 0, sizeof(*n));
	while (runs--) {
		unsigned first = rnd(4) ? rnd(CPU_MAX) : rnd(CPUSET_WORDS) * 64;
		unsigned len = rnd(3) ? rnd(4) + 1 : rnd(300) + 1;

		for (unsigned cpu = first; cpu < first + len && cpu < CPU_MAX; cpu++) {
			cpuset_add(s, cpu);
			n->has[cpu] = true;
		}
	}
}

static void assert_same(const struct cpuset *s, const struct naive *n)
{
	for (unsigned cpu = 0; cpu < CPU_MAX; cpu++)
		if (cpuset_has(s, cpu) != n->has[cpu])
			fail_msg("CPU %u: %d instead of %d", cpu, cpuset_has(s, cpu), n->has[cpu]);
}

static void members_come_and_go(void **state)
{
	struct cpuset s = { 0 };
	struct naive n = { { false } };

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned cpu = rnd(CPU_MAX);

		n.has[cpu] = rnd(2);
		if (n.has[cpu])
			cpuset_add(&s, cpu);
		else
			cpuset_del(&s, cpu);
	}
	assert_same(&s, &n);
}

static void numbers_beyond_the_end_are_nothing(void **state)
{
	static const unsigned beyond[] = { CPU_MAX, CPU_MAX + 1, 65535, 1U << 31, UINT32_MAX };
	struct cpuset s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		cpuset_add(&s, beyond[i]);
		assert_false(cpuset_has(&s, beyond[i]));
		assert_true(cpuset_empty(&s));
		assert_int_equal(cpuset_next(&s, beyond[i]), CPU_MAX);
		cpuset_del(&s, beyond[i]);
	}
	assert_int_equal(cpuset_count(&s), 0);
}

static void check_pair(const struct cpuset *a, const struct naive *na, const struct cpuset *b,
		       const struct naive *nb)
{
	struct cpuset or = *a, and = *a, minus = *a;
	struct naive nor, nand, nminus;
	bool within = true, overlap = false, equal = true;
	unsigned count = 0;

	for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) {
		bool x = na->has[cpu], y = nb->has[cpu];

		nor.has[cpu] = x || y;
		nand.has[cpu] = x && y;
		nminus.has[cpu] = x && !y;
		within = within && (!x || y);
		overlap = overlap || (x && y);
		equal = equal && x == y;
		count += x;
	}
	cpuset_or(& or, b);
	cpuset_and(&and, b);
	cpuset_minus(&minus, b);
	assert_same(& or, &nor);
	assert_same(&and, &nand);
	assert_same(&minus, &nminus);
	assert_int_equal(cpuset_within(a, b), within);
	assert_int_equal(cpuset_overlap(a, b), overlap);
	assert_int_equal(cpuset_equal(a, b), equal);
	assert_int_equal(cpuset_count(a), count);
	assert_int_equal(cpuset_empty(a), count == 0);
}

static void algebra_agrees_with_bools(void **state)
{
	struct cpuset a, b, empty = { 0 };
	struct naive na, nb, none = { { false } };

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		make_random(&a, &na);
		make_random(&b, &nb);
		check_pair(&a, &na, &b, &nb);
		check_pair(&a, &na, &a, &na);
		check_pair(&a, &na, &empty, &none);
		check_pair(&empty, &none, &a, &na);
		cpuset_and(&b, &a);
		assert_true(cpuset_within(&b, &a));
	}
}

static void iteration_visits_each_member_once(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct naive n, seen = { { false } };
		struct cpuset s;
		unsigned cpu;

		make_random(&s, &n);
		cpuset_for_each(cpu, &s) {
			assert_false(seen.has[cpu]);
			seen.has[cpu] = true;
		}
		assert_memory_equal(&seen, &n, sizeof(n));
	}
}

static void next_finds_the_first_at_or_above(void **state)
{
	static const unsigned members[] = { 0, 63, 64, 127, 4000, CPU_MAX - 1 };
	struct cpuset s = { 0 };
	unsigned m = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		cpuset_add(&s, members[i]);
	for (unsigned from = 0; from < CPU_MAX; from++) {
		if (from > members[m])
			m++;
		assert_int_equal(cpuset_next(&s, from), members[m]);
	}
}

static void parse_reads_lists(void **state)
{
	static const struct {
		const char *text, *canonical;
	} rows[] = {
		{ "", "" },
		{ " \t\n", "" },
		{ "0", "0" },
		{ "3,1,2", "1-3" },
		{ "0-3,8", "0-3,8" },
		{ "0-3,8\n", "0-3,8" },
		{ " 5 , 7 - 7", NULL },
		{ " 5 , 7-7 ", "5,7" },
		{ "1-4,2-6,6", "1-6" },
		{ "63-64", "63-64" },
		{ "007", "7" },
		{ "8191", "8191" },
		{ "0-8191", "0-8191" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cpuset s;
		char buf[64];
		int r = cpuset_parse(rows[i].text, &s);

		assert_int_equal(r, rows[i].canonical ? 0 : -EINVAL);
		if (r < 0)
			continue;
		assert_int_equal(cpuset_format(&s, buf, sizeof(buf)), strlen(rows[i].canonical));
		assert_string_equal(buf, rows[i].canonical);
	}
}

static void parse_refuses_the_rest(void **state)
{
	static const struct {
		const char *text;
		int r;
	} rows[] = {
		{ ",", -EINVAL },
		{ "1,", -EINVAL },
		{ ",1", -EINVAL },
		{ "1,,2", -EINVAL },
		{ "1 2", -EINVAL },
		{ "-1", -EINVAL },
		{ "1-", -EINVAL },
		{ "1--2", -EINVAL },
		{ "1-2-3", -EINVAL },
		{ "3-1", -EINVAL },
		{ "a", -EINVAL },
		{ "1a", -EINVAL },
		{ "0x1", -EINVAL },
		{ "+1", -EINVAL },
		{ "all", -EINVAL },
		{ "0-7:2/4", -EINVAL },
		{ "\xb2", -EINVAL },
		{ "8192", -ERANGE },
		{ "0-8192", -ERANGE },
		{ "65535", -ERANGE },
		{ "4294967296", -ERANGE },
		{ "18446744073709551616", -ERANGE },
		{ "99999999999999999999999999999999999999", -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cpuset s = { { 42 } }, before = s;

		assert_int_equal(cpuset_parse(rows[i].text, &s), rows[i].r);
		assert_true(cpuset_equal(&s, &before));
	}
}

static void parse_gives_back_what_format_wrote(void **state)
{
	static char text[TEXT_MAX];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct cpuset s, back;
		struct naive n;
		size_t len;

		make_random(&s, &n);
		len = cpuset_format(&s, text, sizeof(text));
		assert_int_equal(len, strlen(text));
		assert_int_equal(cpuset_parse(text, &back), 0);
		assert_true(cpuset_equal(&s, &back));
	}
}

static void the_longest_list_survives(void **state)
{
	static char text[TEXT_MAX];
	struct cpuset s = { 0 }, back;
	size_t len;

	(void)state;
	for (unsigned cpu = 0; cpu < CPU_MAX; cpu += 2)
		cpuset_add(&s, cpu);
	len = cpuset_format(&s, text, sizeof(text));
	assert_int_equal(len, strlen(text));
	assert_int_equal(cpuset_parse(text, &back), 0);
	assert_true(cpuset_equal(&s, &back));
}

/* Whatever the room: all of it when it fits, else whole runs and "...". */
static void check_cut(const struct cpuset *s, const char *whole, size_t size)
{
	size_t keep, len;
	char buf[64];

	memset(buf, '#', sizeof(buf));
	len = cpuset_format(s, buf, size);
	assert_int_equal(buf[size], '#');
	if (!size) {
		assert_int_equal(len, 0);
		return;
	}
	assert_int_equal(len, strlen(buf));
	if (strlen(whole) < size) {
		assert_string_equal(buf, whole);
		return;
	}
	if (size < sizeof("...")) {
		assert_memory_equal(buf, "...", len);
		return;
	}
	keep = len - strlen("...");
	assert_string_equal(buf + keep, "...");
	assert_memory_equal(buf, whole, keep);
	assert_true(keep == 0 || whole[keep] == ',');
}

static void format_cuts_at_a_comma(void **state)
{
	static const char *const lists[] = { "0", "0,2", "0-1", "0,2,4,6,8,10-12,14",
					     "100-200,8191" };

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct cpuset s;

		assert_int_equal(cpuset_parse(lists[i], &s), 0);
		for (size_t size = 0; size < 40; size++)
			check_cut(&s, lists[i], size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_and_go),
		cmocka_unit_test(numbers_beyond_the_end_are_nothing),
		cmocka_unit_test(algebra_agrees_with_bools),
		cmocka_unit_test(iteration_visits_each_member_once),
		cmocka_unit_test(next_finds_the_first_at_or_above),
		cmocka_unit_test(parse_reads_lists),
		cmocka_unit_test(parse_refuses_the_rest),
		cmocka_unit_test(parse_gives_back_what_format_wrote),
		cmocka_unit_test(the_longest_list_survives),
		cmocka_unit_test(format_cuts_at_a_comma),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
