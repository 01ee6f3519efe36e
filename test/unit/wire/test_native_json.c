/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/native.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "interface.h"

/* 2026-11-20T09:30:00.123Z */
static const uint64_t then_ns = UINT64_C(1795167000123000000);

static bool has_type(json_t *value, const char *type)
{
	if (!strcmp(type, "int"))
		return json_is_integer(value);
	if (!strcmp(type, "bool"))
		return json_is_boolean(value);
	if (!strcmp(type, "[string]int"))
		return json_is_object(value);
	return json_is_string(value);
}

/* The object is exactly `text`, and what the interface calls a `type`. Takes it over. */
static void expect(json_t *object, const char *type, const char *text)
{
	struct interface_item item;
	size_t found = 0;
	char *dumped;

	assert_non_null(object);
	assert_true(interface_find(varlink_io_reeve, "type", type, &item));
	assert_true(item.nmembers > 0);
	for (size_t i = 0; i < item.nmembers; i++) {
		json_t *value = json_object_get(object, item.members[i].name);

		assert_true(value || item.members[i].optional);
		assert_true(!value || has_type(value, item.members[i].type));
		found += value != NULL;
	}
	assert_int_equal(found, json_object_size(object));
	dumped = json_dumps(object, JSON_COMPACT);
	assert_string_equal(dumped, text);
	free(dumped);
	assert_int_equal(object->refcount, 1);
	json_decref(object);
}

static void a_nic(void **state)
{
	struct cpuset leasable, free_now;
	struct native_nic n = {
		.name = "eth0",
		.kind = "veth",
		.why = "it is loopback",
		.ifindex = 3,
		.node = -1,
		.up = true,
		.foreign = true,
		.queues = 4,
		.users = 2,
		.program = 17,
		.leasable = &leasable,
		.free = &free_now,
		.form = NIC_FORM_SINGLE,
		.mode = NIC_MODE_NATIVE,
		.flows = "software",
	};
	json_t *odd;

	(void)state;
	assert_int_equal(cpuset_parse("1-3", &leasable), 0);
	assert_int_equal(cpuset_parse("", &free_now), 0);
	expect(native_nic_json(&n), "Nic",
	       "{\"name\":\"eth0\",\"ifindex\":3,\"node\":-1,\"kind\":\"veth\",\"up\":true,"
	       "\"usable\":false,\"why\":\"it is loopback\",\"queues\":4,\"leasable\":\"1-3\","
	       "\"free\":\"\",\"form\":\"single\",\"mode\":\"native\",\"program\":17,"
	       "\"foreign\":true,\"users\":2,\"flows\":\"software\"}");
	n.name = "a\xff";
	n.form = NIC_FORM_MAX;
	odd = native_nic_json(&n);
	assert_string_equal(json_string_value(json_object_get(odd, "name")), "a\\xff");
	assert_string_equal(json_string_value(json_object_get(odd, "form")), "unknown");
	json_decref(odd);
}

static void a_port(void **state)
{
	struct native_port p = { .lease = 5,
				 .instance = 6,
				 .nic = "eth0",
				 .tenant = "media",
				 .ifindex = 3,
				 .port = 65535,
				 .uses = 2 };

	(void)state;
	expect(native_port_json(&p), "Port",
	       "{\"lease\":5,\"nic\":\"eth0\",\"ifindex\":3,\"port\":65535,\"tenant\":\"media\","
	       "\"instance\":6,\"uses\":2}");
	p.counted = true;
	p.packets = 7;
	p.bytes = UINT64_MAX;
	expect(native_port_json(&p), "Port",
	       "{\"lease\":5,\"nic\":\"eth0\",\"ifindex\":3,\"port\":65535,\"tenant\":\"media\","
	       "\"instance\":6,\"uses\":2,\"packets\":7,\"bytes\":9223372036854775807}");
}

static void a_flow(void **state)
{
	struct flow flow = { .queue = 2, .dst_port = 5000, .src = { 192, 0, 2, 1 } };
	struct native_flow f = { .lease = 5,
				 .instance = 6,
				 .nic = "eth0",
				 .tenant = "media",
				 .ifindex = 3,
				 .rule = 9,
				 .flow = &flow };

	(void)state;
	expect(native_flow_json(&f), "Flow",
	       "{\"lease\":5,\"nic\":\"eth0\",\"ifindex\":3,\"rule\":9,\"by\":\"nic\",\"queue\":2,"
	       "\"source\":\"192.0.2.1\",\"source_port\":0,\"destination\":\"\","
	       "\"destination_port\":5000,\"tenant\":\"media\",\"instance\":6}");
	flow = (struct flow){ .ipv6 = 1, .src_port = 1, .dst = { 0xff, 0x02, [15] = 1 } };
	f.soft = true;
	expect(native_flow_json(&f), "Flow",
	       "{\"lease\":5,\"nic\":\"eth0\",\"ifindex\":3,\"rule\":9,\"by\":\"software\","
	       "\"queue\":0,\"source\":\"\",\"source_port\":1,\"destination\":\"ff02::1\","
	       "\"destination_port\":0,\"tenant\":\"media\",\"instance\":6}");
}

