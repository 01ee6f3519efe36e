/* SPDX-License-Identifier: BSD-3-Clause */
/* The real kernel in a namespace of its own, and messages that it would not send. */
#include "mech/nlsock.h"
#include "mech/rtnl_neigh.h"
#include "netns.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdalign.h>

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

static struct rtnl_neigh last;
static unsigned calls;

static void on_neigh(void *arg, const struct rtnl_neigh *n)
{
	(void)arg;
	last = *n;
	calls++;
}

static int setup(void **state)
{
	(void)state;
	calls = 0;
	return 0;
}

/* --- messages ------------------------------------------------------------------------------- */

struct message {
	alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *head;
	struct ndmsg *nd;
};

static void make(struct message *m, uint8_t family, const void *address, uint16_t len)
{
	memset(m, 0, sizeof(*m));
	m->head = mnl_nlmsg_put_header(m->buf);
	m->head->nlmsg_type = RTM_NEWNEIGH;
	m->nd = mnl_nlmsg_put_extra_header(m->head, sizeof(*m->nd));
	m->nd->ndm_family = family;
	m->nd->ndm_ifindex = 7;
	m->nd->ndm_state = NUD_REACHABLE;
	mnl_attr_put(m->head, NDA_DST, len, address);
	mnl_attr_put(m->head, NDA_LLADDR, sizeof(mac), mac);
}

static int decode(const struct message *m)
{
	return rtnl_neigh_decode(m->buf, m->head->nlmsg_len, on_neigh, NULL);
}

static void a_neighbour_is_told(void **state)
{
	const uint8_t four[4] = { 10, 0, 0, 2 }, six[16] = { 0xfd, [15] = 2 };
	struct message m;

	(void)state;
	make(&m, AF_INET, four, 4);
	assert_int_equal(decode(&m), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(last.ifindex, 7);
	assert_false(last.ipv6);
	assert_true(last.known);
	assert_true(last.sure);
	assert_false(last.asked);
	assert_memory_equal(last.address, four, 4);
	assert_memory_equal(last.mac, mac, 6);
	make(&m, AF_INET6, six, 16);
	assert_int_equal(decode(&m), 0);
	assert_int_equal(calls, 2);
	assert_true(last.ipv6);
	assert_memory_equal(last.address, six, 16);
	m.nd->ndm_state = NUD_STALE;
	assert_int_equal(decode(&m), 0);
	assert_int_equal(calls, 3);
	assert_true(last.known);
	assert_false(last.sure);
}

static void what_the_kernel_does_not_believe_is_not_told(void **state)
{
	static const uint16_t states[] = { NUD_NONE, NUD_INCOMPLETE, NUD_FAILED };
	const uint8_t four[4] = { 10, 0, 0, 2 };
	struct message m;

	(void)state;
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		make(&m, AF_INET, four, 4);
		m.nd->ndm_state = states[i];
		assert_int_equal(decode(&m), 0);
	}
	make(&m, AF_INET, four, 4);
	m.head->nlmsg_type = RTM_DELNEIGH;
	assert_int_equal(decode(&m), 0);
	make(&m, AF_INET, four, 4);
	m.nd->ndm_flags = NTF_PROXY;
	assert_int_equal(decode(&m), 0);
	make(&m, AF_BRIDGE, four, 4);
	assert_int_equal(decode(&m), 0);
	assert_int_equal(calls, 0);
}

static void nonsense_is_refused(void **state)
{
	const uint8_t bytes[16] = { 10, 0, 0, 2 };
	struct message m;

	(void)state;
	make(&m, AF_INET, bytes, 16);
	assert_int_equal(decode(&m), -EPROTO);
	make(&m, AF_INET6, bytes, 4);
	assert_int_equal(decode(&m), -EPROTO);
	make(&m, AF_INET, bytes, 4);
	m.nd->ndm_ifindex = 0;
	assert_int_equal(decode(&m), -EPROTO);
	make(&m, AF_INET, bytes, 4);
	m.head->nlmsg_len = NLMSG_HDRLEN + 4;
	assert_int_equal(decode(&m), -EPROTO);
	make(&m, AF_INET, bytes, 4);
	assert_int_equal(rtnl_neigh_decode(m.buf, m.head->nlmsg_len - 4, on_neigh, NULL), -EPROTO);
	assert_int_equal(calls, 0);
}

/* --- the kernel ---------------------------------------------------------------------------------
 */

static void wait_calls(int sock, unsigned n)
{
	while (calls < n) {
		struct pollfd p = { .fd = sock, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 10000), 1);
		while (rtnl_neigh_read(sock, on_neigh, NULL) != -EAGAIN)
			;
	}
}

/* Two ends of a wire in one namespace, where ARP finds the other end all the same. */
static void make_wire(void)
{
	netns_new();
	run("ip link add ra type veth peer name rb && ip link set ra up && ip link set rb up");
	run("ip address add 10.1.0.1/24 dev ra && ip link set rb address 02:00:00:00:00:09");
}

static void what_the_kernel_knows_is_told_at_once(void **state)
{
	struct rtnl_neigh n = { .address = { 10, 1, 0, 2 } };
	int sock;

	(void)state;
	make_wire();
	run("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:09 nud permanent dev ra");
	sock = rtnl_neigh_socket();
	assert_return_code(sock, -sock);
	n.ifindex = if_nametoindex("ra");
	assert_int_equal(rtnl_neigh_ask(sock, &n), 0);
	wait_calls(sock, 1);
	assert_int_equal(last.ifindex, n.ifindex);
	assert_memory_equal(last.address, n.address, 4);
	assert_memory_equal(last.mac, mac, 6);
	assert_true(last.known);
	assert_true(last.sure);
	assert_true(last.asked);
	run("ip neigh show dev ra | grep -q '10.1.0.2.*PERMANENT'");
	run("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:09 nud stale dev ra");
	wait_calls(sock, 2);
	assert_int_equal(rtnl_neigh_ask(sock, &n), 0);
	wait_calls(sock, 3);
	assert_true(last.known);
	assert_true(last.asked);
	assert_false(last.sure);
	assert_int_equal(rtnl_neigh_confirm(sock, &last), 0);
	run("ip neigh show dev ra | grep -q '10.1.0.2.*\\(DELAY\\|PROBE\\)'");
	close(sock);
}

/* A question puts an entry there, for which the kernel looks. */
static void the_kernel_looks_for_it(void **state)
{
	struct rtnl_neigh n = { .address = { 10, 1, 0, 2 } };
	int sock;

	(void)state;
	make_wire();
	sock = rtnl_neigh_socket();
	assert_return_code(sock, -sock);
	n.ifindex = if_nametoindex("ra");
	assert_int_equal(rtnl_neigh_ask(sock, &n), 0);
	run("ip neigh show dev ra | grep -q '10.1.0.2.*INCOMPLETE'");
	wait_calls(sock, 1);
	assert_false(last.known);
	assert_true(last.asked);
	run("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:09 nud reachable dev ra");
	wait_calls(sock, 2);
	assert_memory_equal(last.mac, mac, 6);
	assert_true(last.sure);
	assert_false(last.asked);
	close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_neighbour_is_told, setup),
		cmocka_unit_test_setup(what_the_kernel_does_not_believe_is_not_told, setup),
		cmocka_unit_test_setup(nonsense_is_refused, setup),
		cmocka_unit_test_setup(what_the_kernel_knows_is_told_at_once, setup),
		cmocka_unit_test_setup(the_kernel_looks_for_it, setup),
	};

	return cmocka_run_group_tests_name("rtnl_neigh", tests, NULL, NULL);
}
