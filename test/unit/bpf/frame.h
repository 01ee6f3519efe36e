/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for programs that are run by bpf_prog_test_run, and the matrix of those
 * that are UDP datagrams in one piece and those that are the kernel's.
 */
#ifndef TEST_BPF_FRAME_H
#define TEST_BPF_FRAME_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <linux/bpf.h>

enum { FRAME_MAX = 512, FRAME_PORT = 5000, FRAME_FROM = 4000, FRAME_PAYLOAD = 20 };

enum fragment { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_MIDDLE, FRAGMENT_LAST };

struct shape {
	unsigned vlans;	   /* tags */
	unsigned options;  /* IPv4: words of 4 bytes; IPv6: destination options headers */
	unsigned protocol; /* 0: UDP */
	unsigned type;	   /* of Ethernet, 0: by ipv6 */
	enum fragment fragment;
	bool ipv6, hop_by_hop, routing, service_tag;
	uint16_t from, to; /* ports, 0: FRAME_FROM, FRAME_PORT */
	uint8_t src, dst;  /* last byte of the addresses */
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	unsigned len, udp; /* `udp`: where the UDP header is */
};

static inline void put16(struct frame *f, unsigned value)
{
	f->bytes[f->len++] = (uint8_t)(value >> 8);
	f->bytes[f->len++] = (uint8_t)value;
}

static inline void put(struct frame *f, unsigned value, unsigned times)
{
	while (times--)
		f->bytes[f->len++] = (uint8_t)value;
}

static inline unsigned protocol_of(const struct shape *s)
{
	return s->protocol ? s->protocol : 17;
}

static inline void put_ipv4(struct frame *f, const struct shape *s)
{
	static const unsigned fragments[] = { 0x4000, 0x2000, 0x2010, 0x0010 };

	put(f, 0x45 + s->options, 1);
	put(f, 0, 1);
	put16(f, 20 + s->options * 4 + 8 + FRAME_PAYLOAD);
	put16(f, 1);
	put16(f, fragments[s->fragment]);
	put(f, 64, 1);
	put(f, protocol_of(s), 1);
	put16(f, 0);
	put16(f, 0x0a00);
	put16(f, s->src);
	put16(f, 0x0a01);
	put16(f, s->dst);
	put(f, 1, s->options * 4);
}

/* The kind of the header that stands at `step` of those that follow the first. */
static inline unsigned ipv6_next(const struct shape *s, unsigned step)
{
	if (s->hop_by_hop && step-- == 0)
		return 0;
	if (s->routing && step-- == 0)
		return 43;
	if (s->fragment && step-- == 0)
		return 44;
	return step < s->options ? 60 : protocol_of(s);
}

static inline void put_extension(struct frame *f, const struct shape *s, unsigned step)
{
	static const unsigned fragments[] = { 0, 1, 0x101, 0x100 };

	put(f, ipv6_next(s, step + 1), 1);
	if (ipv6_next(s, step) == 44) {
		put(f, 0, 1);
		put16(f, fragments[s->fragment]);
		put(f, 7, 4);
	} else {
		/* Of two sizes: 8 and 16 bytes. */
		put(f, step & 1, 1);
		put(f, 1, step & 1 ? 14 : 6);
	}
}

static inline void put_ipv6(struct frame *f, const struct shape *s)
{
	unsigned steps = s->hop_by_hop + s->routing + (s->fragment != 0) + s->options;

	put(f, 0x60, 1);
	put(f, 0, 3);
	put16(f, steps * 8 + 8 + FRAME_PAYLOAD);
	put(f, ipv6_next(s, 0), 1);
	put(f, 64, 1);
	put(f, 0xfd, 15);
	put(f, s->src, 1);
	put(f, 0xfd, 15);
	put(f, s->dst, 1);
	for (unsigned i = 0; i < steps; i++)
		put_extension(f, s, i);
}

static inline struct frame frame_make(struct shape s)
{
	struct frame f = { .len = 0 };

	put(&f, 2, 12);
	for (unsigned i = 0; i < s.vlans; i++) {
		put16(&f, s.service_tag && i == 0 ? 0x88a8 : 0x8100);
		put16(&f, 100 + i);
	}
	put16(&f, s.type ? s.type : s.ipv6 ? 0x86dd : 0x0800);
	if (s.ipv6)
		put_ipv6(&f, &s);
	else
		put_ipv4(&f, &s);
	f.udp = f.len;
	put16(&f, s.from ? s.from : FRAME_FROM);
	put16(&f, s.to ? s.to : FRAME_PORT);
	put16(&f, 8 + FRAME_PAYLOAD);
	put16(&f, 0);
	put(&f, 0xab, FRAME_PAYLOAD);
	return f;
}

