/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps of the kernel that this runs on. */
#include "mech/bpfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/layout.h"
#include "model/nic.h"

/* The new map; anybody but root skips. */
static int made(int fd)
{
	if (fd == -EPERM)
		skip();
	assert_return_code(fd, -fd);
	return fd;
}

static void test_table(void **state)
{
	struct reeve_port port = { .packets = REEVE_PORT_ON | 5, .bytes = 700 }, got = { 0 };
	uint32_t last = NIC_PORTS - 1, beyond = NIC_PORTS;
	int fd = made(bpfmap_new_table(99999));

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(bpfmap_get(fd, &last, &got), 0);
	assert_int_equal(got.packets, 0);
	assert_int_equal(bpfmap_set(fd, &last, &port), 0);
	assert_int_equal(bpfmap_get(fd, &last, &got), 0);
	assert_memory_equal(&got, &port, sizeof(got));
	assert_int_equal(bpfmap_set(fd, &beyond, &port), -E2BIG);
	assert_int_equal(bpfmap_get(fd, &beyond, &got), -ENOENT);
	/* Elements of an array stay. */
	assert_int_equal(bpfmap_del(fd, &last), -EINVAL);
	close(fd);
}

static void test_xskmap(void **state)
{
	uint32_t slot = NIC_QUEUES_MAX - 1, beyond = NIC_QUEUES_MAX;
	int fd = made(bpfmap_new_xskmap(1)), pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	/* Nothing but AF_XDP sockets. */
	assert_int_equal(bpfmap_set(fd, &slot, &pair[0]), -EOPNOTSUPP);
	assert_int_equal(bpfmap_del(fd, &slot), 0);
	assert_true(bpfmap_del(fd, &beyond) < 0);
	close(pair[0]);
	close(pair[1]);
	close(fd);
}

static void test_no_map(void **state)
{
	uint32_t key = 0;
	uint64_t value[2];
	int fd = made(bpfmap_new_table(1)), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(null >= 0);
	assert_int_equal(bpfmap_get(-1, &key, value), -EBADF);
	assert_int_equal(bpfmap_set(null, &key, value), -EINVAL);
	assert_int_equal(bpfmap_get(fd, NULL, value), -EFAULT);
	close(null);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_xskmap),
		cmocka_unit_test(test_no_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
