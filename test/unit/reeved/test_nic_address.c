/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of owners: whose they may be, what stands for them, and their ends. */
#include "mech/bpfmap.h"

#include "nic_fixture.h"

enum { ADDRESSES = LOADER_FD_ADDRESSES };

static uint32_t mark_of(uint32_t queue)
{
	uint32_t mark;

	host_element(host.maps[LOADER_FD_OWNERS], &queue, sizeof(queue), &mark, sizeof(mark));
	return mark;
}

static unsigned groups(void)
{
	static const uint8_t none[6];
	unsigned n = 0;

	for (int i = 0; i < GROUPS_MOST; i++)
		n += memcmp(host.groups[i], none, sizeof(none)) != 0;
	return n;
}

static void begin(void)
{
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, OTHER, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(2, 2, true), 0);
}

static void test_what_stands_for_an_address(void **state)
{
	struct reeve_address key = { .owner = 1, .bytes = { [10] = 0xff, 0xff, 10, 1, 0, 9 } };
	uint32_t value;

	(void)state;
	begin();
	assert_int_equal(mark_of(1), 1);
	assert_int_equal(address(1, "10.1.0.9", true), 0);
	host_element(host.maps[ADDRESSES], &key, sizeof(key), &value, sizeof(value));
	assert_int_equal(value, REEVE_ADDRESS_WHOLE);
	assert_int_equal(mark_of(1), 1 | REEVE_OWNER_ADDRESSES);
	assert_int_equal(mark_of(2), 2);
	/* Queues that come later have the mark, too. */
	assert_int_equal(queue(1, 3, true), 0);
	assert_int_equal(mark_of(3), 1 | REEVE_OWNER_ADDRESSES);
	assert_int_equal(address(1, "10.1.0.10", true), 0);
	assert_int_equal(address(1, "10.1.0.9", false), 0);
	assert_int_equal(mark_of(1), 1 | REEVE_OWNER_ADDRESSES);
	assert_int_equal(address(1, "10.1.0.10", false), 0);
	assert_int_equal(mark_of(1), 1);
	assert_int_equal(mark_of(3), 1);
	assert_int_equal(host_elements(host.maps[ADDRESSES]), 0);
	assert_int_equal(address(1, "10.1.0.10", false), ENOENT);
}

static void test_the_group_of_an_ipv6_one(void **state)
{
	static const uint8_t group[6] = { 0x33, 0x33, 0xff, 0x12, 0x34, 0x56 };

	(void)state;
	begin();
	assert_int_equal(address(1, "10.1.0.9", true), 0);
	assert_int_equal(groups(), 0);
	assert_int_equal(address(1, "fd00::ab12:3456", true), 0);
	assert_memory_equal(host.groups[0], group, sizeof(group));
	assert_int_equal(address(2, "fd00::12:3456", true), 0);
	assert_int_equal(groups(), 2);
	assert_int_equal(address(1, "fd00::ab12:3456", false), 0);
	assert_int_equal(groups(), 1);
	close_ens1();
	assert_int_equal(groups(), 0);
}

static void test_whose_it_is(void **state)
{
	(void)state;
	begin();
	assert_int_equal(address(1, "10.1.0.9", true), 0);
	assert_int_equal(address(1, "10.1.0.9", true), EBUSY);
	assert_int_equal(address(2, "10.1.0.9", true), EBUSY);
	assert_string_equal(why(), "the address has an owner on the interface");
	assert_int_equal(address(2, "10.1.0.9", false), ENOENT);
	assert_int_equal(address(3, "10.1.0.8", true), ENOENT);
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(host_elements(host.maps[ADDRESSES]), 0);
	assert_int_equal(address(2, "10.1.0.9", true), 0);
}

static void test_what_may_not_be(void **state)
{
	(void)state;
	begin();
	assert_int_equal(address(1, "10.2.0.9", true), EPERM);
	assert_string_equal(why(), "address 10.2.0.9 is not for tenant \"media\"");
	assert_int_equal(ipaddr_parse("10.1.0.1", &host.local), 0);
	assert_int_equal(address(1, "10.1.0.1", true), EBUSY);
	assert_non_null(strstr(why(), "lease UDP ports of it (AddPort)"));
	host.d.conf.tenants[MEDIA].quota.max[RES_ADDRESS] = 0;
	assert_int_equal(address(1, "10.1.0.9", true), EPERM);
	assert_int_equal(host_elements(host.maps[ADDRESSES]), 0);
}

static void test_only_in_the_single_form(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(address(1, "10.1.0.9", true), EOPNOTSUPP);
	assert_string_equal(why(), "addresses need the single form");
}

static int nth_address(uint32_t number, uint32_t n)
{
	char text[IPADDR_TEXT];

	snprintf(text, sizeof(text), "10.1.%u.%u", n / 250, n % 250 + 1);
	return address(number, text, true);
}

/* However many somebody takes, the next tenant finds as many. */
static void test_shares(void **state)
{
	uint32_t n = 0;

	(void)state;
	begin();
	while (nth_address(1, n) == 0)
		n++;
	assert_int_equal(host.sent.result.error, ENOSPC);
	assert_int_equal(n, REEVE_ADDRESSES / 2);
	while (nth_address(2, n) == 0)
		n++;
	assert_int_equal(host.sent.result.error, ENOSPC);
	assert_int_equal(n, REEVE_ADDRESSES * 3 / 4);
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(nth_address(2, n), 0);
}

/* By the ordinary request; what a newer config would not allow stays. */
static void test_the_next_core_claims_it(void **state)
{
	(void)state;
	begin();
	assert_int_equal(address(1, "10.1.0.9", true), 0);
	assert_int_equal(address(1, "fd00::9", true), 0);
	assert_int_equal(address(2, "10.1.0.10", true), 0);
	nics_unclaim(&host.d);
	host.d.conf.tenants[MEDIA].quota.max[RES_ADDRESS] = 0;
	assert_int_equal(ipaddr_parse("10.1.0.9", &host.local), 0);
	assert_int_equal(mark_of(1), 1 | REEVE_OWNER_ADDRESSES);
	assert_int_equal(ask(open_as(NIC_WANT_SINGLE)), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, OTHER, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(2, 2, true), 0);
	assert_int_equal(address(2, "10.1.0.9", true), EBUSY);
	assert_int_equal(address(1, "10.1.0.9", true), 0);
	assert_int_equal(address(1, "10.1.0.9", true), EPERM);
	nics_sweep(&host.d);
	assert_int_equal(host_elements(host.maps[ADDRESSES]), 1);
	assert_int_equal(groups(), 0);
	assert_int_equal(mark_of(1), 1 | REEVE_OWNER_ADDRESSES);
	assert_int_equal(mark_of(2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(test_what_stands_for_an_address),
		with_host(test_the_group_of_an_ipv6_one),
		with_host(test_whose_it_is),
		with_host(test_what_may_not_be),
		with_host(test_only_in_the_single_form),
		with_host(test_shares),
		with_host(test_the_next_core_claims_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
