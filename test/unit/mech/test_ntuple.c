/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Against a NIC that is stood in for, since no virtual one has flow rules; and
 * that those have none, against the kernel.
 */
#include "fake/nic.h"
#include "mech/ntuple.h"
#include "netns.h"

#include <arpa/inet.h>

#define NIC "eth0"

static struct fake_nic nic;
static struct err e;
static uint32_t at;

static int setup(void **state)
{
	(void)state;
	fake_nic_init(&nic, NIC, 8);
	memset(&e, 0, sizeof(e));
	at = 4242;
	return 0;
}

static struct flow flow4(const char *src, const char *dst, uint16_t port, uint16_t queue)
{
	struct flow f = { .queue = queue, .dst_port = port };

	if (src)
		assert_int_equal(inet_pton(AF_INET, src, f.src), 1);
	if (dst)
		assert_int_equal(inet_pton(AF_INET, dst, f.dst), 1);
	return f;
}

static int insert(uint16_t port)
{
	struct flow f = flow4(NULL, "239.1.1.1", port, 2);

	return ntuple_insert(&nic.port, NIC, &f, &at, &e);
}

/* insert() fails so, with a sentence; all is as before. */
static void insert_fails(int code)
{
	unsigned before = fake_nic_count(&nic);

	assert_int_equal(insert(5000), -code);
	assert_int_equal(e.code, code);
	assert_string_not_equal(e.text, "");
	assert_int_equal(at, 4242);
	assert_int_equal(fake_nic_count(&nic), before);
}

/*
 * What the original manager sends for its own request (mtl.md, "flows"): the
 * count, the list, the insertion at the highest free location; a multicast flow
 * to 239.1.1.1:20000, queue 1, of a table of 8 where 7 is in use.
 */
static void test_bytes_of_an_insertion(void **state)
{
	static const uint32_t order[] = { ETHTOOL_GRXCLSRLCNT, ETHTOOL_GRXCLSRLALL,
					  ETHTOOL_GRXCLSRULE /* ours: whether it is free */,
					  ETHTOOL_SRXCLSRLINS,
					  ETHTOOL_GRXCLSRULE /* ours: what became of it */ };
	struct flow f = flow4(NULL, "239.1.1.1", 20000, 1);
	struct ethtool_rxnfc golden;

	(void)state;
	fake_nic_put(&nic, 7, 1, 0);
	assert_int_equal(ntuple_insert(&nic.port, NIC, &f, &at, &e), 0);
	assert_int_equal(at, 6);
	assert_int_equal(nic.ncalls, ARRAY_SIZE(order));
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_int_equal(nic.calls[i].cmd, order[i]);

	memset(&golden, 0, sizeof(golden));
	golden.cmd = ETHTOOL_GRXCLSRLCNT;
	assert_memory_equal(&nic.calls[0].rule, &golden, sizeof(golden));
	golden.cmd = ETHTOOL_GRXCLSRLALL;
	golden.rule_cnt = 1;
	assert_memory_equal(&nic.calls[1].rule, &golden, sizeof(golden));

	memset(&golden, 0, sizeof(golden));
	golden.cmd = ETHTOOL_SRXCLSRLINS;
	golden.fs.flow_type = 2;
	golden.fs.h_u.udp_ip4_spec.ip4dst = 0x010101ef; /* as it lies in memory: ef 01 01 01 */
	golden.fs.m_u.udp_ip4_spec.ip4dst = 0xffffffff;
	golden.fs.h_u.udp_ip4_spec.pdst = htons(20000);
	golden.fs.m_u.udp_ip4_spec.pdst = 0xffff;
	golden.fs.ring_cookie = 1;
	golden.fs.location = 6;
	assert_memory_equal(&nic.calls[3].rule, &golden, sizeof(golden));
}

