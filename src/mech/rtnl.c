/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <string.h>

#include "base/str.h"
#include "mech/nlsock.h"

/* What one message has said so far. */
struct found {
	struct rtnl_link link;
	bool has_name, has_mtu;
};

/* IFLA_XDP: one mode at a time has IFLA_XDP_PROG_ID, several have only those of their own. */
struct xdp {
	uint8_t attached;
	uint32_t any, native, generic, hardware;
};

static int get_u32(const struct nlattr *attr, uint32_t *ret)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return -EPROTO;
	*ret = mnl_attr_get_u32(attr);
	return 0;
}

static int read_xdp_attr(const struct nlattr *attr, struct xdp *x)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_XDP_ATTACHED:
		if (mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
			return -EPROTO;
		x->attached = mnl_attr_get_u8(attr);
		return 0;
	case IFLA_XDP_PROG_ID:
		return get_u32(attr, &x->any);
	case IFLA_XDP_DRV_PROG_ID:
		return get_u32(attr, &x->native);
	case IFLA_XDP_SKB_PROG_ID:
		return get_u32(attr, &x->generic);
	case IFLA_XDP_HW_PROG_ID:
		return get_u32(attr, &x->hardware);
	default:
		return 0;
	}
}

/* A program in the card sees frames before one in the driver, that one before a generic one. */
static void settle_xdp(const struct xdp *x, struct rtnl_link *link)
{
	uint32_t early = x->hardware ? x->hardware : x->native;

	if (x->attached == XDP_ATTACHED_NONE)
		return;
	if (x->attached == XDP_ATTACHED_MULTI) {
		link->xdp_mode = early ? NIC_MODE_NATIVE : NIC_MODE_GENERIC;
		link->xdp_prog_id = early ? early : x->generic;
		return;
	}
	link->xdp_mode = x->attached == XDP_ATTACHED_SKB ? NIC_MODE_GENERIC : NIC_MODE_NATIVE;
	link->xdp_prog_id = x->any;
}

static int read_xdp(const struct nlattr *nest, struct rtnl_link *link)
{
	const struct nlattr *attr;
	struct xdp x = { 0 };

	mnl_attr_for_each_nested(attr, nest)
	{
		int r = read_xdp_attr(attr, &x);

		if (r < 0)
			return r;
	}
	settle_xdp(&x, link);
	return 0;
}

static int read_linkinfo(const struct nlattr *nest, struct rtnl_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) != IFLA_INFO_KIND)
			continue;
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			return -EPROTO;
		str_copy(link->kind, sizeof(link->kind), mnl_attr_get_str(attr));
	}
	return 0;
}

static int read_name(const struct nlattr *attr, struct found *f)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
	    !str_copy(f->link.name, sizeof(f->link.name), mnl_attr_get_str(attr)) ||
	    !nic_name_sound(f->link.name))
		return -EPROTO;
	f->has_name = true;
	return 0;
}

/* Other kinds of links have longer ones, or none. */
static void read_mac(const struct nlattr *attr, struct rtnl_link *link)
{
	if (mnl_attr_get_payload_len(attr) != sizeof(link->mac))
		return;
	memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
	link->has_mac = true;
}

static int read_attr(const struct nlattr *attr, struct found *f)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		return read_name(attr, f);
	case IFLA_ADDRESS:
		read_mac(attr, &f->link);
		return 0;
	case IFLA_MTU:
		f->has_mtu = true;
		return get_u32(attr, &f->link.mtu);
	case IFLA_LINKINFO:
		return read_linkinfo(attr, &f->link);
	case IFLA_XDP:
		return read_xdp(attr, &f->link);
	default:
		return 0;
	}
}

/*
 * 1: *f holds a link; 0: nothing to tell. A bridge tells of its ports by the
 * same messages, where RTM_DELLINK means that the port has left it; and radio
 * events come as links with a name and nothing else.
 */
static int read_link(const struct nlmsghdr *msg, struct found *f)
{
	const struct ifinfomsg *info = (const void *)((const char *)msg + NLMSG_HDRLEN);
	const struct nlattr *attr;
	size_t len;
	const void *attrs = nl_payload(msg, sizeof(*info), &len);

	if (!attrs)
		return -EPROTO;
	if (info->ifi_family != AF_UNSPEC)
		return 0;
	if (info->ifi_index <= 0)
		return -EPROTO;
	f->link.ifindex = (uint32_t)info->ifi_index;
	f->link.gone = msg->nlmsg_type == RTM_DELLINK;
	f->link.up = info->ifi_flags & IFF_UP;
	f->link.loopback = info->ifi_flags & IFF_LOOPBACK;
	mnl_attr_for_each_payload(attrs, len)
	{
		int r = read_attr(attr, f);

		if (r < 0)
			return r;
	}
	if (!f->has_name)
		return -EPROTO;
	return f->has_mtu || f->link.gone;
}

/* A dump that runs already began too early for who asks now. */
static int read_error(const struct nlmsghdr *msg)
{
	size_t len;
	const struct nlmsgerr *error = (const void *)((const char *)msg + NLMSG_HDRLEN);

	if (!nl_payload(msg, sizeof(*error), &len))
		return -EPROTO;
	if (error->error == 0)
		return 0;
	return error->error == -EBUSY || error->error == -ENOBUFS ? -ENOBUFS : -EPROTO;
}

static int read_message(const struct nlmsghdr *msg,
			void (*fn)(void *arg, const struct rtnl_link *link), void *arg)
{
	struct found f = { 0 };
	int r;

	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		r = read_link(msg, &f);
		if (r > 0)
			fn(arg, &f.link);
		r = r < 0 ? r : 0;
		break;
	case NLMSG_ERROR:
		return read_error(msg);
	case NLMSG_DONE:
		r = 1;
		break;
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	default:
		return 0;
	}
	return (msg->nlmsg_flags & NLM_F_DUMP_INTR) ? -ENOBUFS : r;
}

/* Lost beats not understood, and that beats the end of a dump. */
static int worse(int a, int b)
{
	if (a == -ENOBUFS || b == -ENOBUFS)
		return -ENOBUFS;
	if (a < 0 || b < 0)
		return -EPROTO;
	return a > b ? a : b;
}

int rtnl_decode(const void *buf, size_t len, void (*fn)(void *arg, const struct rtnl_link *link),
		void *arg)
{
	const struct nlmsghdr *msg = buf;
	int r = 0;

	if (len > INT_MAX)
		return -EPROTO;
	for (; nl_whole(msg, len); msg = nl_next(msg, &len))
		r = worse(r, read_message(msg, fn, arg));
	return len ? worse(r, -EPROTO) : r;
}

int rtnl_read(int sock, void (*fn)(void *arg, const struct rtnl_link *link), void *arg)
{
	alignas(struct nlmsghdr) char buf[NL_DATAGRAM_MAX];
	ssize_t n = nl_recv(sock, buf, sizeof(buf));

	return n < 0 ? (int)n : rtnl_decode(buf, (size_t)n, fn, arg);
}

int rtnl_dump(int sock)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = RTM_GETLINK,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = 1 },
		.info = { .ifi_family = AF_UNSPEC },
	};

	return nl_send(sock, &request.head);
}
