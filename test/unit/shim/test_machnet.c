/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions as programs call them; control.c and wait.c with them. */
#include <machnet.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon.h"

enum { SOON_MS = 1, LONG_MS = 60000 };

static struct daemon *d;
static struct memory *m;
static void *ctx;
static const MachnetFlow_t flow = { 0x0a000001, 0x0a000002, 1024, 31580 };

static int begin(void **state)
{
	struct machnet_attach_opts opts = { .size = sizeof(opts), .buffers = 256 };

	(void)state;
	d = daemon_start();
	assert_int_equal(machnet_init(), 0);
	ctx = machnet_attach_with(&opts);
	assert_non_null(ctx);
	m = daemon_memory(d);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machnet_detach(ctx);
	daemon_stop(d);
	return 0;
}

/* --- the daemon's side of requests, in a thread ------------------------------------------------
 */

struct script {
	struct chan_ctrl got[4];
	struct chan_ctrl end; /* what each is answered with */
	uint32_t late;	      /* so many ends of other requests before it */
	uint32_t n;	      /* requests to come */
	pthread_t thread;
};

static void put_end(const struct chan_ctrl *end)
{
	while (!memory_put(m->cq, end))
		sched_yield();
	if (__atomic_load_n(&m->stats->app_waits, __ATOMIC_SEQ_CST))
		send(daemon_sock(d), "", 1, MSG_NOSIGNAL);
}

static void *answer(void *arg)
{
	struct script *s = arg;

	for (uint32_t i = 0; i < s->n; i++) {
		struct chan_ctrl e = s->end;

		while (!memory_take(m->sq, &s->got[i]))
			sched_yield();
		e.op = CHAN_STATUS;
		for (uint32_t j = 0; j < s->late; j++) {
			e.id = s->got[i].id - 100 - j;
			put_end(&e);
		}
		e.id = s->got[i].id;
		put_end(&e);
	}
	return NULL;
}

static void expect(struct script *s, uint32_t n)
{
	s->n = n;
	assert_int_equal(pthread_create(&s->thread, NULL, answer, s), 0);
}

static void met(struct script *s)
{
	pthread_join(s->thread, NULL);
}

static void test_listen(void **state)
{
	struct script s = { 0 };

	(void)state;
	expect(&s, 2);
	assert_int_equal(machnet_listen(ctx, "10.0.0.1", 31580), 0);
	assert_int_equal(machnet_unlisten(ctx, "10.0.0.1", 31580), 0);
	met(&s);
	assert_int_equal(s.got[0].op, CHAN_LISTEN);
	assert_int_equal(s.got[0].listener.ip, 0x0a000001);
	assert_int_equal(s.got[0].listener.port, 31580);
	assert_int_equal(s.got[1].op, CHAN_UNLISTEN);
	assert_int_equal(s.got[1].id, s.got[0].id + 1);
	assert_int_equal(m->ctx->req_id, s.got[1].id + 1);
}

static void test_connect_and_close(void **state)
{
	struct script s = { .end.flow = { 0x0a000001, 0x0a000002, 1024, 31580 } };
	MachnetFlow_t f = { 0 };

	(void)state;
	expect(&s, 2);
	assert_int_equal(machnet_connect(ctx, "10.0.0.1", "10.0.0.2", 31580, &f), 0);
	assert_memory_equal(&f, &flow, sizeof(f));
	assert_int_equal(machnet_close(ctx, f), 0);
	met(&s);
	assert_int_equal(s.got[0].op, CHAN_CONNECT);
	assert_int_equal(s.got[0].flow.src_ip, 0x0a000001);
	assert_int_equal(s.got[0].flow.dst_ip, 0x0a000002);
	assert_int_equal(s.got[0].flow.src_port, 0);
	assert_int_equal(s.got[0].flow.dst_port, 31580);
	assert_int_equal(s.got[1].op, CHAN_DISCONNECT);
	assert_memory_equal(&s.got[1].flow, &flow, sizeof(flow));
}

