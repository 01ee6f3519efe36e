/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners on an interface: whose a queue and a socket is. */
#include <sys/resource.h>

#include "nic_fixture.h"

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

static void fill_with_owners(enum nic_form form)
{
	open_ens1(form);
	for (uint32_t i = 1; i <= IFACE_OWNERS_MAX; i++)
		assert_int_equal(owner(i, MEDIA, true), 0);
	assert_int_equal(owner(IFACE_OWNERS_MAX + 1, MEDIA, true), ENOSPC);
	assert_string_equal(why(), "4096 owners are on the interfaces, no more fit");
	assert_int_equal(owner(1, MEDIA, false), 0);
	assert_int_equal(owner(IFACE_OWNERS_MAX + 1, MEDIA, true), 0);
}

static void test_so_many_owners(void **state)
{
	(void)state;
	fill_with_owners(NIC_FORM_DISPATCHER);
}

static void test_so_many_owners_with_maps(void **state)
{
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	if (files.rlim_max < 3 * IFACE_OWNERS_MAX || setrlimit(RLIMIT_NOFILE, &files) < 0)
		skip();
	fill_with_owners(NIC_FORM_SINGLE);
	assert_int_equal(owner_find(ens1(), IFACE_OWNERS_MAX)->slot, IFACE_OWNERS_MAX);
	assert_int_equal(owner_find(ens1(), IFACE_OWNERS_MAX + 1)->slot, 1);
}

static void swap_tenants(void)
{
	struct tenant_conf was = host.d.conf.tenants[MEDIA];

	host.d.conf.tenants[MEDIA] = host.d.conf.tenants[OTHER];
	host.d.conf.tenants[OTHER] = was;
}

/* In a new config a tenant may have another's number. */
static void test_a_tenant_is_known_by_its_name(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(1, MEDIA, true), 0);
	swap_tenants();
	assert_int_equal(owner(2, MEDIA, true), EPERM);
	assert_int_equal(owner(3, OTHER, true), 0);
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

/* --- while reeve-bpf makes an owner's maps ------------------------------------------------ */

static void expect_canceled(void)
{
	assert_int_equal(host.sent.head.serial, SERIAL);
	assert_int_equal(host.sent.result.error, ECANCELED);
	assert_string_equal(why(), "it ended before it was there");
}

static void test_an_owner_that_is_being_made(void **state)
{
	const struct loader_request *q;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	begin_owner(9, MEDIA);
	assert_int_equal(host.nsent, 1);
	q = host_loader_request();
	assert_int_equal(q->op, LOADER_OWNER);
	assert_int_equal(q->owner, 9);
	assert_int_equal(q->slot, 1);
	assert_int_equal(begin_owner(9, MEDIA), EEXIST);
	assert_int_equal(queue(9, 1, true), EAGAIN);
	assert_string_equal(why(), "the owner's maps are just being made");
	assert_int_equal(port(9, 5000, true), EAGAIN);
	assert_int_equal(soft_flow(9, 1, 5000, true), EAGAIN);
	assert_int_equal(get_map(9), EAGAIN);
	assert_int_equal(get_socket(9, 1), EAGAIN);
	host_loader_makes_owner();
	assert_int_equal(host.sent.head.serial, SERIAL);
	assert_int_equal(host.sent.result.error, 0);
	assert_int_equal(queue(9, 1, true), 0);
}

static void test_an_owner_that_could_not_be_made(void **state)
{
	unsigned fds;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	fds = host_open_fds();
	begin_owner(1, MEDIA);
	host_loader_fails(ETIMEDOUT, true);
	assert_int_equal(host.sent.result.error, ETIMEDOUT);
	assert_string_equal(why(), "the loader's sentence");
	assert_int_equal(queue(1, 1, true), ENOENT);
	assert_int_equal(host_open_fds(), fds);
	begin_owner(1, MEDIA);
	assert_int_equal(host_loader_request()->slot, 1);
}

