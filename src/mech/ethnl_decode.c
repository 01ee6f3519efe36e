/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/ethnl_decode.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>

#include "mech/nlsock.h"

const void *ethnl_attrs(const struct nlmsghdr *msg, uint8_t *ret_cmd, size_t *ret_len)
{
	const struct genlmsghdr *genl = (const void *)((const char *)msg + NLMSG_HDRLEN);
	const void *attrs = nl_payload(msg, sizeof(*genl), ret_len);

	if (attrs)
		*ret_cmd = genl->cmd;
	return attrs;
}

static int get_u32(const struct nlattr *attr, uint32_t *ret)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return -EPROTO;
	*ret = mnl_attr_get_u32(attr);
	return 0;
}

static int read_header(const struct nlattr *nest, uint32_t *ret_ifindex)
{
	const struct nlattr *attr;
	int r = 0;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_HEADER_DEV_INDEX)
			r = get_u32(attr, ret_ifindex);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_channels_attr(const struct nlattr *attr, struct ethnl_channels *c)
{
	switch (mnl_attr_get_type(attr)) {
	case ETHTOOL_A_CHANNELS_HEADER:
		return read_header(attr, &c->ifindex);
	case ETHTOOL_A_CHANNELS_RX_MAX:
		return get_u32(attr, &c->max_rx);
	case ETHTOOL_A_CHANNELS_TX_MAX:
		return get_u32(attr, &c->max_tx);
	case ETHTOOL_A_CHANNELS_COMBINED_MAX:
		return get_u32(attr, &c->max_combined);
	case ETHTOOL_A_CHANNELS_RX_COUNT:
		return get_u32(attr, &c->rx);
	case ETHTOOL_A_CHANNELS_TX_COUNT:
		return get_u32(attr, &c->tx);
	case ETHTOOL_A_CHANNELS_COMBINED_COUNT:
		return get_u32(attr, &c->combined);
	default:
		return 0;
	}
}

int ethnl_decode_channels(const void *attrs, size_t len, void *ret)
{
	struct ethnl_channels c = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each_payload(attrs, len)
	{
		int r = read_channels_attr(attr, &c);

		if (r < 0)
			return r;
	}
	if (!c.ifindex)
		return -EPROTO;
	*(struct ethnl_channels *)ret = c;
	return 0;
}

static int decode_message(uint16_t family, const struct nlmsghdr *msg,
			  void (*fn)(void *arg, const struct ethnl_channels *c), void *arg)
{
	struct ethnl_channels c;
	const void *attrs;
	uint8_t cmd;
	size_t len;
	int r;

	if (msg->nlmsg_type == NLMSG_OVERRUN)
		return -ENOBUFS;
	if (msg->nlmsg_type != family || !family)
		return 0;
	attrs = ethnl_attrs(msg, &cmd, &len);
	if (!attrs)
		return -EPROTO;
	if (cmd != ETHTOOL_MSG_CHANNELS_NTF && cmd != ETHTOOL_MSG_CHANNELS_GET_REPLY)
		return 0;
	r = ethnl_decode_channels(attrs, len, &c);
	if (r == 0)
		fn(arg, &c);
	return r;
}

int ethnl_decode(uint16_t family, const void *buf, size_t len,
		 void (*fn)(void *arg, const struct ethnl_channels *c), void *arg)
{
	const struct nlmsghdr *msg = buf;
	int result = 0;

	if (len > INT_MAX)
		return -EPROTO;
	for (; nl_whole(msg, len); msg = nl_next(msg, &len)) {
		int r = decode_message(family, msg, fn, arg);

		if (r < 0 && result != -ENOBUFS)
			result = r;
	}
	return len && !result ? -EPROTO : result;
}

/* The id of the group called "monitor", as far as one entry of the list tells. */
static int read_group(const struct nlattr *nest, uint32_t *ret)
{
	const struct nlattr *attr;
	bool named = false;
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, nest)
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == CTRL_ATTR_MCAST_GRP_ID && get_u32(attr, &id) < 0)
			return -EPROTO;
		if (type == CTRL_ATTR_MCAST_GRP_NAME)
			named = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
				!strcmp(mnl_attr_get_str(attr), ETHTOOL_MCGRP_MONITOR_NAME);
	}
	if (named)
		*ret = id;
	return 0;
}

static int read_family_attr(const struct nlattr *attr, struct ethnl_family *f)
{
	const struct nlattr *group;
	int r = 0;

	switch (mnl_attr_get_type(attr)) {
	case CTRL_ATTR_FAMILY_ID:
		if (mnl_attr_validate(attr, MNL_TYPE_U16) < 0)
			return -EPROTO;
		f->id = mnl_attr_get_u16(attr);
		return 0;
	case CTRL_ATTR_MCAST_GROUPS:
		mnl_attr_for_each_nested(group, attr)
		{
			r = read_group(group, &f->monitor);
			if (r < 0)
				return r;
		}
		return 0;
	default:
		return 0;
	}
}

int ethnl_decode_family(const void *attrs, size_t len, void *ret)
{
	struct ethnl_family f = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each_payload(attrs, len)
	{
		int r = read_family_attr(attr, &f);

		if (r < 0)
			return r;
	}
	*(struct ethnl_family *)ret = f;
	return 0;
}

/* Where one feature stands in a set of named bits. */
struct bit {
	bool listed, value;
};

static int read_bit(const struct nlattr *nest, const char *name, struct bit *b)
{
	const struct nlattr *attr;
	bool named = false, value = false;

	mnl_attr_for_each_nested(attr, nest)
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == ETHTOOL_A_BITSET_BIT_VALUE)
			value = true;
		if (type != ETHTOOL_A_BITSET_BIT_NAME)
			continue;
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			return -EPROTO;
		named = !strcmp(mnl_attr_get_str(attr), name);
	}
	if (named)
		*b = (struct bit){ .listed = true, .value = value };
	return 0;
}

/* A set without a mask lists what is on; one with a mask lists all, with values. */
static int read_set(const struct nlattr *nest, const char *name, bool *ret)
{
	const struct nlattr *attr, *one;
	struct bit b = { 0 };
	bool nomask = false;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_NOMASK)
			nomask = true;
		if (mnl_attr_get_type(attr) != ETHTOOL_A_BITSET_BITS)
			continue;
		mnl_attr_for_each_nested(one, attr)
		{
			int r = read_bit(one, name, &b);

			if (r < 0)
				return r;
		}
	}
	*ret = b.listed && (nomask || b.value);
	return 0;
}

int ethnl_decode_ntuple(const void *attrs, size_t len, void *ret)
{
	static const char name[] = "rx-ntuple-filter";
	struct ethnl_ntuple t = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each_payload(attrs, len)
	{
		uint16_t type = mnl_attr_get_type(attr);
		int r = 0;

		if (type == ETHTOOL_A_FEATURES_HW)
			r = read_set(attr, name, &t.possible);
		if (type == ETHTOOL_A_FEATURES_ACTIVE)
			r = read_set(attr, name, &t.on);
		if (r < 0)
			return r;
	}
	t.possible = t.possible || t.on;
	*(struct ethnl_ntuple *)ret = t;
	return 0;
}
