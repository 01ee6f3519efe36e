/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "wire/chan_msg.h"
#include "wire/channel.h"

static void fill(struct chan_msg *m, uint16_t type)
{
	memset(m, 0, sizeof(*m));
	m->type = type;
	m->id = 77;
	for (int i = 0; i < 16; i++)
		m->app[i] = (uint8_t)(i + 1);
}

static void decode(const struct chan_msg *m, struct chan_request *ret)
{
	uint8_t bytes[CHAN_MSG_SIZE];

	memcpy(bytes, m, sizeof(bytes));
	chan_request_decode(bytes, ret);
}

static void test_register(void **state)
{
	struct chan_request q;
	struct chan_msg m;

	(void)state;
	fill(&m, CHAN_REGISTER);
	memset(m.app_name, 'x', sizeof(m.app_name));
	decode(&m, &q);
	assert_int_equal(q.type, CHAN_REGISTER);
	assert_int_equal(q.id, 77);
	assert_memory_equal(q.app, m.app, 16);
	assert_int_equal(strlen(q.name), CHAN_NAME_MAX);
}

static void test_channel(void **state)
{
	struct chan_request q;
	struct chan_msg m;

	(void)state;
	fill(&m, CHAN_REQ_CHANNEL);
	m.channel.channel[15] = 9;
	m.channel.rings = 1024;
	m.channel.buffers = 4096;
	decode(&m, &q);
	assert_int_equal(q.channel[15], 9);
	assert_false(q.rings);
	assert_int_equal(q.buffers, 4096);
	m.channel.rings = CHAN_RINGS;
	decode(&m, &q);
	assert_true(q.rings);
	assert_string_equal(q.name, "");
}

static void test_response(void **state)
{
	struct chan_request q = { .type = CHAN_REGISTER, .id = 5, .name = "secret" };
	uint8_t out[CHAN_MSG_SIZE], want[CHAN_MSG_SIZE] = { 0x10, 0, 5 };

	(void)state;
	memset(q.app, 0xee, sizeof(q.app));
	memset(want + 6, 0xee, 16);
	memset(out, 0x55, sizeof(out));
	chan_response_encode(out, &q, true);
	assert_memory_equal(out, want, sizeof(out));
	memset(want + 22, 0xff, 4);
	chan_response_encode(out, &q, false);
	assert_memory_equal(out, want, sizeof(out));
}

static void test_pieces(void **state)
{
	struct chan_inbox in = { .len = 0 };
	uint8_t bytes[2 * CHAN_MSG_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(chan_inbox_add(&in, bytes, 1), 1);
	assert_int_equal(chan_inbox_add(&in, bytes + 1, 100), 100);
	assert_int_equal(chan_inbox_add(&in, bytes + 101, 200), CHAN_MSG_SIZE - 101);
	assert_int_equal(in.len, CHAN_MSG_SIZE);
	assert_memory_equal(in.bytes, bytes, CHAN_MSG_SIZE);
	assert_int_equal(chan_inbox_add(&in, bytes, 1), 0);
}

static void test_uuid(void **state)
{
	const uint8_t id[16] = { 0x9a, 0xaf, 0xc1, 0xdd, 0xc6, 0xc3, 0x42, 0x2e,
				 0xbf, 0x92, 0x2c, 0xd9, 0xc0, 0x71, 0x38, 0x54 };
	char text[CHAN_UUID_TEXT];

	(void)state;
	chan_uuid_format(id, text);
	assert_string_equal(text, "9aafc1dd-c6c3-422e-bf92-2cd9c0713854");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_register), cmocka_unit_test(test_channel),
		cmocka_unit_test(test_response), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
