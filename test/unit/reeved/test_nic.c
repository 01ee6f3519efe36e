/* SPDX-License-Identifier: BSD-3-Clause */
/* An interface's life: opened, closed, and what comes meanwhile. */
#include "nic_fixture.h"

static void expect_result(int error, const char *sentence)
{
	assert_int_equal(host.sent.head.type, PP_RESULT);
	assert_int_equal(host.sent.head.serial, SERIAL);
	assert_int_equal(host.sent.result.error, error);
	assert_string_equal(host.sent.result.why, sentence);
}

static void expect_detach(uint32_t channels)
{
	const struct loader_request *q = host_loader_request();

	assert_non_null(q);
	assert_int_equal(q->op, LOADER_DETACH);
	assert_int_equal(q->ifindex, ENS1);
	assert_int_equal(q->channels, channels);
}

static void test_open_and_close(void **state)
{
	const struct loader_request *q;
	unsigned fds = host_open_fds();

	(void)state;
	ask(open_as(NIC_WANT_EITHER));
	q = host_loader_request();
	assert_int_equal(q->op, LOADER_ATTACH);
	assert_int_equal(q->ifindex, ENS1);
	assert_int_equal(q->form, NIC_WANT_EITHER);
	assert_int_equal(q->mode, NIC_MODE_AUTO);
	assert_int_equal(q->channels, 4);
	assert_int_equal(host.nsent, 0);
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	expect_result(0, "");
	assert_int_equal(host.sent.result.value, NIC_FORM_SINGLE | NIC_MODE_NATIVE << 8);
	close_ens1();
	assert_int_equal(host_open_fds(), fds);
	expect_detach(8);
	assert_false(nics_idle(&host.d.nics));
	host_loader_detaches();
	assert_true(nics_idle(&host.d.nics));
	assert_int_equal(host.nsent, 1);
}

static void test_what_is_refused_at_once(void **state)
{
	union pp_msg m = open_as(NIC_WANT_SINGLE);

	(void)state;
	m.nic_open.conf_serial = 2;
	assert_int_equal(ask(m), ESTALE);
	m = open_as(NIC_WANT_SINGLE);
	m.nic_open.ifindex = 99;
	assert_int_equal(ask(m), ENODEV);
	m = open_as(NIC_WANT_SINGLE);
	str_copy(m.nic_open.name, NIC_NAME_MAX, "eth0");
	assert_int_equal(ask(m), ENODEV);
	m.nic_open.ifindex = LO;
	str_copy(m.nic_open.name, NIC_NAME_MAX, "lo");
	assert_int_equal(ask(m), EINVAL);
	assert_string_equal(why(), "it is the loopback interface");
	assert_int_equal(host.refusals, 0);
	m.nic_open.ifindex = ENS2;
	str_copy(m.nic_open.name, NIC_NAME_MAX, "ens2");
	assert_int_equal(ask(m), EPERM);
	assert_int_equal(host.refusals, 1);
	assert_null(host_loader_request());
	assert_true(nics_idle(&host.d.nics));
}

static void test_while_it_is_being_opened(void **state)
{
	(void)state;
	ask(open_as(NIC_WANT_SINGLE));
	assert_int_equal(ask(open_as(NIC_WANT_SINGLE)), EAGAIN);
	assert_int_equal(owner(1, MEDIA, true), EAGAIN);
	assert_int_equal(queue(1, 1, true), EAGAIN);
	assert_int_equal(port(1, 5000, true), EAGAIN);
	assert_int_equal(hard_flow(1, 1, 5000), EAGAIN);
	assert_int_equal(get_map(1), EAGAIN);
	assert_int_equal(get_socket(1, 1), EAGAIN);
	host_loader_attaches(NIC_FORM_SINGLE, 0);
	assert_int_equal(ask(open_as(NIC_WANT_SINGLE)), EEXIST);
}