static void test_ended_while_it_is_being_made(void **state)
{
	unsigned fds;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	fds = host_open_fds();
	begin_owner(1, MEDIA);
	end_owner(1, 0);
	expect_canceled();
	assert_int_equal(host.nsent, 2);
	assert_int_equal(end_owner(1, SERIAL), ENOENT);
	/* The same number again has nothing to do with it. */
	begin_owner(1, OTHER);
	assert_int_equal(host.runs[1]->request.slot, 2);
	assert_int_equal(host.nsent, 3);
	host_loader_makes_owner();
	assert_int_equal(host.nsent, 3);
	assert_int_equal(host_open_fds(), fds);
	assert_int_equal(queue(1, 1, true), EAGAIN);
	host_loader_makes_owner();
	assert_int_equal(host.sent.result.error, 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(owner_find(ens1(), 1)->slot, 2);
}

static void test_closed_while_an_owner_is_being_made(void **state)
{
	unsigned fds = host_open_fds();

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(2, MEDIA, true), 0);
	begin_owner(1, MEDIA);
	begin_owner(3, MEDIA);
	end_owner(3, 0);
	close_ens1();
	expect_canceled();
	assert_true(host_loader_does(LOADER_DETACH));
	host_loader_makes_owner();
	host_loader_detaches();
	assert_true(nics_idle(&host.d.nics));
	assert_int_equal(host.d.nics.owners, 1);
	host_loader_makes_owner();
	assert_int_equal(host.d.nics.owners, 0);
	assert_int_equal(host_open_fds(), fds);
}

/* What comes is of the interface's earlier life. */
static void test_opened_again_while_an_owner_is_being_made(void **state)
{
	unsigned fds;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	begin_owner(1, MEDIA);
	close_ens1();
	host_loader_detaches();
	open_ens1(NIC_FORM_SINGLE);
	fds = host_open_fds();
	host_loader_makes_owner();
	assert_int_equal(host_open_fds(), fds);
	assert_int_equal(queue(1, 1, true), ENOENT);
	assert_int_equal(owner(1, MEDIA, true), 0);
}

static void test_the_core_dies_while_an_owner_is_being_made(void **state)
{
	unsigned sent, fds = host_open_fds();

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	begin_owner(1, MEDIA);
	sent = host.nsent;
	nics_close_all(&host.d);
	host_loader_makes_owner();
	host_loader_detaches();
	assert_int_equal(host.nsent, sent);
	assert_int_equal(host_open_fds(), fds);
}

/*
 * The lowest free one: what is left in them is bounded by how many owners there
 * were at once.
 */
static void test_slots(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	for (uint32_t i = 1; i <= 70; i++) {
		assert_int_equal(owner(100 + i, MEDIA, true), 0);
		assert_int_equal(owner_find(ens1(), 100 + i)->slot, i);
	}
	assert_int_equal(owner(166, MEDIA, false), 0);
	assert_int_equal(owner(103, MEDIA, false), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner_find(ens1(), 1)->slot, 3);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(owner_find(ens1(), 2)->slot, 66);
	assert_int_equal(owner(3, MEDIA, true), 0);
	assert_int_equal(owner_find(ens1(), 3)->slot, 71);
}

/* --- queues ---------------------------------------------------------------------------- */

