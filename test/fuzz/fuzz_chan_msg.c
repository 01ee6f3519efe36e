/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte 0 is the length of the pieces in which the rest comes over the control socket. */
#include <stdlib.h>
#include <string.h>

#include "wire/chan_msg.h"
#include "wire/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void one(const uint8_t *bytes)
{
	uint8_t out[CHAN_MSG_SIZE];
	char text[CHAN_UUID_TEXT];
	struct chan_request q;

	chan_request_decode(bytes, &q);
	check(memchr(q.name, '\0', sizeof(q.name)) != NULL);
	check(!q.rings || q.type == CHAN_REQ_CHANNEL);
	chan_uuid_format(q.app, text);
	check(strlen(text) == CHAN_UUID_TEXT - 1);
	chan_response_encode(out, &q, false);
	check(!memcmp(out + 2, bytes + 2, 20));
	for (size_t i = 26; i < sizeof(out); i++)
		check(!out[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chan_inbox in = { .len = 0 };
	size_t step = size ? data[0] % 200 + 1 : 1, at = 1;

	while (at < size) {
		size_t n = size - at < step ? size - at : step,
		       took = chan_inbox_add(&in, data + at, n);

		check(took && took <= n && in.len <= CHAN_MSG_SIZE);
		at += took;
		if (in.len < CHAN_MSG_SIZE)
			continue;
		one(in.bytes);
		in.len = 0;
	}
	return 0;
}
