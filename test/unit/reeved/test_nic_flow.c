/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports and flows of owners: in XDP, and rules of the NIC. */
#include "mech/bpfmap.h"

#include "nic_fixture.h"

/* --- ports ----------------------------------------------------------------------------- */

static struct pp_count count(uint32_t number, uint16_t port_number)
{
	ask((union pp_msg){ .nic_count = { .head = { PP_NIC_COUNT, SERIAL },
					   .ifindex = ENS1,
					   .owner = number,
					   .n = 2,
					   .ports = { port_number, 9 } } });
	assert_int_equal(host.sent.head.type, PP_NIC_COUNTS);
	assert_int_equal(host.sent.nic_counts.n, 2);
	assert_int_equal(host.sent.nic_counts.counts[1].packets, 0);
	return host.sent.nic_counts.counts[0];
}

static void test_ports_of_an_owner(void **state)
{
	struct reeve_port counted = { REEVE_PORT_ON | 12, 3456 };
	uint32_t key = 5000;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, OTHER, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(port(1, 5000, true), EEXIST);
	assert_int_equal(port(2, 5000, true), 0);
	assert_true(element(1, 5000).packets == REEVE_PORT_ON);
	bpfmap_set(owner_find(ens1(), 1)->table, &key, &counted);
	assert_int_equal(count(1, 5000).packets, 12);
	assert_int_equal(count(1, 5000).bytes, 3456);
	assert_int_equal(count(2, 5000).packets, 0);
	assert_int_equal(port(1, 5000, false), 0);
	assert_int_equal(port(1, 5000, false), ENOENT);
	assert_int_equal(count(1, 5000).packets, 0);
	assert_int_equal(element(1, 5000).packets, 0);
	/* A new use counts from the start. */
	assert_int_equal(port(1, 5000, true), 0);
	assert_true(element(1, 5000).packets == REEVE_PORT_ON);
	assert_int_equal(port(1, 1, true), 0);
	assert_int_equal(port(1, 65535, true), 0);
	assert_int_equal(count(9, 5000).packets, 0);
}

static void test_ports_that_owners_share(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(port(2, 5000, true), 0);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FILTER]), 1);
	assert_int_equal(port(1, 5000, false), 0);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FILTER]), 1);
	assert_int_equal(owner(2, MEDIA, false), 0);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FILTER]), 0);
}

/* --- flows of XDP ------------------------------------------------------------------------ */

static void test_a_port_of_flows(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(soft_flow(1, 1, 5000, true), 0);
	assert_int_equal(host.sent.result.value, 1);
	assert_int_equal(port(1, 5000, true), 0);
	assert_true(element(1, 5000).packets == (REEVE_PORT_ON | REEVE_PORT_FLOWS));
	assert_int_equal(port(1, 5001, true), 0);
	assert_true(element(1, 5001).packets == REEVE_PORT_ON);
	assert_int_equal(soft_flow(1, 2, 5001, true), 0);
	assert_int_equal(soft_flow(1, 3, 5001, true), 0);
	assert_true(element(1, 5001).packets == (REEVE_PORT_ON | REEVE_PORT_FLOWS));
	assert_int_equal(soft_flow(1, 2, 5001, false), 0);
	assert_true(element(1, 5001).packets == (REEVE_PORT_ON | REEVE_PORT_FLOWS));
	assert_int_equal(soft_flow(1, 3, 5001, false), 0);
	assert_true(element(1, 5001).packets == REEVE_PORT_ON);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FLOWS]), 1);
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FLOWS]), 0);
}

static void test_the_key_of_a_flow(void **state)
{
	struct reeve_flow_key key = { .owner = 2, .dst_port = 5000, .dst = { 239, 1, 1, 1 } };
	union pp_msg m = flow_to(1, 3, 5000);
	uint32_t slot;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	m.nic_flow.soft = 1;
	m.nic_flow.location = 8;
	assert_int_equal(ask(m), 0);
	host_element(host.maps[LOADER_FD_FLOWS], &key, sizeof(key), &slot, sizeof(slot));
	assert_int_equal(slot, 3);
	m.nic_flow.location = 9;
	assert_int_equal(ask(m), EEXIST);
}

static void test_flows_that_no_frame_would_find(void **state)
{
	union pp_msg m = flow_to(1, 3, 0);

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	m.nic_flow.soft = 1;
	assert_int_equal(ask(m), EINVAL);
	assert_string_equal(why(), "a software flow needs a destination port");
	m.nic_flow.flow.dst_port = 5000;
	m.nic_flow.flow.src_port = 5000;
	assert_int_equal(ask(m), EINVAL);
	assert_string_equal(why(), "a software flow with a source port needs a source address");
	m.nic_flow.flow.src[0] = 10;
	assert_int_equal(ask(m), 0);
	m.nic_flow.location++;
	memset(m.nic_flow.flow.dst, 0, sizeof(m.nic_flow.flow.dst));
	assert_int_equal(ask(m), EINVAL);
}

