/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/fd.h"
#include "privproto/privproto.h"

/* Last: it has a macro named fail. */
#include <cmocka.h>

struct state {
	struct pp_queue queue;
	int pair[2];
	int null;
};

static int setup(void **p)
{
	static struct state s;

	pp_queue_init(&s.queue);
	s.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*p = &s;
	return s.null < 0 ? -1 : fd_socketpair(s.pair);
}

static int teardown(void **p)
{
	struct state *s = *p;

	pp_queue_clear(&s->queue);
	close(s->pair[0]);
	close(s->pair[1]);
	return close(s->null);
}

static int send_conf(struct state *s, uint32_t serial, bool *ret_waits)
{
	struct pp_conf m = { .head = { .type = PP_CONF, .serial = serial } };

	return pp_queue_send(&s->queue, s->pair[0], &m, &s->null, 1, ret_waits);
}

/* The number of messages sent until one had to wait. */
static uint32_t fill(struct state *s)
{
	bool waits = false;
	uint32_t n = 0;

	while (!waits) {
		assert_int_equal(send_conf(s, n++, &waits), 0);
		assert_true(n < 100000);
	}
	return n;
}

static void expect_serial(struct state *s, uint32_t serial)
{
	int fds[FD_PASS_MAX];
	union pp_msg m;
	unsigned nfds;

	assert_int_equal(pp_recv(s->pair[1], PP_REEVED, &m, fds, &nfds), 0);
	assert_int_equal(m.head.serial, serial);
	assert_int_equal(nfds, 1);
	close(fds[0]);
}

static void test_sends_at_once(void **p)
{
	struct state *s = *p;
	bool waits = true;

	assert_int_equal(send_conf(s, 7, &waits), 0);
	assert_false(waits);
	assert_true(pp_queue_empty(&s->queue));
	expect_serial(s, 7);
}

static void test_keeps_order_and_descriptors(void **p)
{
	struct state *s = *p;
	uint32_t n = fill(s), seen = 0;
	bool waits = false;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(send_conf(s, n++, &waits), 0);
		assert_true(waits);
	}
	assert_int_equal(pp_queue_flush(&s->queue, s->pair[0]), -EAGAIN);
	while (seen < n) {
		expect_serial(s, seen++);
		pp_queue_flush(&s->queue, s->pair[0]);
	}
	assert_true(pp_queue_empty(&s->queue));
	assert_int_equal(pp_queue_flush(&s->queue, s->pair[0]), 0);
}

/* The caller may close its own at once: what waits has duplicates. */
static void test_clear_closes_duplicates(void **p)
{
	struct state *s = *p;
	int before, after;

	fill(s);
	before = dup(s->null);
	pp_queue_clear(&s->queue);
	assert_true(pp_queue_empty(&s->queue));
	close(before);
	after = dup(s->null);
	close(after);
	assert_true(after < before);
}

static void test_other_side_gone(void **p)
{
	struct state *s = *p;
	bool waits = false;

	close(s->pair[1]);
	assert_int_equal(send_conf(s, 1, &waits), -EPIPE);
	assert_true(pp_queue_empty(&s->queue));
	s->pair[1] = dup(s->null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sends_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keeps_order_and_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clear_closes_duplicates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_side_gone, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
