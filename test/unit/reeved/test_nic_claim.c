/* SPDX-License-Identifier: BSD-3-Clause */
/* What a core that died leaves, what the next one claims of it, and what is swept. */
#include "nic_fixture.h"

static struct kernel before, after;

static void expect_no_change(void)
{
	host_look(&after);
	assert_memory_equal(&after, &before, sizeof(after));
}

static int claim_ens1(void)
{
	return ask(open_as(NIC_WANT_EITHER));
}

/* As the core names a rule that it knows. */
static int claim_hard_flow(uint32_t number, uint32_t queue_number, uint32_t location)
{
	union pp_msg m = flow_to(number, queue_number, 5000);

	m.nic_flow.location = location;
	return ask(m);
}

static unsigned rules(void)
{
	unsigned n = 0;

	for (int i = 0; i < RULES_MOST; i++)
		n += host.rules[i] != 0;
	return n;
}

/* Owner 1 of MEDIA has two of everything, owner 2 one queue and a port that counts. */
static void fill(enum nic_form form)
{
	open_ens1(form);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(1, 2, true), 0);
	assert_int_equal(queue(2, 3, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(port(1, 5001, true), 0);
	assert_int_equal(port(2, 5000, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	assert_int_equal(get_socket(1, 1), 0);
	if (form != NIC_FORM_SINGLE)
		return;
	assert_int_equal(soft_flow(1, 11, 5001, true), 0);
	assert_int_equal(soft_flow(1, 12, 5001, true), 0);
}

static void claim_all(enum nic_form form)
{
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(1, 2, true), 0);
	assert_int_equal(queue(2, 3, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(port(1, 5001, true), 0);
	assert_int_equal(port(2, 5000, true), 0);
	assert_int_equal(claim_hard_flow(1, 1, 1), 0);
	assert_int_equal(host.sent.result.value, 1);
	assert_int_equal(claim_hard_flow(1, 1, 2), 0);
	assert_int_equal(host.sent.result.value, 2);
	if (form != NIC_FORM_SINGLE)
		return;
	assert_int_equal(soft_flow(1, 11, 5001, true), 0);
	assert_int_equal(host.sent.result.value, 11);
	assert_int_equal(soft_flow(1, 12, 5001, true), 0);
}

/* --- all of it ------------------------------------------------------------------------- */

static void claim_without_a_change(enum nic_form form)
{
	unsigned sent;

	fill(form);
	host_look(&before);
	host_fail(0, 0);
	sent = host.nsent;
	nics_unclaim(&host.d);
	assert_int_equal(host.nsent, sent);
	claim_all(form);
	nics_sweep(&host.d);
	assert_int_equal(host.ncalls, 0);
	assert_null(host_loader_request());
	expect_no_change();
}

static void test_a_claim_changes_nothing(void **state)
{
	(void)state;
	claim_without_a_change(NIC_FORM_SINGLE);
}

static void test_a_claim_changes_nothing_for_the_dispatcher(void **state)
{
	(void)state;
	claim_without_a_change(NIC_FORM_DISPATCHER);
}

static void test_what_it_is_is_answered(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	assert_int_equal(ask(open_as(NIC_WANT_DISPATCHER)), 0);
	assert_int_equal(host.sent.result.value,
			 NIC_FORM_SINGLE | NIC_MODE_NATIVE << 8 | PP_NIC_WAS_THERE);
}

static void test_each_is_claimed_once(void **state)
{
	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	claim_all(NIC_FORM_SINGLE);
	assert_int_equal(claim_ens1(), EEXIST);
	assert_int_equal(owner(1, MEDIA, true), EEXIST);
	assert_int_equal(queue(1, 1, true), EBUSY);
	assert_int_equal(port(1, 5000, true), EEXIST);
	assert_int_equal(soft_flow(1, 11, 5001, true), EEXIST);
	/* This one is made. */
	assert_int_equal(claim_hard_flow(1, 1, 1), 0);
	assert_int_equal(host.sent.result.value, 3);
}

static void test_the_next_core_dies_before_it_is_done(void **state)
{
	(void)state;
	fill(NIC_FORM_SINGLE);
	host_look(&before);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 2, true), 0);
	nics_unclaim(&host.d);
	claim_all(NIC_FORM_SINGLE);
	nics_sweep(&host.d);
	expect_no_change();
	/* And all of it is as it ever was. */
	nics_unclaim(&host.d);
	nics_sweep(&host.d);
	assert_int_equal(rules(), 0);
	assert_true(host_loader_does(LOADER_DETACH));
}

/* --- what is swept ---------------------------------------------------------------------- */

static void test_an_interface_is_swept(void **state)
{
	unsigned fds = host_open_fds();

	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	nics_sweep(&host.d);
	assert_true(host_loader_does(LOADER_DETACH));
	assert_int_equal(rules(), 0);
	assert_int_equal(host.d.nics.owners, 0);
	assert_int_equal(host_open_fds(), fds);
	/* Who comes now waits for that, as ever. */
	claim_ens1();
	host_loader_detaches();
	assert_true(host_loader_does(LOADER_ATTACH));
	host_loader_attaches(NIC_FORM_DISPATCHER, 8);
	assert_int_equal(host.sent.result.value, NIC_FORM_DISPATCHER | NIC_MODE_NATIVE << 8);
}

static void test_an_owner_is_swept(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	host_look(&before);
	close_ens1();
	host_loader_detaches();
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	nics_sweep(&host.d);
	assert_null(host_loader_request());
	assert_int_equal(queue(1, 1, true), ENOENT);
	expect_no_change();
}

/* The kernel is then as if the rest had never been. */
static void keep_half_of(enum nic_form form)
{
	fill(form);
	assert_int_equal(port(1, 5001, false), 0);
	assert_int_equal(queue(1, 2, false), 0);
	assert_int_equal(end_hard_flow(1, 2), 0);
	if (form == NIC_FORM_SINGLE)
		assert_int_equal(soft_flow(1, 12, 5001, false), 0);
	assert_int_equal(owner(2, MEDIA, false), 0);
	host_look(&before);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(queue(1, 2, true), 0);
	assert_int_equal(queue(2, 3, true), 0);
	assert_int_equal(port(1, 5001, true), 0);
	assert_int_equal(port(2, 5000, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	if (form == NIC_FORM_SINGLE)
		assert_int_equal(soft_flow(1, 12, 5001, true), 0);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(claim_hard_flow(1, 1, 1), 0);
	if (form == NIC_FORM_SINGLE)
		assert_int_equal(soft_flow(1, 11, 5001, true), 0);
	nics_sweep(&host.d);
	expect_no_change();
	assert_null(host_loader_request());
	assert_int_equal(queue(1, 2, true), 0);
	assert_int_equal(port(1, 5001, true), 0);
}

static void test_half_of_it_is_swept(void **state)
{
	(void)state;
	keep_half_of(NIC_FORM_SINGLE);
}

static void test_half_of_it_is_swept_for_the_dispatcher(void **state)
{
	(void)state;
	keep_half_of(NIC_FORM_DISPATCHER);
}

/* An end is one, whoever asks for it. */
static void test_what_is_unclaimed_can_end(void **state)
{
	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	assert_int_equal(queue(1, 2, false), 0);
	assert_int_equal(port(1, 5000, false), 0);
	assert_int_equal(soft_flow(1, 12, 5001, false), 0);
	assert_int_equal(end_hard_flow(1, 2), 0);
	assert_int_equal(owner(2, MEDIA, false), 0);
	assert_int_equal(rules(), 1);
	close_ens1();
	host_loader_detaches();
	assert_int_equal(rules(), 0);
	assert_true(nics_idle(&host.d.nics));
}

/* What has its place then is the next core's. */
static void test_what_has_ended_is_made_anew(void **state)
{
	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(queue(1, 2, false), 0);
	assert_int_equal(queue(1, 2, true), 0);
	assert_int_equal(port(1, 5000, false), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(end_hard_flow(1, 1), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	nics_sweep(&host.d);
	assert_ptr_equal(ens1()->queues[2], owner_find(ens1(), 1));
	assert_true(element(1, 5000).packets == REEVE_PORT_ON);
	assert_int_equal(rules(), 1);
}

static void test_what_is_not_there_is_made(void **state)
{
	(void)state;
	nics_unclaim(&host.d);
	open_ens1(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	assert_int_equal(soft_flow(1, 1, 5000, true), 0);
	assert_int_equal(hard_flow(1, 1, 5000), 0);
	host_look(&before);
	nics_sweep(&host.d);
	expect_no_change();
}

/* --- whose it is ------------------------------------------------------------------------- */

static void test_nobody_claims_anothers(void **state)
{
	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(1, OTHER, true), EEXIST);
	assert_string_equal(why(), "owner 1 on the interface is another tenant's");
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(queue(2, 1, true), EBUSY);
	assert_int_equal(claim_hard_flow(2, 1, 1), EPERM);
	nics_sweep(&host.d);
	assert_int_equal(rules(), 0);
	assert_int_equal(queue(2, 1, true), 0);
}

/* What is leased stays leased; what is new is held against the config that is in force. */
static void test_a_newer_config_takes_nothing_away(void **state)
{
	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	host.d.conf.no_nics = 1;
	host.d.conf.nic_confs[0].system_queues = 2;
	host.d.conf.nic_confs[0].soft_flows = 0;
	host.d.conf.tenants[MEDIA].quota.max[RES_XDP] = 0;
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(1, TENANT_MAX, true), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_int_equal(owner(3, MEDIA, true), EPERM);
	assert_int_equal(owner(3, TENANT_MAX, true), EINVAL);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(soft_flow(1, 11, 5001, true), 0);
	assert_int_equal(soft_flow(1, 12, 5002, true), EPERM);
	nics_sweep(&host.d);
	assert_non_null(ens1()->queues[1]);
	assert_null(ens1()->queues[2]);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FLOWS]), 1);
	assert_int_equal(queue(1, 0, true), EPERM);
}

/* --- flows ------------------------------------------------------------------------------ */

static void test_a_soft_flow_gets_the_number_it_is_claimed_by(void **state)
{
	union pp_msg m = flow_to(1, 1, 5001);

	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	m.nic_flow.soft = 1;
	m.nic_flow.flow.src[0] = 11;
	/* Another one has it. */
	m.nic_flow.location = 12;
	assert_int_equal(ask(m), EEXIST);
	m.nic_flow.location = 13;
	m.nic_flow.flow.queue = 2;
	assert_int_equal(ask(m), EEXIST);
	m.nic_flow.flow.queue = 1;
	assert_int_equal(ask(m), 0);
	assert_int_equal(host.sent.result.value, 13);
	assert_int_equal(soft_flow(1, 11, 5001, false), ENOENT);
	assert_int_equal(soft_flow(1, 13, 5001, false), 0);
	assert_int_equal(host_elements(host.maps[LOADER_FD_FLOWS]), 1);
}

/* Owner, queue and location together; else it is a request for a new one. */
static void test_a_rule_is_claimed_as_it_is(void **state)
{
	(void)state;
	fill(NIC_FORM_SINGLE);
	nics_unclaim(&host.d);
	assert_int_equal(claim_hard_flow(1, 2, 1), 0);
	assert_int_equal(host.sent.result.value, 3);
	assert_int_equal(claim_hard_flow(2, 3, 1), 0);
	assert_int_equal(host.sent.result.value, 4);
	assert_int_equal(rules(), 4);
}

/* --- half made ---------------------------------------------------------------------------- */

static void test_claimed_while_it_is_being_opened(void **state)
{
	(void)state;
	claim_ens1();
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(claim_ens1(), EAGAIN);
	nics_sweep(&host.d);
	assert_int_equal(host.nsent, 1);
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.nsent, 2);
	assert_int_equal(host.sent.result.error, 0);
	assert_int_equal(host.sent.result.value, NIC_FORM_SINGLE | NIC_MODE_NATIVE << 8);
	nics_sweep(&host.d);
	assert_null(host_loader_request());
	close_ens1();
	host_loader_detaches();
	assert_true(nics_idle(&host.d.nics));
	assert_int_equal(host.nsent, 2);
}

static void test_claimed_when_it_has_been_opened(void **state)
{
	(void)state;
	claim_ens1();
	nics_unclaim(&host.d);
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.nsent, 0);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(host.nsent, 1);
	nics_sweep(&host.d);
	assert_null(host_loader_request());
}

static void test_swept_while_it_is_being_opened(void **state)
{
	(void)state;
	claim_ens1();
	nics_unclaim(&host.d);
	nics_sweep(&host.d);
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.nsent, 0);
	assert_true(host_loader_does(LOADER_DETACH));
}

