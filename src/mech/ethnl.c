/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One socket carries answers and, in between, what is told to its group. A
 * request is done when the kernel has taken it, so its answer lies in the queue
 * behind the news that came before. Those are not kept here: the kernel is asked
 * again about the same interface, and that answer is what the next reader finds.
 */
#include "mech/ethnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <stdalign.h>
#include <string.h>

#include "base/str.h"
#include "mech/ethnl_decode.h"
#include "mech/nlsock.h"

enum { REQUEST_MAX = 256, TRIES = 2, READS_MAX = 4096 };

/* A request that is being made. */
struct request {
	struct nlmsghdr *head;
	alignas(struct nlmsghdr) char buf[REQUEST_MAX];
};

/* What is done with an answer's one message of that kind; negative ends it. */
struct answer {
	uint8_t cmd;
	int (*take)(const void *attrs, size_t len, void *ret);
	void *ret;
	struct err *e;
};

static void request_begin(struct request *q, uint16_t type, uint8_t cmd, uint8_t version)
{
	struct genlmsghdr *genl;

	q->head = mnl_nlmsg_put_header(q->buf);
	q->head->nlmsg_type = type;
	q->head->nlmsg_flags = NLM_F_REQUEST;
	genl = mnl_nlmsg_put_extra_header(q->head, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
}

static void request_about(struct request *q, uint16_t family, uint8_t cmd, uint32_t ifindex)
{
	struct nlattr *nest;

	request_begin(q, family, cmd, ETHTOOL_GENL_VERSION);
	nest = mnl_attr_nest_start(q->head, ETHTOOL_A_CHANNELS_HEADER);
	mnl_attr_put_u32(q->head, ETHTOOL_A_HEADER_DEV_INDEX, ifindex);
	mnl_attr_nest_end(q->head, nest);
}

/* Its answer, or its refusal, is for the next reader. */
static void ask_again(struct ethnl *n, uint32_t ifindex)
{
	struct request q;

	request_about(&q, n->family, ETHTOOL_MSG_CHANNELS_GET, ifindex);
	nl_send(n->sock, q.head);
}

/* Who is told that changes were lost asks for everything. */
static void on_stray(void *arg, const struct ethnl_channels *c)
{
	struct ethnl *n = arg;

	if (!n->lost)
		ask_again(n, c->ifindex);
}

/* News carry numbers of their own, but nobody's port. */
static bool is_mine(const struct ethnl *n, const struct nlmsghdr *msg)
{
	return msg->nlmsg_pid && msg->nlmsg_seq == n->seq;
}

/* The kernel's own words about a refusal, where it has any. */
static void read_sentence(const struct nlmsghdr *msg, struct err *e)
{
	const struct nlattr *attr;
	size_t len;
	const void *attrs = nl_payload(msg, sizeof(struct nlmsgerr), &len);
	const uint16_t both = NLM_F_CAPPED | NLM_F_ACK_TLVS;

	if (!e || !attrs || (msg->nlmsg_flags & both) != both)
		return;
	mnl_attr_for_each_payload(attrs, len)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			str_copy(e->text, sizeof(e->text), mnl_attr_get_str(attr));
	}
}

static int read_verdict(const struct nlmsghdr *msg, struct err *e)
{
	size_t len;
	const struct nlmsgerr *verdict = (const void *)((const char *)msg + NLMSG_HDRLEN);

	if (!nl_payload(msg, sizeof(*verdict), &len) || verdict->error > 0 ||
	    verdict->error < -4095)
		return -EPROTO;
	if (verdict->error) {
		fail(e, -verdict->error, "%s", strerror(-verdict->error));
		read_sentence(msg, e);
	}
	return verdict->error;
}

/* 1: that was the answer; 0: something else of it. */
static int read_data(const struct nlmsghdr *msg, const struct answer *a)
{
	uint8_t cmd;
	size_t len;
	const void *attrs = ethnl_attrs(msg, &cmd, &len);
	int r;

	if (!attrs)
		return -EPROTO;
	if (!a->take || cmd != a->cmd)
		return 0;
	r = a->take(attrs, len, a->ret);
	return r < 0 ? r : 1;
}

/* True: the answer is here, and *ret is what became of the request. */
static bool read_answer(struct ethnl *n, const char *buf, size_t len, const struct answer *a,
			int *ret)
{
	const struct nlmsghdr *msg = (const void *)buf;

	for (; nl_whole(msg, len); msg = nl_next(msg, &len)) {
		int r;

		if (!is_mine(n, msg)) {
			ethnl_decode(n->family, msg, msg->nlmsg_len, on_stray, n);
			continue;
		}
		if (msg->nlmsg_type == NLMSG_ERROR) {
			*ret = read_verdict(msg, a->e);
			return true;
		}
		r = read_data(msg, a);
		if (r) {
			*ret = r < 0 ? r : 0;
			return true;
		}
	}
	return false;
}

/* -EAGAIN: the answer is not there, which it is unless the queue was full. */
static int await(struct ethnl *n, const struct answer *a)
{
	alignas(struct nlmsghdr) char buf[NL_DATAGRAM_MAX];
	int r = -EAGAIN;

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t len = nl_recv(n->sock, buf, sizeof(buf));

		if (len == -ENOBUFS)
			n->lost = true;
		if (len == -ENOBUFS || len == -EPROTO)
			continue;
		if (len < 0)
			return (int)len;
		if (read_answer(n, buf, (size_t)len, a, &r))
			break;
	}
	return r;
}

