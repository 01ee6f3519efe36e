/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls as a client makes them, given to the decoder. Included behind cmocka.h. */
#ifndef REEVE_TEST_NATIVE_CALL_H
#define REEVE_TEST_NATIVE_CALL_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/native.h"
#include "wire/varlink.h"

#define IO	"io.reeve."
#define SERVICE "org.varlink.service."
#define INVALID SERVICE "InvalidParameter"

static inline json_t *json_from(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(value);
	return value;
}

/* Takes `parameters` over. */
static inline int decode(const char *method, json_t *parameters, struct native_request *q,
			 struct native_fault *f)
{
	struct varlink_call c = { .parameters = parameters };
	size_t len = 0;
	char *text;
	int r;

	strcpy(c.method, method);
	text = varlink_call_encode(&c, &len);
	assert_non_null(text);
	r = native_decode(text, len - 1, q, f, NULL);
	varlink_call_done(&c);
	free(text);
	return r;
}

static inline struct native_request accept_call(const char *method, const char *parameters)
{
	struct native_request q = { .method = NATIVE_METHOD_MAX };
	struct native_fault f = { .error = "untouched" };

	assert_int_equal(decode(method, json_from(parameters), &q, &f), 0);
	assert_string_equal(f.error, "untouched");
	return q;
}

static inline void refuse_json(const char *method, json_t *parameters, const char *error,
			       const char *parameter)
{
	struct native_request q = { .method = NATIVE_METHOD_MAX };
	struct native_fault f = { 0 };

	assert_int_equal(decode(method, parameters, &q, &f), -EINVAL);
	assert_string_equal(f.error, error);
	assert_string_equal(f.parameter, parameter);
	assert_int_equal(q.method, NATIVE_METHOD_MAX);
}

static inline void refuse_call(const char *method, const char *parameters, const char *parameter)
{
	refuse_json(method, json_from(parameters), INVALID, parameter);
}

#endif