/* What ends after we had given up on it is not what we wait for now. */
static void test_late_ends_are_skipped(void **state)
{
	struct script s = { .late = 5 };

	(void)state;
	expect(&s, 1);
	assert_int_equal(machnet_listen(ctx, "10.0.0.1", 1), 0);
	met(&s);
}

static void test_refusals(void **state)
{
	const struct {
		uint32_t said;
		int error;
	} cases[] = { { 0, ECONNREFUSED },
		      { EADDRINUSE, EADDRINUSE },
		      { ENOTCONN, ENOENT },
		      { UINT32_MAX, ECONNREFUSED } };
	MachnetFlow_t f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script s = { .end = { .status = CHAN_ERROR, .error = cases[i].said } };

		expect(&s, 2);
		assert_int_equal(machnet_listen(ctx, "10.0.0.1", 1), -1);
		assert_int_equal(errno, cases[i].error);
		assert_int_equal(machnet_connect(ctx, "10.0.0.1", "10.0.0.2", 1, &f), -1);
		assert_int_equal(errno, cases[i].error);
		met(&s);
	}
}

static void fails_with(int r, int error)
{
	assert_int_equal(r, -1);
	assert_int_equal(errno, error);
}

static void test_arguments(void **state)
{
	struct machnet_attach_opts opts = { .size = sizeof(opts), .buffers = 300 };
	MachnetMsgHdr_t msg = { 0 };
	MachnetFlow_t f;
	char buf[8];

	(void)state;
	assert_int_equal(machnet_listen(ctx, "here", 1), -EINVAL);
	assert_int_equal(machnet_listen(ctx, NULL, 1), -EINVAL);
	assert_int_equal(machnet_listen(NULL, "10.0.0.1", 1), -EINVAL);
	fails_with(machnet_unlisten(ctx, "", 1), EINVAL);
	fails_with(machnet_connect(ctx, "255.255.255.255", "10.0.0.2", 1, &f), EINVAL);
	fails_with(machnet_connect(ctx, "10.0.0.1", "0.0.0.0", 1, &f), EINVAL);
	fails_with(machnet_connect(ctx, "10.0.0.1", "there", 1, &f), EINVAL);
	fails_with(machnet_connect(ctx, "10.0.0.1", "10.0.0.2", 1, NULL), EINVAL);
	fails_with(machnet_connect(NULL, "10.0.0.1", "10.0.0.2", 1, &f), EINVAL);
	fails_with(machnet_close(NULL, flow), EINVAL);
	fails_with(machnet_send(NULL, flow, "x", 1), EINVAL);
	fails_with(machnet_send(ctx, flow, NULL, 1), EINVAL);
	fails_with(machnet_send(ctx, flow, "x", 0), EINVAL);
	fails_with(machnet_send(ctx, flow, "x", MACHNET_MSG_MAX + 1), EMSGSIZE);
	fails_with(machnet_send(ctx, flow, "x", (size_t)1 << 32), EMSGSIZE);
	fails_with(machnet_sendmsg(ctx, NULL), EINVAL);
	fails_with(machnet_sendmsg(ctx, &msg), EINVAL);
	fails_with((int)machnet_recv(NULL, buf, 8, &f), EINVAL);
	fails_with((int)machnet_recv(ctx, NULL, 8, &f), EINVAL);
	fails_with(machnet_recvmsg(ctx, NULL), EINVAL);
	fails_with(machnet_stats(ctx, NULL), EINVAL);
	fails_with(machnet_poll_fd(NULL), EINVAL);
	fails_with(machnet_poll_arm(NULL), EINVAL);
	assert_null(machnet_attach_with(&opts));
	assert_int_equal(errno, EINVAL);
	machnet_detach(NULL);
	assert_int_equal(memory_count(m->tx), 0);
}

/* --- messages ------------------------------------------------------------------------------- */

