/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and replies are written as the original manager's were recorded: hex, zeros after it. */
#include "wire/mtl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GET  "494d544c0000006700000002"
#define PUT  "494d544c0000006802000000"
#define FLOW "494d544c0000006e0000001a"

enum { STREAM_MAX = 1024, FRAMES_MAX = 8 };

static size_t from_hex(const char *hex, uint8_t *buf, size_t size)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= size);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &buf[i]), 1);
	return n;
}

static void frame_from(const char *hex, uint8_t frame[static MTL_FRAME])
{
	memset(frame, 0, MTL_FRAME);
	from_hex(hex, frame, MTL_FRAME);
}

static struct mtl_request decoded(const char *hex)
{
	uint8_t frame[MTL_FRAME];
	struct mtl_request q;

	frame_from(hex, frame);
	memset(&q, 0xa5, sizeof(q));
	mtl_decode(frame, &q);
	return q;
}

static void decodes_register(void **state)
{
	static const char *const body_len[] = { "6a000000", "0000006a", "ffffffff" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char hex[128];
		struct mtl_request q;

		snprintf(hex, sizeof(hex), "494d544c00000065%s00000457000003e8686f737441",
			 body_len[i]);
		q = decoded(hex);
		assert_int_equal(q.type, MTL_REGISTER);
		assert_int_equal(q.reg.pid, 1111);
		assert_int_equal(q.reg.uid, 1000);
		assert_string_equal(q.reg.hostname, "hostA");
		assert_int_equal(q.reg.num_if, 0);
	}
}

static void decodes_register_interfaces(void **state)
{
	uint8_t frame[MTL_FRAME] = "IMTL\0\0\0\x65";
	struct mtl_request q;

	(void)state;
	memset(frame + 20, 'x', MTL_HOSTNAME);
	frame[84] = 0x12;
	frame[85] = 0x34;
	for (unsigned i = 0; i < MTL_IF_MAX; i++)
		from_hex("0001869f", frame + 86 + 4 * i, 4);
	frame[117] = 0xa0;
	mtl_decode(frame, &q);
	assert_int_equal(strlen(q.reg.hostname), MTL_HOSTNAME);
	assert_int_equal(q.reg.num_if, 0x1234);
	assert_int_equal(q.reg.ifindex[0], 99999);
	assert_int_equal(q.reg.ifindex[6], 99999);
	assert_int_equal(q.reg.ifindex[7], 100000);
}

static void decodes_lcore(void **state)
{
	(void)state;
	assert_int_equal(decoded(GET "0005").type, MTL_GET_LCORE);
	assert_int_equal(decoded(GET "0005").lcore, 5);
	assert_int_equal(decoded(GET "007f").lcore, 127);
	assert_int_equal(decoded(GET "ffff").lcore, 65535);
	assert_int_equal(decoded(PUT "0080").type, MTL_PUT_LCORE);
	assert_int_equal(decoded(PUT "0080").lcore, 128);
	assert_int_equal(decoded(GET "000e0000aaaaaaaa").lcore, 14);
}

static void decodes_udp(void **state)
{
	struct mtl_request q = decoded("494d544c00000069000000060001869f1388");

	(void)state;
	assert_int_equal(q.type, MTL_ADD_UDP_FILTER);
	assert_int_equal(q.udp.ifindex, 99999);
	assert_int_equal(q.udp.port, 5000);
	q = decoded("494d544c0000006a000000060001869f1388");
	assert_int_equal(q.type, MTL_DEL_UDP_FILTER);
	assert_int_equal(q.udp.port, 5000);
}

static void decodes_flow(void **state)
{
	static const uint8_t group[] = { 239, 1, 1, 1 }, source[] = { 10, 0, 0, 7 };
	struct mtl_request q = decoded(FLOW "000000020001000000070000000207"
					    "00000a010101ef30391388");

	(void)state;
	assert_int_equal(q.type, MTL_ADD_FLOW);
	assert_int_equal(q.intf.ifindex, 2);
	assert_int_equal(q.intf.queue, 1);
	assert_int_equal(q.intf.flow_id, 7);
	assert_int_equal(q.intf.flow_type, 2);
	assert_memory_equal(&q.intf.src_ip, source, sizeof(source));
	assert_memory_equal(&q.intf.dst_ip, group, sizeof(group));
	assert_int_equal(q.intf.src_port, 12345);
	assert_int_equal(q.intf.dst_port, 5000);
}

