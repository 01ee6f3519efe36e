/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte 0: descriptors that came along; the rest is a message, read as either kind. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "privproto/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(const void *msg, size_t len, unsigned nfds)
{
	struct loader_request q;

	if (loader_check_request(msg, len, nfds) < 0)
		return;
	memcpy(&q, msg, sizeof(q));
	assert(q.op && q.op < LOADER_OP_MAX && nfds <= LOADER_REQUEST_FDS_MAX);
	assert(q.op == LOADER_PROBE || q.op == LOADER_OWNER || q.ifindex);
	assert(q.op > LOADER_DETACH || q.channels <= NIC_QUEUES_MAX);
	assert(q.op != LOADER_ATTACH || (q.form && q.form < NIC_WANT_MAX));
	assert(q.op != LOADER_OWNER || (q.slot && q.slot < LOADER_SLOTS && nfds == 2));
	assert(q.op != LOADER_XSK || strlen(q.xsk.name) < sizeof(q.xsk.name));
}

static void answer(const void *msg, size_t len, unsigned nfds)
{
	struct loader_answer a;

	if (loader_check_answer(msg, len, nfds) < 0)
		return;
	memcpy(&a, msg, sizeof(a));
	assert(a.op && a.op < LOADER_OP_MAX);
	assert(a.nfds == nfds && nfds <= LOADER_FDS_MAX);
	assert(strlen(a.why) < sizeof(a.why));
	assert(a.error >= 0 && (!a.error || (a.why[0] && !nfds)));
	assert(a.form == NIC_FORM_NONE || a.op == LOADER_ATTACH);
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
	request(msg, size - 1, data[0]);
	answer(msg, size - 1, data[0]);
	free(msg);
	return 0;
}
