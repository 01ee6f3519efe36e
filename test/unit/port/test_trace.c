/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tap writes is read back by a parser that knows pcap-ng and nothing of trace.c. */
#include "port/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "net.h"

enum { IN = 1, OUT = 2, PACKETS_MAX = 20000, BYTES_MAX = 8 << 20, OPT_END = 0 };

#define T0 UINT64_C(1700000000123456789)

static uint64_t now;

static uint64_t test_clock(void)
{
	return now;
}

/* --- the parser ------------------------------------------------------------------------- */

struct packet {
	uint32_t interface, captured, length, flags;
	uint64_t ns, dropped;
	const uint8_t *data;
};

struct capture {
	uint8_t *bytes;
	uint32_t len;
	unsigned sections, ninterfaces, npackets, nstats;
	char names[4][TRACE_NAME_MAX];
	struct packet *packets;
	uint64_t received, dropped; /* of the last statistics */
};

static uint32_t u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint16_t u16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint64_t u64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* The value of an option between two places; NULL: there is none. */
static const uint8_t *option(const uint8_t *at, const uint8_t *end, uint16_t code, uint16_t *len)
{
	while (at < end) {
		uint16_t has = u16(at);

		assert_true(at + 4 <= end);
		*len = u16(at + 2);
		assert_true(at + 4 + *len <= end);
		if (has == code)
			return at + 4;
		if (has == OPT_END) {
			assert_int_equal(*len, 0);
			assert_ptr_equal(at + 4, end);
			return NULL;
		}
		at += 4 + (*len + 3) / 4 * 4;
	}
	return NULL;
}

static void read_section(struct capture *c, const uint8_t *b)
{
	c->sections++;
	assert_int_equal(u32(b + 8), 0x1a2b3c4d);
	assert_int_equal(u16(b + 12), 1);
	assert_int_equal(u16(b + 14), 0);
	assert_true(u64(b + 16) == UINT64_MAX);
}

static void read_interface(struct capture *c, const uint8_t *b, const uint8_t *end)
{
	uint16_t len;
	const uint8_t *name = option(b + 16, end, 2, &len);

	assert_int_equal(u16(b + 8), 1);
	assert_non_null(name);
	assert_in_range(c->ninterfaces, 0, 3);
	memcpy(c->names[c->ninterfaces], name, len);
	c->names[c->ninterfaces++][len] = '\0';
	assert_int_equal(*option(b + 16, end, 9, &len), 9);
	assert_int_equal(len, 1);
}

static void read_packet(struct capture *c, const uint8_t *b, const uint8_t *end)
{
	struct packet *p = &c->packets[c->npackets++];
	const uint8_t *options, *drops;
	uint16_t len;

	assert_in_range(c->npackets, 1, PACKETS_MAX);
	*p = (struct packet){ .interface = u32(b + 8),
			      .ns = (uint64_t)u32(b + 12) << 32 | u32(b + 16),
			      .captured = u32(b + 20),
			      .length = u32(b + 24),
			      .data = b + 28 };
	assert_in_range(p->interface, 0, c->ninterfaces - 1);
	options = b + 28 + (p->captured + 3) / 4 * 4;
	assert_true(options <= end);
	p->flags = u32(option(options, end, 2, &len));
	drops = option(options, end, 4, &len);
	p->dropped = drops ? u64(drops) : 0;
}

static void read_statistics(struct capture *c, const uint8_t *b, const uint8_t *end)
{
	uint16_t len;

	c->nstats++;
	assert_in_range(u32(b + 8), 0, c->ninterfaces - 1);
	c->received = u64(option(b + 20, end, 4, &len));
	c->dropped = u64(option(b + 20, end, 5, &len));
}

static void read_block(struct capture *c, const uint8_t *b, uint32_t len)
{
	const uint8_t *end = b + len - 4;

	assert_true(c->sections || u32(b) == 0x0a0d0d0a);
	switch (u32(b)) {
	case 0x0a0d0d0a:
		read_section(c, b);
		break;
	case 1:
		read_interface(c, b, end);
		break;
	case 5:
		read_statistics(c, b, end);
		break;
	case 6:
		read_packet(c, b, end);
		break;
	default:
		fail_msg("a block of type %u", u32(b));
	}
}

static void parse(struct capture *c)
{
	for (uint32_t at = 0; at < c->len;) {
		uint32_t len;

		assert_true(at + 12 <= c->len);
		len = u32(c->bytes + at + 4);
		assert_int_equal(len % 4, 0);
		assert_true(at + len <= c->len);
		assert_int_equal(u32(c->bytes + at + len - 4), len);
		read_block(c, c->bytes + at, len);
		at += len;
	}
}

/* --- a pipe, and ports ------------------------------------------------------------------------ */

struct scene {
	struct simnet *net;
	struct port *a, *b;
	int pipe[2];
	struct capture c;
};