/* A unicast flow: the sender's address and its own, no source port. */
static void test_bytes_of_a_unicast_flow(void **state)
{
	struct flow f = flow4("192.0.2.1", "192.0.2.9", 20000, 3);
	struct ethtool_rxnfc golden = { .cmd = ETHTOOL_SRXCLSRLINS };

	(void)state;
	assert_int_equal(ntuple_insert(&nic.port, NIC, &f, &at, &e), 0);
	golden.fs.flow_type = UDP_V4_FLOW;
	golden.fs.h_u.udp_ip4_spec.ip4src = htonl(0xc0000201);
	golden.fs.m_u.udp_ip4_spec.ip4src = 0xffffffff;
	golden.fs.h_u.udp_ip4_spec.ip4dst = htonl(0xc0000209);
	golden.fs.m_u.udp_ip4_spec.ip4dst = 0xffffffff;
	golden.fs.h_u.udp_ip4_spec.pdst = htons(20000);
	golden.fs.m_u.udp_ip4_spec.pdst = 0xffff;
	golden.fs.ring_cookie = 3;
	golden.fs.location = 7;
	assert_memory_equal(&nic.calls[3].rule, &golden, sizeof(golden));
}

static void test_bytes_of_ports_alone(void **state)
{
	struct flow f = { .queue = 1, .src_port = 1234, .dst_port = 20000 };
	struct ethtool_rxnfc golden = { .cmd = ETHTOOL_SRXCLSRLINS };

	(void)state;
	assert_int_equal(ntuple_insert(&nic.port, NIC, &f, &at, &e), 0);
	golden.fs.flow_type = UDP_V4_FLOW;
	golden.fs.h_u.udp_ip4_spec.psrc = htons(1234);
	golden.fs.m_u.udp_ip4_spec.psrc = 0xffff;
	golden.fs.h_u.udp_ip4_spec.pdst = htons(20000);
	golden.fs.m_u.udp_ip4_spec.pdst = 0xffff;
	golden.fs.ring_cookie = 1;
	golden.fs.location = 7;
	assert_memory_equal(&nic.calls[3].rule, &golden, sizeof(golden));
}

static void test_bytes_of_ipv6(void **state)
{
	struct flow f = { .ipv6 = 1, .queue = 255, .dst_port = 5000 };
	struct ethtool_rxnfc golden = { .cmd = ETHTOOL_SRXCLSRLINS };

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::9", f.dst), 1);
	assert_int_equal(ntuple_insert(&nic.port, NIC, &f, &at, &e), 0);
	golden.fs.flow_type = UDP_V6_FLOW;
	memcpy(golden.fs.h_u.udp_ip6_spec.ip6dst, f.dst, 16);
	memset(golden.fs.m_u.udp_ip6_spec.ip6dst, 0xff, 16);
	golden.fs.h_u.udp_ip6_spec.pdst = htons(5000);
	golden.fs.m_u.udp_ip6_spec.pdst = 0xffff;
	golden.fs.ring_cookie = 255;
	golden.fs.location = 7;
	assert_memory_equal(&nic.calls[3].rule, &golden, sizeof(golden));
}

static void test_bytes_of_a_removal(void **state)
{
	struct ethtool_rxnfc golden = { .cmd = ETHTOOL_SRXCLSRLDEL, .fs.location = 7 };

	(void)state;
	assert_int_equal(insert(5000), 0);
	nic.ncalls = 0;
	assert_int_equal(ntuple_delete(&nic.port, NIC, at, &e), 0);
	assert_int_equal(nic.ncalls, 1);
	assert_memory_equal(&nic.calls[0].rule, &golden, sizeof(golden));
	assert_int_equal(fake_nic_count(&nic), 0);
}

static void test_what_is_no_flow_is_never_sent(void **state)
{
	struct flow f = flow4(NULL, NULL, 0, 1);

	(void)state;
	assert_int_equal(ntuple_insert(&nic.port, NIC, &f, &at, &e), -EINVAL);
	assert_int_equal(e.code, EINVAL);
	assert_int_equal(nic.ncalls, 0);
}

static void test_capacity(void **state)
{
	(void)state;
	assert_int_equal(ntuple_capacity(&nic.port, NIC), 8);
	fake_nic_put(&nic, 3, 1, 0);
	assert_int_equal(ntuple_capacity(&nic.port, NIC), 8);
	nic.size_with_list = true;
	assert_int_equal(ntuple_capacity(&nic.port, NIC), 8);
	nic.driver_chooses = true;
	assert_int_equal(ntuple_capacity(&nic.port, NIC), 8);
	assert_int_equal(ntuple_capacity(&nic.port, "eth1"), -ENODEV);
	nic.fail_at = 1;
	nic.fail_errno = EOPNOTSUPP;
	assert_int_equal(ntuple_capacity(&nic.port, NIC), -EOPNOTSUPP);
}

