/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What bpf/whole.h is to take and what not, for each program that it is part of: of
 * ALONE all that an address needs, as IPv4 and IPv6; of SHARED UDP to some ports, or
 * nothing where the program has no such addresses; of the others nothing.
 */
#ifndef TEST_BPF_WHOLE_H
#define TEST_BPF_WHOLE_H

#include "frame.h"

#include "bpf/stack_layout.h"

/* Last bytes of the addresses; the other bytes are as frame.h has them. */
enum { ALONE = 1, SHARED = 2, KERNEL = 3, PEER = 9 };
enum { ETHER = 14, OTHER_PORT = FRAME_PORT + 1, ICMP = 1, TCP = 6, ICMPV6 = 58 };
enum { ECHO = 128, SOLICITATION = 135, ADVERTISEMENT = 136 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

/* The program's; `whole_last`: ALONE, or SHARED where UDP to FRAME_PORT goes there. */
static int prog;
static uint8_t whole_last;
/* Skips where no program can be loaded. */
static void need_root(void);

static struct stack_address ipv4(uint8_t host)
{
	return (struct stack_address){ { [10] = 0xff, [11] = 0xff, 10, 1, 0, host } };
}

static struct stack_address ipv6(uint8_t host)
{
	struct stack_address a;

	memset(a.bytes, 0xfd, 15);
	a.bytes[15] = host;
	return a;
}

static uint32_t run_whole(const struct frame *f)
{
	return run_cut(prog, f, f->len, 0, 0);
}

static uint32_t answer(struct shape s)
{
	return run_frame(prog, s);
}

/* Taken as a whole and with padding behind it, the kernel's when it is cut anywhere. */
static void check_only_whole(const struct frame *f)
{
	for (unsigned len = ETHER; len < f->len; len++)
		assert_int_equal(run_cut(prog, f, len, 0, 0), XDP_PASS);
	assert_int_equal(run_whole(f), XDP_REDIRECT);
	assert_int_equal(run_cut(prog, f, f->len + 18, 0, 0), XDP_REDIRECT);
}

/* No tag is looked through, and no other kind of frame is taken for this one. */
static void check_only_untagged(const struct frame *f)
{
	static const unsigned types[] = { 0x8100, 0x88a8, 0x9100, 0x0800, 0x86dd,
					  0x0806, 0x8035, 0x88f7, 0x0600, 20 };
	struct frame other = *f;
	unsigned own = f->bytes[12] << 8 | f->bytes[13];

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		other.bytes[12] = (uint8_t)(types[i] >> 8);
		other.bytes[13] = (uint8_t)types[i];
		if (types[i] != own)
			assert_int_equal(run_whole(&other), XDP_PASS);
	}
	other = *f;
	memmove(other.bytes + 16, f->bytes + 12, f->len - 12);
	memcpy(other.bytes + 12, "\x81\x00\x00\x05", 4);
	other.len += 4;
	assert_int_equal(run_whole(&other), XDP_PASS);
}

/* --- UDP ------------------------------------------------------------------------ */

static void test_udp_to_any_port(void **state)
{
	(void)state;
	need_root();
	for (unsigned port = 1; port < STACK_PORTS_MAX; port += 251)
		for (unsigned v6 = 0; v6 <= 1; v6++)
			assert_int_equal(answer((struct shape){
						 .ipv6 = v6, .dst = ALONE, .to = (uint16_t)port }),
					 XDP_REDIRECT);
}

static void test_udp_to_others(void **state)
{
	(void)state;
	need_root();
	for (unsigned v6 = 0; v6 <= 1; v6++) {
		assert_int_equal(answer((struct shape){ .ipv6 = v6, .dst = KERNEL }), XDP_PASS);
		assert_int_equal(answer((struct shape){ .ipv6 = v6, .dst = KERNEL, .src = ALONE }),
				 XDP_PASS);
	}
}

