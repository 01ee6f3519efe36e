/* SPDX-License-Identifier: BSD-3-Clause */
/* The real kernel in a namespace of its own, and messages that it would not send. */
#include "mech/nlsock.h"
#include "mech/rtnl.h"
#include "netns.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <sys/socket.h>

enum { LINKS_MAX = 64 };

/* The last word on each interface. */
struct links {
	unsigned n, calls, gone;
	struct rtnl_link link[LINKS_MAX];
};

static void on_link(void *arg, const struct rtnl_link *link)
{
	struct links *all = arg;
	unsigned i = 0;

	while (i < all->n && all->link[i].ifindex != link->ifindex)
		i++;
	assert_in_range(i, 0, LINKS_MAX - 1);
	all->link[i] = *link;
	all->n += i == all->n;
	all->calls++;
	all->gone += link->gone;
}

static const struct rtnl_link *find(const struct links *all, uint32_t ifindex)
{
	for (unsigned i = 0; i < all->n; i++)
		if (all->link[i].ifindex == ifindex)
			return &all->link[i];
	return NULL;
}

/* Reads until there is nothing; 1 when a dump ended on the way, or the failure. */
static int read_all(int sock, struct links *all)
{
	int r, result = 0;

	while ((r = rtnl_read(sock, on_link, all)) != -EAGAIN)
		result = r && result >= 0 ? r : result;
	return result;
}

/* Attaches by netlink, as `ip link` does; a descriptor of -1 takes it off again. */
static int xdp_set(int prog, uint32_t ifindex)
{
	alignas(struct nlmsghdr) char buf[256] = { 0 };
	struct nlmsghdr *head = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(head, sizeof(*info));
	int fd = rtnl_socket(), r;
	struct nlattr *nest;

	assert_return_code(fd, -fd);
	head->nlmsg_type = RTM_SETLINK;
	head->nlmsg_flags = NLM_F_REQUEST;
	info->ifi_index = (int)ifindex;
	nest = mnl_attr_nest_start(head, IFLA_XDP);
	mnl_attr_put_u32(head, IFLA_XDP_FD, (uint32_t)prog);
	mnl_attr_put_u32(head, IFLA_XDP_FLAGS, XDP_FLAGS_DRV_MODE);
	mnl_attr_nest_end(head, nest);
	r = nl_send(fd, head);
	close(fd);
	return r;
}

static struct links all;
static int sock = -1;

static int setup(void **state)
{
	(void)state;
	memset(&all, 0, sizeof(all));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (sock >= 0)
		close(sock);
	sock = -1;
	return 0;
}

static void begin(void)
{
	netns_new();
	sock = rtnl_socket();
	assert_return_code(sock, -sock);
}

static void dump(void)
{
	assert_int_equal(rtnl_dump(sock), 0);
	assert_int_equal(read_all(sock, &all), 1);
}

static void test_loopback(void **state)
{
	const struct rtnl_link *lo;

	(void)state;
	begin();
	assert_int_equal(rtnl_read(sock, on_link, &all), -EAGAIN);
	dump();
	lo = find(&all, 1);
	assert_non_null(lo);
	assert_string_equal(lo->name, "lo");
	assert_string_equal(lo->kind, "");
	assert_int_equal(lo->loopback, true);
	assert_int_equal(lo->up, false);
	assert_int_equal(lo->mtu, 65536);
	assert_int_equal(lo->xdp_mode, NIC_MODE_NONE);
	run("ip link set lo up");
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(find(&all, 1)->up, true);
}

static void test_veth_comes_and_goes(void **state)
{
	uint32_t a;

	(void)state;
	begin();
	a = netns_veth("va", "vb", 1);
	assert_int_equal(read_all(sock, &all), 0);
	assert_non_null(find(&all, a));
	assert_string_equal(find(&all, a)->name, "va");
	assert_string_equal(find(&all, a)->kind, "veth");
	assert_int_equal(find(&all, a)->up, false);
	assert_int_equal(find(&all, a)->loopback, false);
	assert_int_equal(find(&all, a)->mtu, 1500);

	run("ip link set va mtu 3000 up");
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(find(&all, a)->up, true);
	assert_int_equal(find(&all, a)->mtu, 3000);

	run("ip link set va down && ip link set va name fifteen_bytes15");
	assert_int_equal(read_all(sock, &all), 0);
	assert_string_equal(find(&all, a)->name, "fifteen_bytes15");

	run("ip link del fifteen_bytes15");
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(find(&all, a)->gone, true);
	assert_string_equal(find(&all, a)->name, "fifteen_bytes15");
}

