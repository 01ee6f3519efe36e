/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues and bare sockets, from a daemon that follows a script. */
#include <reeve/xsk.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

#include "fake_daemon.h"

#define QUEUE(id, res)                                                                     \
	"{\"lease\":" #id ",\"kind\":\"queue\",\"resource\":\"" res "\",\"tenant\":\"t\"," \
	"\"instance\":1,\"since\":\"x\",\"whole_core\":false,\"enforced\":\"advisory\"}"
#define LEASED(list) "{\"parameters\":{\"leases\":[" list "],\"queues\":\"3-4\"}}"
#define SOCKET(frames, size)                                                           \
	"{\"parameters\":{\"bound\":true,\"ifindex\":2,\"queue\":3,\"frames\":" frames \
	",\"frame_size\":" size ",\"ring\":16}}"

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_queues(void **state)
{
	static const struct step script[] = {
		HELLO,
		{ ASK },
		{ SAY, LEASED(QUEUE(5, "queue 3 of if 2") "," QUEUE(6, "queue 4 of if 2")) },
		{ END }
	};
	struct reeve_queue q[2];
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_acquire_queues(r, "eth0", 2, NULL, q), 0);
	assert_int_equal(q[0].lease, 5);
	assert_int_equal(q[0].queue, 3);
	assert_int_equal(q[1].lease, 6);
	assert_int_equal(q[1].queue, 4);
	finish(&f, r);
	assert_asked(&f, 1,
		     "{\"method\":\"io.reeve.AcquireQueues\",\"parameters\":"
		     "{\"nic\":\"eth0\",\"count\":2}}");
}

static void test_what_can_not_be_asked(void **state)
{
	static const struct step script[] = { HELLO, { END } };
	struct reeve_socket s = { 0 };
	struct reeve_queue q;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_acquire_queues(r, NULL, 1, NULL, &q), -EINVAL);
	assert_int_equal(reeve_acquire_queues(r, "eth0", 0, NULL, &q), -EINVAL);
	assert_int_equal(reeve_open_socket(r, UINT64_MAX, &s), -EINVAL);
	finish(&f, r);
	assert_null(strstr(f.asked, "Acquire"));
	assert_null(strstr(f.asked, "OpenSocket"));
}

/* More than was asked for would not fit into what the caller has. */
static void test_misread_leases(void **state)
{
	static const char *const replies[] = {
		LEASED(QUEUE(5, "queue 3 of if 2") "," QUEUE(6, "queue 4 of if 2")),
		LEASED(""),
		LEASED(QUEUE(5, "lcore 3")),
		LEASED(QUEUE(5, "queue 99999 of if 2")),
		LEASED(QUEUE(5, "queue  of if 2")),
		LEASED("7"),
		"{\"parameters\":{}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const struct step script[] = { HELLO, { ASK }, { SAY, replies[i] }, { END } };
		struct reeve_queue q[1];
		struct fake f;
		struct reeve *r = open_ok(&f, script);

		assert_int_equal(reeve_acquire_queues(r, "eth0", 1, "n", q), -EPROTO);
		assert_int_equal(reeve_acquire_queues(r, "eth0", 1, "n", q), -ENOTCONN);
		finish(&f, r);
	}
}

static void test_socket(void **state)
{
	const int fds[] = { open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY) };
	const struct step script[] = {
		HELLO, { ASK }, { SAY, SOCKET("64", "2048"), fds, 2 }, { END }
	};
	struct reeve_socket s = { .frames = 64, .ring = 16 };
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_open_socket(r, 5, &s), 0);
	assert_true(s.bound);
	assert_int_equal(s.ifindex, 2);
	assert_int_equal(s.queue, 3);
	assert_int_equal(s.frame_size, 2048);
	assert_int_equal(close(s.sock), 0);
	assert_int_equal(close(s.memory), 0);
	finish(&f, r);
	assert_asked(&f, 1,
		     "{\"method\":\"io.reeve.OpenSocket\",\"parameters\":"
		     "{\"lease\":5,\"frames\":64,\"ring\":16}}");
	close(fds[0]);
	close(fds[1]);
}

static void test_misread_socket(void **state)
{
	static const struct {
		const char *reply;
		unsigned nfds;
	} bad[] = { { SOCKET("64", "2048"), 1 },
		    { SOCKET("64", "2048"), 0 },
		    { SOCKET("3", "2048"), 2 },
		    { SOCKET("64", "2000"), 2 },
		    { "{\"parameters\":{}}", 2 } };
	const int fds[] = { open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY) };
	unsigned before = open_fds();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct step script[] = {
			HELLO, { ASK }, { SAY, bad[i].reply, fds, bad[i].nfds }, { END }
		};
		struct reeve_socket s = { 0 };
		struct fake f;
		struct reeve *r = open_ok(&f, script);

		assert_int_equal(reeve_open_socket(r, 5, &s), -EPROTO);
		finish(&f, r);
		assert_int_equal(open_fds(), before);
	}
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queues),	       cmocka_unit_test(test_what_can_not_be_asked),
		cmocka_unit_test(test_misread_leases), cmocka_unit_test(test_socket),
		cmocka_unit_test(test_misread_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