static void test_headers_between(void **state)
{
	(void)state;
	need_root();
	for (uint8_t dst = ALONE; dst <= whole_last; dst++) {
		for (unsigned options = 0; options <= 10; options++)
			assert_int_equal(answer((struct shape){ .dst = dst, .options = options }),
					 XDP_REDIRECT);
		for (unsigned options = 0; options <= 4; options++)
			assert_int_equal(answer((struct shape){
						 .ipv6 = true, .dst = dst, .options = options }),
					 options <= 3 ? XDP_REDIRECT : XDP_PASS);
		assert_int_equal(
			answer((struct shape){ .ipv6 = true, .dst = dst, .hop_by_hop = true }),
			XDP_REDIRECT);
		assert_int_equal(
			answer((struct shape){ .ipv6 = true, .dst = dst, .routing = true }),
			XDP_PASS);
	}
}

static void test_udp_cut_and_tagged(void **state)
{
	(void)state;
	need_root();
	for (uint8_t dst = ALONE; dst <= whole_last; dst++) {
		struct shape shapes[] = {
			{ .dst = dst },
			{ .dst = dst, .options = 10 },
			{ .dst = dst, .ipv6 = true },
			{ .dst = dst, .ipv6 = true, .hop_by_hop = true, .options = 2 },
		};

		for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			struct frame f = frame_make(shapes[i]);

			check_only_untagged(&f);
			check_only_whole(&f);
			for (unsigned vlans = 1; vlans <= 3; vlans++) {
				shapes[i].vlans = vlans;
				assert_int_equal(answer(shapes[i]), XDP_PASS);
			}
		}
	}
}

/* The first one has a port, and yet is not whole. */
static void test_fragments(void **state)
{
	(void)state;
	need_root();
	for (enum fragment fragment = FRAGMENT_FIRST; fragment <= FRAGMENT_LAST; fragment++)
		for (unsigned v6 = 0; v6 <= 1; v6++) {
			struct shape s = { .ipv6 = v6, .fragment = fragment, .dst = ALONE };
			struct frame f = frame_make(s);

			check_only_untagged(&f);
			check_only_whole(&f);
			s.dst = SHARED;
			assert_int_equal(answer(s), XDP_PASS);
			s.dst = KERNEL;
			assert_int_equal(answer(s), XDP_PASS);
			s = (struct shape){ .ipv6 = v6,
					    .fragment = fragment,
					    .dst = ALONE,
					    .protocol = v6 ? ICMPV6 : ICMP };
			f = frame_make(s);
			f.bytes[f.udp] = v6 ? ECHO : 8;
			assert_int_equal(run_whole(&f), XDP_PASS);
			s.protocol = TCP;
			assert_int_equal(answer(s), XDP_PASS);
		}
}

static void test_other_protocols(void **state)
{
	(void)state;
	need_root();
	for (unsigned protocol = 1; protocol <= 255; protocol++)
		for (unsigned v6 = 0; v6 <= 1; v6++)
			for (uint8_t dst = ALONE; dst <= KERNEL; dst++) {
				if (protocol == 17 || protocol == ICMP || protocol == ICMPV6)
					continue;
				/* What follows these is no header that they could have. */
				if (v6 && (protocol == 44 || protocol == 60))
					continue;
				assert_int_equal(answer((struct shape){ .ipv6 = v6,
									.dst = dst,
									.protocol = protocol }),
						 XDP_PASS);
			}
}

static struct frame icmp_make(bool v6, uint8_t dst, unsigned type)
{
	struct frame f = frame_make(
		(struct shape){ .ipv6 = v6, .dst = dst, .protocol = v6 ? ICMPV6 : ICMP });

	f.bytes[f.udp] = (uint8_t)type;
	return f;
}

/* --- lengths and versions that are not true ----------------------------------------- */

static void check_lengths(const struct frame *from, unsigned at, unsigned least, unsigned most)
{
	struct frame f = *from;

	for (unsigned len = 0; len <= most + 40; len++) {
		f.bytes[at] = (uint8_t)(len >> 8);
		f.bytes[at + 1] = (uint8_t)len;
		assert_int_equal(run_whole(&f),
				 len < least || len > most ? XDP_PASS : XDP_REDIRECT);
	}
	f.bytes[at] = f.bytes[at + 1] = 0xff;
	assert_int_equal(run_whole(&f), XDP_PASS);
}