static void a_lease(void **state)
{
	struct native_lease l = {
		.lease = INT64_MAX,
		.instance = 3,
		.res = { .kind = RES_LCORE, .id = 5 },
		.tenant = "media",
		.since_ns = then_ns,
		.enforced = "advisory",
	};

	(void)state;
	expect(native_lease_json(&l), "Lease",
	       "{\"lease\":9223372036854775807,\"kind\":\"lcore\",\"resource\":\"lcore 5\","
	       "\"tenant\":\"media\",\"instance\":3,\"since\":\"2026-11-20T09:30:00.123Z\","
	       "\"whole_core\":false,\"enforced\":\"advisory\"}");
	l.res = (struct res){ .kind = RES_QUEUE, .scope = 2, .id = 3 };
	l.expires_ns = then_ns + 1000000000;
	l.whole_core = true;
	expect(native_lease_json(&l), "Lease",
	       "{\"lease\":9223372036854775807,\"kind\":\"queue\",\"resource\":"
	       "\"queue 3 of if 2\",\"tenant\":\"media\",\"instance\":3,"
	       "\"since\":\"2026-11-20T09:30:00.123Z\",\"expires\":\"2026-11-20T09:30:01.123Z\","
	       "\"whole_core\":true,\"enforced\":\"advisory\"}");
}

static void an_instance(void **state)
{
	struct native_instance i = {
		.instance = 7,
		.kind = "mtl",
		.name = "host\"1",
		.tenant = "default",
		.uid = UINT32_MAX,
		.gid = 100,
		.claimed_pid = 1111,
		.cgroup_id = 42,
		.since_ns = then_ns,
		.leases = 2,
	};

	(void)state;
	expect(native_instance_json(&i), "Instance",
	       "{\"instance\":7,\"kind\":\"mtl\",\"name\":\"host\\\"1\",\"tenant\":\"default\","
	       "\"pid\":0,\"uid\":4294967295,\"gid\":100,\"cgroup_id\":42,\"claimed_pid\":1111,"
	       "\"since\":\"2026-11-20T09:30:00.123Z\",\"leases\":2,\"orphan\":false}");
	i.claimed_pid = 0;
	i.orphan = true;
	i.pid = 12;
	expect(native_instance_json(&i), "Instance",
	       "{\"instance\":7,\"kind\":\"mtl\",\"name\":\"host\\\"1\",\"tenant\":\"default\","
	       "\"pid\":12,\"uid\":4294967295,\"gid\":100,\"cgroup_id\":42,"
	       "\"since\":\"2026-11-20T09:30:00.123Z\",\"leases\":2,\"orphan\":true}");
}

