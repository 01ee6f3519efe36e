/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/icmp.h"

#include <errno.h>

#include "packet.h"
#include "wire/checksum.h"

enum { PACKET_MAX = 256 };

/*
 * As ping sends it: id 0x1234, seq 1, "abcdefgh". The sum, by hand:
 * 0800+1234+0001+6162+6364+6566+6768 is 1abc9, abca.
 */
static const char *const ping = "08 00 5435 1234 0001 6162636465666768";
static const char *const pong = "00 00 5c35 1234 0001 6162636465666768";
/* Between fd00::1 and fd00::2: fd00+0001+fd00+0002+0010+003a is fa4e; with 8000 and so on 1e1a. */
static const char *const ping6 = "80 00 e1e5 1234 0001 6162636465666768";

/* Who has fd00::2? With the MAC of who asks. */
static const char *const solicit = "87 00 0000 00000000 fd000000000000000000000000000002"
				   "01 01 020000000001";
static const char *const advert = "88 00 0000 60000000 fd000000000000000000000000000002"
				  "02 01 020000000002";

static struct ip packet(const char *hex, bool is6, uint8_t *bytes)
{
	return (struct ip){ .src = ip_of(is6 ? "fd00::1" : "10.0.0.1"),
			    .dst = ip_of(is6 ? "fd00::2" : "10.0.0.2"),
			    .proto = is6 ? IP_ICMP6 : IP_ICMP,
			    .ttl = UINT8_MAX,
			    .payload = bytes,
			    .len = from_hex(hex, bytes) };
}

static void put_sum(const struct ip *ip)
{
	uint64_t sum = ip->proto == IP_ICMP6
			       ? checksum_pseudo(&ip->src, &ip->dst, IP_ICMP6, ip->len)
			       : 0;

	memset(ip->payload + 2, 0, 2);
	sum = checksum_add(sum, ip->payload, ip->len);
	checksum_put(ip->payload + 2, (uint16_t)~checksum_fold(sum));
}

/* --- echo ------------------------------------------------------------------------------------ */

static void assert_echo(const char *hex, bool is6, enum icmp_kind kind)
{
	uint8_t bytes[PACKET_MAX], again[PACKET_MAX];
	struct ip ip = packet(hex, is6, bytes);
	struct icmp m;

	assert_int_equal(icmp_decode(&ip, &m), 0);
	assert_int_equal(m.kind, kind);
	assert_int_equal(m.id, 0x1234);
	assert_int_equal(m.seq, 1);
	assert_int_equal(m.len, 8);
	assert_memory_equal(m.data, "abcdefgh", 8);
	assert_int_equal(icmp_bytes(&m), ip.len);
	memset(again, 0xa5, sizeof(again));
	icmp_encode(again, &ip, &m);
	assert_memory_equal(again, bytes, ip.len);
}

static void test_echo(void **state)
{
	(void)state;
	assert_echo(ping, false, ICMP_ECHO);
	assert_echo(pong, false, ICMP_ECHO_REPLY);
	assert_echo(ping6, true, ICMP_ECHO);
}

static void test_an_answer_in_place(void **state)
{
	uint8_t bytes[PACKET_MAX], wanted[PACKET_MAX];
	struct ip ip = packet(ping, false, bytes);
	struct icmp m;

	(void)state;
	from_hex(pong, wanted);
	assert_int_equal(icmp_decode(&ip, &m), 0);
	m.kind = ICMP_ECHO_REPLY;
	icmp_encode(bytes, &ip, &m);
	assert_memory_equal(bytes, wanted, ip.len);
}

static void assert_cut_short(const char *hex, bool is6)
{
	uint8_t bytes[PACKET_MAX];
	struct ip ip = packet(hex, is6, bytes);
	uint32_t whole = ip.len;
	struct icmp m;

	if (is6)
		put_sum(&ip);
	for (ip.len = 0; ip.len < whole; ip.len++) {
		ip.payload = exactly(bytes, ip.len);
		assert_int_equal(icmp_decode(&ip, &m), -EBADMSG);
		free(ip.payload);
	}
}

/* So that only the length is wrong. */
static void assert_cut_short_with_a_sum(const char *hex, uint32_t least)
{
	uint8_t bytes[PACKET_MAX];
	struct ip ip = packet(hex, true, bytes);
	uint32_t whole = ip.len;
	struct icmp m;

	for (ip.len = 4; ip.len < whole; ip.len++) {
		ip.payload = exactly(bytes, ip.len);
		put_sum(&ip);
		assert_int_equal(icmp_decode(&ip, &m), ip.len < least ? -EBADMSG : 0);
		free(ip.payload);
	}
}