/* To whoever watches this namespace, that is the end of it. */
static void test_moved_to_another_namespace(void **state)
{
	uint32_t a;

	(void)state;
	begin();
	a = netns_veth("va", "vb", 1);
	run("unshare -n sh -c 'kill -STOP $$' & pid=$!; "
	    "while [ \"$(readlink /proc/$pid/ns/net)\" = \"$(readlink /proc/self/ns/net)\" ]; do :; done; "
	    "ip link set va netns $pid && kill -KILL $pid");
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(find(&all, a)->gone, true);
}

/* A port that leaves a bridge is told of as a link that goes, by another family. */
static void test_leaving_a_bridge_is_not_the_end(void **state)
{
	uint32_t a;

	(void)state;
	begin();
	a = netns_veth("va", "vb", 1);
	run("ip link add br0 type bridge && ip link set va master br0 && ip link set va nomaster");
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(all.gone, 0);
	assert_string_equal(find(&all, if_nametoindex("br0"))->kind, "bridge");
	run("ip link del va");
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(find(&all, a)->gone, true);
}

static void test_what_xdp_is_attached(void **state)
{
	const struct {
		uint32_t flags, mode;
	} ways[] = {
		{ XDP_FLAGS_DRV_MODE, NIC_MODE_NATIVE },
		{ XDP_FLAGS_SKB_MODE, NIC_MODE_GENERIC },
		{ 0, NIC_MODE_NATIVE },
	};
	int prog, link;
	uint32_t a;

	(void)state;
	begin();
	a = netns_veth("va", "vb", 1);
	prog = xdp_pass();
	assert_return_code(prog, errno);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		link = xdp_attach(prog, a, ways[i].flags);
		assert_return_code(link, errno);
		dump();
		assert_int_equal(find(&all, a)->xdp_mode, ways[i].mode);
		assert_int_equal(find(&all, a)->xdp_prog_id, xdp_id(prog));
		close(link);
		dump();
		assert_int_equal(find(&all, a)->xdp_mode, NIC_MODE_NONE);
		assert_int_equal(find(&all, a)->xdp_prog_id, 0);
	}
	close(prog);
}

/* Of one that is attached by netlink, to an interface that is up, the kernel tells. */
static void test_a_program_of_another_is_told_of(void **state)
{
	uint32_t a;
	int prog;

	(void)state;
	begin();
	a = netns_veth("va", "vb", 1);
	prog = xdp_pass();
	assert_return_code(prog, errno);
	run("ip link set va up");
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(xdp_set(prog, a), 0);
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(find(&all, a)->xdp_mode, NIC_MODE_NATIVE);
	assert_int_equal(find(&all, a)->xdp_prog_id, xdp_id(prog));
	assert_int_equal(xdp_set(-1, a), 0);
	assert_int_equal(read_all(sock, &all), 0);
	assert_int_equal(find(&all, a)->xdp_mode, NIC_MODE_NONE);
	close(prog);
}

static void test_lost_changes_are_told_and_a_dump_mends_it(void **state)
{
	int size = 1;
	uint32_t a;

	(void)state;
	begin();
	assert_return_code(setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), errno);
	netns_veth("va", "vb", 1);
	a = if_nametoindex("va");
	for (int i = 0; i < 8; i++)
		run("ip link set va up && ip link set va down");
	run("ip link set va up && ip link set vb name other");
	assert_int_equal(read_all(sock, &all), -ENOBUFS);

	dump();
	assert_int_equal(find(&all, a)->up, true);
	assert_string_equal(find(&all, if_nametoindex("other"))->name, "other");
}

#define VETHS "for i in $(seq 20); do echo link add a$i type veth peer b$i; done | ip -batch -"

/* More links than one datagram holds: the end comes once, at the end. */
static void test_a_long_dump(void **state)
{
	unsigned ends = 0;
	int r;

	(void)state;
	begin();
	run(VETHS);
	read_all(sock, &all);
	all.n = 0;
	assert_int_equal(rtnl_dump(sock), 0);
	while ((r = rtnl_read(sock, on_link, &all)) >= 0)
		ends += r == 1;
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(ends, 1);
	assert_int_equal(all.n, 41);
}

/* Asking twice at once is refused by the kernel, and not passed off as a dump. */
static void test_two_dumps_at_once(void **state)
{
	(void)state;
	begin();
	run(VETHS);
	read_all(sock, &all);
	assert_int_equal(rtnl_dump(sock), 0);
	assert_int_equal(rtnl_dump(sock), 0);
	assert_int_equal(read_all(sock, &all), -ENOBUFS);
	dump();
}

/* A link as the kernel tells it, in pieces that a test can spoil. */
struct made {
	struct nlmsghdr *head;
	struct ifinfomsg *info;
	alignas(struct nlmsghdr) char buf[1024];
};

