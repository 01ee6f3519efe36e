/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call is understood within its bounds, or refused with a fault that can be
 * sent. The same bytes, taken as the name of an instance, can always be shown.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/native.h"
#include "wire/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

#define require_ended(text) require(memchr((text), '\0', sizeof(text)) != NULL)

static void check_acquire(const struct native_request *q)
{
	require(q->acquire.kind < RES_KIND_MAX);
	require((q->acquire.count > 0) == cpuset_empty(&q->acquire.exact));
	require(q->acquire.count <= CPU_MAX);
	require(q->acquire.node >= -1);
	require(q->acquire.node == -1 || !q->acquire.near[0]);
	require_ended(q->acquire.near);
	require_ended(q->acquire.name);
	require(native_text_plain(q->acquire.name));
}

static void check_request(const struct native_request *q)
{
	switch (q->method) {
	case NATIVE_HELLO:
		require(q->hello.lowest >= 0 && q->hello.lowest <= q->hello.highest);
		break;
	case NATIVE_ACQUIRE:
	case NATIVE_EXPLAIN:
		check_acquire(q);
		break;
	case NATIVE_RELEASE:
		require(q->lease > 0 && q->lease <= INT64_MAX);
		break;
	case NATIVE_LIST_LEASES:
	case NATIVE_LIST_INSTANCES:
		require_ended(q->tenant);
		break;
	case NATIVE_EVENTS:
		require(q->since <= INT64_MAX);
		break;
	case NATIVE_HOLD_PLANE:
		require_ended(q->plane);
		break;
	case NATIVE_GET_INTERFACE:
		require_ended(q->interface);
		break;
	default:
		require(q->method < NATIVE_METHOD_MAX);
	}
}

static void check_fault(const struct native_fault *f)
{
	struct varlink_reply r;
	size_t len = 0;
	char *text;

	require_ended(f->error);
	require_ended(f->parameter);
	text = native_fault_encode(f, &len);
	require(text != NULL);
	require(varlink_reply_decode(text, len - 1, &r, NULL) == 0);
	require(!strcmp(r.error, f->error));
	require(json_object_size(r.parameters) == 1);
	varlink_reply_done(&r);
	free(text);
}

static void check_name(const uint8_t *data, size_t size)
{
	struct native_instance i = { .kind = "mtl", .tenant = "default" };
	char name[65] = "";
	json_t *object;

	memcpy(name, data, size < sizeof(name) ? size : sizeof(name) - 1);
	i.name = name;
	object = native_instance_json(&i);
	require(native_text_plain(json_string_value(json_object_get(object, "name"))));
	json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct native_request q;
	struct native_fault f;

	switch (native_decode((const char *)data, size, &q, &f, NULL)) {
	case 0:
		check_request(&q);
		break;
	case -EINVAL:
		check_fault(&f);
		break;
	case -EBADMSG:
		break;
	default:
		abort();
	}
	check_name(data, size);
	return 0;
}