static void test_lies(void **state)
{
	(void)state;
	need_root();
	for (uint8_t dst = ALONE; dst <= whole_last; dst++) {
		struct frame f4 = frame_make((struct shape){ .dst = dst });
		struct frame f6 = frame_make((struct shape){ .dst = dst, .ipv6 = true });
		struct frame echo = icmp_make(true, dst, ECHO);

		check_lengths(&f4, ETHER + 2, 20, 48);
		check_lengths(&f4, f4.udp + 4, 8, 28);
		check_lengths(&f6, ETHER + 4, 0, 28);
		check_lengths(&f6, f6.udp + 4, 8, 28);
		for (unsigned version = 0; version <= 0xff; version++) {
			f4.bytes[ETHER] = f6.bytes[ETHER] = (uint8_t)version;
			assert_int_equal(run_whole(&f6),
					 version >> 4 == 6 ? XDP_REDIRECT : XDP_PASS);
			if (version != 0x45 && dst == SHARED)
				assert_int_equal(run_whole(&f4), XDP_PASS);
			if (version >> 4 != 4 || (version & 15) < 5)
				assert_int_equal(run_whole(&f4), XDP_PASS);
			echo.bytes[ETHER] = (uint8_t)version;
			assert_int_equal(run_whole(&echo), version >> 4 == 6 && dst == ALONE
								   ? XDP_REDIRECT
								   : XDP_PASS);
		}
	}
}

/* --- ICMP ------------------------------------------------------------------------ */

static bool is_taken(bool v6, unsigned type)
{
	if (v6)
		return (type >= 1 && type <= 4) || type == ECHO || type == ECHO + 1 ||
		       type == ADVERTISEMENT;
	return type == 0 || type == 3 || type == 8 || type == 11 || type == 12;
}

static void test_icmp(void **state)
{
	(void)state;
	need_root();
	for (unsigned v6 = 0; v6 <= 1; v6++)
		for (unsigned type = 0; type <= 255; type++)
			for (uint8_t dst = ALONE; dst <= KERNEL; dst++) {
				struct frame f = icmp_make(v6, dst, type);

				if (dst != ALONE || !is_taken(v6, type)) {
					assert_int_equal(run_whole(&f), XDP_PASS);
					continue;
				}
				check_only_untagged(&f);
				check_only_whole(&f);
			}
}

/* Behind IPv4 options, too; but nothing of ICMPv6 that matters is behind extensions. */
static void test_icmp_behind_options(void **state)
{
	struct shape s = { .dst = ALONE, .protocol = ICMP, .options = 10 };
	struct frame f = frame_make(s);

	(void)state;
	need_root();
	f.bytes[f.udp] = 8;
	check_only_whole(&f);
	s = (struct shape){ .dst = ALONE, .ipv6 = true, .protocol = ICMPV6, .hop_by_hop = true };
	f = frame_make(s);
	f.bytes[f.udp] = ECHO;
	assert_int_equal(run_whole(&f), XDP_PASS);
}

/* --- neighbours ------------------------------------------------------------------- */

/* A solicitation or advertisement about `target`, sent to `dst`. */
static struct frame nd_make(unsigned type, uint8_t dst, uint8_t target)
{
	struct frame f = icmp_make(true, dst, type);
	struct stack_address a = ipv6(target);

	memcpy(f.bytes + f.udp + 8, a.bytes, 16);
	return f;
}

/* Sent to a group of hosts instead. */
static struct frame to_group(struct frame f)
{
	f.bytes[ETHER + 24] = 0xff;
	return f;
}

static void test_solicitations(void **state)
{
	(void)state;
	need_root();
	for (uint8_t target = ALONE; target <= KERNEL; target++) {
		uint32_t want = target == ALONE ? XDP_REDIRECT : XDP_PASS;
		struct frame f = nd_make(SOLICITATION, ALONE, target);
		struct frame group = to_group(f);

		assert_int_equal(run_whole(&f), want);
		assert_int_equal(run_whole(&group), want);
		if (target != ALONE)
			continue;
		check_only_untagged(&group);
		check_only_whole(&group);
	}
}

