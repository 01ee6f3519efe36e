/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/native.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "interface.h"
#include "native_call.h"

/* A call of each method that is right, with as little as possible. */
static const struct {
	const char *method, *parameters;
	enum native_method expected;
} least[] = {
	{ IO "Hello", "{\"lowest\":1,\"highest\":1}", NATIVE_HELLO },
	{ IO "DescribeHost", "{}", NATIVE_DESCRIBE_HOST },
	{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1}", NATIVE_ACQUIRE },
	{ IO "Explain", "{\"kind\":\"lcore\",\"count\":1}", NATIVE_EXPLAIN },
	{ IO "Release", "{\"lease\":1}", NATIVE_RELEASE },
	{ IO "ListNics", "{}", NATIVE_LIST_NICS },
	{ IO "AcquireQueues", "{\"nic\":\"eth0\"}", NATIVE_ACQUIRE_QUEUES },
	{ IO "AddPort", "{\"nic\":\"eth0\",\"port\":5000}", NATIVE_ADD_PORT },
	{ IO "RemovePort", "{\"nic\":\"eth0\",\"port\":5000}", NATIVE_REMOVE_PORT },
	{ IO "AcquireAddress", "{\"nic\":\"eth0\",\"address\":\"10.0.0.1\"}",
	  NATIVE_ACQUIRE_ADDRESS },
	{ IO "AddFlow", "{\"nic\":\"eth0\",\"queue\":1,\"destination_port\":5000}",
	  NATIVE_ADD_FLOW },
	{ IO "OpenSocket", "{\"lease\":1}", NATIVE_OPEN_SOCKET },
	{ IO "ActFor", "{\"uid\":1000,\"gid\":1000}", NATIVE_ACT_FOR },
	{ IO "AcquireChannel", "{\"number\":1,\"bytes\":4096}", NATIVE_ACQUIRE_CHANNEL },
	{ IO "ReleaseLost", "{}", NATIVE_RELEASE_LOST },
	{ IO "ListPorts", "{}", NATIVE_LIST_PORTS },
	{ IO "ListFlows", "{}", NATIVE_LIST_FLOWS },
	{ IO "ListLeases", "{}", NATIVE_LIST_LEASES },
	{ IO "ListInstances", "{}", NATIVE_LIST_INSTANCES },
	{ IO "ListTenants", "{}", NATIVE_LIST_TENANTS },
	{ IO "Status", "{}", NATIVE_STATUS },
	{ IO "Events", "{}", NATIVE_EVENTS },
	{ IO "HoldPlane", "{\"plane\":\"mtl\"}", NATIVE_HOLD_PLANE },
	{ IO "Upgrade", "{}", NATIVE_UPGRADE },
	{ IO "Stop", "{}", NATIVE_STOP },
	{ SERVICE "GetInfo", "{}", NATIVE_GET_INFO },
	{ SERVICE "GetInterfaceDescription", "{\"interface\":\"io.reeve\"}", NATIVE_GET_INTERFACE },
};
static_assert(ARRAY_SIZE(least) == NATIVE_METHOD_MAX, "a row for each method");

/* The row of `least` for a method of the interface with this prefix. */
static size_t row_of(const char *prefix, const char *name)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < ARRAY_SIZE(least); i++)
		if (!strncmp(least[i].method, prefix, n) && !strcmp(least[i].method + n, name))
			return i;
	print_error("# %s%s is in the interface text only\n", prefix, name);
	return ARRAY_SIZE(least);
}

static void each_method(void (*check)(size_t row, const struct interface_item *item))
{
	static const struct {
		const char *prefix, *text;
	} interfaces[] = { { IO, varlink_io_reeve }, { SERVICE, varlink_org_service } };
	struct interface_item item;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++) {
		const char *text = interfaces[i].text;
		int r;

		while ((r = interface_next(&text, "method", &item)) > 0) {
			size_t row = row_of(interfaces[i].prefix, item.name);

			assert_in_range(row, 0, ARRAY_SIZE(least) - 1);
			check(row, &item);
			n++;
		}
		assert_int_equal(r, 0);
	}
	assert_int_equal(n, NATIVE_METHOD_MAX);
}

