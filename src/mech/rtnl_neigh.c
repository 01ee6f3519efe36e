/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/rtnl_neigh.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mech/nlsock.h"

enum {
	SURE = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE,
	KNOWN = SURE | NUD_STALE | NUD_DELAY | NUD_PROBE,
	ASKED = 0x72656576, /* the number of our questions; news have none */
	DISCARD = 9,
};

struct found {
	struct rtnl_neigh neigh;
	bool has_address, has_mac;
};

static int read_attr(const struct nlattr *attr, struct found *f)
{
	size_t len = mnl_attr_get_payload_len(attr);
	const void *data = mnl_attr_get_payload(attr);

	if (mnl_attr_get_type(attr) == NDA_DST) {
		if (len != (f->neigh.ipv6 ? 16 : 4))
			return -EPROTO;
		memcpy(f->neigh.address, data, len);
		f->has_address = true;
	} else if (mnl_attr_get_type(attr) == NDA_LLADDR && len == sizeof(f->neigh.mac)) {
		memcpy(f->neigh.mac, data, len);
		f->has_mac = true;
	}
	return 0;
}

/* 1: *f holds a neighbour. */
static int read_neigh(const struct nlmsghdr *msg, struct found *f)
{
	const struct ndmsg *nd = (const void *)((const char *)msg + NLMSG_HDRLEN);
	const struct nlattr *attr;
	size_t len;
	const void *attrs = nl_payload(msg, sizeof(*nd), &len);

	if (!attrs || nd->ndm_ifindex <= 0)
		return -EPROTO;
	if ((nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) || nd->ndm_flags & NTF_PROXY)
		return 0;
	f->neigh.asked = msg->nlmsg_seq == ASKED;
	f->neigh.ifindex = (uint32_t)nd->ndm_ifindex;
	f->neigh.ipv6 = nd->ndm_family == AF_INET6;
	mnl_attr_for_each_payload(attrs, len)
	{
		int r = read_attr(attr, f);

		if (r < 0)
			return r;
	}
	f->neigh.known = f->has_mac && nd->ndm_state & KNOWN;
	f->neigh.sure = f->has_mac && nd->ndm_state & SURE;
	return f->has_address && (f->neigh.known || f->neigh.asked);
}

int rtnl_neigh_decode(const void *buf, size_t len,
		      void (*fn)(void *arg, const struct rtnl_neigh *n), void *arg)
{
	const struct nlmsghdr *msg = buf;
	int r = 0;

	for (; nl_whole(msg, len); msg = nl_next(msg, &len)) {
		struct found f = { 0 };
		int one = msg->nlmsg_type == RTM_NEWNEIGH ? read_neigh(msg, &f) : 0;

		if (one > 0)
			fn(arg, &f.neigh);
		else if (one < 0)
			r = one;
	}
	return len ? -EPROTO : r;
}

int rtnl_neigh_read(int sock, void (*fn)(void *arg, const struct rtnl_neigh *n), void *arg)
{
	alignas(struct nlmsghdr) char buf[NL_DATAGRAM_MAX];
	ssize_t n = nl_recv(sock, buf, sizeof(buf));

	return n < 0 ? (int)n : rtnl_neigh_decode(buf, (size_t)n, fn, arg);
}

static int request(int sock, uint16_t type, uint16_t flags, uint8_t use, const struct rtnl_neigh *n)
{
	alignas(struct nlmsghdr) char buf[128] = { 0 };
	struct nlmsghdr *head = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(head, sizeof(*nd));

	head->nlmsg_type = type;
	head->nlmsg_flags = NLM_F_REQUEST | flags;
	head->nlmsg_seq = ASKED;
	nd->ndm_family = n->ipv6 ? AF_INET6 : AF_INET;
	nd->ndm_ifindex = (int)n->ifindex;
	nd->ndm_flags = use;
	mnl_attr_put(head, NDA_DST, n->ipv6 ? 16 : 4, n->address);
	return nl_send(sock, head);
}

/* NLM_F_EXCL: what there is already stays as it is. */
int rtnl_neigh_ask(int sock, const struct rtnl_neigh *n)
{
	int r = request(sock, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, NTF_USE, n);

	return r < 0 ? r : request(sock, RTM_GETNEIGH, 0, 0, n);
}

int rtnl_neigh_nudge(const struct rtnl_neigh *n)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(DISCARD) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(DISCARD) };
	const struct sockaddr *to = n->ipv6 ? (void *)&to6 : (void *)&to4;
	socklen_t len = n->ipv6 ? sizeof(to6) : sizeof(to4);
	_cleanup_fd_ int sock = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int link_only = 1, ifindex = (int)n->ifindex;

	if (sock < 0)
		return -errno;
	memcpy(&to6.sin6_addr, n->address, sizeof(to6.sin6_addr));
	memcpy(&to4.sin_addr, n->address, sizeof(to4.sin_addr));
	to6.sin6_scope_id = n->ifindex;
	if (setsockopt(sock, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)) < 0 ||
	    setsockopt(sock, n->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       n->ipv6 ? IPV6_UNICAST_HOPS : IP_TTL, &link_only, sizeof(link_only)) < 0 ||
	    sendto(sock, "", 0, 0, to, len) < 0)
		return -errno;
	return 0;
}

int rtnl_neigh_confirm(int sock, const struct rtnl_neigh *n)
{
	return request(sock, RTM_NEWNEIGH, NLM_F_CREATE, NTF_USE, n);
}