static int nth_flow(uint32_t number, uint32_t nth)
{
	union pp_msg m = flow_to(number, 1, 5000);

	m.nic_flow.soft = 1;
	m.nic_flow.location = nth;
	memcpy(m.nic_flow.flow.src, &nth, sizeof(nth));
	return ask(m);
}

/* However many somebody takes, the next tenant finds as many. */
static void test_shares_of_soft_flows(void **state)
{
	uint32_t n = 1;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(owner(3, OTHER, true), 0);
	while (nth_flow(1 + n % 2, n) == 0)
		n++;
	assert_int_equal(host.sent.result.error, ENOSPC);
	assert_string_equal(why(), "the tenant has 2048 software flows on the interface, and 2048 "
				   "are left for everybody");
	assert_int_equal(n, REEVE_FLOWS / 2 + 1);
	while (nth_flow(3, n) == 0)
		n++;
	assert_int_equal(host_elements(host.maps[LOADER_FD_FLOWS]), REEVE_FLOWS * 3 / 4);
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(nth_flow(3, n), 0);
	assert_int_equal(nth_flow(2, n), 0);
	assert_int_equal(owner(2, MEDIA, false), 0);
	assert_int_equal(owner(3, OTHER, false), 0);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FLOWS]), 0);
}

static void test_where_there_are_no_soft_flows(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(soft_flow(1, 1, 5000, true), EOPNOTSUPP);
	assert_string_equal(why(), "software flows need the single form");
	host.d.conf.nic_confs[0].soft_flows = 0;
	assert_int_equal(soft_flow(1, 1, 5000, true), EPERM);
	assert_int_equal(soft_flow(1, 1, 5000, false), ENOENT);
}

/* --- flow rules of the NIC ------------------------------------------------------------------ */

static unsigned rules(void)
{
	unsigned n = 0;

	for (int i = 0; i < RULES_MOST; i++)
		n += host.rules[i] != 0;
	return n;
}

static void test_rules_and_the_feature(void **state)
{
	uint32_t location;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	location = host.sent.result.value;
	assert_true(host.ntuple_on);
	assert_int_equal(host.table.nics[0].ntuple_changed, 1);
	assert_int_equal(host.table.rules[0].location, location);
	assert_int_equal(end_hard_flow(2, location), ENOENT);
	assert_int_equal(end_hard_flow(1, location + 1), ENOENT);
	assert_int_equal(end_hard_flow(1, location), 0);
	assert_int_equal(rules(), 0);
	assert_int_equal(host.table.rules[0].ifindex, 0);
	close_ens1();
	assert_false(host.ntuple_on);
}

/* Somebody else's rule is there before, and the feature is on. */
static void test_what_was_there_stays(void **state)
{
	(void)state;
	host.rules[0] = host.next_location = 5;
	host.ntuple_on = true;
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	assert_int_equal(end_hard_flow(1, 5), ENOENT);
	assert_int_equal(rules(), 2);
	close_ens1();
	assert_int_equal(rules(), 1);
	assert_true(host.ntuple_on);
}

static void test_rules_go_with_their_queue(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(1, 2, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	assert_int_equal(hard_flow(1, 2, 5001), 0);
	assert_int_equal(hard_flow(1, 2, 5002), 0);
	assert_int_equal(queue(1, 2, false), 0);
	assert_int_equal(rules(), 1);
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(rules(), 0);
}

static void test_a_nic_without_rules(void **state)
{
	(void)state;
	host.ntuple_possible = false;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), EOPNOTSUPP);
	assert_int_equal(host.table.nics[0].ntuple_changed, 0);
	assert_int_equal(host.table.rules[0].ifindex, 0);
}

static void test_the_interface_is_gone(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	host.ens1_gone = true;
	assert_int_equal(owner(2, MEDIA, true), ENODEV);
	assert_int_equal(queue(1, 2, true), ENODEV);
	assert_int_equal(get_socket(1, 1), ENODEV);
	assert_int_equal(queue(1, 1, false), 0);
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(host.table.rules[0].ifindex, 0);
	close_ens1();
	assert_int_equal(host_loader_request()->op, LOADER_DETACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(test_ports_of_an_owner),
		with_host(test_ports_that_owners_share),
		with_host(test_a_port_of_flows),
		with_host(test_the_key_of_a_flow),
		with_host(test_flows_that_no_frame_would_find),
		with_host(test_shares_of_soft_flows),
		with_host(test_where_there_are_no_soft_flows),
		with_host(test_rules_and_the_feature),
		with_host(test_what_was_there_stays),
		with_host(test_rules_go_with_their_queue),
		with_host(test_a_nic_without_rules),
		with_host(test_the_interface_is_gone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
