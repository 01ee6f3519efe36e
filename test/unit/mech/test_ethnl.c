/* SPDX-License-Identifier: BSD-3-Clause */
/* The real kernel in a namespace of its own, and messages that it would not send. */
#include "mech/ethnl.h"
#include "mech/ethnl_decode.h"
#include "netns.h"

#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <stdalign.h>
#include <sys/socket.h>

enum { FAMILY = 30, QUEUES = 4 };

static struct heard {
	unsigned calls;
	struct ethnl_channels last;
} heard;

static struct ethnl nl = { .sock = -1 };
static struct err e;
static uint32_t va;

static void on_channels(void *arg, const struct ethnl_channels *c)
{
	struct heard *h = arg;

	h->calls++;
	h->last = *c;
}

static int setup(void **state)
{
	(void)state;
	memset(&heard, 0, sizeof(heard));
	memset(&e, 0, sizeof(e));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (nl.sock >= 0)
		close(nl.sock);
	nl.sock = -1;
	return 0;
}

static void begin(bool monitor)
{
	int sock;

	netns_new();
	va = netns_veth("va", "vb", QUEUES);
	assert_int_not_equal(va, 0);
	sock = ethnl_socket();
	assert_return_code(sock, -sock);
	assert_int_equal(ethnl_open(&nl, sock, monitor, &e), 0);
	assert_int_not_equal(nl.family, 0);
	assert_int_equal(ethnl_read(&nl, on_channels, &heard), -EAGAIN);
}

static int read_all(void)
{
	int r, result = 0;

	while ((r = ethnl_read(&nl, on_channels, &heard)) != -EAGAIN)
		result = r < 0 ? r : result;
	return result;
}

/* Somebody else changes the number of queues. */
static void others_set(uint32_t count)
{
	struct ethnl other;
	int sock = ethnl_socket();

	assert_return_code(sock, -sock);
	assert_int_equal(ethnl_open(&other, sock, false, &e), 0);
	assert_int_equal(ethnl_set_channels(&other, va, count, &e), 0);
	close(sock);
}