/* What the program answers for the first `len` bytes; ifindex 0: no interface, queue 0. */
static inline uint32_t run_cut(int prog, const struct frame *f, unsigned len, uint32_t ifindex,
			       uint32_t queue)
{
	/* The kernel wants a buffer of its smallest frame, and takes less of it as the frame. */
	struct xdp_md ctx = { .data_end = len,
			      .ingress_ifindex = ifindex,
			      .rx_queue_index = queue };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes, .data_size_in = len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	assert_int_equal(bpf_prog_test_run_opts(prog, &run), 0);
	return run.retval;
}

static inline uint32_t run_frame(int prog, struct shape s)
{
	struct frame f = frame_make(s);

	return run_cut(prog, &f, f.len, 0, 0);
}

/* Whole datagrams: `taken` is the answer. */
static inline void check_taken(int prog, uint32_t taken)
{
	for (unsigned vlans = 0; vlans <= 2; vlans++) {
		for (unsigned options = 0; options <= 10; options++)
			assert_int_equal(run_frame(prog, (struct shape){ .vlans = vlans,
									 .options = options }),
					 taken);
		for (unsigned options = 0; options <= 3; options++)
			assert_int_equal(run_frame(prog, (struct shape){ .vlans = vlans,
									 .ipv6 = true,
									 .options = options }),
					 taken);
		for (unsigned options = 0; options <= 2; options++)
			assert_int_equal(run_frame(prog, (struct shape){ .vlans = vlans,
									 .service_tag = true,
									 .ipv6 = true,
									 .hop_by_hop = true,
									 .options = options }),
					 taken);
	}
}

/* What is the kernel's although it is for the port. */
static inline void check_left(int prog)
{
	static const struct shape shapes[] = {
		{ .vlans = 3 },
		{ .protocol = 6 },
		{ .protocol = 1 },
		{ .ipv6 = true, .protocol = 6 },
		{ .ipv6 = true, .protocol = 58 },
		{ .ipv6 = true, .protocol = 59 },
		{ .ipv6 = true, .routing = true },
		{ .ipv6 = true, .options = 4 },
		{ .ipv6 = true, .hop_by_hop = true, .options = 3 },
		{ .type = 0x0806 },
		{ .type = 0x86dd },
		{ .ipv6 = true, .type = 0x0800 },
		{ .type = 0x88f7 },
		{ .type = 0x0600 },
		{ .vlans = 1, .type = 0x9100 },
	};

	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		assert_int_equal(run_frame(prog, shapes[i]), XDP_PASS);
	for (unsigned vlans = 0; vlans <= 2; vlans++)
		for (enum fragment fragment = FRAGMENT_FIRST; fragment <= FRAGMENT_LAST; fragment++)
			for (unsigned ipv6 = 0; ipv6 <= 1; ipv6++)
				assert_int_equal(
					run_frame(prog, (struct shape){ .vlans = vlans,
									.ipv6 = ipv6,
									.fragment = fragment }),
					XDP_PASS);
}

/* The kernel runs no frame shorter than its Ethernet header. */
static inline void check_cut(int prog, uint32_t taken)
{
	static const struct shape shapes[] = {
		{ 0 },
		{ .vlans = 2, .options = 10 },
		{ .ipv6 = true },
		{ .vlans = 2, .ipv6 = true, .hop_by_hop = true, .options = 2 },
	};

	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct frame f = frame_make(shapes[i]);

		for (unsigned len = 14; len < f.len; len++)
			assert_int_equal(run_cut(prog, &f, len, 0, 0), XDP_PASS);
		assert_int_equal(run_cut(prog, &f, f.len, 0, 0), taken);
		/* Padding behind the datagram. */
		assert_int_equal(run_cut(prog, &f, f.len + 18, 0, 0), taken);
	}
}

/* Lengths that the headers claim. */
static inline void check_lies(int prog, uint32_t taken)
{
	struct frame f = frame_make((struct shape){ 0 });

	for (unsigned len = 0; len <= 8 + FRAME_PAYLOAD + 4; len++) {
		f.bytes[f.udp + 5] = (uint8_t)len;
		assert_int_equal(run_cut(prog, &f, f.len, 0, 0),
				 len < 8 || len > 8 + FRAME_PAYLOAD ? XDP_PASS : taken);
	}
	f.bytes[f.udp + 4] = f.bytes[f.udp + 5] = 0xff;
	assert_int_equal(run_cut(prog, &f, f.len, 0, 0), XDP_PASS);
	f = frame_make((struct shape){ 0 });
	for (unsigned version = 0; version <= 0xff; version++) {
		f.bytes[14] = (uint8_t)version;
		/* A longer header than there is has other bytes for the ports. */
		assert_int_equal(run_cut(prog, &f, f.len, 0, 0),
				 version == 0x45 ? taken : XDP_PASS);
	}
}

#endif
