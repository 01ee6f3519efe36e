/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour discovery from who lies: frames are built byte by byte, and what is believed
 * of them, answered, said and kept is looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw.h"
#include "stack/impl.h"

enum { SOLICIT = 135, ADVERT = 136, SOURCE_MAC = 1, TARGET_MAC = 2, OVERRIDE = 0x20 };
enum { AT_IP = 14, AT_ND = 54, AT_OPTION = 78, BYTES = 86, STORM = 100000 };

static struct world w;
static struct host *host;
static struct raw peer, other;
static struct ipaddr peer_ip, nodes;

/* Ethernet, IPv6, and one message with one option. */
struct nd {
	uint8_t kind, flags, ttl;
	struct ipaddr src, dst, target;
	uint8_t option, mac[6];
};

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

static int open_world(void **state)
{
	(void)state;
	world_open(&w, 1);
	host = world_host(&w, "fd00::1", NULL);
	raw_open(&peer, &w, "10.0.0.2");
	raw_open(&other, &w, "10.0.0.3");
	peer_ip = ip("fd00::2");
	nodes = ip("ff02::1");
	world_run(&w, NS_PER_MS);
	raw_forget(&peer);
	raw_forget(&other);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* --- frames ----------------------------------------------------------------------------- */

static void seal(struct raw_frame *f)
{
	uint8_t pseudo[40 + BYTES] = { 0 };
	uint32_t len = f->len - AT_ND;
	uint16_t sum;

	memset(f->b + AT_ND + 2, 0, 2);
	memcpy(pseudo, f->b + AT_IP + 8, 32);
	pseudo[35] = (uint8_t)len;
	pseudo[39] = 58;
	memcpy(pseudo + 40, f->b + AT_ND, len);
	sum = raw_sum(pseudo, 40 + len);
	f->b[AT_ND + 2] = (uint8_t)(sum >> 8);
	f->b[AT_ND + 3] = (uint8_t)sum;
}

static void make(const struct raw *from, const struct nd *m, struct raw_frame *f)
{
	uint8_t *b = f->b;

	memset(b, 0, BYTES);
	if (m->dst.b[0] == 0xff)
		memcpy(b, (uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }, 6);
	else
		memcpy(b, host->port->mac, 6);
	memcpy(b + 6, from->port->mac, 6);
	memcpy(b + 12, (uint8_t[]){ 0x86, 0xdd, 0x60 }, 3);
	b[AT_IP + 5] = BYTES - AT_ND;
	b[AT_IP + 6] = 58;
	b[AT_IP + 7] = m->ttl ? m->ttl : 255;
	memcpy(b + AT_IP + 8, m->src.b, 16);
	memcpy(b + AT_IP + 24, m->dst.b, 16);
	b[AT_ND] = m->kind;
	b[AT_ND + 4] = m->flags;
	memcpy(b + AT_ND + 8, m->target.b, 16);
	b[AT_OPTION] = m->option ? m->option : m->kind == SOLICIT ? SOURCE_MAC : TARGET_MAC;
	b[AT_OPTION + 1] = 1;
	memcpy(b + AT_OPTION + 2, m->mac, 6);
	f->len = BYTES;
	seal(f);
}

static void say(struct raw *from, struct nd m)
{
	struct raw_frame f;

	if (!(m.mac[0] | m.mac[5]))
		memcpy(m.mac, from->port->mac, 6);
	make(from, &m, &f);
	raw_send(from, &f);
	world_run(&w, 1000);
}

/* Messages of that kind from the host; *last (may be NULL): the last. */
static uint32_t heard(struct raw *r, uint8_t kind, struct raw_frame *last)
{
	struct raw_frame f;
	uint32_t n = 0;

	while (raw_next(r, &f))
		if (f.len >= AT_OPTION && f.b[12] == 0x86 && f.b[20] == 58 && f.b[AT_ND] == kind &&
		    !memcmp(f.b + 6, host->port->mac, 6)) {
			n++;
			if (last)
				*last = f;
		}
	return n;
}

static const struct neigh *known(const struct ipaddr *who)
{
	for (uint32_t i = 0; i < host->stack->conf.neighbours; i++) {
		const struct neigh *n = &host->stack->neighs[i];

		if (n->state != NEIGH_FREE && ipaddr_equal(&n->ip, who))
			return n;
	}
	return NULL;
}

/* As known, with that MAC. */
static void assert_at(const struct raw *r, enum neigh_state state)
{
	const struct neigh *n = known(&peer_ip);

	assert_non_null(n);
	assert_memory_equal(n->mac.b, r->port->mac, 6);
	assert_int_equal(n->state, state);
}

static void introduce(void)
{
	struct raw_frame f;

	say(&peer, (struct nd){ SOLICIT, .src = peer_ip, .dst = host->ip, .target = host->ip });
	assert_int_equal(heard(&peer, ADVERT, &f), 1);
	assert_memory_equal(f.b, peer.port->mac, 6);
	assert_memory_equal(f.b + AT_OPTION + 2, host->port->mac, 6);
	assert_at(&peer, NEIGH_KNOWN);
}

/* --- who is known ------------------------------------------------------------------------- */

static void override_to(const struct ipaddr *dst)
{
	struct raw_frame f;
	struct nd lie = { ADVERT, OVERRIDE, .src = peer_ip, .dst = *dst, .target = peer_ip };

	say(&other, lie);
	assert_at(&peer, NEIGH_DOUBTED);
	assert_int_equal(heard(&peer, SOLICIT, &f), 1);
	assert_memory_equal(f.b, peer.port->mac, 6);
	assert_memory_equal(f.b + AT_IP + 24, peer_ip.b, 16);
	say(&other, lie);
	say(&other, lie);
	assert_at(&peer, NEIGH_DOUBTED);
	assert_int_equal(heard(&peer, SOLICIT, NULL), 0);
	say(&peer,
	    (struct nd){ ADVERT, OVERRIDE, .src = peer_ip, .dst = host->ip, .target = peer_ip });
	assert_at(&peer, NEIGH_KNOWN);
}

static void test_who_is_known_is_asked_before_another_is_believed(void **state)
{
	(void)state;
	introduce();
	override_to(&host->ip);
	assert_non_null(strstr(host->notice, "fd00::2"));
	override_to(&nodes);
}

static void test_who_was_not_asked_for_is_not_learned(void **state)
{
	struct ipaddr stranger = ip("fd00::77");

	(void)state;
	say(&other,
	    (struct nd){ ADVERT, OVERRIDE, .src = stranger, .dst = host->ip, .target = stranger });
	say(&other,
	    (struct nd){ ADVERT, OVERRIDE, .src = stranger, .dst = nodes, .target = stranger });
	say(&other, (struct nd){ SOLICIT, .src = stranger, .dst = nodes, .target = peer_ip });
	assert_null(known(&stranger));
	assert_int_equal(heard(&other, ADVERT, NULL), 0);
}

/* --- our address --------------------------------------------------------------------------- */

static void assert_defended(struct raw *r)
{
	struct raw_frame f;

	assert_int_equal(heard(r, ADVERT, &f), 1);
	assert_memory_equal(f.b, ((uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }), 6);
	assert_memory_equal(f.b + AT_ND + 8, host->ip.b, 16);
	assert_int_equal(f.b[AT_ND + 4], OVERRIDE);
	assert_memory_equal(f.b + AT_OPTION + 2, host->port->mac, 6);
}

static void claim(const struct nd *m)
{
	uint32_t before = host->notices;

	for (int i = 0; i < 90; i++) {
		say(&other, *m);
		world_run(&w, 100 * NS_PER_MS);
	}
	assert_int_equal(host->notices, before + 1);
	assert_non_null(strstr(host->notice, "our address fd00::1"));
	assert_defended(&other);
	world_run(&w, 2 * NS_PER_S);
}

static void test_who_claims_our_address_is_told_of_once(void **state)
{
	const struct nd asks = { SOLICIT, .src = host->ip, .dst = nodes, .target = peer_ip },
			asks_us = { SOLICIT, .src = host->ip, .dst = host->ip, .target = host->ip },
			says = { ADVERT, OVERRIDE, .src = host->ip, .dst = nodes,
				 .target = host->ip };

	(void)state;
	claim(&asks);
	claim(&asks_us);
	claim(&says);
	assert_null(known(&host->ip));
	assert_int_equal(stack_own(host->stack, &host->ip) != NULL, 1);
}

static void test_our_own_words_are_no_conflict(void **state)
{
	struct nd m = { ADVERT, OVERRIDE, .src = host->ip, .dst = nodes, .target = host->ip };

	(void)state;
	memcpy(m.mac, host->port->mac, 6);
	say(&other, m);
	assert_int_equal(host->notices, 0);
	assert_int_equal(heard(&other, ADVERT, NULL), 0);
}

static void test_a_probe_is_answered_to_all(void **state)
{
	(void)state;
	say(&other, (struct nd){ SOLICIT, .dst = nodes, .target = host->ip });
	assert_defended(&other);
	assert_int_equal(host->notices, 0);
	assert_null(known(&(struct ipaddr){ 0 }));
}

/* --- what is damaged, or can't be ------------------------------------------------------------ */

static void bad_ttl(struct raw_frame *f)
{
	f->b[AT_IP + 7] = 254;
}

static void bad_sum(struct raw_frame *f)
{
	f->b[AT_ND + 3] ^= 1;
}

static void bad_code(struct raw_frame *f)
{
	f->b[AT_ND + 1] = 1;
	seal(f);
}

static void bad_target(struct raw_frame *f)
{
	memcpy(f->b + AT_ND + 8, nodes.b, 16);
	seal(f);
}

static void bad_option_length(struct raw_frame *f)
{
	f->b[AT_OPTION + 1] = 0;
	seal(f);
}

static void bad_option_end(struct raw_frame *f)
{
	f->b[AT_OPTION + 1] = 2;
	seal(f);
}

static void bad_mac_everybody(struct raw_frame *f)
{
	memset(f->b + AT_OPTION + 2, 0xff, 6);
	seal(f);
}

static void bad_mac_group(struct raw_frame *f)
{
	f->b[AT_OPTION + 2] |= 1;
	seal(f);
}

static void bad_mac_none(struct raw_frame *f)
{
	memset(f->b + AT_OPTION + 2, 0, 6);
	seal(f);
}

static void bad_source(struct raw_frame *f)
{
	memcpy(f->b + AT_IP + 8, nodes.b, 16);
	seal(f);
}

static void bad_length(struct raw_frame *f)
{
	f->len = AT_OPTION - 1;
	f->b[AT_IP + 5] = AT_OPTION - 1 - AT_ND;
	seal(f);
}

static void (*const damages[])(struct raw_frame *) = {
	bad_ttl,	   bad_sum,	   bad_code,	      bad_target,
	bad_option_length, bad_option_end, bad_mac_everybody, bad_mac_group,
	bad_mac_none,	   bad_source,	   bad_length,
};

static void send_damaged(const struct nd *m, void (*damage)(struct raw_frame *))
{
	struct nd whole = *m;
	struct raw_frame f;

	memcpy(whole.mac, other.port->mac, 6);
	make(&other, &whole, &f);
	damage(&f);
	raw_send(&other, &f);
	world_run(&w, 1000);
}

static void test_what_is_damaged_is_nothing(void **state)
{
	struct ipaddr stranger = ip("fd00::77");
	const struct nd asks = { SOLICIT, .src = stranger, .dst = host->ip, .target = host->ip },
			moves = { SOLICIT, .src = peer_ip, .dst = host->ip, .target = host->ip },
			says = { ADVERT, OVERRIDE, .src = peer_ip, .dst = host->ip,
				 .target = peer_ip },
			tells = { ADVERT, OVERRIDE, .src = peer_ip, .dst = nodes,
				  .target = peer_ip },
			claims = { SOLICIT, .src = host->ip, .dst = nodes, .target = peer_ip };

	(void)state;
	introduce();
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		send_damaged(&asks, damages[i]);
		send_damaged(&moves, damages[i]);
		send_damaged(&says, damages[i]);
		send_damaged(&tells, damages[i]);
		send_damaged(&claims, damages[i]);
		assert_at(&peer, NEIGH_KNOWN);
		assert_null(known(&stranger));
		assert_int_equal(host->notices, 0);
		assert_int_equal(heard(&other, ADVERT, NULL) + heard(&other, SOLICIT, NULL), 0);
		assert_int_equal(heard(&peer, ADVERT, NULL) + heard(&peer, SOLICIT, NULL), 0);
	}
	/* Whole, the same ones do something. */
	say(&other, asks);
	assert_non_null(known(&stranger));
	say(&other, moves);
	assert_at(&peer, NEIGH_DOUBTED);
}