/* From the top down to 1, around those of others; 0 is never used. */
static void test_locations(void **state)
{
	static const uint32_t expected[] = { 6, 5, 3, 1 };

	(void)state;
	fake_nic_put(&nic, 7, 1, 0);
	fake_nic_put(&nic, 2, 1, 0);
	fake_nic_put(&nic, 4, 1, 0);
	for (uint16_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(insert((uint16_t)(5000 + i)), 0);
		assert_int_equal(at, expected[i]);
	}
	at = 4242;
	insert_fails(ENOSPC);
	assert_string_equal(e.text, "all 7 flow rules of eth0 are in use");
	assert_int_equal(nic.used[0], false);
	for (uint32_t i = 2; i <= 7; i++)
		if (i == 2 || i == 4 || i == 7)
			assert_int_equal(nic.rules[i].h_u.udp_ip4_spec.pdst, htons(1));
}

static void test_no_table(void **state)
{
	(void)state;
	nic.size = 0;
	insert_fails(ENOSPC);
	assert_string_equal(e.text, "eth0 has no table for flow rules (0 places)");
	nic.size = 1; /* and that one is 0 */
	insert_fails(ENOSPC);
	nic.size = 2;
	assert_int_equal(insert(5000), 0);
	assert_int_equal(at, 1);
}

static void test_the_driver_chooses(void **state)
{
	(void)state;
	nic.driver_chooses = true;
	fake_nic_put(&nic, 0, 1, 0);
	fake_nic_put(&nic, 1, 2, 0);
	assert_int_equal(insert(5000), 0);
	assert_int_equal(at, 2);
	assert_int_equal(nic.calls[2].rule.fs.location, RX_CLS_LOC_ANY);
	at = 4242;
	insert_fails(EEXIST);
	assert_int_equal(fake_nic_count(&nic), 3);

	for (uint16_t i = 1; i <= 5; i++)
		assert_int_equal(insert((uint16_t)(5000 + i)), 0);
	at = 4242;
	nic.fail_at = 3;
	nic.fail_errno = ENOSPC;
	insert_fails(ENOSPC);
}

/* It may also not say where. */
static int keep_secret(struct ethtool_port *port, const char *ifname, void *cmd)
{
	struct ethtool_rxnfc *nfc = cmd;

	(void)port;
	(void)ifname;
	if (nfc->cmd == ETHTOOL_GRXCLSRLCNT)
		nfc->data = RX_CLS_LOC_SPECIAL;
	return 0;
}

static void test_the_driver_does_not_tell(void **state)
{
	(void)state;
	nic.port.call = keep_secret;
	assert_int_equal(insert(5000), -EPROTO);
	assert_int_equal(at, 4242);
}

/* Every step with every errno: it is passed on, and nothing is left behind. */
static void test_every_failure(void **state)
{
	static const int errors[] = { EPERM,  EINVAL, ENOMEM, EBUSY,  EEXIST,
				      ENOSPC, EIO,    ENODEV, ENOENT, EOPNOTSUPP };
	static const unsigned steps[] = { 1, 2, 4 }; /* 3 and 5 are our own looking */

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(steps); s++) {
		for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
			setup(NULL);
			fake_nic_put(&nic, 5, 1, 0);
			nic.fail_at = steps[s];
			nic.fail_errno = errors[i];
			insert_fails(errors[i]);
		}
	}
}

static void test_a_driver_that_cannot_read_back(void **state)
{
	(void)state;
	nic.cannot_read = true;
	assert_int_equal(insert(5000), 0);
	assert_int_equal(at, 7);
}

static void test_a_driver_that_reads_nothing_as_zero(void **state)
{
	(void)state;
	nic.empty_reads_zero = true;
	assert_int_equal(insert(5000), 0);
	assert_int_equal(at, 7);
}

static void test_a_driver_that_tells_the_size_late(void **state)
{
	(void)state;
	nic.size_with_list = true;
	assert_int_equal(insert(5000), 0);
	assert_int_equal(at, 7);
}

