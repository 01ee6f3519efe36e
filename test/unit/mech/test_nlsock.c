/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets alone, as reeved makes them; what is read from them: test_rtnl.c, test_ethnl.c. */
#include "mech/ethnl.h"
#include "mech/nlsock.h"
#include "mech/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Made once and handed to another program: never inherited, never waited on. */
static void assert_socket(int fd, int protocol, uint32_t groups)
{
	struct sockaddr_nl me;
	socklen_t len = sizeof(me);
	int value;

	assert_return_code(fd, -fd);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_return_code(getsockname(fd, (struct sockaddr *)&me, &len), errno);
	assert_int_equal(me.nl_groups, groups);
	assert_int_not_equal(me.nl_pid, 0);
	len = sizeof(value);
	assert_return_code(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &len), errno);
	assert_int_equal(value, protocol);
	close(fd);
}

static void test_sockets(void **state)
{
	(void)state;
	assert_socket(rtnl_socket(), NETLINK_ROUTE, RTMGRP_LINK);
	assert_socket(ethnl_socket(), NETLINK_GENERIC, 0);
}

static void test_nothing_to_read(void **state)
{
	int fd = rtnl_socket();
	char buf[16];

	(void)state;
	assert_return_code(fd, -fd);
	assert_int_equal(nl_recv(fd, buf, sizeof(buf)), -EAGAIN);
	close(fd);
	assert_int_equal(nl_recv(fd, buf, sizeof(buf)), -EBADF);
}

/* What does not fit is gone, and said to be. */
static void test_longer_than_the_room(void **state)
{
	struct nlmsghdr request = { .nlmsg_len = sizeof(request),
				    .nlmsg_type = NLMSG_MIN_TYPE,
				    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK };
	int fd = ethnl_socket();
	char buf[16];

	(void)state;
	assert_return_code(fd, -fd);
	assert_int_equal(nl_send(fd, &request), 0);
	assert_int_equal(nl_recv(fd, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(nl_recv(fd, buf, sizeof(buf)), -EAGAIN);
	close(fd);
	assert_int_equal(nl_send(fd, &request), -EBADF);
}

static void test_walk(void **state)
{
	struct nlmsghdr msg[3] = { { .nlmsg_len = 17 } };
	const struct nlmsghdr *next;
	size_t left = sizeof(msg), len;

	(void)state;
	assert_int_equal(nl_whole(msg, 16), 0);
	assert_int_equal(nl_whole(msg, 17), 1);
	next = nl_next(msg, &left);
	assert_ptr_equal(next, (char *)msg + 20);
	assert_int_equal(left, sizeof(msg) - 20);
	left = 17;
	assert_ptr_equal(nl_next(msg, &left), (char *)msg + 17);
	assert_int_equal(left, 0);
	assert_null(nl_payload(msg, 4, &len));
	msg[0].nlmsg_len = 21;
	assert_ptr_equal(nl_payload(msg, 3, &len), (char *)msg + 20);
	assert_int_equal(len, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_nothing_to_read),
		cmocka_unit_test(test_longer_than_the_room),
		cmocka_unit_test(test_walk),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
