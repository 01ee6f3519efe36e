/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path of frames over rings in plain memory, on which the test plays the
 * kernel. Every frame must be at exactly one place at any time.
 */
#include "client/xsk.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { FRAMES = 32, SIZE = 2048, RING = 16, TO_SEND = FRAMES / 4, TO_RECEIVE = FRAMES - TO_SEND };

struct shared {
	uint32_t producer, consumer, flags;
	union {
		uint64_t addresses[RING];
		struct xdp_desc descs[RING];
	};
};

struct fixture {
	struct reeve_xsk x;
	struct shared rx, tx, fill, comp;
	char memory[FRAMES * SIZE];
	int other; /* the end of the socket pair that sees wake-ups */
};

static struct ring ring_over(struct shared *s)
{
	/* Far along, so that every test wraps the indices. */
	s->producer = s->consumer = UINT32_MAX - 3;
	return (struct ring){ .producer = &s->producer,
			      .consumer = &s->consumer,
			      .flags = &s->flags,
			      .entries = s->addresses,
			      .mask = RING - 1,
			      .own = s->producer };
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	f->x = (struct reeve_xsk){ .sock = pair[0], .memory = f->memory, .frame_size = SIZE };
	f->x.rings = (struct rings){ .rx = ring_over(&f->rx),
				     .tx = ring_over(&f->tx),
				     .fill = ring_over(&f->fill),
				     .comp = ring_over(&f->comp) };
	f->other = pair[1];
	assert_int_equal(xsk_frames_init(&f->x, FRAMES), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->x.sock);
	close(f->other);
	free(f->x.spare.addresses);
	free(f->x.to_send.addresses);
	free(f);
	return 0;
}

/* The kernel takes a frame to fill; false when it was given none. */
static bool kernel_takes(struct fixture *f, uint64_t *ret)
{
	if (f->fill.consumer == f->fill.producer)
		return false;
	*ret = f->fill.addresses[f->fill.consumer++ % RING];
	return true;
}

/* It stores behind some headroom. */
static void kernel_receives(struct fixture *f, const char *text)
{
	uint64_t at = 0;

	assert_true(f->rx.producer - f->rx.consumer < RING);
	assert_true(kernel_takes(f, &at));
	assert_int_equal(at % SIZE, 0);
	strcpy(f->memory + at + 256, text);
	f->rx.descs[f->rx.producer++ % RING] = (struct xdp_desc){ .addr = at + 256,
								  .len = (uint32_t)strlen(text) };
}

static bool kernel_sends(struct fixture *f, struct xdp_desc *ret)
{
	if (f->tx.consumer == f->tx.producer)
		return false;
	*ret = f->tx.descs[f->tx.consumer++ % RING];
	return true;
}

static void kernel_has_sent(struct fixture *f, uint64_t address)
{
	f->comp.addresses[f->comp.producer++ % RING] = address;
}

static unsigned wakeups(struct fixture *f)
{
	unsigned n = 0;
	char c;

	/* recv() tells an empty packet from the end of the connection only by errno before. */
	while (recv(f->other, &c, 1, MSG_DONTWAIT) == 0)
		n++;
	return n;
}

static void fills_the_ring_at_first(void **state)
{
	struct fixture *f = *state;
	bool seen[FRAMES] = { false };
	uint64_t at = 0;

	for (int i = 0; i < RING; i++) {
		assert_true(kernel_takes(f, &at));
		assert_true(at / SIZE < TO_RECEIVE);
		assert_false(seen[at / SIZE]);
		seen[at / SIZE] = true;
	}
	assert_false(kernel_takes(f, &at));
	assert_int_equal(f->x.spare.n, TO_RECEIVE - RING);
	assert_int_equal(f->x.to_send.n, TO_SEND);
}

static void receives_in_order(void **state)
{
	struct reeve_frame frames[4];
	struct fixture *f = *state;

	assert_int_equal(reeve_xsk_recv(&f->x, frames, 4), 0);
	kernel_receives(f, "one");
	kernel_receives(f, "second");
	kernel_receives(f, "the third");
	assert_int_equal(reeve_xsk_recv(&f->x, frames, 2), 2);
	assert_int_equal(frames[0].len, 3);
	assert_memory_equal(frames[0].data, "one", 3);
	assert_memory_equal(frames[1].data, "second", 6);
	assert_int_equal(f->rx.consumer + 1, f->rx.producer);
	assert_int_equal(reeve_xsk_recv(&f->x, frames + 2, 2), 1);
	assert_memory_equal(frames[2].data, "the third", 9);
	assert_int_equal(reeve_xsk_recv(&f->x, frames + 3, 1), 0);
	reeve_xsk_give_back(&f->x, frames, 3);
	assert_int_equal(wakeups(f), 0);
}

