/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { FOREIGN_MAX = 16 };

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void assert_born_right(int fd)
{
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static void assert_same_file(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	assert_int_equal(sa.st_dev, sb.st_dev);
	assert_int_equal(sa.st_ino, sb.st_ino);
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(close(fds[i]), 0);
}

struct pair {
	int a, b;
	unsigned open_before;
};

static int pair_up(void **state)
{
	static struct pair p;
	int s[2];

	p.open_before = open_fds();
	assert_int_equal(fd_socketpair(s), 0);
	p.a = s[0];
	p.b = s[1];
	*state = &p;
	return 0;
}

/* Every test must leave as many descriptors as it found. */
static int pair_down(void **state)
{
	struct pair *p = *state;

	close(p->a);
	close(p->b);
	return open_fds() == p->open_before ? 0 : -1;
}

static void pair_is_born_right(void **state)
{
	struct pair *p = *state;

	assert_born_right(p->a);
	assert_born_right(p->b);
}

static void messages_keep_their_bounds(void **state)
{
	struct pair *p = *state;
	unsigned nfds = 99;
	char buf[16];

	assert_int_equal(fd_send(p->a, "one", 3, NULL, 0), 3);
	assert_int_equal(fd_send(p->a, "three", 5, NULL, 0), 5);
	assert_int_equal(fd_recv(p->b, buf, sizeof(buf), NULL, 0, &nfds), 3);
	assert_memory_equal(buf, "one", 3);
	assert_int_equal(nfds, 0);
	assert_int_equal(fd_recv(p->b, buf, sizeof(buf), NULL, 0, &nfds), 5);
	assert_memory_equal(buf, "three", 5);
}

static void nothing_there_is_eagain(void **state)
{
	struct pair *p = *state;
	unsigned nfds = 99;
	char buf[4];

	assert_int_equal(fd_recv(p->b, buf, sizeof(buf), NULL, 0, &nfds), -EAGAIN);
	assert_int_equal(nfds, 99);
}

static void a_full_socket_is_eagain(void **state)
{
	struct pair *p = *state;
	static char big[4096];
	ssize_t n;

	do {
		n = fd_send(p->a, big, sizeof(big), NULL, 0);
	} while (n > 0);
	assert_int_equal(n, -EAGAIN);
}

static void the_end_is_zero_and_sending_to_it_epipe(void **state)
{
	struct pair *p = *state;
	unsigned nfds = 99;
	char buf[4];

	assert_int_equal(shutdown(p->b, SHUT_RDWR), 0);
	assert_int_equal(fd_recv(p->a, buf, sizeof(buf), NULL, 0, &nfds), 0);
	assert_int_equal(nfds, 0);
	/* SIGPIPE would end this program. */
	assert_int_equal(fd_send(p->a, "x", 1, NULL, 0), -EPIPE);
}

static void too_long_a_packet_takes_its_descriptors_along(void **state)
{
	struct pair *p = *state;
	int fds[FD_PASS_MAX], got[FD_PASS_MAX];
	unsigned nfds = 99, before;
	char buf[4];

	for (unsigned i = 0; i < FD_PASS_MAX; i++)
		fds[i] = p->a;
	before = open_fds();
	assert_int_equal(fd_send(p->a, "12345", 5, fds, FD_PASS_MAX), 5);
	assert_int_equal(fd_recv(p->b, buf, sizeof(buf), got, FD_PASS_MAX, &nfds), -EMSGSIZE);
	assert_int_equal(nfds, 99);
	assert_int_equal(open_fds(), before);
	assert_int_equal(fd_send(p->a, "1234", 4, NULL, 0), 4);
	assert_int_equal(fd_recv(p->b, buf, sizeof(buf), got, FD_PASS_MAX, &nfds), 4);
}

static void descriptors_arrive_in_order(void **state)
{
	struct pair *p = *state;

	for (unsigned n = 0; n <= FD_PASS_MAX; n++) {
		int fds[FD_PASS_MAX], got[FD_PASS_MAX];
		unsigned nfds = 99;
		char byte;

		for (unsigned i = 0; i < n; i++) {
			fds[i] = open(i % 2 ? "/dev/null" : "/dev/zero", O_RDONLY | O_CLOEXEC);
			assert_true(fds[i] >= 0);
		}
		assert_int_equal(fd_send(p->a, "x", 1, fds, n), 1);
		assert_int_equal(fd_recv(p->b, &byte, 1, got, FD_PASS_MAX, &nfds), 1);
		assert_int_equal(nfds, n);
		for (unsigned i = 0; i < n; i++) {
			assert_same_file(fds[i], got[i]);
			assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		}
		close_all(fds, n);
		close_all(got, nfds);
	}
}

static void more_descriptors_than_may_be_sent(void **state)
{
	struct pair *p = *state;
	int fds[FD_PASS_MAX + 1];
	unsigned nfds = 99;
	char byte;

	for (unsigned i = 0; i <= FD_PASS_MAX; i++)
		fds[i] = p->a;

	assert_int_equal(fd_send(p->a, "x", 1, fds, FD_PASS_MAX + 1), -EINVAL);
	assert_int_equal(fd_recv(p->b, &byte, 1, NULL, 0, &nfds), -EAGAIN);
}

/* A peer that does not keep to FD_PASS_MAX. */
static void send_foreign(int sock, int fd, unsigned n)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(FOREIGN_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	assert_int_equal(sendmsg(sock, &msg, 0), 1);
}

static void none_leaks_whatever_the_room(void **state)
{
	struct pair *p = *state;

	for (unsigned sent = 1; sent <= FOREIGN_MAX; sent++) {
		for (unsigned room = 0; room <= FD_PASS_MAX; room++) {
			unsigned before = open_fds(), nfds = 99;
			int got[FD_PASS_MAX + 1];
			char byte;

			memset(got, 0x7f, sizeof(got));
			send_foreign(p->a, p->b, sent);
			assert_int_equal(fd_recv(p->b, &byte, 1, room ? got : NULL, room, &nfds),
					 1);
			assert_int_equal(nfds, sent < room ? sent : room);
			assert_int_equal(open_fds(), before + nfds);
			assert_int_equal(got[room], 0x7f7f7f7f);
			close_all(got, nfds);
		}
	}
}

static void accept_gives_descriptors_born_right(void **state)
{
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);
	int fd;

	(void)state;
	/* No path: the kernel picks an abstract name that nobody else has. */
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(fd_accept(listener), -EAGAIN);
	assert_int_equal(connect(client, (struct sockaddr *)&addr, len), 0);
	fd = fd_accept(listener);
	assert_true(fd >= 0);
	assert_born_right(fd);
	assert_int_equal(fd_accept(listener), -EAGAIN);
	close_all((int[]){ fd, client, listener }, 3);
}

