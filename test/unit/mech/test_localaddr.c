/* SPDX-License-Identifier: BSD-3-Clause */
/* The real kernel in a namespace of its own. */
#include "mech/localaddr.h"
#include "netns.h"

static uint32_t va, vb;

static int has(const char *text, uint32_t ifindex)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return localaddr_has(&a, ifindex);
}

static void begin(void)
{
	netns_new();
	va = netns_veth("va", "vb", 1);
	vb = if_nametoindex("vb");
	run("ip link set lo up");
	run("ip link set va addrgenmode none");
	run("ip link set vb addrgenmode none");
	run("ip addr add 10.1.0.1/24 broadcast + dev va");
	run("ip addr add fd00::1/64 dev va nodad");
	run("ip addr add fe80::1/64 dev va nodad");
	run("ip link set va up");
	run("ip link set vb up");
}

static void test_its_own(void **state)
{
	(void)state;
	begin();
	/* On whatever interface: the kernel answers for it on all. */
	assert_int_equal(has("10.1.0.1", va), 1);
	assert_int_equal(has("10.1.0.1", vb), 1);
	assert_int_equal(has("10.1.0.255", va), 1);
	assert_int_equal(has("fd00::1", va), 1);
	assert_int_equal(has("fe80::1", va), 1);
	assert_int_equal(has("fe80::1", vb), 0);
}

static void test_those_of_others(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(has("10.1.0.2", va), 0);
		assert_int_equal(has("192.0.2.1", va), 0);
		assert_int_equal(has("fd00::2", va), 0);
		assert_int_equal(has("2001:db8::1", va), 0);
		assert_int_equal(has("fe80::2", va), 0);
		/* Who may bind to any address has it no more than before. */
		run("sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1");
		run("ip route add default via 10.1.0.3 2>/dev/null || true");
	}
}

/* A host may have routes for what it is not to reach; they make no address its own. */
static void test_routes_that_refuse(void **state)
{
	static const char *const kinds[] = { "prohibit", "blackhole", "unreachable", "throw" };

	(void)state;
	begin();
	for (int i = 0; i < 4; i++) {
		run("ip route add %s 198.51.100.0/24", kinds[i]);
		run("ip -6 route add %s 2001:db8:5::/64", kinds[i]);
		assert_int_equal(has("198.51.100.7", va), 0);
		assert_int_equal(has("2001:db8:5::7", va), 0);
		run("ip route del %s 198.51.100.0/24", kinds[i]);
		run("ip -6 route del %s 2001:db8:5::/64", kinds[i]);
	}
}

static void test_one_that_comes_and_goes(void **state)
{
	(void)state;
	begin();
	run("ip addr add 10.1.0.2/24 dev vb");
	assert_int_equal(has("10.1.0.2", va), 1);
	run("ip addr del 10.1.0.2/24 dev vb");
	assert_int_equal(has("10.1.0.2", va), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_its_own),
		cmocka_unit_test(test_those_of_others),
		cmocka_unit_test(test_routes_that_refuse),
		cmocka_unit_test(test_one_that_comes_and_goes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