/* Rules come in between the count and the list: the list no longer fits, once. */
static void add_before_list(struct fake_nic *n, uint32_t cmd)
{
	if (cmd != ETHTOOL_GRXCLSRLALL)
		return;
	fake_nic_put(n, 7, 1, 0);
	n->other = NULL;
}

static void test_rules_come_while_counting(void **state)
{
	(void)state;
	nic.other = add_before_list;
	assert_int_equal(insert(5000), 0);
	assert_int_equal(at, 6);
	assert_int_equal(nic.rules[7].h_u.udp_ip4_spec.pdst, htons(1));
}

/* There is an end to it when they come all the time. */
static void add_and_remove(struct fake_nic *n, uint32_t cmd)
{
	if (cmd == ETHTOOL_GRXCLSRLALL)
		fake_nic_put(n, 3, 1, 0);
	else
		n->used[3] = false;
}

static void test_rules_come_all_the_time(void **state)
{
	(void)state;
	nic.other = add_and_remove;
	assert_int_equal(insert(5000), -EMSGSIZE);
	assert_int_equal(e.code, EMSGSIZE);
}

/* After the list, at the place that was chosen: the next one is taken. */
static void add_before_look(struct fake_nic *n, uint32_t cmd)
{
	if (cmd == ETHTOOL_GRXCLSRULE && !n->used[7])
		fake_nic_put(n, 7, 1, 0);
}

static void test_a_rule_comes_after_listing(void **state)
{
	(void)state;
	nic.other = add_before_look;
	assert_int_equal(insert(5000), 0);
	assert_int_equal(at, 6);
	assert_int_equal(nic.rules[7].h_u.udp_ip4_spec.pdst, htons(1));
}

/* Somebody puts another rule on ours: it is theirs now, and not removed. */
static void replace(struct fake_nic *n, uint32_t cmd)
{
	if (cmd == ETHTOOL_GRXCLSRULE && n->used[7])
		fake_nic_put(n, 7, 1, 0);
}

static void test_ours_is_replaced(void **state)
{
	(void)state;
	nic.other = replace;
	assert_int_equal(insert(5000), -EBUSY);
	assert_int_equal(e.code, EBUSY);
	assert_int_equal(at, 4242);
	assert_int_equal(nic.used[7], true);
	assert_int_equal(nic.rules[7].h_u.udp_ip4_spec.pdst, htons(1));
}

static void remove_all(struct fake_nic *n, uint32_t cmd)
{
	if (cmd == ETHTOOL_GRXCLSRULE)
		memset(n->used, 0, sizeof(n->used));
}

static void test_ours_is_removed_at_once(void **state)
{
	(void)state;
	nic.other = remove_all;
	insert_fails(EBUSY);
}

static void test_delete_what_is_gone(void **state)
{
	static const int ways[] = { 0, -EINVAL, -EIO };

	(void)state;
	fake_nic_put(&nic, 3, 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		nic.delete_nothing = ways[i];
		assert_int_equal(ntuple_delete(&nic.port, NIC, 5, &e), -ENOENT);
		assert_int_equal(e.code, ENOENT);
	}
	assert_int_equal(fake_nic_count(&nic), 1);
}

static void test_delete_fails(void **state)
{
	(void)state;
	fake_nic_put(&nic, 3, 1, 0);
	nic.fail_at = 1;
	nic.fail_errno = EBUSY;
	assert_int_equal(ntuple_delete(&nic.port, NIC, 3, &e), -EBUSY);
	assert_int_equal(nic.used[3], true);
	assert_int_equal(ntuple_delete(&nic.port, "eth1", 3, &e), -ENODEV);
	/* A location beyond the table is in use all the same. */
	fake_nic_put(&nic, 40, 1, 0);
	nic.fail_at = 1;
	assert_int_equal(ntuple_delete(&nic.port, NIC, 40, &e), -EBUSY);
}