static void test_send_and_recv(void **state)
{
	struct machnet_stats stats = { .size = sizeof(stats) };
	MachnetFlow_t f;
	char buf[100];

	(void)state;
	assert_int_equal(machnet_recv(ctx, buf, sizeof(buf), &f), 0);
	assert_int_equal(machnet_send(ctx, flow, "Hello World!", 12), 0);
	memory_bounce(m);
	memory_deliver(m, "", 0);
	memory_deliver(m, "abc", 3);
	assert_int_equal(machnet_recv(ctx, buf, sizeof(buf), &f), 12);
	assert_memory_equal(buf, "Hello World!", 12);
	assert_int_equal(f.src_ip, flow.dst_ip);
	assert_int_equal(f.dst_port, flow.src_port);
	assert_int_equal(machnet_recv(ctx, buf, sizeof(buf), NULL), 3);
	memory_deliver(m, "abc", 3);
	fails_with((int)machnet_recv(ctx, buf, 2, NULL), EMSGSIZE);
	assert_int_equal(machnet_recv(ctx, buf, 2, NULL), 0);
	assert_int_equal(machnet_stats(ctx, &stats), 0);
	assert_int_equal(stats.tx_messages, 1);
	assert_int_equal(stats.tx_bytes, 12);
	assert_int_equal(stats.rx_messages, 3);
	assert_int_equal(stats.rx_bytes, 15);
	assert_int_equal(stats.rx_discarded, 1);
	assert_int_equal(stats.buffers, 255);
	assert_int_equal(stats.buffers_free, 255);
}

/* A caller of an older or a later header gets what both know. */
static void test_stats_of_another_size(void **state)
{
	struct {
		struct machnet_stats stats;
		uint64_t more;
	} later = { .stats.size = sizeof(later), .more = 7 };
	struct machnet_stats older = { .size = 16, .tx_bytes = 7 };

	(void)state;
	assert_int_equal(machnet_send(ctx, flow, "x", 1), 0);
	assert_int_equal(machnet_stats(ctx, &later.stats), 0);
	assert_int_equal(later.stats.tx_bytes, 1);
	assert_int_equal(later.more, 0);
	assert_int_equal(machnet_stats(ctx, &older), 0);
	assert_int_equal(older.tx_messages, 1);
	assert_int_equal(older.tx_bytes, 7);
}

static void test_sendmmsg_says_how_many(void **state)
{
	MachnetIovec_t iov = { (void *)(uintptr_t) "xy", 2 };
	MachnetMsgHdr_t msgs[300];

	(void)state;
	for (int i = 0; i < 300; i++)
		msgs[i] = (MachnetMsgHdr_t){ .msg_size = 2, .msg_iov = &iov, .msg_iovlen = 1 };
	msgs[3].msg_size = 1;
	assert_int_equal(machnet_sendmmsg(ctx, msgs, 300), 3);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(machnet_sendmmsg(ctx, msgs + 4, 296), 255 - 3);
	assert_int_equal(errno, EAGAIN);
}

/* --- waiting -------------------------------------------------------------------------------- */

struct deed {
	pthread_t thread, waker;
	enum { DELIVER, TAKE_ALL, SIGNAL, HANG_UP } what;
};

static void ring_bell(void)
{
	assert_int_equal(send(daemon_sock(d), "", 1, MSG_NOSIGNAL), 1);
}

/* Not before the other thread said that it sleeps, but for what it is not told of. */
static void *do_it(void *arg)
{
	struct deed *deed = arg;
	uint32_t index;

	while (deed->what != TAKE_ALL && !__atomic_load_n(&m->stats->app_waits, __ATOMIC_SEQ_CST))
		sched_yield();
	switch (deed->what) {
	case DELIVER:
		memory_deliver(m, "abc", 3);
		ring_bell();
		break;
	case TAKE_ALL:
		while (memory_take(m->tx, &index))
			;
		break;
	case SIGNAL:
		/* Again and again: it may not be asleep yet. */
		while (__atomic_load_n(&m->stats->app_waits, __ATOMIC_SEQ_CST)) {
			pthread_kill(deed->waker, SIGUSR1);
			sched_yield();
		}
		break;
	case HANG_UP:
		shutdown(daemon_sock(d), SHUT_RDWR);
		break;
	}
	return NULL;
}

