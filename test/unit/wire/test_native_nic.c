/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "native_call.h"

static void decodes_queues(void **state)
{
	struct native_request q = accept_call(IO "AcquireQueues", "{\"nic\":\"123456789012345\"}");

	(void)state;
	assert_string_equal(q.queues.nic, "123456789012345");
	assert_int_equal(q.queues.count, 1);
	assert_true(cpuset_empty(&q.queues.exact));
	assert_true(q.queues.ttl_ns == 0);

	q = accept_call(IO "AcquireQueues", "{\"nic\":\"eth0\",\"count\":256,\"ttl_ms\":5,"
					    "\"name\":\"rx\"}");
	assert_int_equal(q.queues.count, 256);
	assert_true(q.queues.ttl_ns == 5 * NS_PER_MS);
	assert_string_equal(q.queues.name, "rx");

	q = accept_call(IO "AcquireQueues", "{\"nic\":\"eth0\",\"queues\":\"0,254-255\"}");
	assert_int_equal(q.queues.count, 0);
	assert_int_equal(cpuset_count(&q.queues.exact), 3);
	assert_true(cpuset_has(&q.queues.exact, 255));
}

static void decodes_ports(void **state)
{
	struct native_request q = accept_call(IO "AddPort", "{\"nic\":\"eth0.5\",\"port\":65535}");

	(void)state;
	assert_string_equal(q.port.nic, "eth0.5");
	assert_int_equal(q.port.port, 65535);
	q = accept_call(IO "RemovePort", "{\"nic\":\"e\",\"port\":1}");
	assert_string_equal(q.port.nic, "e");
	assert_int_equal(q.port.port, 1);
}

static void decodes_flows(void **state)
{
	static const uint8_t source[16] = { 192, 0, 2, 1 }, group[16] = { 239, 1, 2, 3 };
	static const uint8_t source6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, none[16];
	struct native_request q = accept_call(
		IO "AddFlow", "{\"nic\":\"eth0\",\"queue\":255,\"source\":\"192.0.2.1\","
			      "\"destination\":\"239.1.2.3\",\"source_port\":1,"
			      "\"destination_port\":65535}");
	const struct flow *f = &q.flow.flow;

	(void)state;
	assert_string_equal(q.flow.nic, "eth0");
	assert_int_equal(f->queue, 255);
	assert_int_equal(f->ipv6, 0);
	assert_memory_equal(f->src, source, 16);
	assert_memory_equal(f->dst, group, 16);
	assert_int_equal(f->src_port, 1);
	assert_int_equal(f->dst_port, 65535);

	q = accept_call(IO "AddFlow", "{\"nic\":\"eth0\",\"queue\":0,\"source\":\"2001:db8::1\"}");
	assert_int_equal(f->ipv6, 1);
	assert_memory_equal(f->src, source6, 16);
	assert_memory_equal(f->dst, none, 16);
	assert_int_equal(f->src_port, 0);
	assert_int_equal(f->dst_port, 0);
}

static void decodes_open_socket(void **state)
{
	struct native_request q = accept_call(IO "OpenSocket", "{\"lease\":7}");

	(void)state;
	assert_true(q.socket.lease == 7);
	assert_int_equal(q.socket.frames, 2048);
	assert_int_equal(q.socket.frame_size, 2048);
	assert_int_equal(q.socket.ring, 1024);
	q = accept_call(IO "OpenSocket",
			"{\"lease\":7,\"frames\":16,\"frame_size\":4096,\"ring\":4096}");
	assert_int_equal(q.socket.frames, 16);
	assert_int_equal(q.socket.frame_size, 4096);
	assert_int_equal(q.socket.ring, 4096);
}

#define FLOW	"{\"nic\":\"eth0\",\"queue\":1,"
#define SOCKET	"{\"lease\":1,"
#define TO_PORT "\"destination_port\":1"

static void refuses_nics_out_of_range(void **state)
{
	static const struct {
		const char *method, *parameters, *parameter;
	} rows[] = {
		{ IO "AcquireQueues", "{\"nic\":\"\"}", "nic" },
		{ IO "AcquireQueues", "{\"nic\":\"..\"}", "nic" },
		{ IO "AcquireQueues", "{\"nic\":\"a/b\"}", "nic" },
		{ IO "AcquireQueues", "{\"nic\":\"a b\"}", "nic" },
		{ IO "AcquireQueues", "{\"nic\":\"1234567890123456\"}", "nic" },
		{ IO "AcquireQueues", "{\"nic\":\"a\",\"count\":0}", "count" },
		{ IO "AcquireQueues", "{\"nic\":\"a\",\"count\":257}", "count" },
		{ IO "AcquireQueues", "{\"nic\":\"a\",\"queues\":\"\"}", "queues" },
		{ IO "AcquireQueues", "{\"nic\":\"a\",\"queues\":\"256\"}", "queues" },
		{ IO "AcquireQueues", "{\"nic\":\"a\",\"queues\":\"1,8191\"}", "queues" },
		{ IO "AcquireQueues", "{\"nic\":\"a\",\"count\":1,\"queues\":\"1\"}", "queues" },
		{ IO "AcquireQueues", "{\"nic\":\"a\",\"ttl_ms\":315360000001}", "ttl_ms" },
		{ IO "AddPort", "{\"nic\":\"a\",\"port\":0}", "port" },
		{ IO "AddPort", "{\"nic\":\"a\",\"port\":65536}", "port" },
		{ IO "RemovePort", "{\"nic\":\"a\",\"port\":-1}", "port" },
		{ IO "AddFlow", "{\"nic\":\"a\",\"queue\":256," TO_PORT "}", "queue" },
		{ IO "AddFlow", FLOW "\"source\":\"1.2.3\"}", "source" },
		{ IO "AddFlow", FLOW "\"source\":\"\"}", "source" },
		{ IO "AddFlow", FLOW "\"source\":\"0.0.0.0\"}", "source" },
		{ IO "AddFlow", FLOW "\"source\":\"::\"}", "source" },
		{ IO "AddFlow", FLOW "\"source\":\"fe80::1%lo\"}", "source" },
		{ IO "AddFlow", FLOW "\"destination\":\"host\"}", "destination" },
		{ IO "AddFlow", FLOW "\"source\":\"192.0.2.1\",\"destination\":\"2001:db8::1\"}",
		  "destination" },
		{ IO "AddFlow", FLOW "\"source_port\":0," TO_PORT "}", "source_port" },
		{ IO "AddFlow", FLOW "\"destination_port\":65536}", "destination_port" },
		{ IO "OpenSocket", "{\"lease\":0}", "lease" },
		{ IO "OpenSocket", SOCKET "\"frames\":8}", "frames" },
		{ IO "OpenSocket", SOCKET "\"frames\":2047}", "frames" },
		{ IO "OpenSocket", SOCKET "\"frames\":32768}", "frames" },
		{ IO "OpenSocket", SOCKET "\"frame_size\":1024}", "frame_size" },
		{ IO "OpenSocket", SOCKET "\"frame_size\":3072}", "frame_size" },
		{ IO "OpenSocket", SOCKET "\"ring\":1000}", "ring" },
		{ IO "OpenSocket", SOCKET "\"ring\":8192}", "ring" },
		{ IO "ListPorts", "{\"tenant\":\"\"}", "tenant" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refuse_call(rows[i].method, rows[i].parameters, rows[i].parameter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_queues),
		cmocka_unit_test(decodes_ports),
		cmocka_unit_test(decodes_flows),
		cmocka_unit_test(decodes_open_socket),
		cmocka_unit_test(refuses_nics_out_of_range),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