static void make(struct made *m, uint16_t type)
{
	memset(m, 0, sizeof(*m));
	m->head = mnl_nlmsg_put_header(m->buf);
	m->head->nlmsg_type = type;
	m->info = mnl_nlmsg_put_extra_header(m->head, sizeof(*m->info));
	m->info->ifi_index = 7;
}

static void make_link(struct made *m)
{
	make(m, RTM_NEWLINK);
	mnl_attr_put_strz(m->head, IFLA_IFNAME, "eth7");
	mnl_attr_put_u32(m->head, IFLA_MTU, 1500);
}

static int decode(const struct made *m)
{
	memset(&all, 0, sizeof(all));
	return rtnl_decode(m->buf, m->head->nlmsg_len, on_link, &all);
}

/* Another process can't pass for the kernel. */
static void test_only_the_kernel_is_listened_to(void **state)
{
	struct made forged;
	struct sockaddr_nl to;
	socklen_t len = sizeof(to);
	int other;

	(void)state;
	begin();
	assert_return_code(getsockname(sock, (struct sockaddr *)&to, &len), errno);
	other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	assert_return_code(other, errno);
	make_link(&forged);
	assert_int_equal(decode(&forged), 0);
	assert_int_equal(all.calls, 1);
	assert_int_equal(
		sendto(other, forged.buf, forged.head->nlmsg_len, 0, (struct sockaddr *)&to, len),
		forged.head->nlmsg_len);
	assert_int_equal(rtnl_read(sock, on_link, &all), -EPROTO);
	assert_int_equal(all.calls, 1);
	close(other);
}

static void test_xdp_in_several_modes(void **state)
{
	struct nlattr *nest;
	struct made m;

	(void)state;
	make_link(&m);
	nest = mnl_attr_nest_start(m.head, IFLA_XDP);
	mnl_attr_put_u8(m.head, IFLA_XDP_ATTACHED, XDP_ATTACHED_MULTI);
	mnl_attr_put_u32(m.head, IFLA_XDP_DRV_PROG_ID, 11);
	mnl_attr_put_u32(m.head, IFLA_XDP_SKB_PROG_ID, 12);
	mnl_attr_nest_end(m.head, nest);
	assert_int_equal(decode(&m), 0);
	assert_int_equal(all.link[0].xdp_mode, NIC_MODE_NATIVE);
	assert_int_equal(all.link[0].xdp_prog_id, 11);

	make_link(&m);
	nest = mnl_attr_nest_start(m.head, IFLA_XDP);
	mnl_attr_put_u8(m.head, IFLA_XDP_ATTACHED, XDP_ATTACHED_HW);
	mnl_attr_put_u32(m.head, IFLA_XDP_PROG_ID, 13);
	mnl_attr_put_u32(m.head, IFLA_XDP_HW_PROG_ID, 13);
	mnl_attr_nest_end(m.head, nest);
	assert_int_equal(decode(&m), 0);
	assert_int_equal(all.link[0].xdp_mode, NIC_MODE_NATIVE);
	assert_int_equal(all.link[0].xdp_prog_id, 13);
}

static void test_numbers_of_another_size(void **state)
{
	struct nlattr *nest;
	struct made m;

	(void)state;
	make(&m, RTM_NEWLINK);
	mnl_attr_put_strz(m.head, IFLA_IFNAME, "eth7");
	mnl_attr_put_u16(m.head, IFLA_MTU, 1500);
	assert_int_equal(decode(&m), -EPROTO);
	assert_int_equal(all.calls, 0);

	make_link(&m);
	nest = mnl_attr_nest_start(m.head, IFLA_XDP);
	mnl_attr_put_u32(m.head, IFLA_XDP_ATTACHED, XDP_ATTACHED_DRV);
	mnl_attr_nest_end(m.head, nest);
	assert_int_equal(decode(&m), -EPROTO);

	make_link(&m);
	nest = mnl_attr_nest_start(m.head, IFLA_XDP);
	mnl_attr_put_u8(m.head, IFLA_XDP_PROG_ID, 1);
	mnl_attr_nest_end(m.head, nest);
	assert_int_equal(decode(&m), -EPROTO);
}

static void test_names_that_are_none(void **state)
{
	const struct {
		const char *bytes;
		size_t len;
	} names[] = {
		{ "eth7", 4 },		    /* no NUL */
		{ "a_name_of_16byte", 17 }, /* too long */
		{ "", 1 },
		{ "", 0 },
		{ "..", 3 },
		{ "a/b", 4 },
		{ "a b", 4 },
	};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		make(&m, RTM_NEWLINK);
		mnl_attr_put(m.head, IFLA_IFNAME, names[i].len, names[i].bytes);
		mnl_attr_put_u32(m.head, IFLA_MTU, 1500);
		assert_int_equal(decode(&m), -EPROTO);
		assert_int_equal(all.calls, 0);
	}
	make(&m, RTM_DELLINK); /* no name at all */
	assert_int_equal(decode(&m), -EPROTO);
}

