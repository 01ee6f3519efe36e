/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Varlink messages: one JSON object and a NUL each. Pure; strict, as jansson
 * is: duplicate members, bad UTF-8 and trailing text are refused.
 *
 * Jansson reads /dev/urandom when it makes its first object: a program that
 * gives up open(2) calls json_object_seed(0) before.
 */
#ifndef REEVE_WIRE_VARLINK_H
#define REEVE_WIRE_VARLINK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

enum { VARLINK_CALL_MAX = 65536, VARLINK_METHOD_MAX = 128 };

struct varlink_call {
	char method[VARLINK_METHOD_MAX];
	json_t *parameters; /* an object, owned; never NULL after decoding */
	bool more, oneway;
};

void varlink_call_done(struct varlink_call *c); /* frees parameters; accepts a zeroed one */

/* `text` without its NUL. -EBADMSG with the sentence. */
int varlink_call_decode(const char *text, size_t len, struct varlink_call *ret, struct err *e);

/*
 * All three return a malloc'ed text whose final NUL is part of the message;
 * *ret_len counts it. NULL: out of memory. `parameters` is borrowed and may be
 * NULL for an empty object.
 */
char *varlink_call_encode(const struct varlink_call *c, size_t *ret_len);
char *varlink_reply_encode(json_t *parameters, bool continues, size_t *ret_len);
char *varlink_error_encode(const char *error, json_t *parameters, size_t *ret_len);

struct varlink_reply {
	char error[VARLINK_METHOD_MAX]; /* "" for a success */
	json_t *parameters;		/* owned; an object */
	bool continues;
};
void varlink_reply_done(struct varlink_reply *r);
int varlink_reply_decode(const char *text, size_t len, struct varlink_reply *ret, struct err *e);

#endif