/* What was lost is the next reader's to hear of, who needs something to wake up for. */
static int ask(struct ethnl *n, struct request *q, const struct answer *a)
{
	int r = -EAGAIN;

	if (!a->take)
		q->head->nlmsg_flags |= NLM_F_ACK;
	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		q->head->nlmsg_seq = ++n->seq;
		r = nl_send(n->sock, q->head);
		if (r == 0)
			r = await(n, a);
	}
	if (n->lost)
		ask_again(n, 0);
	return r;
}

static int find_family(struct ethnl *n, struct err *e)
{
	struct ethnl_family f = { 0 };
	const struct answer a = { CTRL_CMD_NEWFAMILY, ethnl_decode_family, &f, NULL };
	struct request q;
	int r;

	request_begin(&q, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(q.head, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
	r = ask(n, &q, &a);
	if (r == -ENOENT || (r == 0 && !f.id))
		return fail(e, EOPNOTSUPP, "this kernel has no ethtool netlink");
	if (r < 0)
		return fail(e, -r, "can't look up ethtool netlink: %s", strerror(-r));
	n->family = f.id;
	n->monitor = f.monitor;
	return 0;
}

int ethnl_open(struct ethnl *n, int sock, bool monitor, struct err *e)
{
	int r;

	*n = (struct ethnl){ .sock = sock };
	r = find_family(n, e);
	if (r < 0 || !monitor)
		return r;
	if (!n->monitor)
		return fail(e, EOPNOTSUPP, "ethtool netlink has no group of changes");
	if (setsockopt(sock, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &n->monitor, sizeof(n->monitor)) <
	    0)
		return fail(e, errno, "can't listen to changes of channels: %m");
	return 0;
}

int ethnl_get_channels(struct ethnl *n, uint32_t ifindex, struct ethnl_channels *ret)
{
	struct ethnl_channels c = { 0 };
	const struct answer a = { ETHTOOL_MSG_CHANNELS_GET_REPLY, ethnl_decode_channels, &c, NULL };
	struct request q;
	int r;

	if (!n->family)
		return -EOPNOTSUPP;
	request_about(&q, n->family, ETHTOOL_MSG_CHANNELS_GET, ifindex);
	r = ask(n, &q, &a);
	if (r == 0 && c.ifindex != ifindex)
		return -EPROTO;
	if (r == 0)
		*ret = c;
	return r;
}

int ethnl_set_channels(struct ethnl *n, uint32_t ifindex, uint32_t count, struct err *e)
{
	struct err why = { 0 };
	const struct answer a = { .e = &why };
	struct ethnl_channels c = { 0 };
	struct request q;
	uint32_t max;
	int r = ethnl_get_channels(n, ifindex, &c);

	if (r < 0)
		return fail(e, -r, "can't read the number of queues: %s", strerror(-r));
	max = c.max_combined ? c.max_combined : c.max_rx < c.max_tx ? c.max_rx : c.max_tx;
	if (count == 0 || count > max)
		return fail(e, EINVAL, "%u queues asked for, the driver has 1 to %u", count, max);
	request_about(&q, n->family, ETHTOOL_MSG_CHANNELS_SET, ifindex);
	if (c.max_combined) {
		mnl_attr_put_u32(q.head, ETHTOOL_A_CHANNELS_COMBINED_COUNT, count);
	} else {
		mnl_attr_put_u32(q.head, ETHTOOL_A_CHANNELS_RX_COUNT, count);
		mnl_attr_put_u32(q.head, ETHTOOL_A_CHANNELS_TX_COUNT, count);
	}
	r = ask(n, &q, &a);
	if (r < 0)
		return fail(e, -r, "can't set %u queues: %s", count,
			    why.code ? why.text : strerror(-r));
	return 0;
}

int ethnl_get_ntuple(struct ethnl *n, uint32_t ifindex, bool *ret_on, bool *ret_possible)
{
	struct ethnl_ntuple t = { 0 };
	const struct answer a = { ETHTOOL_MSG_FEATURES_GET_REPLY, ethnl_decode_ntuple, &t, NULL };
	struct request q;
	int r;

	if (!n->family)
		return -EOPNOTSUPP;
	request_about(&q, n->family, ETHTOOL_MSG_FEATURES_GET, ifindex);
	r = ask(n, &q, &a);
	if (r == 0) {
		*ret_on = t.on;
		*ret_possible = t.possible;
	}
	return r;
}

int ethnl_read(struct ethnl *n, void (*fn)(void *arg, const struct ethnl_channels *c), void *arg)
{
	alignas(struct nlmsghdr) char buf[NL_DATAGRAM_MAX];
	ssize_t len;

	if (n->lost) {
		n->lost = false;
		return -ENOBUFS;
	}
	len = nl_recv(n->sock, buf, sizeof(buf));
	return len < 0 ? (int)len : ethnl_decode(n->family, buf, (size_t)len, fn, arg);
}
