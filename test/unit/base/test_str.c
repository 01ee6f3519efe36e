/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void copy_says_whether_it_fitted(void **state)
{
	char buf[4];

	(void)state;
	assert_true(str_copy(buf, sizeof(buf), "abc"));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, sizeof(buf), "abcd"));
	assert_string_equal(buf, "abc");
	assert_true(str_copy(buf, sizeof(buf), ""));
	assert_string_equal(buf, "");
	assert_false(str_copy(buf, 1, "a"));
	assert_string_equal(buf, "");
}

static void copy_leaves_the_rest_alone(void **state)
{
	char buf[] = "0123456789";

	(void)state;
	assert_false(str_copy(buf, 4, "abcdef"));
	assert_memory_equal(buf,
			    "abc\0"
			    "456789",
			    sizeof(buf));
	assert_false(str_copy(buf, 0, "z"));
	assert_int_equal(buf[0], 'a');
}

static void append_goes_on_where_the_text_ends(void **state)
{
	char buf[6] = "ab";

	(void)state;
	assert_true(str_append(buf, sizeof(buf), "cd"));
	assert_string_equal(buf, "abcd");
	assert_false(str_append(buf, sizeof(buf), "ef"));
	assert_string_equal(buf, "abcde");
	assert_false(str_append(buf, sizeof(buf), "g"));
	assert_string_equal(buf, "abcde");
	assert_true(str_append(buf, sizeof(buf), ""));
}

static void escape_of_every_byte(void **state)
{
	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
		unsigned char byte = (unsigned char)c;
		char want[8], got[8];

		snprintf(want, sizeof(want), plain ? "%c" : "\\x%02x", c);
		assert_int_equal(str_escape(got, sizeof(got), &byte, 1), strlen(want));
		assert_string_equal(got, want);
	}
}

/* Whatever was escaped can be read back, so two clients never look the same in a log. */
static size_t unescape(const char *text, unsigned char *out)
{
	size_t n = 0;

	while (*text) {
		unsigned value;

		if (*text != '\\') {
			out[n++] = (unsigned char)*text++;
			continue;
		}
		assert_int_equal(sscanf(text, "\\x%2x", &value), 1);
		out[n++] = (unsigned char)value;
		text += 4;
	}
	return n;
}

static void escape_loses_nothing(void **state)
{
	unsigned char all[255], back[256];
	char text[sizeof(all) * 4 + 1];

	(void)state;
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)(i + 1);
	str_escape(text, sizeof(text), all, sizeof(all));
	assert_int_equal(unescape(text, back), sizeof(all));
	assert_memory_equal(back, all, sizeof(all));
}

static void escape_stops_at_nul(void **state)
{
	char buf[16];

	(void)state;
	assert_int_equal(str_escape(buf, sizeof(buf), "ab\0cd", 5), 2);
	assert_string_equal(buf, "ab");
	assert_int_equal(str_escape(buf, sizeof(buf), "abcd", 3), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(str_escape(buf, sizeof(buf), "abcd", 0), 0);
	assert_string_equal(buf, "");
}

/* A cut never goes through an escape: half of one would read as another text. */
static void escape_cuts_between_characters(void **state)
{
	(void)state;
	for (size_t size = 0; size < 16; size++) {
		char buf[16] = "untouched";
		size_t len = str_escape(buf, size, "a\nb\n", 4);
		static const size_t whole[] = {
			0, 0, 1, 1, 1, 1, 5, 6, 6, 6, 6, 10, 10, 10, 10, 10
		};

		assert_int_equal(len, whole[size]);
		if (size)
			assert_memory_equal(buf, "a\\x0ab\\x0a", len);
		assert_int_equal(buf[len], size ? '\0' : 'u');
	}
}

static void number_reads_what_it_should(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
	} rows[] = {
		{ "0", 0, 0 },
		{ "007", 10, 7 },
		{ "65535", 65535, 65535 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 1;

		assert_int_equal(str_u64(rows[i].text, rows[i].max, &value), 0);
		assert_true(value == rows[i].value);
	}
}

static void number_refuses_the_rest(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int r;
	} rows[] = {
		{ "", 9, -EINVAL },
		{ " 1", 9, -EINVAL },
		{ "1 ", 9, -EINVAL },
		{ "-1", 9, -EINVAL },
		{ "+1", 9, -EINVAL },
		{ "0x1", 9, -EINVAL },
		{ "1\n", 9, -EINVAL },
		{ "\xb2", 9, -EINVAL },
		{ "1", 0, -ERANGE },
		{ "8", 7, -ERANGE },
		{ "06", 5, -ERANGE },
		{ "10", 9, -ERANGE },
		{ "65536", 65535, -ERANGE },
		{ "18446744073709551616", UINT64_MAX, -ERANGE },
		{ "99999999999999999999999999", UINT64_MAX, -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 4711;

		assert_int_equal(str_u64(rows[i].text, rows[i].max, &value), rows[i].r);
		assert_int_equal(value, 4711);
	}
}

static void number_agrees_with_printf(void **state)
{
	(void)state;
	for (uint64_t max = 0; max < 130; max++) {
		for (uint64_t n = 0; n < 130; n++) {
			uint64_t value = 4711;
			char text[24];

			snprintf(text, sizeof(text), "%" PRIu64, n);
			assert_int_equal(str_u64(text, max, &value), n <= max ? 0 : -ERANGE);
			assert_int_equal(value, n <= max ? n : 4711);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_says_whether_it_fitted),
		cmocka_unit_test(copy_leaves_the_rest_alone),
		cmocka_unit_test(append_goes_on_where_the_text_ends),
		cmocka_unit_test(escape_of_every_byte),
		cmocka_unit_test(escape_loses_nothing),
		cmocka_unit_test(escape_stops_at_nul),
		cmocka_unit_test(escape_cuts_between_characters),
		cmocka_unit_test(number_reads_what_it_should),
		cmocka_unit_test(number_refuses_the_rest),
		cmocka_unit_test(number_agrees_with_printf),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