static bool readable(void)
{
	struct pollfd p = { .fd = nl.sock, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void test_get(void **state)
{
	struct ethnl_channels c;

	(void)state;
	begin(false);
	assert_int_equal(ethnl_get_channels(&nl, va, &c), 0);
	assert_int_equal(c.ifindex, va);
	assert_int_equal(c.max_rx, QUEUES);
	assert_int_equal(c.max_tx, QUEUES);
	assert_int_equal(c.max_combined, 0);
	assert_int_equal(c.combined, 0);
	assert_int_equal(ethnl_queues(&c), c.rx);
	assert_int_equal(ethnl_read(&nl, on_channels, &heard), -EAGAIN);
}

static void test_get_where_there_is_nothing(void **state)
{
	struct ethnl_channels c = { .rx = 77 };

	(void)state;
	begin(false);
	assert_int_equal(ethnl_get_channels(&nl, if_nametoindex("lo"), &c), -EOPNOTSUPP);
	assert_int_equal(ethnl_get_channels(&nl, 4242, &c), -ENODEV);
	assert_int_equal(ethnl_get_channels(&nl, UINT32_MAX, &c), -ENODEV);
	assert_true(ethnl_get_channels(&nl, 0, &c) < 0);
	assert_int_equal(c.rx, 77);
	assert_int_equal(ethnl_read(&nl, on_channels, &heard), -EAGAIN);
}

/* veth has no combined channels: both kinds change. */
static void test_set(void **state)
{
	struct ethnl_channels c;

	(void)state;
	begin(false);
	for (uint32_t n = 1; n <= QUEUES; n++) {
		assert_int_equal(ethnl_set_channels(&nl, va, n, &e), 0);
		assert_int_equal(ethnl_get_channels(&nl, va, &c), 0);
		assert_int_equal(c.rx, n);
		assert_int_equal(c.tx, n);
		assert_int_equal(ethnl_queues(&c), n);
	}
}

static void test_set_refused(void **state)
{
	struct ethnl_channels c;

	(void)state;
	begin(false);
	assert_int_equal(ethnl_set_channels(&nl, va, 0, &e), -EINVAL);
	assert_int_equal(ethnl_set_channels(&nl, va, QUEUES + 1, &e), -EINVAL);
	assert_string_equal(e.text, "5 queues asked for, the driver has 1 to 4");
	assert_int_equal(ethnl_set_channels(&nl, if_nametoindex("lo"), 1, &e), -EOPNOTSUPP);
	assert_int_equal(ethnl_set_channels(&nl, 4242, 1, &e), -ENODEV);
	assert_int_equal(ethnl_get_channels(&nl, va, &c), 0);
	assert_int_equal(c.rx, QUEUES);
}

/* Each of a native program's frames needs a queue on the other side. */
static void test_set_refused_by_the_kernel(void **state)
{
	uint32_t vb;
	int prog, link;

	(void)state;
	begin(false);
	vb = if_nametoindex("vb");
	run("ip link set va up && ip link set vb up");
	assert_int_equal(ethnl_set_channels(&nl, vb, 2, &e), 0);
	assert_int_equal(ethnl_set_channels(&nl, va, 2, &e), 0);
	prog = xdp_pass();
	link = xdp_attach(prog, va, 0);
	assert_return_code(link, errno);
	assert_int_equal(ethnl_set_channels(&nl, vb, 3, &e), -EINVAL);
	assert_string_equal(e.text, "can't set 3 queues: Invalid argument");
	close(link);
	close(prog);
}

static void test_changes_of_others_are_told(void **state)
{
	(void)state;
	begin(true);
	others_set(3);
	assert_int_equal(readable(), true);
	assert_int_equal(read_all(), 0);
	assert_int_equal(heard.calls, 1);
	assert_int_equal(heard.last.ifindex, va);
	assert_int_equal(heard.last.rx, 3);
	assert_int_equal(heard.last.max_rx, QUEUES);
}

static void test_nobody_listens_who_did_not_ask_to(void **state)
{
	(void)state;
	begin(false);
	others_set(3);
	assert_int_equal(ethnl_read(&nl, on_channels, &heard), -EAGAIN);
}

/* A change that lies in front of an answer is still there for the reader. */
static void test_asking_loses_no_change(void **state)
{
	struct ethnl_channels c;
	bool on, possible;

	(void)state;
	begin(true);
	others_set(3);
	assert_int_equal(ethnl_get_channels(&nl, if_nametoindex("vb"), &c), 0);
	assert_int_equal(c.rx, QUEUES);
	assert_int_equal(ethnl_get_ntuple(&nl, va, &on, &possible), 0);
	others_set(2);
	assert_int_equal(ethnl_get_channels(&nl, 4242, &c), -ENODEV);
	assert_int_equal(readable(), true);
	assert_int_equal(read_all(), 0);
	assert_int_equal(heard.last.ifindex, va);
	assert_int_equal(heard.last.rx, 2);
}

/* The change of an interface that has gone since leaves nothing to tell. */
static void test_asking_again_after_the_end(void **state)
{
	struct ethnl_channels c;

	(void)state;
	begin(true);
	others_set(3);
	run("ip link del va");
	assert_int_equal(ethnl_get_channels(&nl, va, &c), -ENODEV);
	assert_int_equal(read_all(), 0);
	assert_int_equal(heard.calls, 0);
}

static void overflow(void)
{
	int size = 1;

	assert_return_code(setsockopt(nl.sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), errno);
	for (uint32_t i = 0; i < 40; i++)
		others_set(1 + i % QUEUES);
}

static void test_lost_changes_are_told(void **state)
{
	struct ethnl_channels c;

	(void)state;
	begin(true);
	overflow();
	assert_int_equal(read_all(), -ENOBUFS);
	assert_int_equal(ethnl_get_channels(&nl, va, &c), 0);
	assert_int_equal(c.rx, QUEUES);
	assert_int_equal(read_all(), 0);
}

/* Who asks meets the loss first; the reader still hears of it, and wakes up to. */
static void test_a_loss_while_asking_is_told(void **state)
{
	struct ethnl_channels c;

	(void)state;
	begin(true);
	overflow();
	assert_int_equal(ethnl_get_channels(&nl, va, &c), 0);
	assert_int_equal(c.rx, QUEUES);
	assert_int_equal(ethnl_get_channels(&nl, va, &c), 0);
	assert_int_equal(readable(), true);
	assert_int_equal(ethnl_read(&nl, on_channels, &heard), -ENOBUFS);
	assert_int_equal(read_all(), 0);
	assert_int_equal(readable(), false);
}

/* No virtual interface has flow rules. */
static void test_ntuple(void **state)
{
	bool on = true, possible = true;

	(void)state;
	begin(false);
	assert_int_equal(ethnl_get_ntuple(&nl, va, &on, &possible), 0);
	assert_int_equal(on, false);
	assert_int_equal(possible, false);
	on = possible = true;
	assert_int_equal(ethnl_get_ntuple(&nl, 4242, &on, &possible), -ENODEV);
	assert_int_equal(on, true);
	assert_int_equal(possible, true);
}

static void test_without_ethtool_netlink(void **state)
{
	struct ethnl none = { .sock = -1 };
	struct ethnl_channels c;
	bool on, possible;

	(void)state;
	assert_int_equal(ethnl_get_channels(&none, 1, &c), -EOPNOTSUPP);
	assert_int_equal(ethnl_get_ntuple(&none, 1, &on, &possible), -EOPNOTSUPP);
	assert_int_equal(ethnl_set_channels(&none, 1, 1, &e), -EOPNOTSUPP);
	assert_int_equal(ethnl_open(&none, -1, false, &e), -EBADF);
	assert_int_equal(e.code, EBADF);
}

struct made {
	struct nlmsghdr *head;
	alignas(struct nlmsghdr) char buf[1024];
};

static void make(struct made *m, uint8_t cmd)
{
	struct genlmsghdr *genl;

	memset(m, 0, sizeof(*m));
	m->head = mnl_nlmsg_put_header(m->buf);
	m->head->nlmsg_type = FAMILY;
	genl = mnl_nlmsg_put_extra_header(m->head, sizeof(*genl));
	genl->cmd = cmd;
}

static void make_channels(struct made *m, uint8_t cmd, uint32_t ifindex)
{
	struct nlattr *nest;

	make(m, cmd);
	nest = mnl_attr_nest_start(m->head, ETHTOOL_A_CHANNELS_HEADER);
	mnl_attr_put_u32(m->head, ETHTOOL_A_HEADER_DEV_INDEX, ifindex);
	mnl_attr_put_strz(m->head, ETHTOOL_A_HEADER_DEV_NAME, "eth7");
	mnl_attr_nest_end(m->head, nest);
	mnl_attr_put_u32(m->head, ETHTOOL_A_CHANNELS_COMBINED_MAX, 8);
	mnl_attr_put_u32(m->head, ETHTOOL_A_CHANNELS_COMBINED_COUNT, 4);
}

static int decode(const struct made *m)
{
	memset(&heard, 0, sizeof(heard));
	return ethnl_decode(FAMILY, m->buf, m->head->nlmsg_len, on_channels, &heard);
}

static void test_combined(void **state)
{
	struct made m;

	(void)state;
	make_channels(&m, ETHTOOL_MSG_CHANNELS_NTF, 7);
	assert_int_equal(decode(&m), 0);
	assert_int_equal(heard.calls, 1);
	assert_int_equal(heard.last.ifindex, 7);
	assert_int_equal(heard.last.max_combined, 8);
	assert_int_equal(ethnl_queues(&heard.last), 4);
	heard.last.combined = UINT32_MAX;
	assert_int_equal(ethnl_queues(&heard.last), NIC_QUEUES_MAX);
	assert_int_equal(ethnl_decode(FAMILY + 1, m.buf, m.head->nlmsg_len, on_channels, &heard),
			 0);
	assert_int_equal(ethnl_decode(0, m.buf, m.head->nlmsg_len, on_channels, &heard), 0);
	assert_int_equal(heard.calls, 1);
}

static void test_messages_that_are_none(void **state)
{
	struct made m;

	(void)state;
	make_channels(&m, ETHTOOL_MSG_CHANNELS_NTF, 0);
	assert_int_equal(decode(&m), -EPROTO);
	make(&m, ETHTOOL_MSG_CHANNELS_NTF);
	assert_int_equal(decode(&m), -EPROTO);
	make_channels(&m, ETHTOOL_MSG_CHANNELS_NTF, 7);
	mnl_attr_put_u16(m.head, ETHTOOL_A_CHANNELS_RX_COUNT, 1);
	assert_int_equal(decode(&m), -EPROTO);
	make_channels(&m, ETHTOOL_MSG_RINGS_NTF, 7);
	assert_int_equal(decode(&m), 0);
	make(&m, 0);
	m.head->nlmsg_len = NLMSG_HDRLEN;
	assert_int_equal(decode(&m), -EPROTO);
	m.head->nlmsg_type = NLMSG_OVERRUN;
	assert_int_equal(decode(&m), -ENOBUFS);
	assert_int_equal(heard.calls, 0);
}

static void test_lengths_that_lie(void **state)
{
	static const uint32_t lengths[] = { 0, 15, 17, 0x7fffffff, 0x80000000, 0xffffffff };
	struct made m;
	uint32_t whole;

	(void)state;
	make_channels(&m, ETHTOOL_MSG_CHANNELS_NTF, 7);
	whole = m.head->nlmsg_len;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		m.head->nlmsg_len = lengths[i];
		assert_int_equal(ethnl_decode(FAMILY, m.buf, whole, on_channels, &heard), -EPROTO);
	}
	m.head->nlmsg_len = whole;
	for (uint32_t len = 1; len < whole; len++)
		assert_int_equal(ethnl_decode(FAMILY, m.buf, len, on_channels, &heard), -EPROTO);
	assert_int_equal(heard.calls, 0);
}

static void put_bit(struct made *m, const char *name, bool value)
{
	struct nlattr *nest = mnl_attr_nest_start(m->head, ETHTOOL_A_BITSET_BITS_BIT);

	mnl_attr_put_u32(m->head, ETHTOOL_A_BITSET_BIT_INDEX, 3);
	mnl_attr_put_strz(m->head, ETHTOOL_A_BITSET_BIT_NAME, name);
	if (value)
		mnl_attr_put(m->head, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	mnl_attr_nest_end(m->head, nest);
}

/* A set of two: the feature in question and another one. */
static void put_set(struct made *m, uint16_t type, bool nomask, bool listed, bool value)
{
	struct nlattr *nest = mnl_attr_nest_start(m->head, type), *bits;

	if (nomask)
		mnl_attr_put(m->head, ETHTOOL_A_BITSET_NOMASK, 0, NULL);
	mnl_attr_put_u32(m->head, ETHTOOL_A_BITSET_SIZE, 64);
	bits = mnl_attr_nest_start(m->head, ETHTOOL_A_BITSET_BITS);
	put_bit(m, "rx-gro", true);
	if (listed)
		put_bit(m, "rx-ntuple-filter", value);
	mnl_attr_nest_end(m->head, bits);
	mnl_attr_nest_end(m->head, nest);
}

static struct ethnl_ntuple ntuple_of(const struct made *m)
{
	struct ethnl_ntuple t = { 0 };
	uint8_t cmd;
	size_t len;
	const void *attrs = ethnl_attrs(m->head, &cmd, &len);

	assert_non_null(attrs);
	assert_int_equal(ethnl_decode_ntuple(attrs, len, &t), 0);
	return t;
}

static void test_ntuple_sets(void **state)
{
	const struct {
		bool hw, active, on, possible;
	} rows[] = {
		{ false, false, false, false },
		{ true, false, false, true },
		{ true, true, true, true },
		{ false, true, true, true }, /* always on */
	};
	struct ethnl_ntuple t;
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make(&m, ETHTOOL_MSG_FEATURES_GET_REPLY);
		put_set(&m, ETHTOOL_A_FEATURES_HW, false, true, rows[i].hw);
		put_set(&m, ETHTOOL_A_FEATURES_ACTIVE, true, rows[i].active, false);
		t = ntuple_of(&m);
		assert_int_equal(t.on, rows[i].on);
		assert_int_equal(t.possible, rows[i].possible);
	}
}

/* Stands in for the kernel, with answers that are there before they are asked for. */
static int fake_kernel(void)
{
	int ends[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), errno);
	nl = (struct ethnl){ .sock = ends[0], .family = FAMILY, .seq = 100 };
	return ends[1];
}

