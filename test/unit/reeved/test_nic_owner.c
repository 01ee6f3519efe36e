/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners on an interface: whose a queue is, and what is left when somebody goes. */
#include <fcntl.h>
#include <stdlib.h>

#include "bpf/layout.h"
#include "mech/bpfmap.h"

#include "nic_fixture.h"

static struct iface *ens1(void)
{
	return iface_find(&host.d.nics, ENS1);
}

static struct reeve_port element(uint32_t number, uint32_t port_number)
{
	struct reeve_port value;

	host_element(owner_find(ens1(), number)->table, &port_number, sizeof(port_number), &value,
		     sizeof(value));
	return value;
}

static void expect_call(unsigned nth, int map, uint32_t key, bool set)
{
	assert_true(nth < host.ncalls);
	assert_int_equal(host.calls[nth].map, map);
	assert_int_equal(host.calls[nth].key, key);
	assert_int_equal(host.calls[nth].set, set);
}

/* --- owners ---------------------------------------------------------------------------- */

static void test_owners(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(1, MEDIA, true), EEXIST);
	assert_int_equal(owner(2, OTHER, true), 0);
	assert_int_equal(owner(3, 4, true), EINVAL);
	assert_int_equal(owner(1, OTHER, false), 0);
	assert_int_equal(owner(1, MEDIA, false), ENOENT);
	host.d.conf.tenants[MEDIA].quota.max[RES_XDP] = 0;
	assert_int_equal(owner(1, MEDIA, true), EPERM);
	assert_string_equal(why(), "ens1 is not for tenant \"media\"");
	assert_int_equal(host.refusals, 1);
	host.d.conf_serial++;
	assert_int_equal(owner(1, OTHER, true), ESTALE);
}

static void test_so_many_owners(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_DISPATCHER);
	for (uint32_t i = 1; i <= IFACE_OWNERS_MAX; i++)
		assert_int_equal(owner(i, MEDIA, true), 0);
	assert_int_equal(owner(IFACE_OWNERS_MAX + 1, MEDIA, true), ENOSPC);
	assert_string_equal(why(), "4096 owners are on the interfaces, no more fit");
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(owner(IFACE_OWNERS_MAX + 1, MEDIA, true), 0);
}

/* Who was there may have the map of sockets still. */
static void test_the_dispatcher_serves_one_tenant(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(owner(3, OTHER, true), EPERM);
	assert_string_equal(why(), "interfaces that use the dispatcher serve one tenant at a time");
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(owner(2, MEDIA, false), 0);
	assert_int_equal(owner(3, OTHER, true), EPERM);
	close_ens1();
	host_loader_detaches();
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(3, OTHER, true), 0);
}

/* --- queues ---------------------------------------------------------------------------- */

static void test_a_queue_is_whole_before_it_is_looked_at(void **state)
{
	const int *maps = host.maps;
	struct owner *o;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	o = owner_find(ens1(), 1);
	host_fail(0, 0);
	assert_int_equal(queue(1, 3, true), 0);
	assert_int_equal(host.ncalls, 3);
	expect_call(0, maps[LOADER_FD_XSKMAPS], 3, true);
	expect_call(1, maps[LOADER_FD_OWNERS], 3, true);
	expect_call(2, maps[LOADER_FD_TABLES], 3, true);
	host_fail(0, 0);
	assert_int_equal(queue(1, 3, false), 0);
	assert_int_equal(host.ncalls, 4);
	expect_call(0, maps[LOADER_FD_TABLES], 3, false);
	expect_call(1, maps[LOADER_FD_OWNERS], 3, true);
	expect_call(2, maps[LOADER_FD_XSKMAPS], 3, false);
	expect_call(3, o->xskmap, 3, false);
}