static void decodes_interface_requests(void **state)
{
	struct mtl_request q = decoded("494d544c0000006d0000001a0001869f0001");

	(void)state;
	assert_int_equal(q.type, MTL_PUT_QUEUE);
	assert_int_equal(q.intf.ifindex, 99999);
	assert_int_equal(q.intf.queue, 1);
	q = decoded("494d544c0000006f0000001a00000002000000000001");
	assert_int_equal(q.type, MTL_DEL_FLOW);
	assert_int_equal(q.intf.flow_id, 1);
	assert_int_equal(decoded("494d544c0000006b0000001a00000002").intf.ifindex, 2);
	assert_int_equal(decoded("494d544c0000006c0000001a00000003").intf.ifindex, 3);
}

static void decodes_the_rest(void **state)
{
	static const struct mtl_request nothing;
	struct mtl_request q = decoded("494d544c0000006600000004000000ff");

	(void)state;
	assert_int_equal(q.type, MTL_HEARTBEAT);
	assert_int_equal(q.heartbeat, 255);
	q = decoded("494d544cffffffff00000004ffffffffffffffff");
	assert_int_equal(q.type, UINT32_MAX);
	q.type = 0;
	assert_memory_equal(&q, &nothing, sizeof(q));
}

static enum mtl_reply_kind expected_kind(uint32_t type)
{
	switch (type) {
	case 0:
	case 100:
	case 200 ... 203:
		return MTL_REPLY_NONE;
	case 107:
		return MTL_REPLY_FD;
	case 108:
		return MTL_REPLY_QUEUE;
	case 110:
		return MTL_REPLY_FLOW;
	default:
		return MTL_REPLY_RESPONSE;
	}
}

static void answers_what_is_a_request(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < 400; type++)
		assert_int_equal(mtl_reply_kind(type), expected_kind(type));
	assert_int_equal(mtl_reply_kind(INT32_MAX), MTL_REPLY_RESPONSE);
	assert_int_equal(mtl_reply_kind((uint32_t)INT32_MAX + 1), MTL_REPLY_NONE);
	assert_int_equal(mtl_reply_kind(UINT32_MAX), MTL_REPLY_NONE);
}

static void names_types(void **state)
{
	(void)state;
	assert_string_equal(mtl_type_name(101), "REGISTER");
	assert_string_equal(mtl_type_name(103), "GET_LCORE");
	assert_string_equal(mtl_type_name(111), "DEL_FLOW");
	assert_string_equal(mtl_type_name(203), "FLOW_ID");
	for (uint32_t type = 101; type <= 111; type++)
		assert_string_not_equal(mtl_type_name(type), "unknown");
	assert_string_equal(mtl_type_name(0), "unknown");
	assert_string_equal(mtl_type_name(150), "unknown");
	assert_string_equal(mtl_type_name(204), "unknown");
	assert_string_equal(mtl_type_name(UINT32_MAX), "unknown");
}