static void begin_deed(struct deed *deed)
{
	deed->waker = pthread_self();
	assert_int_equal(pthread_create(&deed->thread, NULL, do_it, deed), 0);
}

static void test_recv_wait(void **state)
{
	struct machnet_stats stats = { .size = sizeof(stats) };
	struct deed deed = { .what = DELIVER };
	char buf[8];

	(void)state;
	assert_int_equal(machnet_recv_wait(ctx, buf, 8, NULL, 0), 0);
	assert_int_equal(machnet_recv_wait(ctx, buf, 8, NULL, SOON_MS), 0);
	for (int i = 0; i < 20; i++) {
		begin_deed(&deed);
		assert_int_equal(machnet_recv_wait(ctx, buf, 8, NULL, i % 2 ? -1 : LONG_MS), 3);
		pthread_join(deed.thread, NULL);
		assert_int_equal(m->stats->app_waits, 0);
	}
	assert_int_equal(machnet_stats(ctx, &stats), 0);
	assert_true(stats.sleeps >= 1);
}

static void test_recv_wait_and_a_daemon_that_can_not_ring(void **state)
{
	struct memory quiet;
	char buf[8];
	void *c;
	size_t size = 0;

	(void)state;
	memory_make(&quiet, 256);
	c = machnet_bind(quiet.fd, &size);
	assert_int_equal(size, quiet.size);
	assert_int_equal(machnet_recv_wait(c, buf, 8, NULL, SOON_MS), 0);
	memory_deliver(&quiet, "abc", 3);
	assert_int_equal(machnet_recv_wait(c, buf, 8, NULL, -1), 3);
	fails_with(machnet_poll_fd(c), EOPNOTSUPP);
	fails_with(machnet_poll_arm(c), EOPNOTSUPP);
	fails_with(machnet_close(c, flow), EOPNOTSUPP);
	fails_with(machnet_unlisten(c, "10.0.0.1", 1), EOPNOTSUPP);
	machnet_detach(c);
	memory_close(&quiet);
}

static void on_signal(int signo)
{
	(void)signo;
}

static void test_a_signal_ends_the_sleep(void **state)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct deed deed = { .what = SIGNAL };
	char buf[8];

	(void)state;
	sigaction(SIGUSR1, &action, NULL);
	begin_deed(&deed);
	fails_with((int)machnet_recv_wait(ctx, buf, 8, NULL, -1), EINTR);
	pthread_join(deed.thread, NULL);
}

static void test_send_wait(void **state)
{
	struct deed deed = { .what = TAKE_ALL };

	(void)state;
	while (machnet_send(ctx, flow, "x", 1) == 0)
		;
	fails_with(machnet_send_wait(ctx, flow, "x", 1, SOON_MS), EAGAIN);
	memory_bounce(m);
	while (machnet_recv(ctx, (char[1]){ 0 }, 1, NULL) > 0)
		;
	for (int i = 0; i < 200; i++)
		assert_int_equal(machnet_send(ctx, flow, "x", 1), 0);
	while (machnet_send(ctx, flow, "x", 1) == 0)
		;
	begin_deed(&deed);
	/* The slots are free then, the buffers are not. */
	fails_with(machnet_send_wait(ctx, flow, "x", 1, SOON_MS), EAGAIN);
	pthread_join(deed.thread, NULL);
	for (uint32_t i = 0; i < 200; i++)
		assert_true(memory_put(m->free, &i));
	assert_int_equal(machnet_send_wait(ctx, flow, "x", 1, -1), 0);
}