static void test_whose_a_queue_is(void **state)
{
	uint32_t key = 2, number;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, OTHER, true), 0);
	assert_int_equal(queue(1, 2, true), 0);
	assert_int_equal(queue(1, 2, true), EBUSY);
	assert_int_equal(queue(2, 2, true), EBUSY);
	assert_string_equal(why(), "queue 2 has an owner");
	assert_int_equal(queue(2, 2, false), ENOENT);
	assert_string_equal(why(), "queue 2 is not this owner's");
	assert_int_equal(get_socket(2, 2), EPERM);
	assert_int_equal(hard_flow(2, 2, 5000), EPERM);
	host_element(host.maps[LOADER_FD_OWNERS], &key, sizeof(key), &number, sizeof(number));
	assert_int_equal(number, 1);
	assert_int_equal(queue(1, 2, false), 0);
	assert_int_equal(queue(2, 2, true), 0);
}

static void test_the_systems_queue(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 0, true), EPERM);
	assert_string_equal(why(), "queue 0 of ens1 is kept for the system");
}

static void test_sockets(void **state)
{
	unsigned fds;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(get_socket(1, 1), EPERM);
	assert_int_equal(queue(1, 1, true), 0);
	fds = host_open_fds();
	assert_int_equal(get_socket(1, 1), 0);
	assert_int_equal(host.sent_fds, 2);
	assert_int_equal(host.sent.nic_fds.value, 1);
	assert_int_equal(host_open_fds(), fds);
	assert_true(host_has(owner_find(ens1(), 1)->xskmap, 1));
	assert_int_equal(queue(1, 1, false), 0);
	assert_false(host_has(owner_find(ens1(), 1)->xskmap, 1));
	assert_int_equal(get_map(1), 0);
	assert_int_equal(host.sent_fds, 1);
	assert_int_equal(get_map(2), ENOENT);
}

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
	struct reeve_flow_key key = { .owner = 1, .dst_port = 5000, .dst = { 239, 1, 1, 1 } };
	union pp_msg m = flow_to(1, 3, 5000);
	uint32_t slot;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
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

/* --- nothing is half done ----------------------------------------------------------------- */

/* Elements of all maps, rules and descriptors: the whole of the kernel's side. */
struct kernel {
	struct element elements[ELEMENTS_MAX];
	uint32_t rules[RULES_MOST];
	unsigned fds;
};

static int by_map_and_key(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct element, value));
}

/* An owner's maps go as a whole; a queue's owner 0 is what an array has from the start. */
static bool is_nothing(const struct element *e)
{
	static const uint8_t zero[sizeof(e->value)];

	if (!e->map || fcntl(e->map, F_GETFD) < 0)
		return true;
	return e->map == host.maps[LOADER_FD_OWNERS] && !memcmp(e->value, zero, sizeof(zero));
}

static void look(struct kernel *ret)
{
	unsigned n = 0;

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < ELEMENTS_MAX; i++)
		if (!is_nothing(&host.elements[i]))
			ret->elements[n++] = host.elements[i];
	qsort(ret->elements, n, sizeof(ret->elements[0]), by_map_and_key);
	memcpy(ret->rules, host.rules, sizeof(ret->rules));
	ret->fds = host_open_fds();
}

static int do_owner(void)
{
	return owner(2, MEDIA, true);
}

static int do_queue(void)
{
	return queue(1, 2, true);
}

static int do_port(void)
{
	return port(1, 5001, true);
}

static int do_soft_flow(void)
{
	return soft_flow(1, 7, 5000, true);
}

static int do_hard_flow(void)
{
	return hard_flow(1, 1, 5000);
}

static int do_socket(void)
{
	return get_socket(1, 1);
}

/* Failing its first call, its second ... until it has no more of them. */
static unsigned fail_each_call(int (*operation)(void))
{
	static struct kernel before, after;
	unsigned failed = 0;
	int error;

	look(&before);
	for (;;) {
		host_fail((int)failed + 1, ENOMEM);
		error = operation();
		if (host.fail_at) /* it did not come so far */
			break;
		failed++;
		assert_int_equal(error, ENOMEM);
		look(&after);
		assert_memory_equal(&after, &before, sizeof(after));
	}
	assert_int_equal(error, 0);
	host_fail(0, 0);
	return failed;
}

