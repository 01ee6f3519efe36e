/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "native_call.h"

static void decodes_whom(void **state)
{
	struct native_request q = accept_call(IO "ActFor", "{\"uid\":4294967294,\"gid\":0}");

	(void)state;
	assert_int_equal(q.act.peer.uid, UINT32_MAX - 1);
	assert_int_equal(q.act.peer.gid, 0);
	assert_int_equal(q.act.peer.pid, 0);
	assert_int_equal(q.act.peer.ngroups, 0);
	assert_string_equal(q.act.peer.cgroup, "");
	assert_string_equal(q.act.name, "");
	q = accept_call(IO "ActFor", "{\"uid\":1,\"gid\":2,\"pid\":2147483647,\"groups\":[0,7],"
				     "\"cgroup\":\"/a/b\",\"name\":\"x y\"}");
	assert_int_equal(q.act.peer.pid, INT32_MAX);
	assert_int_equal(q.act.peer.ngroups, 2);
	assert_int_equal(q.act.peer.groups[1], 7);
	assert_string_equal(q.act.peer.cgroup, "/a/b");
	assert_string_equal(q.act.name, "x y");
}

static void call_with_groups(unsigned n, char *ret, size_t size)
{
	str_copy(ret, size, "{\"uid\":1,\"gid\":2,\"groups\":[");
	for (unsigned i = 0; i < n; i++)
		str_append(ret, size, i ? ",5" : "5");
	str_append(ret, size, "]}");
}

static void refuses_whom(void **state)
{
	static const struct {
		const char *parameters, *at;
	} bad[] = {
		{ "{\"gid\":1}", "uid" },
		{ "{\"uid\":1}", "gid" },
		{ "{\"uid\":-1,\"gid\":1}", "uid" },
		{ "{\"uid\":4294967295,\"gid\":1}", "uid" },
		{ "{\"uid\":1,\"gid\":4294967295}", "gid" },
		{ "{\"uid\":\"1\",\"gid\":1}", "uid" },
		{ "{\"uid\":1,\"gid\":1,\"pid\":-1}", "pid" },
		{ "{\"uid\":1,\"gid\":1,\"pid\":2147483648}", "pid" },
		{ "{\"uid\":1,\"gid\":1,\"groups\":1}", "groups" },
		{ "{\"uid\":1,\"gid\":1,\"groups\":[-1]}", "groups" },
		{ "{\"uid\":1,\"gid\":1,\"groups\":[\"1\"]}", "groups" },
		{ "{\"uid\":1,\"gid\":1,\"groups\":[4294967295]}", "groups" },
		{ "{\"uid\":1,\"gid\":1,\"cgroup\":\"\"}", "cgroup" },
		{ "{\"uid\":1,\"gid\":1,\"cgroup\":\"a\"}", "cgroup" },
		{ "{\"uid\":1,\"gid\":1,\"name\":\"a\\nb\"}", "name" },
		{ "{\"uid\":1,\"gid\":1,\"admin\":true}", "admin" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse_call(IO "ActFor", bad[i].parameters, bad[i].at);
	call_with_groups(PEER_GROUPS_MAX, text, sizeof(text));
	assert_int_equal(accept_call(IO "ActFor", text).act.peer.ngroups, PEER_GROUPS_MAX);
	call_with_groups(PEER_GROUPS_MAX + 1, text, sizeof(text));
	refuse_call(IO "ActFor", text, "groups");
}

static void decodes_channels(void **state)
{
	struct native_request q = accept_call(IO "AcquireChannel",
					      "{\"number\":9007199254740991,\"bytes\":1}");

	(void)state;
	assert_int_equal(q.channel.number, (UINT64_C(1) << 53) - 1);
	assert_int_equal(q.channel.bytes, 1);
	refuse_call(IO "AcquireChannel", "{\"number\":1}", "bytes");
	refuse_call(IO "AcquireChannel", "{\"bytes\":1}", "number");
	refuse_call(IO "AcquireChannel", "{\"number\":0,\"bytes\":1}", "number");
	refuse_call(IO "AcquireChannel", "{\"number\":1,\"bytes\":0}", "bytes");
	refuse_call(IO "AcquireChannel", "{\"number\":9007199254740992,\"bytes\":1}", "number");
	refuse_call(IO "ReleaseLost", "{\"all\":true}", "all");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_whom),
		cmocka_unit_test(refuses_whom),
		cmocka_unit_test(decodes_channels),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