static void test_kinds(void **state)
{
	struct nlattr *nest;
	struct made m;

	(void)state;
	make_link(&m);
	nest = mnl_attr_nest_start(m.head, IFLA_LINKINFO);
	mnl_attr_put_strz(m.head, IFLA_INFO_KIND, "a_kind_with_a_long_name");
	mnl_attr_nest_end(m.head, nest);
	assert_int_equal(decode(&m), 0);
	assert_string_equal(all.link[0].kind, "a_kind_with_a_l");

	make_link(&m);
	nest = mnl_attr_nest_start(m.head, IFLA_LINKINFO);
	mnl_attr_put_str(m.head, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(m.head, nest);
	assert_int_equal(decode(&m), -EPROTO);
}

static void test_no_interface_has_that_number(void **state)
{
	struct made m;

	(void)state;
	make_link(&m);
	m.info->ifi_index = 0;
	assert_int_equal(decode(&m), -EPROTO);
	m.info->ifi_index = -1;
	assert_int_equal(decode(&m), -EPROTO);
	assert_int_equal(all.calls, 0);
}

/* What has a name and nothing else is a radio's event: it says nothing of the link. */
static void test_events_that_are_no_links(void **state)
{
	struct made m;

	(void)state;
	make(&m, RTM_NEWLINK);
	mnl_attr_put_strz(m.head, IFLA_IFNAME, "wlan0");
	assert_int_equal(decode(&m), 0);
	assert_int_equal(all.calls, 0);
	make_link(&m);
	m.info->ifi_family = AF_BRIDGE;
	assert_int_equal(decode(&m), 0);
	assert_int_equal(all.calls, 0);
	make_link(&m);
	m.head->nlmsg_type = RTM_NEWADDR;
	assert_int_equal(decode(&m), 0);
	assert_int_equal(all.calls, 0);
}

static void test_lengths_that_lie(void **state)
{
	static const uint32_t lengths[] = { 0,		1,	    15,		17,	   31,
					    0x7fffffff, 0x80000000, 0xfffffffd, 0xffffffff };
	struct made m;
	uint32_t whole;

	(void)state;
	make_link(&m);
	whole = m.head->nlmsg_len;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(&all, 0, sizeof(all));
		m.head->nlmsg_len = lengths[i];
		assert_int_equal(rtnl_decode(m.buf, whole, on_link, &all), -EPROTO);
		assert_int_equal(all.calls, 0);
	}
	m.head->nlmsg_len = whole;
	for (uint32_t len = 1; len < whole; len++)
		assert_int_equal(rtnl_decode(m.buf, len, on_link, &all), -EPROTO);
	assert_int_equal(all.calls, 0);
	assert_int_equal(rtnl_decode(m.buf, 0, on_link, &all), 0);
}

static void test_what_was_lost_counts_most(void **state)
{
	struct nlmsghdr *second;
	struct made m;

	(void)state;
	make_link(&m);
	m.head->nlmsg_flags = NLM_F_MULTI | NLM_F_DUMP_INTR;
	assert_int_equal(decode(&m), -ENOBUFS);
	assert_int_equal(all.calls, 1);

	make(&m, RTM_DELLINK);
	second = mnl_nlmsg_put_header(m.buf + m.head->nlmsg_len);
	second->nlmsg_type = NLMSG_OVERRUN;
	assert_int_equal(rtnl_decode(m.buf, m.head->nlmsg_len + second->nlmsg_len, on_link, &all),
			 -ENOBUFS);
	second->nlmsg_type = NLMSG_DONE;
	assert_int_equal(rtnl_decode(m.buf, m.head->nlmsg_len + second->nlmsg_len, on_link, &all),
			 -EPROTO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_loopback),
		TEST(test_veth_comes_and_goes),
		TEST(test_moved_to_another_namespace),
		TEST(test_leaving_a_bridge_is_not_the_end),
		TEST(test_what_xdp_is_attached),
		TEST(test_a_program_of_another_is_told_of),
		TEST(test_lost_changes_are_told_and_a_dump_mends_it),
		TEST(test_a_long_dump),
		TEST(test_two_dumps_at_once),
		TEST(test_only_the_kernel_is_listened_to),
		TEST(test_xdp_in_several_modes),
		TEST(test_numbers_of_another_size),
		TEST(test_names_that_are_none),
		TEST(test_kinds),
		TEST(test_no_interface_has_that_number),
		TEST(test_events_that_are_no_links),
		TEST(test_lengths_that_lie),
		TEST(test_what_was_lost_counts_most),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