/* The table is made ahead, so that what is left over is the operation's own. */
static void start_on_queue_1(enum nic_form form)
{
	open_ens1(form);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
}

static void test_each_step_fails_in_the_single_form(void **state)
{
	(void)state;
	start_on_queue_1(NIC_FORM_SINGLE);
	assert_int_equal(fail_each_call(do_owner), 1);
	assert_int_equal(fail_each_call(do_queue), 3);
	assert_int_equal(fail_each_call(do_port), 1);
	assert_int_equal(fail_each_call(do_soft_flow), 3);
	assert_int_equal(fail_each_call(do_hard_flow), 1);
	assert_int_equal(fail_each_call(do_socket), 2);
}

static void test_each_step_fails_in_the_dispatcher_form(void **state)
{
	(void)state;
	start_on_queue_1(NIC_FORM_DISPATCHER);
	assert_int_equal(fail_each_call(do_owner), 0);
	assert_int_equal(fail_each_call(do_queue), 0);
	assert_int_equal(fail_each_call(do_port), 1);
	assert_int_equal(fail_each_call(do_hard_flow), 1);
	assert_int_equal(fail_each_call(do_socket), 2);
}

/* The table could not be made: nothing of it is left when the owner goes. */
static void test_no_memory_for_a_table(void **state)
{
	static struct kernel before, after;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	look(&before);
	assert_int_equal(owner(1, MEDIA, true), 0);
	host_fail(1, ENOMEM);
	assert_int_equal(queue(1, 1, true), ENOMEM);
	assert_string_equal(why(), "can't make a port table: Cannot allocate memory");
	host_fail(1, ENOMEM);
	assert_int_equal(port(1, 1, true), ENOMEM);
	assert_int_equal(owner(1, MEDIA, false), 0);
	look(&after);
	assert_memory_equal(&after, &before, sizeof(after));
}

static void leave_nothing(enum nic_form form, bool soft)
{
	static struct kernel before, after;

	open_ens1(form);
	look(&before);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(1, 255, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(hard_flow(1, 255, 5000), 0);
	assert_int_equal(get_socket(1, 1), 0);
	if (soft)
		assert_int_equal(soft_flow(1, 1, 5000, true), 0);
	assert_int_equal(owner(1, MEDIA, false), 0);
	look(&after);
	assert_memory_equal(&after, &before, sizeof(after));
}

static void test_an_owner_leaves_nothing(void **state)
{
	(void)state;
	leave_nothing(NIC_FORM_SINGLE, true);
}

static void test_an_owner_of_the_dispatcher_leaves_nothing(void **state)
{
	(void)state;
	leave_nothing(NIC_FORM_DISPATCHER, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(test_owners),
		with_host(test_so_many_owners),
		with_host(test_the_dispatcher_serves_one_tenant),
		with_host(test_a_queue_is_whole_before_it_is_looked_at),
		with_host(test_whose_a_queue_is),
		with_host(test_the_systems_queue),
		with_host(test_sockets),
		with_host(test_ports_of_an_owner),
		with_host(test_ports_that_owners_share),
		with_host(test_a_port_of_flows),
		with_host(test_the_key_of_a_flow),
		with_host(test_flows_that_no_frame_would_find),
		with_host(test_where_there_are_no_soft_flows),
		with_host(test_rules_and_the_feature),
		with_host(test_what_was_there_stays),
		with_host(test_rules_go_with_their_queue),
		with_host(test_a_nic_without_rules),
		with_host(test_the_interface_is_gone),
		with_host(test_each_step_fails_in_the_single_form),
		with_host(test_each_step_fails_in_the_dispatcher_form),
		with_host(test_no_memory_for_a_table),
		with_host(test_an_owner_leaves_nothing),
		with_host(test_an_owner_of_the_dispatcher_leaves_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
