/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/varlink.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

static void decodes_calls(void **state)
{
	static const struct {
		const char *text, *method;
		size_t members;
		bool more, oneway;
	} rows[] = {
		{ "{\"method\":\"a.b.C\"}", "a.b.C", 0, false, false },
		{ "{\"method\":\"a.b.C\",\"parameters\":{}}", "a.b.C", 0, false, false },
		{ "{\"method\":\"a.b.C\",\"parameters\":null}", "a.b.C", 0, false, false },
		{ " {\"more\":true, \"parameters\":{\"x\":1,\"y\":[]},\n\"method\":\"M\"} ", "M", 2,
		  true, false },
		{ "{\"method\":\"M\",\"oneway\":true,\"more\":false}", "M", 0, false, true },
		{ "{\"method\":\"M\",\"upgrade\":false}", "M", 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct varlink_call c = { 0 };
		struct err e = { 0 };

		assert_int_equal(varlink_call_decode(rows[i].text, strlen(rows[i].text), &c, &e),
				 0);
		assert_string_equal(c.method, rows[i].method);
		assert_true(json_is_object(c.parameters));
		assert_int_equal(json_object_size(c.parameters), rows[i].members);
		assert_int_equal(c.more, rows[i].more);
		assert_int_equal(c.oneway, rows[i].oneway);
		assert_int_equal(e.code, 0);
		varlink_call_done(&c);
		assert_null(c.parameters);
	}
}

#define NAME_64 "a234567890123456789012345678901234567890123456789012345678901234"

static void refuses_what_is_no_call(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"x",
		"{",
		"[]",
		"1",
		"\"method\"",
		"null",
		"{}",
		"{\"method\":\"\"}",
		"{\"method\":1}",
		"{\"method\":null}",
		"{\"method\":\"M\"",
		"{\"method\":\"M\"} x",
		"{\"method\":\"M\"}{\"method\":\"M\"}",
		"{\"method\":\"M\",}",
		"{\"method\":\"M\",\"method\":\"M\"}",
		"{\"method\":\"M\",\"parameters\":[]}",
		"{\"method\":\"M\",\"parameters\":\"\"}",
		"{\"method\":\"M\",\"parameters\":{\"a\":1,\"a\":1}}",
		"{\"method\":\"M\",\"more\":1}",
		"{\"method\":\"M\",\"more\":null}",
		"{\"method\":\"M\",\"oneway\":\"true\"}",
		"{\"method\":\"M\",\"upgrade\":true}",
		"{\"method\":\"M\",\"upgrade\":0}",
		"{\"method\":\"M\",\"More\":true}",
		"{\"method\":\"M\",\"error\":\"E\"}",
		"{'method':'M'}",
		"{\"method\":\"M\\u0000\"}",
		"{\"method\":\"\xff\"}",
		"{\"method\":\"\\ud800\"}",
		"{\"method\":\"M\",\"parameters\":{\"n\":9223372036854775808}}",
		"{\"method\":\"M\",\"parameters\":{\"n\":-9223372036854775809}}",
		"{\"method\":\"M\",\"parameters\":{\"n\":1e999}}",
		"{\"method\":\"M\",\"parameters\":{\"n\":NaN}}",
		"{\"method\":\"M\",\"parameters\":{\"n\":01}}",
		"{\"method\":\"" NAME_64 NAME_64 "\"}",
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct varlink_call c = { .method = "kept" };
		struct err e = { 0 };

		assert_int_equal(varlink_call_decode(rows[i], strlen(rows[i]), &c, &e), -EBADMSG);
		assert_int_equal(e.code, EBADMSG);
		assert_string_not_equal(e.text, "");
		assert_string_equal(c.method, "kept");
		assert_int_equal(varlink_call_decode(rows[i], strlen(rows[i]), &c, NULL), -EBADMSG);
	}
}

static void refuses_a_nul_within(void **state)
{
	static const char text[] = "{\"method\":\"M\"}\0{\"method\":\"M\"}";
	struct varlink_call c;

	(void)state;
	assert_int_equal(varlink_call_decode(text, sizeof(text) - 1, &c, NULL), -EBADMSG);
	assert_int_equal(varlink_call_decode(text, strlen(text) + 1, &c, NULL), -EBADMSG);
}

/* A call of exactly `len` bytes without its NUL, blank at its end. */
static int decode_padded(size_t len)
{
	static const char call[] = "{\"method\":\"M\"}";
	char *text = malloc(len);
	struct varlink_call c = { 0 };
	int r;

	assert_non_null(text);
	memset(text, ' ', len);
	memcpy(text, call, strlen(call));
	r = varlink_call_decode(text, len, &c, NULL);
	varlink_call_done(&c);
	free(text);
	return r;
}

static void bounds_a_call(void **state)
{
	(void)state;
	assert_int_equal(decode_padded(VARLINK_CALL_MAX - 1), 0);
	assert_int_equal(decode_padded(VARLINK_CALL_MAX), -EBADMSG);
}

static void refuses_deep_nesting(void **state)
{
	static const char head[] = "{\"method\":\"M\",\"parameters\":{\"a\":";
	char text[VARLINK_CALL_MAX - 1];
	struct varlink_call c;

	(void)state;
	memset(text, '[', sizeof(text));
	memcpy(text, head, strlen(head));
	assert_int_equal(varlink_call_decode(text, sizeof(text), &c, NULL), -EBADMSG);
}