static void test_enable(void **state)
{
	bool changed = true;

	(void)state;
	nic.flags = ETH_FLAG_NTUPLE | ETH_FLAG_LRO;
	assert_int_equal(ntuple_enable(&nic.port, NIC, &changed), 0);
	assert_int_equal(changed, false);
	assert_int_equal(nic.ncalls, 1);
	nic.flags = ETH_FLAG_LRO;
	assert_int_equal(ntuple_enable(&nic.port, NIC, &changed), 0);
	assert_int_equal(changed, true);
	assert_int_equal(nic.flags, ETH_FLAG_NTUPLE | ETH_FLAG_LRO);
	assert_int_equal(ntuple_disable(&nic.port, NIC), 0);
	assert_int_equal(nic.flags, ETH_FLAG_LRO);
	nic.ncalls = 0;
	assert_int_equal(ntuple_disable(&nic.port, NIC), 0);
	assert_int_equal(nic.ncalls, 1);
}

static void forget_flags(struct fake_nic *n, uint32_t cmd)
{
	if (cmd == ETHTOOL_GFLAGS)
		n->flags = 0;
}

static void test_enable_refused(void **state)
{
	bool changed = true;

	(void)state;
	nic.fixed_flags = ETH_FLAG_NTUPLE;
	assert_int_equal(ntuple_enable(&nic.port, NIC, &changed), -EOPNOTSUPP);
	nic.fixed_flags = 0;
	nic.fail_at = 2;
	nic.fail_errno = EINVAL;
	assert_int_equal(ntuple_enable(&nic.port, NIC, &changed), -EOPNOTSUPP);
	nic.fail_at = 1;
	nic.fail_errno = EPERM;
	assert_int_equal(ntuple_enable(&nic.port, NIC, &changed), -EPERM);
	nic.other = forget_flags; /* taken, and without effect */
	assert_int_equal(ntuple_enable(&nic.port, NIC, &changed), -EOPNOTSUPP);
	assert_int_equal(changed, true);
	nic.other = NULL;
	nic.flags = nic.fixed_flags = ETH_FLAG_NTUPLE;
	assert_int_equal(ntuple_disable(&nic.port, NIC), -EOPNOTSUPP);
}

/* What the kernel says of interfaces that have no such thing. */
static void test_virtual_interfaces(void **state)
{
	static const char *const names[] = { "lo", "va", "br0" };
	struct flow f = flow4(NULL, "239.1.1.1", 5000, 1);
	struct ethtool_port *port;
	bool changed = true;

	(void)state;
	netns_new();
	netns_veth("va", "vb", 2);
	run("ip link add br0 type bridge");
	assert_int_equal(ethtool_port_open(&port), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(ntuple_capacity(port, names[i]), -EOPNOTSUPP);
		assert_int_equal(ntuple_insert(port, names[i], &f, &at, &e), -EOPNOTSUPP);
		assert_int_equal(ntuple_delete(port, names[i], 1, &e), -EOPNOTSUPP);
		assert_int_equal(ntuple_enable(port, names[i], &changed), -EOPNOTSUPP);
		assert_int_equal(ntuple_disable(port, names[i]), 0);
	}
	assert_string_equal(e.text, "can't remove flow rule 1 of br0: Operation not supported");
	assert_int_equal(ntuple_capacity(port, "nothing"), -ENODEV);
	assert_int_equal(ntuple_capacity(port, "a_name_that_is_too_long"), -ENODEV);
	assert_int_equal(changed, true);
	ethtool_port_close(port);
	ethtool_port_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bytes_of_an_insertion),
		TEST(test_bytes_of_a_unicast_flow),
		TEST(test_bytes_of_ports_alone),
		TEST(test_bytes_of_ipv6),
		TEST(test_bytes_of_a_removal),
		TEST(test_what_is_no_flow_is_never_sent),
		TEST(test_capacity),
		TEST(test_locations),
		TEST(test_no_table),
		TEST(test_the_driver_chooses),
		TEST(test_the_driver_does_not_tell),
		TEST(test_every_failure),
		TEST(test_a_driver_that_cannot_read_back),
		TEST(test_a_driver_that_reads_nothing_as_zero),
		TEST(test_a_driver_that_tells_the_size_late),
		TEST(test_rules_come_while_counting),
		TEST(test_rules_come_all_the_time),
		TEST(test_a_rule_comes_after_listing),
		TEST(test_ours_is_replaced),
		TEST(test_ours_is_removed_at_once),
		TEST(test_delete_what_is_gone),
		TEST(test_delete_fails),
		TEST(test_enable),
		TEST(test_enable_refused),
		TEST(test_virtual_interfaces),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