static int up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	signal(SIGPIPE, SIG_IGN);
	now = T0;
	s->net = network(1, FRAMES);
	s->a = plug(s->net, 0, NULL);
	s->b = plug(s->net, 0, NULL);
	s->c.bytes = malloc(BYTES_MAX);
	s->c.packets = calloc(PACKETS_MAX, sizeof(*s->c.packets));
	assert_return_code(pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK), errno);
	*state = s;
	return 0;
}

static int down(void **state)
{
	struct scene *s = *state;

	simnet_free(s->net);
	close(s->pipe[0]);
	close(s->pipe[1]);
	free(s->c.bytes);
	free(s->c.packets);
	free(s);
	return 0;
}

static struct trace *start(const struct scene *s, struct port *p, uint32_t interface)
{
	const struct trace_conf conf = { .pipe = s->pipe[1],
					 .interface = interface,
					 .wall_ns = test_clock };
	struct trace *t = NULL;

	assert_int_equal(trace_start(&conf, p, &t), 0);
	return t;
}

static void begin(const struct scene *s, unsigned n)
{
	static const char *const names[] = { "eth1:0", "eth1:1" };

	assert_int_equal(trace_header(s->pipe[1], names, n), 0);
}

/* What is in the pipe now, behind what was. */
static void drain(struct scene *s)
{
	ssize_t n;

	while ((n = read(s->pipe[0], s->c.bytes + s->c.len, BYTES_MAX - s->c.len)) > 0)
		s->c.len += (uint32_t)n;
}

static void finish(struct scene *s, struct trace *t)
{
	trace_stop(t);
	drain(s);
	parse(&s->c);
}

static void assert_packet(const struct packet *p, uint32_t flags, const uint8_t *from, int value)
{
	const struct frame f = { .data = (uint8_t *)p->data, .len = p->captured };

	assert_int_equal(p->flags, flags);
	assert_int_equal(p->captured, LEN);
	assert_int_equal(p->length, LEN);
	assert_memory_equal(p->data + 6, from, 6);
	assert_int_equal(value_of(&f), value);
}

static void frames_of_both_directions_are_there(void **state)
{
	struct scene *s = *state;
	struct trace *t;

	begin(s, 1);
	t = start(s, s->a, 0);
	send(s->a, s->b->mac, 7);
	settle(s->net);
	assert_int_equal(receive(s->b), 7);
	now += 5;
	send(s->b, s->a->mac, 8);
	settle(s->net);
	assert_int_equal(receive(s->a), 8);
	finish(s, t);
	assert_int_equal(s->c.sections, 1);
	assert_string_equal(s->c.names[0], "eth1:0");
	assert_int_equal(s->c.npackets, 2);
	assert_packet(&s->c.packets[0], OUT, s->a->mac, 7);
	assert_packet(&s->c.packets[1], IN, s->b->mac, 8);
	assert_true(s->c.packets[0].ns == T0);
	assert_true(s->c.packets[1].ns == T0 + 5);
	assert_int_equal(s->c.nstats, 1);
	assert_int_equal(s->c.received, 2);
	assert_int_equal(s->c.dropped, 0);
}

/* The port goes on as if nothing had been, before, during and after. */
static void a_tap_comes_and_goes(void **state)
{
	struct scene *s = *state;
	const struct port_ops *own = s->a->ops;
	struct trace *t, *second = NULL;
	const struct trace_conf conf = { .pipe = s->pipe[1] };

	send(s->a, s->b->mac, 1);
	begin(s, 1);
	t = start(s, s->a, 0);
	assert_int_equal(trace_start(&conf, s->a, &second), -EBUSY);
	assert_null(second);
	send(s->a, s->b->mac, 2);
	finish(s, t);
	assert_ptr_equal(s->a->ops, own);
	send(s->a, s->b->mac, 3);
	settle(s->net);
	assert_int_equal(receive_all(s->b), 3);
	assert_int_equal(s->a->stats.tx_frames, 3);
	assert_int_equal(s->c.npackets, 1);
	assert_packet(&s->c.packets[0], OUT, s->a->mac, 2);
}

/* Of every length, each with what pads it to four bytes. */
static void frames_of_every_length(void **state)
{
	struct scene *s = *state;
	struct trace *t;
	unsigned i = 0;

	begin(s, 1);
	t = start(s, s->a, 0);
	for (uint32_t len = PORT_ETHER_HEADER; len <= PORT_ETHER_HEADER + SIMNET_MTU; len++) {
		send_len(s->a, s->b->mac, 1, len);
		drain(s);
	}
	finish(s, t);
	for (uint32_t len = PORT_ETHER_HEADER; len <= PORT_ETHER_HEADER + SIMNET_MTU; len++, i++) {
		assert_int_equal(s->c.packets[i].captured, len);
		assert_int_equal(s->c.packets[i].length, len);
	}
	assert_int_equal(s->c.npackets, i);
}

