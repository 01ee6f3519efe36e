/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte 0: descriptors that came along; the rest is a message, read as either kind. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "privproto/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(const void *msg, size_t len)
{
	struct loader_request q;

	if (loader_check_request(msg, len) < 0)
		return;
	memcpy(&q, msg, sizeof(q));
	assert(q.op && q.op < LOADER_OP_MAX);
	assert(q.op == LOADER_PROBE || (q.ifindex && q.channels <= NIC_QUEUES_MAX));
	assert(q.op != LOADER_ATTACH || (q.form && q.form < NIC_WANT_MAX));
}

static void answer(const void *msg, size_t len, unsigned nfds)
{
	struct loader_answer a;

	if (loader_check_answer(msg, len, nfds) < 0)
		return;
	memcpy(&a, msg, sizeof(a));
	assert(a.nfds == nfds && nfds <= LOADER_FDS_MAX);
	assert(strlen(a.why) < sizeof(a.why));
	assert(a.error >= 0 && (!a.error || (a.why[0] && !nfds)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *msg;

	if (!size)
		return 0;
	/* A copy of its own, so that a byte too many is seen. */
	msg = malloc(size);
	assert(msg);
	memcpy(msg, data + 1, size - 1);
	request(msg, size - 1);
	answer(msg, size - 1, data[0]);
	free(msg);
	return 0;
}