static void test_nothing_without_an_open_interface(void **state)
{
	(void)state;
	assert_int_equal(owner(1, MEDIA, true), ENODEV);
	assert_int_equal(owner(1, MEDIA, false), ENODEV);
	assert_int_equal(queue(1, 1, true), ENODEV);
	assert_string_equal(why(), "interface 7 is not open");
	close_ens1();
	assert_null(host_loader_request());
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(queue(1, 1, true), ENOENT);
	assert_string_equal(why(), "owner 1 is not on the interface");
}

static void test_a_failing_loader(void **state)
{
	(void)state;
	ask(open_as(NIC_WANT_SINGLE));
	host_loader_fails(EBUSY, false);
	expect_result(EBUSY, "the loader's sentence");
	assert_true(nics_idle(&host.d.nics));
	assert_int_equal(host.table.nics[0].ifindex, 0);
}

/* It may have changed anything: all of it is undone. */
static void test_a_loader_that_was_killed(void **state)
{
	(void)state;
	ask(open_as(NIC_WANT_SINGLE));
	host_loader_fails(ETIMEDOUT, true);
	expect_result(ETIMEDOUT, "the loader's sentence");
	expect_detach(8);
	assert_int_equal(host.table.nics[0].ifindex, ENS1);
	host_loader_detaches();
	assert_int_equal(host.table.nics[0].ifindex, 0);
}

static void test_closed_while_it_is_being_opened(void **state)
{
	(void)state;
	ask(open_as(NIC_WANT_SINGLE));
	close_ens1();
	assert_int_equal(host.nsent, 0);
	host_loader_attaches(NIC_FORM_DISPATCHER, 0);
	expect_result(ECANCELED, "it was closed meanwhile");
	expect_detach(0);
}

static void test_opened_while_it_is_being_closed(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	close_ens1();
	ask(open_as(NIC_WANT_DISPATCHER));
	assert_int_equal(host.nsent, 1);
	assert_int_equal(ask(open_as(NIC_WANT_DISPATCHER)), EAGAIN);
	host_loader_detaches();
	assert_int_equal(host_loader_request()->op, LOADER_ATTACH);
	assert_int_equal(host_loader_request()->form, NIC_WANT_DISPATCHER);
	host_loader_attaches(NIC_FORM_DISPATCHER, 8);
	expect_result(0, "");
}

static void test_opened_again_and_closed_again(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	close_ens1();
	ask(open_as(NIC_WANT_SINGLE));
	close_ens1();
	expect_result(ECANCELED, "it was closed meanwhile");
	host_loader_detaches();
	assert_null(host_loader_request());
	assert_true(nics_idle(&host.d.nics));
}

/* What waited for the old one is held against the config of now. */
static void test_not_opened_again_when_the_config_has_changed(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	close_ens1();
	ask(open_as(NIC_WANT_SINGLE));
	host.d.conf.no_nics = 1;
	host_loader_detaches();
	expect_result(EPERM, "the configuration keeps reeve from ens1");
	assert_true(nics_idle(&host.d.nics));
}

static void test_the_core_dies(void **state)
{
	unsigned fds = host_open_fds(), sent;

	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	assert_int_equal(owner(1, MEDIA, true), 0);
	assert_int_equal(queue(1, 1, true), 0);
	assert_int_equal(port(1, 5000, true), 0);
	sent = host.nsent;
	nics_close_all(&host.d);
	assert_int_equal(host_open_fds(), fds);
	assert_int_equal(host.d.nics.owners, 0);
	expect_detach(8);
	host_loader_detaches();
	assert_int_equal(host.nsent, sent);
}

/* Its answer would meet the next core's requests. */
static void test_the_core_dies_while_it_is_being_opened(void **state)
{
	(void)state;
	ask(open_as(NIC_WANT_SINGLE));
	nics_close_all(&host.d);
	ask(open_as(NIC_WANT_DISPATCHER));
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	assert_int_equal(host.nsent, 0);
	expect_detach(8);
	host_loader_detaches();
	host_loader_attaches(NIC_FORM_DISPATCHER, 8);
	expect_result(0, "");
}

/* --- what a kill would leave --------------------------------------------------------- */