static void hostnames_are_made_printable(void **state)
{
	static const struct {
		const char *sent, *shown;
	} rows[] = {
		{ "", "" },
		{ "h\xc3\xa9", "h\xc3\xa9" },
		{ "a\nb", "a\\x0ab" },
		{ "\x1b[2J", "\\x1b[2J" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "cut \xe2\x82", "cut \\xe2\\x82" },
		{ "\xc2\x9b", "\\xc2\\x9b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct native_instance n = { .kind = "mtl", .tenant = "t", .name = rows[i].sent };
		json_t *object = native_instance_json(&n);

		assert_string_equal(json_string_value(json_object_get(object, "name")),
				    rows[i].shown);
		json_decref(object);
	}
}

static void the_longest_text_is_shown_whole(void **state)
{
	struct native_instance n = { .kind = "mtl", .tenant = "t" };
	char name[256];
	json_t *object;

	(void)state;
	memset(name, 0xff, sizeof(name) - 1);
	name[255] = '\0';
	n.name = name;
	object = native_instance_json(&n);
	assert_int_equal(json_string_length(json_object_get(object, "name")), 4 * 255);
	json_decref(object);
}

static void a_cpu(void **state)
{
	struct native_cpu c = {
		.cpu = 8191, .package = 1, .core = 4095, .node = -1, .state = "free"
	};

	(void)state;
	expect(native_cpu_json(&c), "Cpu",
	       "{\"cpu\":8191,\"node\":-1,\"package\":1,\"core\":4095,\"isolated\":false,"
	       "\"state\":\"free\"}");
	c.isolated = true;
	c.state = "leased";
	c.lease = 9;
	c.tenant = "media";
	expect(native_cpu_json(&c), "Cpu",
	       "{\"cpu\":8191,\"node\":-1,\"package\":1,\"core\":4095,\"isolated\":true,"
	       "\"state\":\"leased\",\"lease\":9,\"tenant\":\"media\"}");
}

static void a_tenant(void **state)
{
	struct quota quota = { .max = { 4, 0, QUOTA_NONE, 1, 1, 1, 1, UINT32_MAX - 1 } };
	uint32_t used[RES_KIND_MAX] = { 2 };
	struct cpuset cpus = { 0 };
	struct native_tenant t = {
		.name = "media",
		.quota = &quota,
		.used = used,
		.instances = 1,
		.cpus = &cpus,
		.enforced = "cpuset",
		.cgroup = "/media",
		.granted = 5,
		.refused = 6,
		.retired = true,
	};

	(void)state;
	cpuset_add(&cpus, 4);
	cpuset_add(&cpus, 5);
	expect(native_tenant_json(&t), "Tenant",
	       "{\"name\":\"media\",\"quota\":{\"lcore\":4,\"queue\":0,\"flow\":-1,\"udp_port\":1,"
	       "\"xdp\":1,\"qp\":1,\"vm\":1,\"channel\":4294967294,\"address\":0},\"used\":{\"lcore\":2,"
	       "\"queue\":0,\"flow\":0,\"udp_port\":0,\"xdp\":0,\"qp\":0,\"vm\":0,\"channel\":0,\"address\":0},"
	       "\"instances\":1,\"cpus\":\"4-5\",\"cgroup\":\"/media\",\"enforced\":\"cpuset\","
	       "\"granted\":5,\"refused\":6,\"retired\":true}");
}

static void a_tenant_with_the_longest_cpu_list(void **state)
{
	struct quota quota = { 0 };
	uint32_t used[RES_KIND_MAX] = { 0 };
	struct cpuset cpus = { 0 }, read_back;
	struct native_tenant t = { .name = "t", .quota = &quota, .used = used, .cpus = &cpus };
	json_t *object;

	(void)state;
	t.enforced = "advisory";
	t.cgroup = "";
	for (unsigned cpu = 0; cpu < CPU_MAX; cpu++)
		if (cpu % 3)
			cpuset_add(&cpus, cpu);
	object = native_tenant_json(&t);
	assert_null(json_object_get(object, "cgroup"));
	assert_int_equal(
		cpuset_parse(json_string_value(json_object_get(object, "cpus")), &read_back), 0);
	assert_true(cpuset_equal(&cpus, &read_back));
	json_decref(object);
}

static void an_event(void **state)
{
	struct event ev = {
		.seq = 10,
		.wall_ns = then_ns,
		.type = EVENT_REFUSE,
		.instance = 7,
		.lease = 8,
		.res = { .kind = RES_LCORE, .id = 5 },
		.uid = 1000,
		.pid = 99,
		.error = EDQUOT,
		.why = "quota of 4 lcores is used up",
	};

	(void)state;
	expect(native_event_json(&ev, "media"), "Event",
	       "{\"seq\":10,\"time\":\"2026-11-20T09:30:00.123Z\",\"type\":\"refuse\","
	       "\"tenant\":\"media\",\"instance\":7,\"lease\":8,\"kind\":\"lcore\","
	       "\"resource\":\"lcore 5\",\"uid\":1000,\"pid\":99,\"error\":\"quota\","
	       "\"why\":\"quota of 4 lcores is used up\"}");
	ev = (struct event){ .seq = 1, .wall_ns = then_ns, .res.kind = RES_KIND_MAX };
	expect(native_event_json(&ev, ""), "Event",
	       "{\"seq\":1,\"time\":\"2026-11-20T09:30:00.123Z\",\"type\":\"start\","
	       "\"tenant\":\"\",\"uid\":0,\"pid\":0,\"why\":\"\"}");
}

static void kinds_are_those_of_the_text(void **state)
{
	char names[128] = "\ntype Kind (";

	(void)state;
	for (uint32_t kind = 0; kind < RES_KIND_MAX; kind++) {
		strcat(names, kind ? ", " : "");
		strcat(names, res_kind_name(kind));
	}
	strcat(names, ")\n");
	assert_non_null(strstr(varlink_io_reeve, names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_nic),
		cmocka_unit_test(a_port),
		cmocka_unit_test(a_flow),
		cmocka_unit_test(a_lease),
		cmocka_unit_test(an_instance),
		cmocka_unit_test(hostnames_are_made_printable),
		cmocka_unit_test(the_longest_text_is_shown_whole),
		cmocka_unit_test(a_cpu),
		cmocka_unit_test(a_tenant),
		cmocka_unit_test(a_tenant_with_the_longest_cpu_list),
		cmocka_unit_test(an_event),
		cmocka_unit_test(kinds_are_those_of_the_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