static void encodes_replies(void **state)
{
	static const struct {
		enum mtl_reply_kind kind;
		int32_t value;
		const char *hex;
	} rows[] = {
		{ MTL_REPLY_RESPONSE, 0, "494d544c000000c90000000400000000" },
		{ MTL_REPLY_RESPONSE, -1, "494d544c000000c900000004ffffffff" },
		{ MTL_REPLY_QUEUE, 3, "494d544c000000ca0000000400000003" },
		{ MTL_REPLY_QUEUE, -1, "494d544c000000ca00000004ffffffff" },
		{ MTL_REPLY_FLOW, 0x01020304, "494d544c000000cb0000000401020304" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t frame[MTL_FRAME], expected[MTL_FRAME];

		memset(frame, 0xaa, sizeof(frame));
		frame_from(rows[i].hex, expected);
		mtl_encode(frame, rows[i].kind, rows[i].value);
		assert_memory_equal(frame, expected, MTL_FRAME);
	}
}

/* What came out of a framer so far. */
struct reader {
	struct mtl_framer framer;
	uint8_t frames[FRAMES_MAX][MTL_FRAME];
	size_t nframes, skipped;
};

static void reader_read(struct reader *r, const uint8_t *data, size_t len)
{
	bool fresh = true;

	assert_true(r->nframes < FRAMES_MAX);
	while (mtl_frame_next(&r->framer, &data, &len, fresh, r->frames[r->nframes], &r->skipped)) {
		fresh = false;
		r->nframes++;
		assert_true(r->nframes < FRAMES_MAX);
	}
	assert_int_equal(len, 0);
}

static uint16_t reader_lcore(const struct reader *r, size_t i)
{
	struct mtl_request q;

	mtl_decode(r->frames[i], &q);
	assert_int_equal(q.type, MTL_GET_LCORE);
	return q.lcore;
}

/* The recorded steps 27 to 38; where the original lost frames, they all count. */
static void reads_recorded_fragments(void **state)
{
	static const struct {
		struct {
			const char *hex;
			size_t len; /* zeros up to here */
		} parts[3];
		uint16_t lcores[3]; /* what this read completes */
		size_t skipped;
	} reads[] = {
		{ { { "004d544c00000067000000020006", 118 } }, { 0 }, 118 },
		{ { { "4c544d4900000067000000020006", 118 } }, { 0 }, 118 },
		{ { { GET "0006", 14 } }, { 0 }, 0 },
		{ { { GET "0006", 117 } }, { 0 }, 14 }, /* the 14 bytes were given up */
		{ { { "", 1 } }, { 6 }, 0 },
		{ { { GET "0007", 60 } }, { 0 }, 0 },
		{ { { "", 58 } }, { 7 }, 0 },
		{ { { GET "0008", 118 }, { GET "0009", 118 } }, { 8, 9 }, 0 },
		{ { { GET "0009", 118 } }, { 9 }, 0 },
		{ { { GET "000a", 118 }, { GET "000b", 118 }, { GET "000c", 118 } },
		  { 10, 11, 12 },
		  0 },
		{ { { GET "000d", 200 } }, { 13 }, 82 },
		{ { { GET "000e0000aaaaaa", 118 } }, { 14 }, 0 },
	};
	struct reader r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		uint8_t data[STREAM_MAX] = { 0 };
		size_t len = 0;

		for (size_t p = 0; p < 3 && reads[i].parts[p].hex; p++) {
			from_hex(reads[i].parts[p].hex, data + len, sizeof(data) - len);
			len += reads[i].parts[p].len;
		}
		r.nframes = 0;
		r.skipped = 0;
		reader_read(&r, data, len);
		for (size_t n = 0; n < 3 && reads[i].lcores[n]; n++) {
			assert_true(n < r.nframes);
			assert_int_equal(reader_lcore(&r, n), reads[i].lcores[n]);
		}
		assert_true(r.nframes == 3 || reads[i].lcores[r.nframes] == 0);
		assert_int_equal(r.skipped, reads[i].skipped);
	}
	assert_int_equal(r.framer.nheld, 0);
}

/* Three frames with no, with long and with misleading junk between them. */
static size_t make_stream(uint8_t data[static STREAM_MAX], bool junk)
{
	static const char *const gaps[] = { "494d54", "00000000000000000000", "49494d4d544c" };
	size_t len = 0;

	memset(data, 0, STREAM_MAX);
	for (unsigned i = 0; i < 3; i++) {
		if (junk)
			len += from_hex(gaps[i], data + len, STREAM_MAX - len);
		from_hex(GET, data + len, MTL_FRAME);
		data[len + 13] = (uint8_t)(i + 1);
		len += MTL_FRAME;
	}
	return len;
}