static void calls_round_trip(void **state)
{
	struct varlink_call sent = { .method = "io.reeve.Events", .more = true }, got = { 0 };
	size_t len = 0;
	char *text;

	(void)state;
	sent.parameters = json_pack("{s:I, s:s}", "since", (json_int_t)INT64_MAX, "n", "\xc3\xa9");
	text = varlink_call_encode(&sent, &len);
	assert_non_null(text);
	assert_int_equal(len, strlen(text) + 1);
	assert_int_equal(varlink_call_decode(text, len - 1, &got, NULL), 0);
	assert_string_equal(got.method, sent.method);
	assert_true(got.more);
	assert_false(got.oneway);
	assert_true(json_equal(got.parameters, sent.parameters));
	varlink_call_done(&sent);
	varlink_call_done(&got);
	free(text);
}

static void encodes_exactly(void **state)
{
	struct varlink_call c = { .method = "a.B", .oneway = true };
	json_t *parameters = json_pack("{s:i}", "n", 1);
	const char *expected;
	size_t len = 0;
	char *text;

	(void)state;
	text = varlink_call_encode(&c, &len);
	assert_string_equal(text, "{\"method\":\"a.B\",\"parameters\":{},\"oneway\":true}");
	free(text);
	text = varlink_reply_encode(NULL, false, &len);
	assert_string_equal(text, "{\"parameters\":{}}");
	assert_int_equal(len, 18);
	free(text);
	text = varlink_reply_encode(parameters, true, &len);
	assert_string_equal(text, "{\"parameters\":{\"n\":1},\"continues\":true}");
	free(text);
	expected = "{\"error\":\"a.E\",\"parameters\":{\"n\":1}}";
	text = varlink_error_encode("a.E", parameters, &len);
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected) + 1);
	free(text);
	assert_int_equal(parameters->refcount, 1);
	json_decref(parameters);
}

static void decodes_replies(void **state)
{
	static const struct {
		const char *text, *error;
		size_t members;
		bool continues;
	} rows[] = {
		{ "{}", "", 0, false },
		{ "{\"parameters\":{}}", "", 0, false },
		{ "{\"parameters\":null}", "", 0, false },
		{ "{\"parameters\":{\"a\":1},\"continues\":true}", "", 1, true },
		{ "{\"error\":\"a.E\"}", "a.E", 0, false },
		{ "{\"error\":\"a.E\",\"parameters\":{\"why\":\"x\"}}", "a.E", 1, false },
		{ "{\"parameters\":{},\"later\":[1]}", "", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct varlink_reply r = { 0 };

		assert_int_equal(varlink_reply_decode(rows[i].text, strlen(rows[i].text), &r, NULL),
				 0);
		assert_string_equal(r.error, rows[i].error);
		assert_int_equal(json_object_size(r.parameters), rows[i].members);
		assert_int_equal(r.continues, rows[i].continues);
		varlink_reply_done(&r);
		assert_null(r.parameters);
	}
}

static void refuses_what_is_no_reply(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"{\"error\":\"\"}",
		"{\"error\":null}",
		"{\"error\":1}",
		"{\"parameters\":1}",
		"{\"parameters\":{}",
		"{\"continues\":1}",
		"{\"error\":\"a.E\",\"continues\":true}",
		"{\"parameters\":{},\"parameters\":{}}",
		"{\"error\":\"" NAME_64 NAME_64 "\"}",
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct varlink_reply r = { .error = "kept" };
		struct err e = { 0 };

		assert_int_equal(varlink_reply_decode(rows[i], strlen(rows[i]), &r, &e), -EBADMSG);
		assert_int_equal(e.code, EBADMSG);
		assert_string_equal(r.error, "kept");
	}
}

/* Only calls are bounded: a host with many CPUs takes more than that to describe. */
static void a_reply_may_be_long(void **state)
{
	json_t *parameters = json_object(), *list = json_array();
	struct varlink_reply r = { 0 };
	size_t len = 0;
	char *text;

	(void)state;
	for (int i = 0; i < VARLINK_CALL_MAX; i++)
		json_array_append_new(list, json_integer(i));
	json_object_set_new(parameters, "list", list);
	text = varlink_reply_encode(parameters, false, &len);
	assert_true(len > VARLINK_CALL_MAX);
	assert_int_equal(varlink_reply_decode(text, len - 1, &r, NULL), 0);
	assert_true(json_equal(r.parameters, parameters));
	varlink_reply_done(&r);
	json_decref(parameters);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_calls),
		cmocka_unit_test(refuses_what_is_no_call),
		cmocka_unit_test(refuses_a_nul_within),
		cmocka_unit_test(bounds_a_call),
		cmocka_unit_test(refuses_deep_nesting),
		cmocka_unit_test(calls_round_trip),
		cmocka_unit_test(encodes_exactly),
		cmocka_unit_test(decodes_replies),
		cmocka_unit_test(refuses_what_is_no_reply),
		cmocka_unit_test(a_reply_may_be_long),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