/* Who keeps all frames gets no more; each that comes back can be filled again. */
static void no_frame_is_lost(void **state)
{
	struct reeve_frame held[FRAMES];
	struct fixture *f = *state;
	uint64_t at = 0;

	for (int round = 0; round < 50; round++) {
		bool seen[FRAMES] = { false };
		size_t n = 0;

		for (int i = 0; i < TO_RECEIVE; i++) {
			kernel_receives(f, "x");
			n += reeve_xsk_recv(&f->x, held + n, FRAMES - n);
		}
		assert_int_equal(n, TO_RECEIVE);
		assert_false(kernel_takes(f, &at));
		for (size_t i = 0; i < n; i++) {
			size_t frame = (size_t)((char *)held[i].data - f->memory) / SIZE;

			assert_true(frame < TO_RECEIVE);
			assert_false(seen[frame]);
			seen[frame] = true;
		}
		reeve_xsk_give_back(&f->x, held + 5, n - 5);
		reeve_xsk_give_back(&f->x, held, 5);
		assert_int_equal(f->fill.producer - f->fill.consumer + f->x.spare.n, TO_RECEIVE);
	}
}

static void sends_a_copy(void **state)
{
	char text[] = "a frame of some length";
	struct fixture *f = *state;
	struct xdp_desc d;

	assert_int_equal(reeve_xsk_send(&f->x, text, sizeof(text)), 0);
	text[0] = 'X';
	assert_true(kernel_sends(f, &d));
	assert_int_equal(d.len, sizeof(text));
	assert_true(d.addr / SIZE >= TO_RECEIVE);
	assert_string_equal(f->memory + d.addr, "a frame of some length");
	assert_false(kernel_sends(f, &d));
	assert_int_equal(wakeups(f), 0);
	assert_int_equal(reeve_xsk_send(&f->x, text, SIZE + 1), -EMSGSIZE);
}

static void sends_as_many_as_there_are_frames(void **state)
{
	struct fixture *f = *state;
	struct xdp_desc d[TO_SEND];

	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < TO_SEND; i++)
			assert_int_equal(reeve_xsk_send(&f->x, "x", 1), 0);
		assert_int_equal(reeve_xsk_send(&f->x, "x", 1), -EAGAIN);
		for (int i = 0; i < TO_SEND; i++)
			assert_true(kernel_sends(f, &d[i]));
		assert_int_equal(reeve_xsk_send(&f->x, "x", 1), -EAGAIN);
		for (int i = 0; i < TO_SEND; i++)
			kernel_has_sent(f, d[i].addr);
	}
}

static void wakes_the_kernel_when_it_sleeps(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(reeve_xsk_send(&f->x, "x", 1), 0);
	assert_int_equal(wakeups(f), 0);
	f->tx.flags = XDP_RING_NEED_WAKEUP;
	assert_int_equal(reeve_xsk_send(&f->x, "x", 1), 0);
	assert_int_equal(wakeups(f), 1);
	f->tx.flags = 0;
	assert_int_equal(reeve_xsk_send(&f->x, "x", 1), 0);
	assert_int_equal(wakeups(f), 0);
}

static void a_dead_interface_is_told(void **state)
{
	struct fixture *f = *state;

	f->tx.flags = XDP_RING_NEED_WAKEUP;
	shutdown(f->x.sock, SHUT_WR);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(reeve_xsk_send(&f->x, "x", 1), -EPIPE);
}

/* Twice given back must not put a frame into the ring twice without end. */
static void too_many_given_back_do_no_harm(void **state)
{
	struct reeve_frame frame;
	struct fixture *f = *state;

	kernel_receives(f, "x");
	assert_int_equal(reeve_xsk_recv(&f->x, &frame, 1), 1);
	for (int i = 0; i < 100; i++)
		reeve_xsk_give_back(&f->x, &frame, 1);
	assert_true(f->x.spare.n <= f->x.spare.size);
	assert_int_equal(f->fill.producer - f->fill.consumer, RING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fills_the_ring_at_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(receives_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_frame_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sends_a_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sends_as_many_as_there_are_frames, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(wakes_the_kernel_when_it_sleeps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_interface_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_given_back_do_no_harm, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