static void test_closed_again_while_it_is_being_opened(void **state)
{
	(void)state;
	claim_ens1();
	nics_unclaim(&host.d);
	claim_ens1();
	close_ens1();
	assert_int_equal(host.sent.result.error, ECANCELED);
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.nsent, 1);
	assert_true(host_loader_does(LOADER_DETACH));
}

/* What failed was the dead core's wish; the next one's is tried by itself. */
static void test_claimed_and_it_could_not_be_opened(void **state)
{
	(void)state;
	claim_ens1();
	nics_unclaim(&host.d);
	ask(open_as(NIC_WANT_SINGLE));
	host_loader_fails(EBUSY, false);
	assert_int_equal(host.nsent, 0);
	assert_int_equal(host_loader_request()->form, NIC_WANT_SINGLE);
	host_loader_fails(ENOMEM, false);
	assert_int_equal(host.sent.result.error, ENOMEM);
	assert_true(nics_idle(&host.d.nics));
}

static void test_it_could_not_be_opened_and_has_to_be_undone(void **state)
{
	(void)state;
	claim_ens1();
	nics_unclaim(&host.d);
	host_loader_fails(ETIMEDOUT, true);
	assert_true(host_loader_does(LOADER_DETACH));
	assert_int_equal(claim_ens1(), 0);
	nics_sweep(&host.d);
	assert_int_equal(host.nsent, 0);
	host_loader_detaches();
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.sent.result.error, 0);
}

