/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in: pings of every size, frames of every length, and what is not for us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"
#include "stack/impl.h"

enum { ICMP = 1, HEADERS = 14 + 20 + 8, MOST = 1500 - 20 - 8 };

static struct world w;
static struct host *host;
static struct raw peer;

static int open_world(void **state)
{
	(void)state;
	world_open(&w, 1);
	host = world_host(&w, "10.0.0.1", NULL);
	raw_open(&peer, &w, "10.0.0.2");
	world_run(&w, NS_PER_MS);
	raw_introduce(&peer, host);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static void make_ping(uint32_t len, struct raw_frame *ret)
{
	uint8_t icmp[8 + MOST] = { 8, 0, 0, 0, 0x12, 0x34, 0x56, 0x78 };
	uint16_t sum;

	for (uint32_t i = 0; i < len; i++)
		icmp[8 + i] = (uint8_t)(i * 7);
	sum = raw_sum(icmp, 8 + len);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	raw_ip4(&peer, host, ICMP, icmp, 8 + len, ret);
}

/* Of the IP header, after something in it was changed. */
static void sum_again(struct raw_frame *f)
{
	uint16_t sum;

	f->b[24] = f->b[25] = 0;
	sum = raw_sum(f->b + 14, 20);
	f->b[24] = (uint8_t)(sum >> 8);
	f->b[25] = (uint8_t)sum;
}

static uint32_t answers(const struct raw_frame *f)
{
	struct raw_frame got;
	uint32_t n = 0;

	raw_send(&peer, f);
	world_run(&w, 1000);
	while (raw_next(&peer, &got))
		n++;
	return n;
}

static void test_pings_of_every_size(void **state)
{
	struct raw_frame f, got;

	(void)state;
	for (uint32_t len = 0; len <= MOST; len++) {
		make_ping(len, &f);
		raw_send(&peer, &f);
		world_run(&w, NS_PER_MS);
		assert_true(raw_next(&peer, &got));
		assert_int_equal(got.len, f.len);
		assert_int_equal(got.b[34], 0);
		assert_memory_equal(got.b + 38, f.b + 38, 4 + len);
		assert_int_equal(raw_sum(got.b + 34, 8 + len), 0);
		assert_int_equal(raw_sum(got.b + 14, 20), 0);
		assert_memory_equal(got.b + 26, f.b + 30, 4);
		assert_memory_equal(got.b + 30, f.b + 26, 4);
		assert_false(raw_next(&peer, &got));
	}
}

/* Ethernet pads what is shorter than 60 bytes: not a part of the packet. */
static void test_padding_is_cut_off(void **state)
{
	struct raw_frame f, got;

	(void)state;
	make_ping(4, &f);
	memset(f.b + f.len, 0xaa, 60 - f.len);
	f.len = 60;
	raw_send(&peer, &f);
	world_run(&w, 1000);
	assert_true(raw_next(&peer, &got));
	assert_int_equal(got.len, HEADERS + 4);
}

static void test_what_is_not_for_us_has_no_answer(void **state)
{
	static const uint8_t addresses[][4] = { { 10, 0, 0, 9 },	{ 10, 0, 0, 255 },
						{ 255, 255, 255, 255 }, { 224, 0, 0, 1 },
						{ 0, 0, 0, 0 },		{ 127, 0, 0, 1 } };
	struct raw_frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		make_ping(20, &f);
		memcpy(f.b + 30, addresses[i], 4); /* to there */
		sum_again(&f);
		assert_int_equal(answers(&f), 0);
		memcpy(f.b, raw_everybody, 6);
		assert_int_equal(answers(&f), 0);
		if (i == 0)
			continue;
		make_ping(20, &f);
		memcpy(f.b + 26, addresses[i], 4); /* from there */
		sum_again(&f);
		assert_int_equal(answers(&f), i == 1); /* a host like any other, with no prefix */
	}
	make_ping(20, &f);
	memcpy(f.b + 26, host->ip.b + 12, 4);
	sum_again(&f);
	assert_int_equal(answers(&f), 0);
	make_ping(20, &f);
	f.b[5] ^= 1;
	assert_int_equal(answers(&f), 0);
	make_ping(20, &f);
	f.b[6] = 1; /* from a group */
	assert_int_equal(answers(&f), 0);
}

