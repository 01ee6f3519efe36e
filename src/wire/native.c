/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/host.h"
#include "wire/params.h"
#include "wire/varlink.h"

#define IO	"io.reeve"
#define SERVICE "org.varlink.service"

static void take_kind(struct params *p, uint32_t *ret)
{
	char name[16] = "";
	int kind;

	take_word(p, "kind", REQUIRED, name, sizeof(name));
	kind = res_kind_parse(name);
	if (kind < 0)
		params_refuse(p, "kind");
	else
		*ret = (uint32_t)kind;
}

static void decode_hello(struct params *p, struct native_request *q)
{
	take_int(p, "lowest", REQUIRED, 0, INT64_MAX, &q->hello.lowest);
	take_int(p, "highest", REQUIRED, q->hello.lowest, INT64_MAX, &q->hello.highest);
}

static void take_place(struct params *p, struct native_request *q)
{
	int64_t node = NODE_NONE;

	take_int(p, "node", OPTIONAL, 0, INT32_MAX, &node);
	take_word(p, "near", OPTIONAL, q->acquire.near, sizeof(q->acquire.near));
	if (node != NODE_NONE && q->acquire.near[0])
		params_refuse(p, "near");
	q->acquire.node = (int32_t)node;
}

static void decode_acquire(struct params *p, struct native_request *q)
{
	take_kind(p, &q->acquire.kind);
	take_count_or_list(p, "cpus", CPU_MAX, &q->acquire.count, &q->acquire.exact);
	if (!q->acquire.count && cpuset_empty(&q->acquire.exact))
		params_refuse(p, "count");
	take_place(p, q);
	take_bool(p, "whole_core", &q->acquire.whole_core);
	take_ttl(p, &q->acquire.ttl_ns);
	take_text(p, "name", OPTIONAL, q->acquire.name, sizeof(q->acquire.name));
}

static void decode_release(struct params *p, struct native_request *q)
{
	int64_t lease = 0;

	take_int(p, "lease", REQUIRED, 1, INT64_MAX, &lease);
	q->lease = (uint64_t)lease;
}

static void decode_list(struct params *p, struct native_request *q)
{
	int64_t after = 0;

	take_word(p, "tenant", OPTIONAL, q->list.tenant, sizeof(q->list.tenant));
	take_int(p, "after", OPTIONAL, 0, INT64_MAX, &after);
	q->list.after = (uint64_t)after;
}

static void decode_events(struct params *p, struct native_request *q)
{
	int64_t since = 0;

	take_int(p, "since", OPTIONAL, 0, INT64_MAX, &since);
	q->since = (uint64_t)since;
}

static void decode_hold_plane(struct params *p, struct native_request *q)
{
	take_word(p, "plane", REQUIRED, q->plane, sizeof(q->plane));
}

static void decode_stop(struct params *p, struct native_request *q)
{
	take_bool(p, "keep", &q->keep);
}

static bool is_interface(const char *name, size_t len)
{
	static const char *const interfaces[] = { IO, SERVICE };

	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		if (strlen(interfaces[i]) == len && !memcmp(interfaces[i], name, len))
			return true;
	return false;
}

static void decode_get_interface(struct params *p, struct native_request *q)
{
	take_word(p, "interface", REQUIRED, q->interface, sizeof(q->interface));
	if (!is_interface(q->interface, strlen(q->interface)))
		params_fault(p, "InterfaceNotFound", q->interface);
}