static void answer(int kernel, struct made *m, uint32_t seq)
{
	m->head->nlmsg_seq = seq;
	m->head->nlmsg_pid = 1;
	assert_int_equal(send(kernel, m->buf, m->head->nlmsg_len, 0), m->head->nlmsg_len);
}

static void make_verdict(struct made *m, int error, const char *sentence)
{
	struct nlmsgerr *verdict;

	memset(m, 0, sizeof(*m));
	m->head = mnl_nlmsg_put_header(m->buf);
	m->head->nlmsg_type = NLMSG_ERROR;
	m->head->nlmsg_flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
	verdict = mnl_nlmsg_put_extra_header(m->head, sizeof(*verdict));
	verdict->error = error;
	if (sentence)
		mnl_attr_put_strz(m->head, NLMSGERR_ATTR_MSG, sentence);
}

/* Hardware has combined channels, which alone are set then. */
static void test_set_combined(void **state)
{
	int kernel = fake_kernel();
	const struct nlattr *attr;
	struct made m;
	unsigned counts = 0;
	uint8_t cmd;
	size_t len;
	const void *attrs;

	(void)state;
	make_channels(&m, ETHTOOL_MSG_CHANNELS_GET_REPLY, 7);
	answer(kernel, &m, 101);
	make_verdict(&m, 0, NULL);
	answer(kernel, &m, 102);
	assert_int_equal(ethnl_set_channels(&nl, 7, 8, &e), 0);

	assert_true(recv(kernel, m.buf, sizeof(m.buf), MSG_DONTWAIT) > 0); /* the question */
	assert_true(recv(kernel, m.buf, sizeof(m.buf), MSG_DONTWAIT) > 0);
	m.head = (struct nlmsghdr *)m.buf;
	assert_int_equal(m.head->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	attrs = ethnl_attrs(m.head, &cmd, &len);
	assert_non_null(attrs);
	assert_int_equal(cmd, ETHTOOL_MSG_CHANNELS_SET);
	mnl_attr_for_each_payload(attrs, len)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_CHANNELS_HEADER)
			continue;
		assert_int_equal(mnl_attr_get_type(attr), ETHTOOL_A_CHANNELS_COMBINED_COUNT);
		assert_int_equal(mnl_attr_get_u32(attr), 8);
		counts++;
	}
	assert_int_equal(counts, 1);
	close(kernel);
}