/* --- storms --------------------------------------------------------------------------------------
 */

static void storm_frame(uint32_t i, const struct ipaddr *friend)
{
	uint64_t r = simnet_random(w.net);
	struct nd m = { i & 1 ? ADVERT : SOLICIT, i & 1 ? OVERRIDE : 0, .target = host->ip };

	m.src = ip("fd00::");
	memcpy(m.src.b + 8, &r, sizeof(r));
	m.dst = i & 2 ? nodes : host->ip;
	if (i & 1)
		m.target = i % 16 == 1 ? *friend : m.src;
	memcpy(m.mac, &r, 6);
	m.mac[0] = 2;
	m.mac[5] |= 1;
	say(&other, m);
}

static void test_a_storm_displaces_nobody_and_says_little(void **state)
{
	struct host *b = world_host(&w, "fd00::7", NULL);
	struct stack_stats s;
	struct side *x, *y;
	uint64_t begin = simnet_now(w.net);

	(void)state;
	world_flow(&w, host, b, 888, &x, &y);
	world_run(&w, NS_PER_MS);
	side_talk(x, y, 3000, 20000);
	side_talk(y, x, 3000, 20000);
	for (uint32_t i = 0; i < STORM; i++) {
		const struct neigh *n;

		storm_frame(i, &b->ip);
		raw_forget(&other);
		raw_forget(&peer);
		n = known(&b->ip);
		assert_non_null(n);
		assert_memory_equal(n->mac.b, b->port->mac, 6);
	}
	assert_true(world_run_until_done(&w, 10 * NS_PER_S));
	stack_stats(host->stack, &s);
	assert_true(s.neighbours > 32 && s.neighbours <= 64);
	assert_int_equal(s.timeouts, 0);
	assert_true(host->notices > 0);
	assert_true(host->notices <= 5 + 1 + (simnet_now(w.net) - begin) / NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(test_who_is_known_is_asked_before_another_is_believed),
		TEST(test_who_was_not_asked_for_is_not_learned),
		TEST(test_who_claims_our_address_is_told_of_once),
		TEST(test_our_own_words_are_no_conflict),
		TEST(test_a_probe_is_answered_to_all),
		TEST(test_what_is_damaged_is_nothing),
		TEST(test_a_storm_displaces_nobody_and_says_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