static void test_damage_has_no_answer(void **state)
{
	struct raw_frame f;

	(void)state;
	make_ping(40, &f);
	for (uint32_t bit = 14 * 8; bit < f.len * 8; bit++) {
		f.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(answers(&f), 0);
		f.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(answers(&f), 1);
}

/* Straight into the stack, each in memory of just its size, for ASan to see. */
static void test_frames_of_every_length(void **state)
{
	struct raw_packet p = { .from = 1, .to = 888, .kind = 1 };
	struct raw_frame kinds[3];

	(void)state;
	make_ping(100, &kinds[0]);
	raw_machnet(&peer, host, &p, "x", 1, &kinds[1]);
	memset(&kinds[2], 0, sizeof(kinds[2]));
	memcpy(kinds[2].b, raw_everybody, 6);
	memcpy(kinds[2].b + 6, peer.port->mac, 6);
	memcpy(kinds[2].b + 12, (uint8_t[]){ 0x86, 0xdd, 0x60, 0, 0, 0, 0, 60, 58, 255 }, 10);
	kinds[2].len = 100;
	for (int i = 0; i < 3; i++)
		for (uint32_t len = 0; len < kinds[i].len; len++) {
			uint8_t *exact = test_malloc(len ? len : 1);

			memcpy(exact, kinds[i].b, len);
			input(host->stack, exact, len, false);
			test_free(exact);
		}
	stack_flush(host->stack);
	world_run(&w, NS_PER_MS);
	assert_int_equal(raw_count(&peer, 3, NULL), 0);
	assert_int_equal(host->stack->stats.echoes, 0);
}

/* A device that would have finished the checksum does not exist on veth: only there it may lack. */
static void test_partial_checksums(void **state)
{
	struct raw_packet p = { .from = 1, .to = 888, .kind = 1 };
	uint8_t pseudo[12] = { 10, 0, 0, 2, 10, 0, 0, 1, 0, 17, 0, 62 };
	struct raw_frame f;
	uint16_t sum = (uint16_t)~raw_sum(pseudo, 12);

	(void)state;
	assert_int_equal(stack_listen(host->stack, &host->ip, 888, NULL), 0);
	raw_machnet(&peer, host, &p, NULL, 0, &f);
	f.b[40] = (uint8_t)(sum >> 8);
	f.b[41] = (uint8_t)sum;
	assert_int_equal(answers(&f), 0);
	host->port->partial_sums = true;
	assert_int_equal(answers(&f), 1);
	f.b[41] ^= 1;
	assert_int_equal(answers(&f), 0);
}

/* --- IPv6 --------------------------------------------------------------------------------- */

static uint16_t sum6(const uint8_t *ip, uint32_t len)
{
	uint8_t all[40 + 1500];

	memcpy(all, ip + 8, 32);
	memcpy(all + 32, (uint8_t[]){ 0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, 58 }, 8);
	memcpy(all + 40, ip + 40, len);
	return raw_sum(all, 40 + len);
}

static void make_ping6(const struct host *to, const uint8_t from[16], uint32_t len,
		       struct raw_frame *ret)
{
	uint8_t *b = ret->b;
	uint16_t sum;

	memset(b, 0, 62 + len);
	memcpy(b, to->port->mac, 6);
	memcpy(b + 6, peer.port->mac, 6);
	memcpy(b + 12,
	       (uint8_t[]){ 0x86, 0xdd, 0x60, 0, 0, 0, (uint8_t)((8 + len) >> 8),
			    (uint8_t)(8 + len), 58, 64 },
	       10);
	memcpy(b + 22, from, 16);
	memcpy(b + 38, to->ip.b, 16);
	b[54] = 128;
	sum = sum6(b + 14, 8 + len);
	b[56] = (uint8_t)(sum >> 8);
	b[57] = (uint8_t)sum;
	ret->len = 62 + len;
}

static void test_pings_over_ipv6(void **state)
{
	static const uint8_t from[16] = { 0xfd, [15] = 9 }, nobody[16];
	struct host *six = world_host(&w, "fd00::1", NULL);
	struct raw_frame f, got;

	(void)state;
	world_run(&w, NS_PER_MS);
	raw_forget(&peer);
	for (uint32_t len = 0; len <= 1500 - 48; len++) {
		make_ping6(six, from, len, &f);
		raw_send(&peer, &f);
		world_run(&w, NS_PER_MS);
		assert_true(raw_next(&peer, &got));
		assert_int_equal(got.len, f.len);
		assert_int_equal(got.b[54], 129);
		assert_int_equal(sum6(got.b + 14, 8 + len), 0);
	}
	make_ping6(six, nobody, 10, &f);
	assert_int_equal(answers(&f), 0);
}

/* An advertisement of our address by another MAC; `len`: with the option that says so, or not. */
static void make_advert(const struct host *about, uint32_t len, struct raw_frame *ret)
{
	static const uint8_t from[16] = { 0xfd, [15] = 9 };
	uint16_t sum;

	make_ping6(about, from, len - 8, ret);
	ret->b[21] = 255;
	memset(ret->b + 54, 0, len);
	ret->b[54] = 136;
	memcpy(ret->b + 62, about->ip.b, 16);
	if (len == 32) {
		memcpy(ret->b + 78, (uint8_t[]){ 2, 1 }, 2);
		memcpy(ret->b + 80, peer.port->mac, 6);
	}
	sum = sum6(ret->b + 14, len);
	ret->b[56] = (uint8_t)(sum >> 8);
	ret->b[57] = (uint8_t)sum;
}

static void test_conflicts_over_ipv6(void **state)
{
	struct host *six = world_host(&w, "fd00::1", NULL);
	struct raw_frame f;

	(void)state;
	world_run(&w, NS_PER_MS);
	raw_forget(&peer);
	make_advert(six, 24, &f);
	assert_int_equal(answers(&f), 0);
	assert_string_equal(six->notice, "");
	make_advert(six, 32, &f);
	assert_int_equal(answers(&f), 1);
	assert_non_null(strstr(six->notice, "fd00::1"));
	assert_int_equal(answers(&f), 0); /* ten seconds have to pass */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(test_pings_of_every_size),
		TEST(test_padding_is_cut_off),
		TEST(test_what_is_not_for_us_has_no_answer),
		TEST(test_damage_has_no_answer),
		TEST(test_frames_of_every_length),
		TEST(test_partial_checksums),
		TEST(test_pings_over_ipv6),
		TEST(test_conflicts_over_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