static void expect_three(const struct reader *r, size_t skipped)
{
	assert_int_equal(r->nframes, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(reader_lcore(r, i), i + 1);
	assert_int_equal(r->skipped, skipped);
	assert_int_equal(r->framer.nheld, 0);
}

static void survives_every_pair_of_splits(void **state)
{
	uint8_t data[STREAM_MAX];

	(void)state;
	for (unsigned junk = 0; junk < 2; junk++) {
		size_t len = make_stream(data, junk);

		for (size_t a = 0; a <= len; a++)
			for (size_t b = a; b <= len; b++) {
				struct reader r = { 0 };

				reader_read(&r, data, a);
				reader_read(&r, data + a, b - a);
				reader_read(&r, data + b, len - b);
				expect_three(&r, len - 3 * MTL_FRAME);
			}
	}
}

static void survives_every_fragment_size(void **state)
{
	uint8_t data[STREAM_MAX];
	size_t len = make_stream(data, true);

	(void)state;
	for (size_t size = 1; size <= len; size++) {
		struct reader r = { 0 };

		for (size_t at = 0; at < len; at += size)
			reader_read(&r, data + at, len - at < size ? len - at : size);
		expect_three(&r, len - 3 * MTL_FRAME);
	}
}

static void gives_up_a_fragment_of_any_length(void **state)
{
	uint8_t given_up[MTL_FRAME], frame[MTL_FRAME];

	(void)state;
	frame_from(GET "0001", given_up);
	frame_from(GET "0002", frame);
	for (size_t len = 1; len < MTL_FRAME; len++) {
		struct reader r = { 0 };

		reader_read(&r, given_up, len);
		assert_int_equal(r.framer.nheld, len);
		reader_read(&r, frame, MTL_FRAME);
		assert_int_equal(r.nframes, 1);
		assert_int_equal(reader_lcore(&r, 0), 2);
		assert_int_equal(r.skipped, len);
	}
}

/* Only a magic and a request at the beginning of a read are a new beginning. */
static void keeps_what_is_not_given_up(void **state)
{
	static const struct {
		const char *hex;
		size_t len;
		bool fresh;
	} rows[] = {
		{ "494d544c00000064", 58, true },  /* below the requests */
		{ "494d544c00000070", 58, true },  /* above them */
		{ "494d544c000000", 7, true },	   /* cut off in its type */
		{ "494d544c", 4, true },	   /* no type */
		{ "494d544c00000067", 58, false }, /* not the beginning of the read */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t data[MTL_FRAME], frame[MTL_FRAME];
		struct mtl_framer f = { 0 };
		const uint8_t *p = data;
		size_t len = 60, skipped = 0;

		frame_from(GET "0007", data);
		assert_false(mtl_frame_next(&f, &p, &len, true, frame, &skipped));
		frame_from(rows[i].hex, data);
		p = data;
		len = rows[i].len;
		assert_int_equal(mtl_frame_next(&f, &p, &len, rows[i].fresh, frame, &skipped),
				 rows[i].len == 58);
		assert_int_equal(skipped, 0);
		assert_int_equal(f.nheld, rows[i].len == 58 ? 0 : 60 + rows[i].len);
	}
}

static void an_empty_read_changes_nothing(void **state)
{
	struct reader r = { 0 };

	(void)state;
	reader_read(&r, (const uint8_t *)"IM", 2);
	reader_read(&r, NULL, 0);
	assert_int_equal(r.framer.nheld, 2);
	assert_int_equal(r.nframes, 0);
	assert_int_equal(r.skipped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_register),
		cmocka_unit_test(decodes_register_interfaces),
		cmocka_unit_test(decodes_lcore),
		cmocka_unit_test(decodes_udp),
		cmocka_unit_test(decodes_flow),
		cmocka_unit_test(decodes_interface_requests),
		cmocka_unit_test(decodes_the_rest),
		cmocka_unit_test(answers_what_is_a_request),
		cmocka_unit_test(names_types),
		cmocka_unit_test(encodes_replies),
		cmocka_unit_test(reads_recorded_fragments),
		cmocka_unit_test(survives_every_pair_of_splits),
		cmocka_unit_test(survives_every_fragment_size),
		cmocka_unit_test(gives_up_a_fragment_of_any_length),
		cmocka_unit_test(keeps_what_is_not_given_up),
		cmocka_unit_test(an_empty_read_changes_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