static const struct {
	const char *name;
	void (*decode)(struct params *p, struct native_request *q); /* NULL: no parameters */
} methods[] = {
	[NATIVE_HELLO] = { IO ".Hello", decode_hello },
	[NATIVE_DESCRIBE_HOST] = { IO ".DescribeHost", NULL },
	[NATIVE_ACQUIRE] = { IO ".Acquire", decode_acquire },
	[NATIVE_EXPLAIN] = { IO ".Explain", decode_acquire },
	[NATIVE_RELEASE] = { IO ".Release", decode_release },
	[NATIVE_LIST_NICS] = { IO ".ListNics", NULL },
	[NATIVE_ACQUIRE_QUEUES] = { IO ".AcquireQueues", decode_acquire_queues },
	[NATIVE_ADD_PORT] = { IO ".AddPort", decode_port },
	[NATIVE_REMOVE_PORT] = { IO ".RemovePort", decode_port },
	[NATIVE_ACQUIRE_ADDRESS] = { IO ".AcquireAddress", decode_acquire_address },
	[NATIVE_ADD_FLOW] = { IO ".AddFlow", decode_add_flow },
	[NATIVE_OPEN_SOCKET] = { IO ".OpenSocket", decode_open_socket },
	[NATIVE_ACT_FOR] = { IO ".ActFor", decode_act_for },
	[NATIVE_ACQUIRE_CHANNEL] = { IO ".AcquireChannel", decode_acquire_channel },
	[NATIVE_RELEASE_LOST] = { IO ".ReleaseLost", NULL },
	[NATIVE_LIST_PORTS] = { IO ".ListPorts", decode_list },
	[NATIVE_LIST_FLOWS] = { IO ".ListFlows", decode_list },
	[NATIVE_LIST_LEASES] = { IO ".ListLeases", decode_list },
	[NATIVE_LIST_INSTANCES] = { IO ".ListInstances", decode_list },
	[NATIVE_LIST_TENANTS] = { IO ".ListTenants", NULL },
	[NATIVE_STATUS] = { IO ".Status", NULL },
	[NATIVE_EVENTS] = { IO ".Events", decode_events },
	[NATIVE_HOLD_PLANE] = { IO ".HoldPlane", decode_hold_plane },
	[NATIVE_UPGRADE] = { IO ".Upgrade", NULL },
	[NATIVE_STOP] = { IO ".Stop", decode_stop },
	[NATIVE_GET_INFO] = { SERVICE ".GetInfo", NULL },
	[NATIVE_GET_INTERFACE] = { SERVICE ".GetInterfaceDescription", decode_get_interface },
};
static_assert(ARRAY_SIZE(methods) == NATIVE_METHOD_MAX, "a row for each method");

/* NATIVE_METHOD_MAX, with the fault, when there is none. */
static enum native_method find_method(const char *name, struct params *p)
{
	const char *dot = strrchr(name, '.');
	char interface[VARLINK_METHOD_MAX];

	for (unsigned i = 0; i < NATIVE_METHOD_MAX; i++)
		if (!strcmp(name, methods[i].name))
			return i;
	if (!dot || is_interface(name, (size_t)(dot - name))) {
		params_fault(p, "MethodNotFound", name);
		return NATIVE_METHOD_MAX;
	}
	snprintf(interface, sizeof(interface), "%.*s", (int)(dot - name), name);
	params_fault(p, "InterfaceNotFound", interface);
	return NATIVE_METHOD_MAX;
}

static bool decode_call(const struct varlink_call *call, struct params *p, struct native_request *q)
{
	q->method = find_method(call->method, p);
	if (q->method == NATIVE_METHOD_MAX)
		return false;
	if (methods[q->method].decode)
		methods[q->method].decode(p, q);
	return params_end(p);
}

int native_decode(const char *text, size_t len, struct native_request *ret,
		  struct native_fault *fault, struct err *e)
{
	_cleanup_(varlink_call_done) struct varlink_call call = { 0 };
	struct native_request q = { 0 };
	struct native_fault f = { 0 };
	struct params p = { .fault = &f };
	int r;

	r = varlink_call_decode(text, len, &call, e);
	if (r < 0)
		return r;
	f.oneway = call.oneway;
	q.oneway = call.oneway;
	q.more = call.more;
	p.object = call.parameters;
	if (!decode_call(&call, &p, &q)) {
		*fault = f;
		return fail(e, EINVAL, "%s: %s", f.error, f.parameter);
	}
	*ret = q;
	return 0;
}

char *native_fault_encode(const struct native_fault *fault, size_t *ret_len)
{
	static const struct {
		const char *error, *member;
	} members[] = {
		{ SERVICE ".InterfaceNotFound", "interface" },
		{ SERVICE ".MethodNotFound", "method" },
		{ SERVICE ".MethodNotImplemented", "method" },
		{ SERVICE ".InvalidParameter", "parameter" },
	};
	json_auto_t *parameters = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (!strcmp(fault->error, members[i].error) &&
		    json_object_set_new(parameters, members[i].member,
					json_string(fault->parameter)) < 0)
			return NULL;
	return parameters ? varlink_error_encode(fault->error, parameters, ret_len) : NULL;
}
