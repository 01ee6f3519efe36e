/* SPDX-License-Identifier: BSD-3-Clause */
/* What is understood can be written, and what is written is understood as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_call(const char *data, size_t size)
{
	struct varlink_call c, again;
	struct err e = { 0 };
	size_t len = 0;
	char *text;

	if (varlink_call_decode(data, size, &c, &e) < 0) {
		require(e.code != 0 && e.text[0]);
		return;
	}
	text = varlink_call_encode(&c, &len);
	require(text && len == strlen(text) + 1);
	if (len <= VARLINK_CALL_MAX) { /* escapes may have made it longer */
		require(varlink_call_decode(text, len - 1, &again, NULL) == 0);
		require(!strcmp(c.method, again.method));
		require(c.more == again.more && c.oneway == again.oneway);
		require(json_equal(c.parameters, again.parameters));
		varlink_call_done(&again);
	}
	varlink_call_done(&c);
	free(text);
}

static void check_reply(const char *data, size_t size)
{
	struct varlink_reply r, again;
	size_t len = 0;
	char *text;

	if (varlink_reply_decode(data, size, &r, NULL) < 0)
		return;
	if (r.error[0])
		text = varlink_error_encode(r.error, r.parameters, &len);
	else
		text = varlink_reply_encode(r.parameters, r.continues, &len);
	require(text && len == strlen(text) + 1);
	require(varlink_reply_decode(text, len - 1, &again, NULL) == 0);
	require(!strcmp(r.error, again.error) && r.continues == again.continues);
	require(json_equal(r.parameters, again.parameters));
	varlink_reply_done(&again);
	varlink_reply_done(&r);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_call((const char *)data, size);
	check_reply((const char *)data, size);
	return 0;
}
