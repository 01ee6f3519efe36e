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

#define require_power(n, lowest, highest) \
	require((n) >= (lowest) && (n) <= (highest) && !((n) & ((n)-1)))

static void check_queues(const struct native_request *q)
{
	require(nic_name_sound(q->queues.nic));
	require((q->queues.count > 0) == cpuset_empty(&q->queues.exact));
	require(q->queues.count <= NIC_QUEUES_MAX);
	require(cpuset_next(&q->queues.exact, NIC_QUEUES_MAX) == CPU_MAX);
	require_ended(q->queues.name);
	require(native_text_plain(q->queues.name));
}

static void check_flow(const struct native_request *q)
{
	struct native_flow f = { .nic = q->flow.nic, .tenant = "default", .flow = &q->flow.flow };
	json_t *object = native_flow_json(&f);

	require(nic_name_sound(q->flow.nic));
	require(flow_check(&q->flow.flow) == 0);
	require(object != NULL);
	json_decref(object);
}

static void check_socket(const struct native_request *q)
{
	require(q->socket.lease > 0 && q->socket.lease <= INT64_MAX);
	require_power(q->socket.frames, NATIVE_XSK_FRAMES_MIN, NATIVE_XSK_FRAMES_MAX);
	require_power(q->socket.frame_size, NATIVE_XSK_FRAME_SIZE, NATIVE_XSK_FRAME_SIZE_MAX);
	require_power(q->socket.ring, NATIVE_XSK_RING_MIN, NATIVE_XSK_RING_MAX);
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
	case NATIVE_ACQUIRE_QUEUES:
		check_queues(q);
		break;
	case NATIVE_ADD_PORT:
	case NATIVE_REMOVE_PORT:
		require(nic_name_sound(q->port.nic) && q->port.port);
		break;
	case NATIVE_ADD_FLOW:
		check_flow(q);
		break;
	case NATIVE_OPEN_SOCKET:
		check_socket(q);
		break;
	case NATIVE_ACT_FOR:
		require(q->act.peer.uid != UINT32_MAX && q->act.peer.gid != UINT32_MAX);
		require(q->act.peer.ngroups <= PEER_GROUPS_MAX);
		require_ended(q->act.peer.cgroup);
		require(!q->act.peer.cgroup[0] || q->act.peer.cgroup[0] == '/');
		require_ended(q->act.name);
		require(native_text_plain(q->act.name));
		break;
	case NATIVE_ACQUIRE_CHANNEL:
		require(q->channel.number && q->channel.bytes);
		break;
	case NATIVE_LIST_PORTS:
	case NATIVE_LIST_FLOWS:
	case NATIVE_LIST_LEASES:
	case NATIVE_LIST_INSTANCES:
		require_ended(q->list.tenant);
		require(q->list.after <= INT64_MAX);
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