static void test_what_is_being_closed_goes_on_being_so(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	close_ens1();
	claim_ens1();
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(claim_ens1(), EAGAIN);
	nics_sweep(&host.d);
	host_loader_detaches();
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.sent.result.error, 0);
	/* One that was to be closed as soon as it would be open. */
	close_ens1();
	host_loader_detaches();
	claim_ens1();
	close_ens1();
	nics_unclaim(&host.d);
	claim_ens1();
	nics_sweep(&host.d);
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	host_loader_detaches();
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.sent.result.error, 0);
	nics_sweep(&host.d);
	assert_null(host_loader_request());
}

static void test_an_owner_that_is_being_made(void **state)
{
	unsigned sent;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	begin_owner(1, MEDIA);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	sent = host.nsent;
	begin_owner(1, MEDIA);
	assert_int_equal(host.nsent, sent);
	assert_int_equal(begin_owner(1, MEDIA), EEXIST);
	assert_int_equal(queue(1, 1, true), EAGAIN);
	nics_sweep(&host.d);
	host_loader_makes_owner();
	assert_int_equal(host.sent.result.error, 0);
	assert_int_equal(queue(1, 1, true), 0);
	/* Claimed when it is there, and not at all. */
	begin_owner(2, MEDIA);
	begin_owner(3, MEDIA);
	nics_unclaim(&host.d);
	sent = host.nsent;
	host_loader_makes_owner();
	host_loader_makes_owner();
	assert_int_equal(host.nsent, sent);
	assert_int_equal(claim_ens1(), 0);
	assert_int_equal(owner(2, MEDIA, true), 0);
	assert_null(host_loader_request());
	nics_sweep(&host.d);
	assert_int_equal(queue(2, 2, true), 0);
	assert_int_equal(queue(3, 3, true), ENOENT);
	assert_int_equal(queue(1, 1, true), ENOENT);
}