static void accept_reports_errors(void **state)
{
	struct pair *p = *state;

	assert_int_equal(fd_accept(-1), -EBADF);
	assert_int_equal(fd_accept(p->a), -EINVAL);
}

struct dir {
	int fd;
	char path[64];
};

static int dir_up(void **state)
{
	static struct dir d;

	strcpy(d.path, "/tmp/reeve-test-fd.XXXXXX");
	if (!mkdtemp(d.path))
		return -1;
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &d;
	return d.fd < 0 ? -1 : 0;
}

static int dir_down(void **state)
{
	struct dir *d = *state;

	unlinkat(d->fd, "f", 0);
	close(d->fd);
	return rmdir(d->path);
}

static void make_file(int dirfd, const char *text)
{
	int fd = openat(dirfd, "f", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void read_needs_room_for_the_nul(void **state)
{
	struct dir *d = *state;
	char buf[8];

	make_file(d->fd, "1234567");
	assert_int_equal(fd_read_file(d->fd, "f", buf, 8), 7);
	assert_string_equal(buf, "1234567");
	assert_int_equal(fd_read_file(d->fd, "f", buf, 7), -EFBIG);
	assert_int_equal(fd_read_file(d->fd, "f", buf, 1), -EFBIG);
	assert_int_equal(fd_read_file(d->fd, "f", buf, 0), -EFBIG);
	make_file(d->fd, "");
	assert_int_equal(fd_read_file(d->fd, "f", buf, 1), 0);
	assert_string_equal(buf, "");
}

static void read_reports_errors(void **state)
{
	struct dir *d = *state;
	unsigned before = open_fds();
	char buf[8] = "kept";

	assert_int_equal(fd_read_file(d->fd, "none", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(fd_read_file(d->fd, ".", buf, sizeof(buf)), -EISDIR);
	assert_string_equal(buf, "kept");
	assert_int_equal(open_fds(), before);
}

static void write_puts_the_whole_text(void **state)
{
	struct dir *d = *state;
	unsigned before = open_fds();
	char buf[16];

	make_file(d->fd, "");
	assert_int_equal(fd_write_file(d->fd, "f", "0-3\n"), 0);
	assert_int_equal(fd_read_file(d->fd, "f", buf, sizeof(buf)), 4);
	assert_string_equal(buf, "0-3\n");
	assert_int_equal(open_fds(), before);
}

/* Attributes of the kernel exist already; anything else would be a mistyped path. */
static void write_never_makes_a_file(void **state)
{
	struct dir *d = *state;

	assert_int_equal(fd_write_file(d->fd, "f", "x"), -ENOENT);
	assert_int_equal(faccessat(d->fd, "f", F_OK, 0), -1);
}

static void write_reports_a_full_disk(void **state)
{
	(void)state;
	assert_int_equal(fd_write_file(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
}

static void a_short_write_is_an_error(void **state)
{
	struct dir *d = *state;
	struct rlimit before, tight;

	make_file(d->fd, "");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = before;
	tight.rlim_cur = 4;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	assert_int_equal(fd_write_file(d->fd, "f", "123456"), -EIO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

#define with_pair(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_down)
#define with_dir(f)  cmocka_unit_test_setup_teardown(f, dir_up, dir_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_pair(pair_is_born_right),
		with_pair(messages_keep_their_bounds),
		with_pair(nothing_there_is_eagain),
		with_pair(a_full_socket_is_eagain),
		with_pair(the_end_is_zero_and_sending_to_it_epipe),
		with_pair(too_long_a_packet_takes_its_descriptors_along),
		with_pair(descriptors_arrive_in_order),
		with_pair(more_descriptors_than_may_be_sent),
		with_pair(none_leaks_whatever_the_room),
		with_pair(accept_gives_descriptors_born_right),
		with_pair(accept_reports_errors),
		with_dir(read_needs_room_for_the_nul),
		with_dir(read_reports_errors),
		with_dir(write_puts_the_whole_text),
		with_dir(write_never_makes_a_file),
		cmocka_unit_test(write_reports_a_full_disk),
		with_dir(a_short_write_is_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