static void test_a_queue_changes_hands_by_one_write(void **state)
{
	uint32_t key = 3, slot;
	struct owner *o;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	o = owner_find(ens1(), 1);
	host_fail(0, 0);
	assert_int_equal(queue(1, 3, true), 0);
	assert_int_equal(host.ncalls, 1);
	expect_call(0, host.maps[LOADER_FD_OWNERS], 3, true);
	host_element(host.maps[LOADER_FD_OWNERS], &key, sizeof(key), &slot, sizeof(slot));
	assert_int_equal(slot, o->slot);
	host_fail(0, 0);
	assert_int_equal(queue(1, 3, false), 0);
	assert_int_equal(host.ncalls, 2);
	expect_call(0, host.maps[LOADER_FD_OWNERS], 3, true);
	expect_call(1, o->xskmap, 3, false);
	host_element(host.maps[LOADER_FD_OWNERS], &key, sizeof(key), &slot, sizeof(slot));
	assert_int_equal(slot, 0);
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

/* The one that is being made is closed, and whoever still waits is told. */
static void expect_no_socket(void (*meanwhile)(void), bool told)
{
	unsigned fds, sent;

	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	begin_socket(1, 1);
	meanwhile();
	fds = host_open_fds();
	sent = host.nsent;
	host_loader_makes_socket();
	assert_int_equal(host_open_fds(), fds);
	assert_int_equal(host.nsent, sent + told);
	if (!told)
		return;
	assert_int_equal(host.sent.head.type, PP_NIC_FDS);
	assert_int_equal(host.sent.nic_fds.error, ECANCELED);
	assert_string_equal(host.sent.nic_fds.why, "queue 1 was given back meanwhile");
}

static void give_back(void)
{
	assert_int_equal(queue(1, 1, false), 0);
}

static void give_to_another(void)
{
	give_back();
	assert_int_equal(owner(2, OTHER, true), 0);
	assert_int_equal(queue(2, 1, true), 0);
}

static void end_the_owner(void)
{
	assert_int_equal(owner(1, MEDIA, false), 0);
}

static void close_and_open(void)
{
	close_ens1();
	host_loader_detaches();
	open_ens1(NIC_FORM_SINGLE);
}

static void lose_the_core(void)
{
	nics_close_all(&host.d);
	host_loader_detaches();
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
}

static void test_what_comes_while_a_socket_is_being_made(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	expect_no_socket(give_back, true);
	end_the_owner();
	expect_no_socket(give_to_another, true);
	assert_int_equal(host_elements(owner_find(ens1(), 2)->xskmap), 0);
	assert_int_equal(owner(2, OTHER, false), 0);
	end_the_owner();
	expect_no_socket(end_the_owner, true);
	expect_no_socket(close_ens1, true);
	host_loader_detaches();
	open_ens1(NIC_FORM_SINGLE);
	expect_no_socket(close_and_open, true);
	expect_no_socket(lose_the_core, false);
}

static void test_a_socket_that_could_not_be_made(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_DISPATCHER);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	begin_socket(1, 1);
	assert_string_equal(host_loader_request()->xsk.name, "ens1");
	host_loader_fails(EBUSY, false);
	assert_int_equal(host.sent.nic_fds.error, EBUSY);
	assert_string_equal(host.sent.nic_fds.why, "the loader's sentence");
	assert_int_equal(get_socket(1, 1), 0);
	assert_true(host_has(host.maps[LOADER_FD_XSKMAP], 1));
}

static void test_so_many_sockets(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	for (int i = 0; i < IFACE_SOCKETS_MAX; i++)
		begin_socket(1, 1);
	begin_socket(1, 1);
	assert_int_equal(host.sent.nic_fds.error, EAGAIN);
	assert_int_equal(host.nruns, IFACE_SOCKETS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(test_owners),
		with_host(test_so_many_owners),
		with_host(test_so_many_owners_with_maps),
		with_host(test_the_dispatcher_serves_one_tenant),
		with_host(test_a_tenant_is_known_by_its_name),
		with_host(test_an_owner_that_is_being_made),
		with_host(test_an_owner_that_could_not_be_made),
		with_host(test_ended_while_it_is_being_made),
		with_host(test_closed_while_an_owner_is_being_made),
		with_host(test_opened_again_while_an_owner_is_being_made),
		with_host(test_the_core_dies_while_an_owner_is_being_made),
		with_host(test_slots),
		with_host(test_a_queue_changes_hands_by_one_write),
		with_host(test_whose_a_queue_is),
		with_host(test_the_systems_queue),
		with_host(test_sockets),
		with_host(test_what_comes_while_a_socket_is_being_made),
		with_host(test_a_socket_that_could_not_be_made),
		with_host(test_so_many_sockets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