static void test_swept_while_it_is_being_made(void **state)
{
	unsigned fds, sent;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	fds = host_open_fds();
	begin_owner(1, MEDIA);
	nics_unclaim(&host.d);
	assert_int_equal(claim_ens1(), 0);
	sent = host.nsent;
	nics_sweep(&host.d);
	host_loader_makes_owner();
	assert_int_equal(host.nsent, sent);
	assert_int_equal(host_open_fds(), fds);
	assert_int_equal(host.d.nics.owners, 0);
}

/* Nobody would get it. */
static void test_sockets_that_are_being_made(void **state)
{
	unsigned fds, sent;

	(void)state;
	fill(NIC_FORM_SINGLE);
	begin_socket(1, 2);
	nics_unclaim(&host.d);
	claim_all(NIC_FORM_SINGLE);
	fds = host_open_fds();
	sent = host.nsent;
	host_loader_makes_socket();
	assert_int_equal(host.nsent, sent);
	assert_int_equal(host_open_fds(), fds);
	assert_false(host_has(owner_find(ens1(), 1)->xskmap, 2));
	assert_true(host_has(owner_find(ens1(), 1)->xskmap, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(test_a_claim_changes_nothing),
		with_host(test_a_claim_changes_nothing_for_the_dispatcher),
		with_host(test_what_it_is_is_answered),
		with_host(test_each_is_claimed_once),
		with_host(test_the_next_core_dies_before_it_is_done),
		with_host(test_an_interface_is_swept),
		with_host(test_an_owner_is_swept),
		with_host(test_half_of_it_is_swept),
		with_host(test_half_of_it_is_swept_for_the_dispatcher),
		with_host(test_what_is_unclaimed_can_end),
		with_host(test_what_has_ended_is_made_anew),
		with_host(test_what_is_not_there_is_made),
		with_host(test_nobody_claims_anothers),
		with_host(test_a_newer_config_takes_nothing_away),
		with_host(test_a_soft_flow_gets_the_number_it_is_claimed_by),
		with_host(test_a_rule_is_claimed_as_it_is),
		with_host(test_claimed_while_it_is_being_opened),
		with_host(test_claimed_when_it_has_been_opened),
		with_host(test_swept_while_it_is_being_opened),
		with_host(test_closed_again_while_it_is_being_opened),
		with_host(test_claimed_and_it_could_not_be_opened),
		with_host(test_it_could_not_be_opened_and_has_to_be_undone),
		with_host(test_what_is_being_closed_goes_on_being_so),
		with_host(test_an_owner_that_is_being_made),
		with_host(test_swept_while_it_is_being_made),
		with_host(test_sockets_that_are_being_made),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