static void check_method(size_t row, const struct interface_item *item)
{
	struct native_request q = accept_call(least[row].method, least[row].parameters);

	assert_true(item->nmembers > 0 || !strcmp(least[row].parameters, "{}"));
	assert_int_equal(q.method, least[row].expected);
	assert_false(q.more);
	assert_false(q.oneway);
}

static void methods_are_those_of_the_text(void **state)
{
	(void)state;
	each_method(check_method);
}

static json_t *least_with(size_t row, const char *member, json_t *value)
{
	json_t *parameters = json_from(least[row].parameters);

	assert_int_equal(json_object_set_new(parameters, member, value), 0);
	return parameters;
}

static bool type_is(const struct interface_member *m, const char *type)
{
	return !strcmp(m->type, type);
}

/* Whether a JSON value has a type that this member does not. */
static bool is_wrong(const struct interface_member *m, json_t *value)
{
	if (type_is(m, "int"))
		return !json_is_integer(value);
	if (type_is(m, "bool"))
		return !json_is_boolean(value);
	if (type_is(m, "[]int"))
		return !json_is_array(value);
	assert_true(type_is(m, "string") || type_is(m, "Kind"));
	return !json_is_string(value);
}

static void check_types(size_t row, const struct interface_item *item)
{
	static const char *const values[] = { "1", "1.0", "true", "\"1\"", "[]", "[1]", "{}" };

	for (size_t m = 0; m < item->nmembers; m++)
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			const char *name = item->members[m].name;
			json_t *value = json_from(values[i]);

			if (is_wrong(&item->members[m], value))
				refuse_json(least[row].method,
					    least_with(row, name, json_incref(value)), INVALID,
					    name);
			json_decref(value);
		}
}

static void parameters_have_the_types_of_the_text(void **state)
{
	(void)state;
	each_method(check_types);
}

/* null says the same as leaving it out. */
static void check_presence(size_t row, const struct interface_item *item)
{
	for (size_t i = 0; i < item->nmembers; i++) {
		const struct interface_member *m = &item->members[i];
		json_t *without = json_from(least[row].parameters);
		bool needed = json_object_del(without, m->name) == 0;
		struct native_request q;

		assert_true(needed || m->optional);
		if (needed) {
			refuse_json(least[row].method, without, INVALID, m->name);
			refuse_json(least[row].method, least_with(row, m->name, json_null()),
				    INVALID, m->name);
			continue;
		}
		json_decref(without);
		assert_int_equal(
			decode(least[row].method, least_with(row, m->name, json_null()), &q, NULL),
			0);
	}
}

static void parameters_are_needed_as_the_text_says(void **state)
{
	(void)state;
	each_method(check_presence);
}

static void check_unknown(size_t row, const struct interface_item *item)
{
	(void)item;
	refuse_json(least[row].method, least_with(row, "extra", json_null()), INVALID, "extra");
	refuse_json(least[row].method, least_with(row, "Lease", json_integer(1)), INVALID, "Lease");
	refuse_json(least[row].method, least_with(row, "", json_true()), INVALID, "");
}

static void unknown_parameters_are_refused(void **state)
{
	(void)state;
	each_method(check_unknown);
}

