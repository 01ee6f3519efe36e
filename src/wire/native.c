/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parameters are taken out of their object one by one, so that a member still
 * there at the end is one that the method does not have. After the first fault
 * nothing more is taken.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "model/conf.h"
#include "model/host.h"
#include "wire/native.h"
#include "wire/varlink.h"

#define IO	"io.reeve"
#define SERVICE "org.varlink.service"

enum presence { REQUIRED, OPTIONAL };

struct params {
	json_t *object;
	struct native_fault *fault;
	bool bad;
};

/* Foreign text as far as it fits, never cut within a character. */
static void copy_utf8(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	if (len >= size) {
		len = size - 1;
		while (len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(to, from, len);
	to[len] = '\0';
}

static void set_fault(struct native_fault *f, const char *error, const char *parameter)
{
	snprintf(f->error, sizeof(f->error), SERVICE ".%s", error);
	copy_utf8(f->parameter, sizeof(f->parameter), parameter);
}

static void refuse(struct params *p, const char *name)
{
	if (p->bad)
		return;
	set_fault(p->fault, "InvalidParameter", name);
	p->bad = true;
}

/* A new reference, or NULL when there is none to decode; null is as good as absent. */
static json_t *take(struct params *p, const char *name, enum presence presence)
{
	json_t *value = p->bad ? NULL : json_incref(json_object_get(p->object, name));

	json_object_del(p->object, name);
	if (value && !json_is_null(value))
		return value;
	json_decref(value);
	if (presence == REQUIRED)
		refuse(p, name);
	return NULL;
}

/* The functions below leave *ret alone when there is nothing to take. */

static void take_int(struct params *p, const char *name, enum presence presence, int64_t lowest,
		     int64_t highest, int64_t *ret)
{
	json_auto_t *value = take(p, name, presence);
	int64_t number = json_integer_value(value);

	if (!value)
		return;
	if (!json_is_integer(value) || number < lowest || number > highest)
		refuse(p, name);
	else
		*ret = number;
}

static void take_bool(struct params *p, const char *name, bool *ret)
{
	json_auto_t *value = take(p, name, OPTIONAL);

	if (!value)
		return;
	if (!json_is_boolean(value))
		refuse(p, name);
	else
		*ret = json_is_true(value);
}

static bool take_text(struct params *p, const char *name, enum presence presence, char *ret,
		      size_t size)
{
	json_auto_t *value = take(p, name, presence);

	if (!value)
		return false;
	if (!json_is_string(value) || json_string_length(value) >= size ||
	    !native_text_plain(json_string_value(value))) {
		refuse(p, name);
		return false;
	}
	return str_copy(ret, size, json_string_value(value));
}

/* Text that may not be empty: "" in the request struct says that it was absent. */
static void take_word(struct params *p, const char *name, enum presence presence, char *ret,
		      size_t size)
{
	if (take_text(p, name, presence, ret, size) && !ret[0])
		refuse(p, name);
}

static void take_kind(struct params *p, uint32_t *ret)
{
	char name[16] = "";
	int kind;

	take_word(p, "kind", REQUIRED, name, sizeof(name));
	kind = res_kind_parse(name);
	if (kind < 0)
		refuse(p, "kind");
	else
		*ret = (uint32_t)kind;
}

static void take_cpus(struct params *p, struct cpuset *ret)
{
	json_auto_t *value = take(p, "cpus", OPTIONAL);

	if (!value)
		return;
	if (!json_is_string(value) || cpuset_parse(json_string_value(value), ret) < 0 ||
	    cpuset_empty(ret))
		refuse(p, "cpus");
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
		refuse(p, "near");
	q->acquire.node = (int32_t)node;
}

static void decode_acquire(struct params *p, struct native_request *q)
{
	const int64_t ttl_max_ms = CONF_TIME_LIMIT_MAX_NS / NS_PER_MS;
	int64_t count = 0, ttl_ms = 0;
	bool exact;

	take_kind(p, &q->acquire.kind);
	take_int(p, "count", OPTIONAL, 1, CPU_MAX, &count);
	take_cpus(p, &q->acquire.exact);
	exact = !cpuset_empty(&q->acquire.exact);
	if (!count && !exact)
		refuse(p, "count");
	if (count && exact)
		refuse(p, "cpus");
	q->acquire.count = (uint32_t)count;

	take_place(p, q);
	take_bool(p, "whole_core", &q->acquire.whole_core);
	take_int(p, "ttl_ms", OPTIONAL, 0, ttl_max_ms, &ttl_ms);
	q->acquire.ttl_ns = (uint64_t)ttl_ms * NS_PER_MS;
	take_text(p, "name", OPTIONAL, q->acquire.name, sizeof(q->acquire.name));
}

static void decode_release(struct params *p, struct native_request *q)
{
	int64_t lease = 0;

	take_int(p, "lease", REQUIRED, 1, INT64_MAX, &lease);
	q->lease = (uint64_t)lease;
}

static void decode_tenant(struct params *p, struct native_request *q)
{
	take_word(p, "tenant", OPTIONAL, q->tenant, sizeof(q->tenant));
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
	if (p->bad || is_interface(q->interface, strlen(q->interface)))
		return;
	set_fault(p->fault, "InterfaceNotFound", q->interface);
	p->bad = true;
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
	[NATIVE_LIST_LEASES] = { IO ".ListLeases", decode_tenant },
	[NATIVE_LIST_INSTANCES] = { IO ".ListInstances", decode_tenant },
	[NATIVE_LIST_TENANTS] = { IO ".ListTenants", NULL },
	[NATIVE_STATUS] = { IO ".Status", NULL },
	[NATIVE_EVENTS] = { IO ".Events", decode_events },
	[NATIVE_HOLD_PLANE] = { IO ".HoldPlane", decode_hold_plane },
	[NATIVE_GET_INFO] = { SERVICE ".GetInfo", NULL },
	[NATIVE_GET_INTERFACE] = { SERVICE ".GetInterfaceDescription", decode_get_interface },
};
static_assert(ARRAY_SIZE(methods) == NATIVE_METHOD_MAX, "a row for each method");

/* NATIVE_METHOD_MAX, with the fault, when there is none. */
static enum native_method find_method(const char *name, struct native_fault *fault)
{
	const char *dot = strrchr(name, '.');
	char interface[VARLINK_METHOD_MAX];

	for (unsigned i = 0; i < NATIVE_METHOD_MAX; i++)
		if (!strcmp(name, methods[i].name))
			return i;
	if (!dot || is_interface(name, (size_t)(dot - name))) {
		set_fault(fault, "MethodNotFound", name);
		return NATIVE_METHOD_MAX;
	}
	snprintf(interface, sizeof(interface), "%.*s", (int)(dot - name), name);
	set_fault(fault, "InterfaceNotFound", interface);
	return NATIVE_METHOD_MAX;
}

/* Decodes what the method takes; whatever is left, it does not have. */
static bool decode_params(json_t *object, struct native_request *q, struct native_fault *fault)
{
	struct params p = { .object = object, .fault = fault };
	const char *rest;

	if (methods[q->method].decode)
		methods[q->method].decode(&p, q);
	rest = json_object_iter_key(json_object_iter(object));
	if (rest)
		refuse(&p, rest);
	return !p.bad;
}

int native_decode(const char *text, size_t len, struct native_request *ret,
		  struct native_fault *fault, struct err *e)
{
	_cleanup_(varlink_call_done) struct varlink_call call = { 0 };
	struct native_request q = { 0 };
	struct native_fault f = { 0 };
	int r;

	r = varlink_call_decode(text, len, &call, e);
	if (r < 0)
		return r;
	f.oneway = call.oneway;
	q.oneway = call.oneway;
	q.more = call.more;
	q.method = find_method(call.method, &f);
	if (q.method == NATIVE_METHOD_MAX || !decode_params(call.parameters, &q, &f)) {
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
