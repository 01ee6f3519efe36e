/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors in sockets that nobody read, and a closer that stands still, is killed, or is
 * left alone. That one was closed is seen at the other end of a pipe.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "closer.h"

/* Last: it has a macro named fail. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000, MANY = 1000, A_THOUSAND_SECONDS = 1000 };

static struct closer closer;

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	return closer_start(&closer, &e);
}

static int end(void **state)
{
	pid_t pid = closer.pid;

	(void)state;
	kill(pid, SIGCONT);
	closer_end(&closer);
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static bool hangs_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN }; /* a pidfd has no other */

	return poll(&p, 1, PATIENCE_MS) == 1;
}

/* A client's socket, in which is a byte, and `fd` with it; -1: nothing. It is no longer ours. */
static int socket_with(int fd)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fd_send(pair[1], "", 1, &fd, fd >= 0), 1);
	close(pair[1]);
	if (fd >= 0)
		close(fd);
	return pair[0];
}

/* The one end of it is left in a socket; the other. */
static int leave_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	closer_close(&closer, socket_with(ends[1]));
	return ends[0];
}

static void assert_serves(void)
{
	int left = leave_pipe();

	assert_true(hangs_up(left));
	close(left);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_what_was_left_is_closed(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		assert_serves();
}

/* Nothing is left in it: no other process is needed. */
static void test_an_empty_socket(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	kill(closer.pid, SIGSTOP);
	closer_close(&closer, pair[0]);
	assert_false(is_open(pair[0]));
	assert_true(hangs_up(pair[1]));
	close(pair[1]);
}

static void test_many_at_once(void **state)
{
	static int left[MANY / 4];

	(void)state;
	for (int i = 0; i < MANY / 4; i++)
		left[i] = leave_pipe();
	for (int i = 0; i < MANY / 4; i++) {
		assert_true(hangs_up(left[i]));
		close(left[i]);
	}
}

/* Connected, full to both ends, and not to be closed before all of it has arrived. */
static int lingering(int *ret_peer)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger linger = { .l_onoff = 1, .l_linger = A_THOUSAND_SECONDS };
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(a);
	static char much[1 << 16];

	assert_int_equal(bind(door, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(door, 1), 0);
	assert_int_equal(getsockname(door, (struct sockaddr *)&a, &len), 0);
	assert_true(connect(sock, (struct sockaddr *)&a, len) == 0 || errno == EINPROGRESS);
	*ret_peer = accept4(door, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_peer >= 0);
	close(door);
	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(sock, much, sizeof(much), MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	return sock;
}

static void test_a_socket_that_makes_its_closer_wait(void **state)
{
	int peers[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		closer_close(&closer, socket_with(lingering(&peers[i])));
	assert_serves();
	for (int i = 0; i < 8; i++)
		close(peers[i]);
}

/* The child that is there takes its share; then nobody does. */
static int fill(void)
{
	for (int i = 0; i < MANY; i++) {
		int fd = socket_with(-1);

		closer_close(&closer, fd);
		if (is_open(fd))
			return fd;
	}
	return -1;
}

static void test_a_closer_that_stands_still_is_waited_for_once(void **state)
{
	uint64_t since;
	int lost;

	(void)state;
	kill(closer.pid, SIGSTOP);
	lost = fill();
	assert_true(lost >= 0);
	close(lost);
	since = clock_boot_ns();
	for (int i = 0; i < 50; i++) {
		lost = socket_with(-1);
		closer_close(&closer, lost);
		close(lost);
	}
	assert_true(clock_boot_ns() - since < 20 * NS_PER_S);
	kill(closer.pid, SIGCONT);
	while (closer.stuck) {
		lost = socket_with(-1);
		closer_close(&closer, lost);
		close(lost);
	}
	assert_serves();
}

static void test_a_closer_that_was_killed(void **state)
{
	int pidfd = pidfd_open(closer.pid, 0), fd, left;

	(void)state;
	left = leave_pipe();
	assert_true(hangs_up(left));
	close(left);
	kill(closer.pid, SIGKILL);
	assert_true(pidfd >= 0 && hangs_up(pidfd));
	close(pidfd);
	for (int i = 0; i < 3; i++) {
		fd = socket_with(-1);
		closer_close(&closer, fd);
		close(fd);
	}
}

/* It has no signal of its group's to end by; but it does not stay when we go. */
static void test_it_ends_with_us_and_not_before(void **state)
{
	int told[2], pidfd;
	pid_t us, its = 0;

	(void)state;
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	us = fork();
	if (us == 0) {
		if (begin(NULL) == 0 && write(told[1], &closer.pid, sizeof(pid_t)) > 0)
			for (;;)
				pause();
		syscall(SYS_exit_group, 1);
	}
	assert_int_equal(read(told[0], &its, sizeof(its)), sizeof(its));
	pidfd = pidfd_open(its, 0);
	assert_true(pidfd >= 0);
	kill(its, SIGTERM);
	kill(its, SIGINT);
	assert_int_equal(poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, 0), 0);
	kill(us, SIGKILL);
	assert_int_equal(waitpid(us, NULL, 0), us);
	assert_true(hangs_up(pidfd));
	close(pidfd);
	close(told[0]);
	close(told[1]);
}

/* It has the one descriptor, no name that is netd's, and no capability. */
static void test_what_it_has(void **state)
{
	char path[64], text[4096], *at;

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)closer.pid);
	assert_true(fd_read_file(AT_FDCWD, path, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "Name:\treeve-closer\n"));
	assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "Seccomp:\t2\n"));
	at = strstr(text, "CapPrm:\t");
	assert_non_null(at);
	assert_int_equal(strtoull(at + strlen("CapPrm:\t"), NULL, 16), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/0", (int)closer.pid);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/1", (int)closer.pid);
	assert_int_not_equal(access(path, F_OK), 0);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_was_left_is_closed),
		test(an_empty_socket),
		test(many_at_once),
		test(a_socket_that_makes_its_closer_wait),
		test(a_closer_that_stands_still_is_waited_for_once),
		test(a_closer_that_was_killed),
		cmocka_unit_test(test_it_ends_with_us_and_not_before),
		test(what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
