/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rtnetlink and ethtool netlink have in common: one datagram from the
 * kernel, and bounds that no message's own numbers can move.
 */
#ifndef REEVE_MECH_NLSOCK_H
#define REEVE_MECH_NLSOCK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The kernel makes the datagrams of a dump no longer than what is read at once. */
enum { NL_DATAGRAM_MAX = 32768 };

/*
 * Never waits. The length; -EAGAIN none is there; -ENOBUFS some were lost;
 * -EPROTO it did not fit or came from another process, and is gone.
 */
ssize_t nl_recv(int sock, void *buf, size_t size);

/* Sends one request to the kernel, which has done it when this returns. */
int nl_send(int sock, const struct nlmsghdr *msg);

/* Whether a whole message lies at the beginning of `left` bytes. */
static inline bool nl_whole(const struct nlmsghdr *msg, size_t left)
{
	return left >= sizeof(*msg) && msg->nlmsg_len >= sizeof(*msg) && msg->nlmsg_len <= left;
}

/* The one behind it; *left shrinks to what there is of it. */
static inline const struct nlmsghdr *nl_next(const struct nlmsghdr *msg, size_t *left)
{
	size_t step = NLMSG_ALIGN((size_t)msg->nlmsg_len);

	step = step < *left ? step : *left;
	*left -= step;
	return (const struct nlmsghdr *)((const char *)msg + step);
}

/* The bytes behind a fixed header of `fixed` bytes; NULL when the message ends before. */
static inline const void *nl_payload(const struct nlmsghdr *msg, size_t fixed, size_t *ret_len)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);

	if (msg->nlmsg_len < skip)
		return NULL;
	*ret_len = msg->nlmsg_len - skip;
	return (const char *)msg + skip;
}

#endif