/* Answers come to who asked; what is told to all is the kernel's. */
static void test_advertisements(void **state)
{
	(void)state;
	need_root();
	for (uint8_t target = ALONE; target <= PEER; target++) {
		struct frame f = nd_make(ADVERTISEMENT, ALONE, target);
		struct frame shared = nd_make(ADVERTISEMENT, SHARED, target);
		struct frame group = to_group(f);

		assert_int_equal(run_whole(&f), XDP_REDIRECT);
		assert_int_equal(run_whole(&shared), XDP_PASS);
		assert_int_equal(run_whole(&group), XDP_PASS);
	}
}

static void put_host(struct frame *f, uint8_t host)
{
	put16(f, 0x0a01);
	put16(f, host);
}

/* Hosts 0: the address 0.0.0.0. */
static struct frame arp_make(unsigned op, uint8_t sender, uint8_t target)
{
	struct frame f = { .len = 0 };

	put(&f, 0xff, 6);
	put(&f, 2, 6);
	put16(&f, 0x0806);
	put16(&f, 1);
	put16(&f, 0x0800);
	put(&f, 6, 1);
	put(&f, 4, 1);
	put16(&f, op);
	put(&f, 2, 6);
	if (sender)
		put_host(&f, sender);
	else
		put(&f, 0, 4);
	put(&f, 0, 6);
	put_host(&f, target);
	return f;
}

static void test_arp(void **state)
{
	static const struct {
		uint8_t op, sender, target;
		bool taken;
	} cases[] = {
		{ ARP_REQUEST, PEER, ALONE, true },
		{ ARP_REPLY, PEER, ALONE, true },
		{ ARP_REQUEST, 0, ALONE, true },     /* a probe for our address */
		{ ARP_REQUEST, ALONE, ALONE, true }, /* somebody else announces it */
		{ ARP_REPLY, ALONE, ALONE, true },
		{ ARP_REQUEST, ALONE, KERNEL, true }, /* or uses it */
		{ ARP_REPLY, ALONE, PEER, true },
		{ ARP_REQUEST, KERNEL, ALONE, true },
		{ ARP_REQUEST, PEER, PEER, false }, /* announcements of others */
		{ ARP_REPLY, PEER, PEER, false },
		{ ARP_REQUEST, PEER, KERNEL, false },
		{ ARP_REPLY, PEER, KERNEL, false },
		{ ARP_REQUEST, 0, PEER, false },
		{ ARP_REQUEST, PEER, SHARED, false },
		{ ARP_REPLY, PEER, SHARED, false },
		{ ARP_REQUEST, SHARED, SHARED, false },
		{ ARP_REQUEST, 0, SHARED, false },
	};

	(void)state;
	need_root();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f = arp_make(cases[i].op, cases[i].sender, cases[i].target);

		assert_int_equal(run_whole(&f), cases[i].taken ? XDP_REDIRECT : XDP_PASS);
		if (!cases[i].taken)
			continue;
		check_only_untagged(&f);
		check_only_whole(&f);
	}
}

/* Of other hardware or other protocols the addresses are elsewhere. */
static void test_other_arp(void **state)
{
	(void)state;
	need_root();
	for (unsigned at = ETHER; at < ETHER + 6; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct frame f = arp_make(ARP_REQUEST, PEER, ALONE);

			f.bytes[at] ^= (uint8_t)(1 << bit);
			assert_int_equal(run_whole(&f), XDP_PASS);
		}
}

#define WHOLE_TESTS                                                                                \
	cmocka_unit_test(test_udp_to_any_port), cmocka_unit_test(test_udp_to_others),              \
		cmocka_unit_test(test_headers_between), cmocka_unit_test(test_udp_cut_and_tagged), \
		cmocka_unit_test(test_fragments), cmocka_unit_test(test_other_protocols),          \
		cmocka_unit_test(test_lies), cmocka_unit_test(test_icmp),                          \
		cmocka_unit_test(test_icmp_behind_options), cmocka_unit_test(test_solicitations),  \
		cmocka_unit_test(test_advertisements), cmocka_unit_test(test_arp),                 \
		cmocka_unit_test(test_other_arp)

#endif