static void test_written_down_before_it_is_done(void **state)
{
	const struct nic_record *r = &host.table.nics[0];

	(void)state;
	ask(open_as(NIC_WANT_SINGLE));
	assert_int_equal(r->ifindex, ENS1);
	assert_string_equal(r->name, "ens1");
	assert_int_equal(r->netns, host.d.nics.netns);
	assert_int_equal(r->channels_were, 8);
	/* There were as many as wanted: nothing to be put back. */
	host_loader_attaches(NIC_FORM_SINGLE, 0);
	assert_int_equal(r->channels_were, 0);
	close_ens1();
	assert_int_equal(r->ifindex, ENS1);
	host_loader_detaches();
	assert_int_equal(r->ifindex, 0);
}

static void test_what_could_not_be_put_back_is_not_forgotten(void **state)
{
	(void)state;
	open_ens1(NIC_FORM_SINGLE);
	close_ens1();
	host_loader_fails(EIO, false);
	assert_true(nics_idle(&host.d.nics));
	assert_int_equal(host.table.nics[0].channels_were, 8);
	/* The next life finds 4 and is told so: the first number is what counts. */
	host.channels = 4;
	ask(open_as(NIC_WANT_SINGLE));
	host_loader_fails(EBUSY, false);
	assert_int_equal(host.table.nics[0].ifindex, ENS1);
	ask(open_as(NIC_WANT_SINGLE));
	host_loader_attaches(NIC_FORM_SINGLE, 0);
	assert_int_equal(host.table.nics[1].ifindex, 0);
	close_ens1();
	expect_detach(8);
}

static void leave(const char *name)
{
	struct nic_record *r = &host.table.nics[3];

	*r = (struct nic_record){
		.ifindex = ENS1, .channels_were = 8, .ntuple_changed = 1, .netns = host.d.nics.netns
	};
	str_copy(r->name, sizeof(r->name), name);
	host.table.rules[5] = (struct rule_record){ .ifindex = ENS1, .location = 77 };
	host.rules[0] = 77;
	host.rules[1] = 78;
	host.ntuple_on = true;
}

static void start_again(void)
{
	struct err e;

	assert_int_equal(nics_open(&host.d, &e), 0);
}

static void test_a_predecessor_was_killed(void **state)
{
	(void)state;
	leave("ens1");
	start_again();
	assert_int_equal(host.rules[0], 0);
	assert_int_equal(host.rules[1], 78);
	assert_int_equal(host.table.rules[5].ifindex, 0);
	assert_false(host.ntuple_on);
	expect_detach(8);
	ask(open_as(NIC_WANT_SINGLE));
	assert_int_equal(host.nsent, 0);
	host_loader_detaches();
	host_loader_attaches(NIC_FORM_SINGLE, 8);
	expect_result(0, "");
}

static void test_it_is_another_interface_by_now(void **state)
{
	(void)state;
	leave("ens0");
	start_again();
	assert_int_equal(host.rules[0], 77);
	assert_int_equal(host.table.rules[5].ifindex, 0);
	assert_true(host.ntuple_on);
	expect_detach(0);
}

static void test_another_network_namespace(void **state)
{
	(void)state;
	leave("ens1");
	host.table.nics[3].netns++;
	start_again();
	assert_null(host_loader_request());
	assert_int_equal(host.table.nics[3].ifindex, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(test_open_and_close),
		with_host(test_what_is_refused_at_once),
		with_host(test_while_it_is_being_opened),
		with_host(test_nothing_without_an_open_interface),
		with_host(test_a_failing_loader),
		with_host(test_a_loader_that_was_killed),
		with_host(test_closed_while_it_is_being_opened),
		with_host(test_opened_while_it_is_being_closed),
		with_host(test_opened_again_and_closed_again),
		with_host(test_not_opened_again_when_the_config_has_changed),
		with_host(test_the_core_dies),
		with_host(test_the_core_dies_while_it_is_being_opened),
		with_host(test_written_down_before_it_is_done),
		with_host(test_what_could_not_be_put_back_is_not_forgotten),
		with_host(test_a_predecessor_was_killed),
		with_host(test_it_is_another_interface_by_now),
		with_host(test_another_network_namespace),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