static void test_cut_short(void **state)
{
	(void)state;
	assert_cut_short(ping, false);
	assert_cut_short(ping6, true);
	assert_cut_short(solicit, true);
	assert_cut_short(advert, true);
	assert_cut_short_with_a_sum(ping6, ICMP_HEADER);
}

static void test_every_bit_counts(void **state)
{
	(void)state;
	for (int is6 = 0; is6 < 2; is6++) {
		uint8_t bytes[PACKET_MAX];
		struct ip ip = packet(is6 ? ping6 : ping, is6, bytes);
		struct icmp m;

		for (uint32_t bit = 0; bit < 8 * ip.len; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(icmp_decode(&ip, &m), -EBADMSG);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void test_other_kinds(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < 256; type++) {
		uint8_t bytes[PACKET_MAX];
		struct ip ip = packet(ping, false, bytes);
		enum icmp_kind wanted = ICMP_OTHER;
		struct icmp m;

		bytes[0] = (uint8_t)type;
		put_sum(&ip);
		assert_int_equal(icmp_decode(&ip, &m), 0);
		if (type == 8 || type == 0)
			wanted = type ? ICMP_ECHO : ICMP_ECHO_REPLY;
		assert_int_equal(m.kind, wanted);
		bytes[1] = 1;
		put_sum(&ip);
		assert_int_equal(icmp_decode(&ip, &m), 0);
		assert_int_equal(m.kind, ICMP_OTHER);
	}
}

/* --- neighbour discovery ------------------------------------------------------------------------
 */

static int decode_nd(const char *hex, struct icmp *ret)
{
	uint8_t bytes[PACKET_MAX];
	struct ip ip = packet(hex, true, bytes);

	put_sum(&ip);
	return icmp_decode(&ip, ret);
}

static void test_solicit(void **state)
{
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 1 };
	struct ipaddr target = ip_of("fd00::2");
	struct icmp m;

	(void)state;
	assert_int_equal(decode_nd(solicit, &m), 0);
	assert_int_equal(m.kind, ICMP_SOLICIT);
	assert_memory_equal(&m.target, &target, sizeof(target));
	assert_true(m.has_mac);
	assert_memory_equal(m.mac.b, mac, ETHER_MAC);
}

static void test_advert(void **state)
{
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 2 };
	struct icmp m;

	(void)state;
	assert_int_equal(decode_nd(advert, &m), 0);
	assert_int_equal(m.kind, ICMP_ADVERT);
	assert_true(m.has_mac);
	assert_memory_equal(m.mac.b, mac, ETHER_MAC);
	assert_true(m.solicited);
	assert_true(m.override);
	assert_int_equal(decode_nd("88 00 0000 40000000 fd000000000000000000000000000002", &m), 0);
	assert_false(m.has_mac);
	assert_true(m.solicited);
	assert_false(m.override);
	/* A router says that it is one. */
	assert_int_equal(decode_nd("88 00 0000 a0000000 fd000000000000000000000000000002", &m), 0);
	assert_false(m.solicited);
	assert_true(m.override);
}

/* What a router sent on has a lower TTL; so nobody beyond the link speaks of neighbours. */
static void test_from_beyond_the_link(void **state)
{
	(void)state;
	for (uint32_t ttl = 0; ttl < 256; ttl++) {
		uint8_t bytes[PACKET_MAX];
		struct ip ip = packet(ttl & 1 ? solicit : advert, true, bytes);
		struct icmp m;

		put_sum(&ip);
		ip.ttl = (uint8_t)ttl;
		assert_int_equal(icmp_decode(&ip, &m), ttl == 255 ? 0 : -EBADMSG);
	}
}

