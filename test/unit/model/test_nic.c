/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/nic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(nic_form_name(NIC_FORM_NONE), "none");
	assert_string_equal(nic_form_name(NIC_FORM_DISPATCHER), "dispatcher");
	assert_string_equal(nic_form_name(NIC_FORM_SINGLE), "single");
	assert_null(nic_form_name(NIC_FORM_MAX));
	assert_null(nic_form_name(UINT32_MAX));
	assert_string_equal(nic_mode_name(NIC_MODE_NONE), "none");
	assert_string_equal(nic_mode_name(NIC_MODE_NATIVE), "native");
	assert_string_equal(nic_mode_name(NIC_MODE_GENERIC), "generic");
	assert_null(nic_mode_name(NIC_MODE_MAX));
}

static void test_what_is_wanted(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < NIC_WANT_MAX; i++)
		assert_int_equal(nic_want_form_parse(nic_want_form_name(i)), i);
	for (uint32_t i = 0; i < NIC_WANT_MODE_MAX; i++)
		assert_int_equal(nic_want_mode_parse(nic_want_mode_name(i)), i);
	assert_int_equal(nic_want_form_parse("dispatcher"), NIC_WANT_DISPATCHER);
	assert_int_equal(nic_want_mode_parse("generic"), NIC_MODE_ONLY_GENERIC);
	assert_int_equal(nic_want_form_parse("none"), -ENOENT);
	assert_int_equal(nic_want_form_parse(""), -ENOENT);
	assert_int_equal(nic_want_mode_parse("either"), -ENOENT);
	assert_null(nic_want_form_name(NIC_WANT_MAX));
	assert_null(nic_want_mode_name(NIC_WANT_MODE_MAX));
}

static bool sound(const char *text)
{
	char name[NIC_NAME_MAX] = { 0 };

	memcpy(name, text, strnlen(text, sizeof(name)));
	return nic_name_sound(name);
}

static void test_name_sound(void **state)
{
	static const char *const good[] = { "e",   "eth0",     "enp1s0f0np0.100",
					    "...", "br-1_x@y", "\xc3\xa9" };
	static const char *const bad[] = { "",	   ".",	     "..",   "a/b",
					   "a b",  "eth0:1", "a\tb", "a\nb",
					   "a\rb", "a\vb",   "a\fb", "sixteen bytes_16" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(sound(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sound(bad[i]));
	assert_true(sound("fifteen_bytes15"));
	assert_false(sound("sixteen_bytes_16"));
}

static struct flow flow4(const char *src, uint16_t src_port, const char *dst, uint16_t dst_port)
{
	struct flow f = { .queue = 1, .src_port = src_port, .dst_port = dst_port };

	if (src)
		assert_int_equal(inet_pton(AF_INET, src, f.src), 1);
	if (dst)
		assert_int_equal(inet_pton(AF_INET, dst, f.dst), 1);
	return f;
}

static struct flow flow6(const char *dst, uint16_t dst_port)
{
	struct flow f = { .ipv6 = 1, .queue = 3, .dst_port = dst_port };

	if (dst)
		assert_int_equal(inet_pton(AF_INET6, dst, f.dst), 1);
	return f;
}

static void test_flow_check(void **state)
{
	struct flow f = flow4("192.0.2.1", 5000, "239.1.1.1", 5000);

	(void)state;
	assert_int_equal(flow_check(&f), 0);
	f.queue = NIC_QUEUES_MAX - 1;
	assert_int_equal(flow_check(&f), 0);
	f.queue = NIC_QUEUES_MAX;
	assert_int_equal(flow_check(&f), -EINVAL);
	f = flow4(NULL, 0, NULL, 1);
	assert_int_equal(flow_check(&f), 0);
	f = flow4(NULL, 1, NULL, 0);
	assert_int_equal(flow_check(&f), 0);
	f = flow4("0.0.0.1", 0, NULL, 0);
	assert_int_equal(flow_check(&f), 0);
	f = flow6("::1", 0);
	assert_int_equal(flow_check(&f), 0);
	f.ipv6 = 2;
	assert_int_equal(flow_check(&f), -EINVAL);
}

static void test_flow_check_of_nothing(void **state)
{
	struct flow f = { .queue = 1 };

	(void)state;
	assert_int_equal(flow_check(&f), -EINVAL);
	f.ipv6 = 1;
	assert_int_equal(flow_check(&f), -EINVAL);
}

static void test_flow_check_finds_stray_bytes(void **state)
{
	(void)state;
	for (size_t i = 4; i < 16; i++) {
		struct flow f = flow4(NULL, 0, "192.0.2.1", 5000);

		f.dst[i] = 1;
		assert_int_equal(flow_check(&f), -EINVAL);
		f.dst[i] = 0;
		f.src[i] = 1;
		assert_int_equal(flow_check(&f), -EINVAL);
		f.ipv6 = 1;
		assert_int_equal(flow_check(&f), 0);
		f.pad = 1;
		assert_int_equal(flow_check(&f), -EINVAL);
	}
}

static void format_is(struct flow f, const char *text)
{
	char buf[160];

	assert_int_equal(flow_format(&f, buf, sizeof(buf)), strlen(text));
	assert_string_equal(buf, text);
}

static void test_flow_format(void **state)
{
	struct flow full = { .ipv6 = 1, .queue = 65535, .src_port = 65535, .dst_port = 65535 };

	(void)state;
	format_is(flow4("192.0.2.1", 5000, "239.1.1.1", 5001),
		  "192.0.2.1:5000 -> 239.1.1.1:5001 to queue 1");
	format_is(flow4(NULL, 0, "239.1.1.1", 5000), "*:* -> 239.1.1.1:5000 to queue 1");
	format_is(flow4("192.0.2.1", 0, NULL, 0), "192.0.2.1:* -> *:* to queue 1");
	format_is(flow6("2001:db8::1", 5000), "*:* -> [2001:db8::1]:5000 to queue 3");
	format_is(flow6(NULL, 5000), "*:* -> *:5000 to queue 3");

	memset(full.src, 0xee, sizeof(full.src));
	memset(full.dst, 0xee, sizeof(full.dst));
	format_is(full, "[eeee:eeee:eeee:eeee:eeee:eeee:eeee:eeee]:65535 -> "
			"[eeee:eeee:eeee:eeee:eeee:eeee:eeee:eeee]:65535 to queue 65535");
}

static void test_flow_format_stops_at_the_end_of_the_buffer(void **state)
{
	struct flow f = flow4("192.0.2.1", 5000, "239.1.1.1", 5001);
	char buf[11];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(flow_format(&f, buf, 10), 9);
	assert_string_equal(buf, "192.0.2.1");
	assert_int_equal(buf[10], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_what_is_wanted),
		cmocka_unit_test(test_name_sound),
		cmocka_unit_test(test_flow_check),
		cmocka_unit_test(test_flow_check_of_nothing),
		cmocka_unit_test(test_flow_check_finds_stray_bytes),
		cmocka_unit_test(test_flow_format),
		cmocka_unit_test(test_flow_format_stops_at_the_end_of_the_buffer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