static void refuses_what_is_out_of_range(void **state)
{
	static const struct {
		const char *method, *parameters, *parameter;
	} rows[] = {
		{ IO "Hello", "{\"lowest\":-1,\"highest\":1}", "lowest" },
		{ IO "Hello", "{\"lowest\":2,\"highest\":1}", "highest" },
		{ IO "Hello", "{\"lowest\":0,\"highest\":-1}", "highest" },
		{ IO "Acquire", "{\"kind\":\"core\",\"count\":1}", "kind" },
		{ IO "Acquire", "{\"kind\":\"\",\"count\":1}", "kind" },
		{ IO "Acquire", "{\"kind\":\"lcorelcorelcorelcore\",\"count\":1}", "kind" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":0}", "count" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":-1}", "count" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":8193}", "count" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":4294967297}", "count" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"cpus\":\"\"}", "cpus" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"cpus\":\" \"}", "cpus" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"cpus\":\"3-1\"}", "cpus" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"cpus\":\"8192\"}", "cpus" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"cpus\":\"1;2\"}", "cpus" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"cpus\":\"1\",\"count\":1}", "cpus" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"node\":-1}", "node" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"node\":2147483648}", "node" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"near\":\"\"}", "near" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"near\":\"a\\tb\"}", "near" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"near\":\"1234567890123456\"}",
		  "near" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"near\":\"a\",\"node\":0}",
		  "near" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"ttl_ms\":-1}", "ttl_ms" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"ttl_ms\":315360000001}",
		  "ttl_ms" },
		{ IO "Acquire", "{\"kind\":\"lcore\",\"count\":1,\"ttl_ms\":9223372036854775807}",
		  "ttl_ms" },
		{ IO "Explain", "{\"kind\":\"lcore\",\"cpus\":\"1\",\"count\":1}", "cpus" },
		{ IO "Release", "{\"lease\":0}", "lease" },
		{ IO "Release", "{\"lease\":-9223372036854775808}", "lease" },
		{ IO "ListLeases", "{\"tenant\":\"\"}", "tenant" },
		{ IO "ListLeases", "{\"tenant\":\"12345678901234567890123456789012\"}", "tenant" },
		{ IO "ListInstances", "{\"tenant\":\"a\\u0085\"}", "tenant" },
		{ IO "Events", "{\"since\":-1}", "since" },
		{ IO "HoldPlane", "{\"plane\":\"\"}", "plane" },
		{ IO "HoldPlane", "{\"plane\":\"1234567890123456\"}", "plane" },
		{ SERVICE "GetInterfaceDescription", "{\"interface\":\"\"}", "interface" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refuse_call(rows[i].method, rows[i].parameters, rows[i].parameter);
}

static void decodes_hello(void **state)
{
	struct native_request q = accept_call(IO "Hello",
					      "{\"lowest\":0,\"highest\":9223372036854775807}");

	(void)state;
	assert_int_equal(q.hello.lowest, 0);
	assert_true(q.hello.highest == INT64_MAX);
}

static void decodes_acquire(void **state)
{
	struct native_request q = accept_call(IO "Acquire",
					      "{\"kind\":\"udp_port\",\"count\":8192,\"node\":0,"
					      "\"whole_core\":true,\"ttl_ms\":315360000000,"
					      "\"name\":\"encoder\"}");

	(void)state;
	assert_int_equal(q.acquire.kind, RES_UDP_PORT);
	assert_int_equal(q.acquire.count, 8192);
	assert_true(cpuset_empty(&q.acquire.exact));
	assert_int_equal(q.acquire.node, 0);
	assert_string_equal(q.acquire.near, "");
	assert_true(q.acquire.whole_core);
	assert_true(q.acquire.ttl_ns == 315360000000 * NS_PER_MS);
	assert_string_equal(q.acquire.name, "encoder");

	q = accept_call(IO "Explain", "{\"kind\":\"lcore\",\"cpus\":\"4-6,12\",\"near\":"
				      "\"123456789012345\",\"whole_core\":false}");
	assert_int_equal(q.acquire.kind, RES_LCORE);
	assert_int_equal(q.acquire.count, 0);
	assert_int_equal(cpuset_count(&q.acquire.exact), 4);
	assert_true(cpuset_has(&q.acquire.exact, 12));
	assert_int_equal(q.acquire.node, -1);
	assert_string_equal(q.acquire.near, "123456789012345");
	assert_false(q.acquire.whole_core);
	assert_true(q.acquire.ttl_ns == 0);
	assert_string_equal(q.acquire.name, "");
}

static void decodes_the_small_ones(void **state)
{
	(void)state;
	assert_true(accept_call(IO "Release", "{\"lease\":9223372036854775807}").lease ==
		    INT64_MAX);
	assert_true(accept_call(IO "Events", "{}").since == 0);
	assert_true(accept_call(IO "Events", "{\"since\":12}").since == 12);
	assert_string_equal(accept_call(IO "HoldPlane", "{\"plane\":\"mtl\"}").plane, "mtl");
}

static void decodes_lists(void **state)
{
	static const char *const methods[] = { IO "ListPorts", IO "ListFlows", IO "ListLeases",
					       IO "ListInstances" };
	struct native_request q;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		q = accept_call(methods[i], "{}");
		assert_string_equal(q.list.tenant, "");
		assert_true(q.list.after == 0);
		q = accept_call(methods[i], "{\"tenant\":\"media\",\"after\":null}");
		assert_string_equal(q.list.tenant, "media");
		assert_true(q.list.after == 0);
		q = accept_call(methods[i], "{\"after\":9223372036854775807}");
		assert_string_equal(q.list.tenant, "");
		assert_true(q.list.after == INT64_MAX);
		q = accept_call(methods[i], "{\"tenant\":\"a\",\"after\":0}");
		assert_string_equal(q.list.tenant, "a");
		assert_true(q.list.after == 0);
		refuse_call(methods[i], "{\"after\":-1}", "after");
		refuse_call(methods[i], "{\"next\":1}", "next");
	}
	refuse_call(IO "ListTenants", "{\"after\":1}", "after");
}

#define NAME_60 "123456789012345678901234567890123456789012345678901234567890"

static void names_are_text(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{ "", true },
		{ NAME_60 "123", true },
		{ NAME_60 "1234", false },
		{ NAME_60 "1\xc3\xa9", true },
		{ NAME_60 "12\xc3\xa9", false },
		{ "a\"b\\c \xe2\x82\xac \xf0\x9f\x98\x80", true },
		{ "\xc2\xa0", true },
		{ "a\nb", false },
		{ "\x1b[31m", false },
		{ "\x7f", false },
		{ "\xc2\x80", false },
		{ "\xc2\x9f", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *p = json_pack("{s:s, s:i, s:s}", "kind", "lcore", "count", 1, "name",
				      rows[i].name);
		struct native_request q;

		if (rows[i].good) {
			assert_int_equal(decode(IO "Acquire", p, &q, NULL), 0);
			assert_string_equal(q.acquire.name, rows[i].name);
		} else {
			refuse_json(IO "Acquire", p, INVALID, "name");
		}
	}
}

static void knows_its_interfaces(void **state)
{
	static const char *const method = SERVICE "GetInterfaceDescription";

	(void)state;
	assert_string_equal(accept_call(method, "{\"interface\":\"io.reeve\"}").interface,
			    "io.reeve");
	assert_string_equal(
		accept_call(method, "{\"interface\":\"org.varlink.service\"}").interface,
		"org.varlink.service");
	refuse_json(method, json_pack("{s:s}", "interface", "io.reev"), SERVICE "InterfaceNotFound",
		    "io.reev");
	refuse_json(method, json_pack("{s:s}", "interface", "io.reeve."),
		    SERVICE "InterfaceNotFound", "io.reeve.");
}

static void refuses_unknown_methods(void **state)
{
	static const struct {
		const char *method, *error, *parameter;
	} rows[] = {
		{ "io.reeve.Nope", SERVICE "MethodNotFound", "io.reeve.Nope" },
		{ "io.reeve.hello", SERVICE "MethodNotFound", "io.reeve.hello" },
		{ "io.reeve.", SERVICE "MethodNotFound", "io.reeve." },
		{ "org.varlink.service.Hello", SERVICE "MethodNotFound",
		  "org.varlink.service.Hello" },
		{ "Hello", SERVICE "MethodNotFound", "Hello" },
		{ "io.reeve2.Hello", SERVICE "InterfaceNotFound", "io.reeve2" },
		{ "io.Hello", SERVICE "InterfaceNotFound", "io" },
		{ ".Hello", SERVICE "InterfaceNotFound", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refuse_json(rows[i].method, json_object(), rows[i].error, rows[i].parameter);
}

static void hangs_up_on_what_is_no_call(void **state)
{
	static const char *const rows[] = { "", "{}", "[]", "{\"method\":\"io.reeve.Status\"" };
	struct native_request q = { .method = NATIVE_METHOD_MAX };
	struct native_fault f = { .error = "untouched" };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(native_decode(rows[i], strlen(rows[i]), &q, &f, &e), -EBADMSG);
		assert_string_not_equal(e.text, "");
	}
	assert_string_equal(f.error, "untouched");
	assert_int_equal(q.method, NATIVE_METHOD_MAX);
}

static void passes_the_flags_on(void **state)
{
	static const char good[] = "{\"method\":\"io.reeve.Events\",\"more\":true,\"oneway\":true}";
	static const char bad[] = "{\"method\":\"io.reeve.Nope\",\"oneway\":true}";
	struct native_request q = { 0 };
	struct native_fault f = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(native_decode(good, strlen(good), &q, &f, &e), 0);
	assert_true(q.more);
	assert_true(q.oneway);
	assert_int_equal(native_decode(bad, strlen(bad), &q, &f, &e), -EINVAL);
	assert_true(f.oneway);
	assert_string_equal(e.text, SERVICE "MethodNotFound: io.reeve.Nope");
}

static void cuts_a_long_parameter_between_characters(void **state)
{
	char name[200], expected[128];

	(void)state;
	memset(name, 'x', sizeof(name));
	memcpy(name + 125, "\xe2\x82\xac", 3);
	name[199] = '\0';
	memcpy(expected, name, 125);
	expected[125] = '\0';
	refuse_json(IO "Status", json_pack("{s:i}", name, 1), INVALID, expected);
}

static void encodes_faults(void **state)
{
	static const struct {
		const char *error, *member;
	} rows[] = {
		{ SERVICE "InterfaceNotFound", "interface" },
		{ SERVICE "MethodNotFound", "method" },
		{ SERVICE "MethodNotImplemented", "method" },
		{ INVALID, "parameter" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct native_fault f = { .parameter = "x\"\xc3\xa9" };
		struct interface_item item;
		struct varlink_reply r;
		size_t len = 0;
		char *text;

		strcpy(f.error, rows[i].error);
		text = native_fault_encode(&f, &len);
		assert_non_null(text);
		assert_int_equal(varlink_reply_decode(text, len - 1, &r, NULL), 0);
		assert_string_equal(r.error, f.error);
		assert_int_equal(json_object_size(r.parameters), 1);
		assert_string_equal(
			json_string_value(json_object_get(r.parameters, rows[i].member)),
			f.parameter);
		assert_true(interface_find(varlink_org_service, "error",
					   rows[i].error + strlen(SERVICE), &item));
		assert_string_equal(item.members[0].name, rows[i].member);
		varlink_reply_done(&r);
		free(text);
	}
}

static void encodes_a_fault_without_parameters(void **state)
{
	struct native_fault f = { .error = "io.reeve.NoEvent" };
	size_t len = 0;
	char *text = native_fault_encode(&f, &len);

	(void)state;
	assert_string_equal(text, "{\"error\":\"io.reeve.NoEvent\",\"parameters\":{}}");
	assert_int_equal(len, strlen(text) + 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_are_those_of_the_text),
		cmocka_unit_test(parameters_have_the_types_of_the_text),
		cmocka_unit_test(parameters_are_needed_as_the_text_says),
		cmocka_unit_test(unknown_parameters_are_refused),
		cmocka_unit_test(refuses_what_is_out_of_range),
		cmocka_unit_test(decodes_hello),
		cmocka_unit_test(decodes_acquire),
		cmocka_unit_test(decodes_the_small_ones),
		cmocka_unit_test(decodes_lists),
		cmocka_unit_test(names_are_text),
		cmocka_unit_test(knows_its_interfaces),
		cmocka_unit_test(refuses_unknown_methods),
		cmocka_unit_test(hangs_up_on_what_is_no_call),
		cmocka_unit_test(passes_the_flags_on),
		cmocka_unit_test(cuts_a_long_parameter_between_characters),
		cmocka_unit_test(encodes_faults),
		cmocka_unit_test(encodes_a_fault_without_parameters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