static void test_wrong_targets_and_codes(void **state)
{
	static const char *const bad[] = {
		"87 01 0000 00000000 fd000000000000000000000000000002",
		"88 ff 0000 60000000 fd000000000000000000000000000002",
		"87 00 0000 00000000 00000000000000000000000000000000",
		"87 00 0000 00000000 00000000000000000000000000000001",
		"87 00 0000 00000000 ff020000000000000000000000000001",
		"88 00 0000 60000000 00000000000000000000ffff0a000001",
	};
	struct icmp m;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (decode_nd(bad[i], &m) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

static int decode_options(const char *options, struct icmp *ret)
{
	char hex[3 * PACKET_MAX];

	snprintf(hex, sizeof(hex), "87 00 0000 00000000 fd000000000000000000000000000002 %s",
		 options);
	return decode_nd(hex, ret);
}

static void test_options(void **state)
{
	static const struct {
		const char *options;
		int r;
		bool has_mac;
	} tests[] = {
		{ "", 0, false },
		{ "01 01 020000000001", 0, true },
		{ "02 01 020000000001", 0, false }, /* the target's, in a question */
		{ "01 02 020000000001 0000000000000000", 0, false },  /* no Ethernet MAC */
		{ "0e 01 000000000000 01 01 020000000001", 0, true }, /* behind a nonce */
		{ "0e 02 000000000000 0000000000000000 01 01 020000000001", 0, true },
		{ "01 00 020000000001", -EBADMSG, false },
		{ "01 01 020000000001 01 00 020000000001", -EBADMSG, false },
		{ "01 02 020000000001", -EBADMSG, false },
		{ "01 ff 020000000001", -EBADMSG, false },
		{ "01 01 0200000000", -EBADMSG, false },
		{ "01", -EBADMSG, false },
		{ "01 01 020000000001 01", -EBADMSG, false },
		{ "01 01 020000000001 01 01 0200000000", -EBADMSG, false },
	};
	struct icmp m;

	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (decode_options(tests[i].options, &m) != tests[i].r)
			fail_msg("options %s", tests[i].options);
		if (!tests[i].r)
			assert_int_equal(m.has_mac, tests[i].has_mac);
	}
}

/* In IPv4's ICMP these numbers are nothing. */
static void test_none_over_ipv4(void **state)
{
	uint8_t bytes[PACKET_MAX];
	struct ip ip = packet(solicit, false, bytes);
	struct icmp m;

	(void)state;
	put_sum(&ip);
	assert_int_equal(icmp_decode(&ip, &m), 0);
	assert_int_equal(m.kind, ICMP_OTHER);
}

/* --- back and forth ---------------------------------------------------------------------- */

static void round_trip(uint64_t *seed, bool is6, struct icmp *m)
{
	static uint8_t bytes[2000];
	struct ip ip = { .src = random_ip(seed, is6),
			 .dst = random_ip(seed, is6),
			 .proto = is6 ? IP_ICMP6 : IP_ICMP,
			 .ttl = UINT8_MAX,
			 .payload = bytes,
			 .len = icmp_bytes(m) };
	struct icmp n;

	icmp_encode(bytes, &ip, m);
	assert_int_equal(icmp_decode(&ip, &n), 0);
	assert_int_equal(n.kind, m->kind);
	assert_int_equal(n.id, m->id);
	assert_int_equal(n.seq, m->seq);
	assert_int_equal(n.len, m->len);
	if (m->len)
		assert_memory_equal(n.data, m->data, m->len);
	assert_memory_equal(&n.target, &m->target, sizeof(n.target));
	assert_int_equal(n.has_mac, m->has_mac);
	assert_memory_equal(&n.mac, &m->mac, sizeof(n.mac));
	assert_int_equal(n.solicited, m->solicited);
	assert_int_equal(n.override, m->override);
}

static void test_round_trip_echo(void **state)
{
	static uint8_t data[1900];
	uint64_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct icmp m = { .kind = i & 2 ? ICMP_ECHO : ICMP_ECHO_REPLY,
				  .id = (uint16_t)random_number(&seed),
				  .seq = (uint16_t)random_number(&seed),
				  .data = data,
				  .len = random_number(&seed) % sizeof(data) };

		random_bytes(&seed, data, m.len);
		round_trip(&seed, i & 1, &m);
	}
}

static void test_round_trip_nd(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct icmp m = { .kind = i & 1 ? ICMP_SOLICIT : ICMP_ADVERT,
				  .target = random_ip(&seed, true),
				  .has_mac = i & 2,
				  .solicited = !(i & 1) && i & 4,
				  .override = !(i & 1) && i & 8 };

		if (m.has_mac)
			random_bytes(&seed, m.mac.b, ETHER_MAC);
		round_trip(&seed, true, &m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_an_answer_in_place),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_other_kinds),
		cmocka_unit_test(test_solicit),
		cmocka_unit_test(test_advert),
		cmocka_unit_test(test_from_beyond_the_link),
		cmocka_unit_test(test_wrong_targets_and_codes),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_none_over_ipv4),
		cmocka_unit_test(test_round_trip_echo),
		cmocka_unit_test(test_round_trip_nd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