static void test_the_kernels_own_words(void **state)
{
	int kernel = fake_kernel();
	struct made m;

	(void)state;
	make_channels(&m, ETHTOOL_MSG_CHANNELS_GET_REPLY, 7);
	answer(kernel, &m, 101);
	make_verdict(&m, -EBUSY, "an AF_XDP socket is in the way");
	answer(kernel, &m, 102);
	assert_int_equal(ethnl_set_channels(&nl, 7, 2, &e), -EBUSY);
	assert_string_equal(e.text, "can't set 2 queues: an AF_XDP socket is in the way");
	close(kernel);
}

/* Whatever comes instead of an answer, there is an end to waiting for it. */
static void test_answers_that_are_none(void **state)
{
	int kernel = fake_kernel();
	struct ethnl_channels c = { .rx = 77 };
	struct made m;

	(void)state;
	assert_int_equal(ethnl_get_channels(&nl, 7, &c), -EAGAIN);
	make_channels(&m, ETHTOOL_MSG_CHANNELS_GET_REPLY, 8);
	answer(kernel, &m, nl.seq + 1);
	assert_int_equal(ethnl_get_channels(&nl, 7, &c), -EPROTO);
	make_verdict(&m, 1, NULL);
	answer(kernel, &m, nl.seq + 1);
	assert_int_equal(ethnl_get_channels(&nl, 7, &c), -EPROTO);
	make_verdict(&m, INT32_MIN, NULL);
	answer(kernel, &m, nl.seq + 1);
	assert_int_equal(ethnl_get_channels(&nl, 7, &c), -EPROTO);
	make(&m, ETHTOOL_MSG_CHANNELS_GET_REPLY);
	m.head->nlmsg_len = NLMSG_HDRLEN;
	answer(kernel, &m, nl.seq + 1);
	assert_int_equal(ethnl_get_channels(&nl, 7, &c), -EPROTO);
	assert_int_equal(c.rx, 77);
	close(kernel);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get),
		TEST(test_get_where_there_is_nothing),
		TEST(test_set),
		TEST(test_set_refused),
		TEST(test_set_refused_by_the_kernel),
		TEST(test_changes_of_others_are_told),
		TEST(test_nobody_listens_who_did_not_ask_to),
		TEST(test_asking_loses_no_change),
		TEST(test_asking_again_after_the_end),
		TEST(test_lost_changes_are_told),
		TEST(test_a_loss_while_asking_is_told),
		TEST(test_ntuple),
		TEST(test_without_ethtool_netlink),
		TEST(test_combined),
		TEST(test_messages_that_are_none),
		TEST(test_lengths_that_lie),
		TEST(test_ntuple_sets),
		TEST(test_set_combined),
		TEST(test_the_kernels_own_words),
		TEST(test_answers_that_are_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