/* The loop that machnet.h shows. */
static void test_poll(void **state)
{
	struct pollfd p = { .fd = machnet_poll_fd(ctx), .events = POLLIN };
	struct deed deed = { .what = DELIVER };
	char buf[8];

	(void)state;
	assert_true(p.fd >= 0);
	for (int i = 0; i < 20; i++) {
		int n = 0;

		begin_deed(&deed);
		while (!n) {
			int r = machnet_poll_arm(ctx);

			assert_true(r >= 0);
			if (r == 0)
				assert_int_equal(poll(&p, 1, LONG_MS), 1);
			while (machnet_recv(ctx, buf, 8, NULL) > 0)
				n++;
		}
		assert_int_equal(n, 1);
		pthread_join(deed.thread, NULL);
	}
	memory_deliver(m, "abc", 3);
	assert_int_equal(machnet_poll_arm(ctx), 1);
	assert_int_equal(m->stats->app_waits, 0);
}

/* --- the daemon's end ----------------------------------------------------------------------- */

static void test_it_dies_while_we_sleep(void **state)
{
	struct deed deed = { .what = HANG_UP };
	char buf[8];

	(void)state;
	begin_deed(&deed);
	fails_with((int)machnet_recv_wait(ctx, buf, 8, NULL, -1), ENOTCONN);
	pthread_join(deed.thread, NULL);
	fails_with((int)machnet_recv(ctx, buf, 8, NULL), ENOTCONN);
	fails_with(machnet_send(ctx, flow, "x", 1), ENOTCONN);
	fails_with(machnet_send_wait(ctx, flow, "x", 1, -1), ENOTCONN);
	fails_with(machnet_listen(ctx, "10.0.0.1", 1), ENOTCONN);
	fails_with(machnet_poll_arm(ctx), ENOTCONN);
}

/* Who only polls hears of it, too, and gets what had come before. */
static void test_it_dies_while_we_poll(void **state)
{
	char buf[8];
	ssize_t n;

	(void)state;
	memory_deliver(m, "abc", 3);
	shutdown(daemon_sock(d), SHUT_RDWR);
	assert_int_equal(machnet_recv(ctx, buf, 8, NULL), 3);
	while ((n = machnet_recv(ctx, buf, 8, NULL)) == 0)
		sched_yield();
	fails_with((int)n, ENOTCONN);
}

static void test_and_comes_again(void **state)
{
	(void)state;
	daemon_stop(d);
	d = daemon_start();
	fails_with(machnet_listen(ctx, "10.0.0.1", 1), ENOTCONN);
	machnet_detach(ctx);
	assert_int_equal(machnet_init(), 0);
	ctx = machnet_attach();
	assert_non_null(ctx);
	m = daemon_memory(d);
	assert_int_equal(m->buffers, 8192);
	assert_int_equal(machnet_send(ctx, flow, "x", 1), 0);
}

/* --- machnet_bind --------------------------------------------------------------------------- */

static void test_bind_closes_what_it_can_not_use(void **state)
{
	int fd = dup(m->fd);

	(void)state;
	m->ctx->magic = 0;
	assert_null(machnet_bind(fd, NULL));
	assert_int_equal(errno, EPROTO);
	assert_int_equal(close(fd), -1);
	assert_null(machnet_bind(-1, NULL));
	assert_int_equal(errno, EBADF);
	m->ctx->magic = CHAN_MAGIC;
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(listen),
		TEST(connect_and_close),
		TEST(late_ends_are_skipped),
		TEST(refusals),
		TEST(arguments),
		TEST(send_and_recv),
		TEST(stats_of_another_size),
		TEST(sendmmsg_says_how_many),
		TEST(recv_wait),
		TEST(recv_wait_and_a_daemon_that_can_not_ring),
		TEST(a_signal_ends_the_sleep),
		TEST(send_wait),
		TEST(poll),
		TEST(it_dies_while_we_sleep),
		TEST(it_dies_while_we_poll),
		TEST(and_comes_again),
		TEST(bind_closes_what_it_can_not_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