/* Up to the largest MTU a port may have: still a whole block. */
static void the_largest_frame_fits(void **state)
{
	const struct simnet_link wide = { .mtu = PORT_MTU_MAX };
	struct scene *s = *state;
	struct port *p = plug(s->net, 1, &wide);
	struct trace *t;

	begin(s, 1);
	t = start(s, p, 0);
	for (int i = 0; i < 4; i++)
		send_len(p, everybody, 1, PORT_ETHER_HEADER + PORT_MTU_MAX);
	finish(s, t);
	assert_int_equal(s->c.npackets, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(s->c.packets[i].captured, PORT_ETHER_HEADER + PORT_MTU_MAX);
}

/* A full pipe loses whole blocks; every frame is written or counted, in the next one, too. */
static void who_does_not_read_loses_frames_that_are_counted(void **state)
{
	struct scene *s = *state;
	struct trace_stats stats;
	uint64_t told = 0;
	struct trace *t;

	begin(s, 1);
	t = start(s, s->a, 0);
	for (int i = 0; i < 5000; i++)
		send_len(s->a, nobody, i, 1000);
	trace_stats(t, &stats);
	assert_int_equal(stats.frames, 5000);
	assert_in_range(stats.dropped, 1, 4999);
	drain(s);
	send(s->a, nobody, 5001);
	finish(s, t);
	assert_int_equal(s->c.npackets + s->c.dropped, 5001);
	assert_int_equal(s->c.received, 5001);
	assert_int_equal(s->c.dropped, stats.dropped);
	for (unsigned i = 0; i < s->c.npackets; i++)
		told += s->c.packets[i].dropped;
	assert_int_equal(told, stats.dropped);
	assert_int_equal(s->c.packets[s->c.npackets - 1].dropped, stats.dropped);
}

/* Frames that are still gathered when a pipe is full are counted as well. */
static void bursts_into_a_full_pipe(void **state)
{
	struct scene *s = *state;
	uint64_t told = 0;
	struct trace *t;

	begin(s, 1);
	t = start(s, s->a, 0);
	for (int i = 0; i < 3000; i++) {
		write_flow(s->a, nobody, i, LEN, 0);
		if (i % 7 == 0)
			port_flush(s->a);
		if (i % 1000 == 999)
			drain(s);
	}
	port_flush(s->a);
	finish(s, t);
	for (unsigned i = 0; i < s->c.npackets; i++)
		told += s->c.packets[i].dropped;
	assert_int_equal(s->c.npackets + s->c.dropped, 3000);
	assert_in_range(told, 0, s->c.dropped);
}

static void a_reader_that_leaves_ends_it(void **state)
{
	struct scene *s = *state;
	struct trace_stats stats;
	struct trace *t;

	begin(s, 1);
	t = start(s, s->a, 0);
	close(s->pipe[0]);
	send(s->a, s->b->mac, 1);
	trace_stats(t, &stats);
	assert_true(stats.ended);
	send(s->a, s->b->mac, 2);
	settle(s->net);
	assert_int_equal(receive_all(s->b), 2);
	trace_stop(t);
	s->pipe[0] = -1;
}

static void two_ports_share_a_pipe(void **state)
{
	struct scene *s = *state;
	struct trace *t, *u;

	begin(s, 2);
	t = start(s, s->a, 0);
	u = start(s, s->b, 1);
	for (int i = 0; i < 50; i++) {
		send(s->a, s->b->mac, i);
		settle(s->net);
		assert_int_equal(receive(s->b), i);
	}
	trace_stop(u);
	finish(s, t);
	assert_string_equal(s->c.names[1], "eth1:1");
	assert_int_equal(s->c.npackets, 100);
	assert_int_equal(s->c.nstats, 2);
	for (unsigned i = 0; i < 100; i++)
		assert_packet(&s->c.packets[i], i % 2 ? IN : OUT, s->a->mac, (int)i / 2);
}

/* A port may be closed under its tap. */
static void a_port_that_is_closed(void **state)
{
	struct scene *s = *state;
	struct trace *t;

	begin(s, 1);
	t = start(s, s->b, 0);
	send(s->b, s->a->mac, 1);
	port_close(s->b);
	finish(s, t);
	assert_int_equal(s->c.npackets, 1);
	assert_int_equal(s->c.nstats, 1);
}

static void the_time_is_the_walls(void **state)
{
	struct scene *s = *state;
	const struct trace_conf conf = { .pipe = s->pipe[1] };
	struct trace *t = NULL;

	begin(s, 1);
	assert_int_equal(trace_start(&conf, s->a, &t), 0);
	send(s->a, s->b->mac, 1);
	finish(s, t);
	assert_true(s->c.packets[0].ns > T0);
}

static void nothing_is_freed_for_none(void **state)
{
	(void)state;
	trace_stop(NULL);
}

#define scene_test(test) cmocka_unit_test_setup_teardown(test, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(frames_of_both_directions_are_there),
		scene_test(a_tap_comes_and_goes),
		scene_test(frames_of_every_length),
		scene_test(the_largest_frame_fits),
		scene_test(who_does_not_read_loses_frames_that_are_counted),
		scene_test(bursts_into_a_full_pipe),
		scene_test(a_reader_that_leaves_ends_it),
		scene_test(two_ports_share_a_pipe),
		scene_test(a_port_that_is_closed),
		scene_test(the_time_is_the_walls),
		cmocka_unit_test(nothing_is_freed_for_none),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
