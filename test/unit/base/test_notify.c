/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

/* Stands for the service manager. */
static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(addr.sun_path, path, strlen(path));
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

static void assert_told(int fd, const char *state)
{
	char buf[256] = { 0 };

	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, 0), strlen(state));
	assert_string_equal(buf, state);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static int no_manager(void **state)
{
	(void)state;
	return unsetenv("NOTIFY_SOCKET");
}

static void nobody_to_tell_is_fine(void **state)
{
	(void)state;
	assert_int_equal(notify_send("READY=1"), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	assert_int_equal(notify_send("READY=1"), 0);
}

static void tells_a_socket_in_a_directory(void **state)
{
	char dir[] = "/tmp/reeve-test-notify.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	fd = listen_at(path);
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	assert_int_equal(notify_send("READY=1\nSTATUS=5 leases"), 0);
	assert_told(fd, "READY=1\nSTATUS=5 leases");
	close(fd);
	assert_int_equal(notify_send("READY=1"), -ECONNREFUSED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(notify_send("READY=1"), -ENOENT);
	assert_int_equal(rmdir(dir), 0);
}

static void tells_an_abstract_socket(void **state)
{
	char path[64];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "@reeve-test-notify-%d", (int)getpid());
	fd = listen_at(path);
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	assert_int_equal(notify_send("STOPPING=1"), 0);
	assert_told(fd, "STOPPING=1");
	close(fd);
}

static void passes_descriptors(void **state)
{
	int fds[2] = { STDIN_FILENO, STDOUT_FILENO }, got[4], fd;
	char path[64], text[64] = "";
	unsigned nfds = 0;

	(void)state;
	snprintf(path, sizeof(path), "@reeve-test-notify-fds-%d", (int)getpid());
	fd = listen_at(path);
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	assert_int_equal(notify_send_fds("FDSTORE=1", fds, 2), 0);
	assert_int_equal(fd_recv(fd, text, sizeof(text) - 1, got, 4, &nfds), 9);
	assert_string_equal(text, "FDSTORE=1");
	assert_int_equal(nfds, 2);
	close(got[0]);
	close(got[1]);
	close(fd);
}

static void refuses_what_is_no_address(void **state)
{
	char path[200] = "/";

	(void)state;
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	assert_int_equal(notify_send("READY=1"), -EINVAL);
	memset(path + 1, 'x', sizeof(path) - 2);
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	assert_int_equal(notify_send("READY=1"), -EINVAL);
}

#define alone(f) cmocka_unit_test_setup_teardown(f, no_manager, no_manager)

int main(void)
{
	const struct CMUnitTest tests[] = {
		alone(nobody_to_tell_is_fine),	   alone(tells_a_socket_in_a_directory),
		alone(tells_an_abstract_socket),   alone(passes_descriptors),
		alone(refuses_what_is_no_address),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
