/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/nlsock.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "mech/ethnl.h"
#include "mech/rtnl.h"
#include "mech/rtnl_neigh.h"

static int nl_socket(int protocol, unsigned groups)
{
	struct sockaddr_nl me = { .nl_family = AF_NETLINK, .nl_groups = groups };
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0)
		return -errno;
	return take_fd(&fd);
}

int rtnl_socket(void)
{
	return nl_socket(NETLINK_ROUTE, RTMGRP_LINK);
}

int rtnl_neigh_socket(void)
{
	return nl_socket(NETLINK_ROUTE, RTMGRP_NEIGH);
}

/* With the kernel's sentence in a refusal, and without a copy of the request. */
int ethnl_socket(void)
{
	int fd = nl_socket(NETLINK_GENERIC, 0), on = 1;

	if (fd >= 0) {
		setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
		setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	}
	return fd;
}

ssize_t nl_recv(int sock, void *buf, size_t size)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC || from.nl_pid != 0)
		return -EPROTO;
	return n;
}

int nl_send(int sock, const struct nlmsghdr *msg)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do {
		n = sendto(sock, msg, msg->nlmsg_len, MSG_DONTWAIT, (struct sockaddr *)&kernel,
			   sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}
