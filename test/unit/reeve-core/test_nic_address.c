/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases of addresses as native clients have them: each step fails, the client goes, or
 * the interface does; and the next core goes on with them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "fake/reeved.h"
#include "ledger/layout.h"
#include "record.h"
#include "session.h"

#include <cmocka.h>

enum { SLOT = 0, MEDIA_UID = 1000, OTHER_UID, MEDIA = 2 };

static struct fake_reeved *fake;
static struct conn *client;
static int client_fd;

/* Tenant "media" with 10.0.0.0/8 and 2001:db8::/32; "other" with nothing but the NIC. */
static struct conf *config(void)
{
	static struct conf c;

	conf_defaults(&c);
	c.ntenants = 4;
	for (uint32_t i = MEDIA; i < c.ntenants; i++) {
		struct tenant_conf *t = &c.tenants[i];

		str_copy(t->name, sizeof(t->name), i == MEDIA ? "media" : "other");
		t->nuids = 1;
		t->uids[0] = (struct id_range){ MEDIA_UID + i - MEDIA, MEDIA_UID + i - MEDIA };
		t->quota.max[RES_XDP] = t->quota.max[RES_ADDRESS] = 3;
	}
	c.tenants[MEDIA].nnets = 2;
	assert_int_equal(ipaddr_parse("10.0.0.0", &c.tenants[MEDIA].nets[0].ip), 0);
	c.tenants[MEDIA].nets[0].bits = 8;
	assert_int_equal(ipaddr_parse("2001:db8::", &c.tenants[MEDIA].nets[1].ip), 0);
	c.tenants[MEDIA].nets[1].bits = 32;
	assert_int_equal(conf_check(&c, NULL), 0);
	return &c;
}

static int setup(void **state)
{
	struct fake_reeved *before = fake;

	(void)state;
	fake = calloc(1, sizeof(*fake));
	if (!fake)
		return -1;
	fake->before = before;
	fake_start(fake, config());
	fake_add_nic(fake, FAKE_IF, "eth0");
	client_fd = fake_connect(fake, SLOT, PP_DOOR_NATIVE, MEDIA_UID, &client);
	return 0;
}

static void begin(struct conn *c, int fd, const char *method, const char *parameters)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "{\"method\":\"io.reeve.%s\",\"parameters\":{%s}}",
			 method, parameters);

	assert_int_equal(send(fd, text, (size_t)n + 1, MSG_NOSIGNAL), n + 1);
	native_events(c, EPOLLIN);
}

static void begin_address(struct conn *c, int fd, const char *address)
{
	char text[128];

	snprintf(text, sizeof(text), "\"nic\":\"eth0\",\"address\":\"%s\"", address);
	begin(c, fd, "AcquireAddress", text);
}

/* The whole of an answer, until the next one is looked for. */
static const char *heard(struct conn *c, int fd)
{
	static char text[2048];
	ssize_t n;

	native_events(c, EPOLLOUT);
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *address(struct conn *c, int fd, const char *text)
{
	begin_address(c, fd, text);
	fake_answer(fake);
	return heard(c, fd);
}

static void assert_got(const char *answer, const char *text)
{
	char want[128];

	snprintf(want, sizeof(want), "\"resource\":\"address %s of if 2\"", text);
	if (!strstr(answer, want))
		fail_msg("%s not in %s", want, answer);
}

static void assert_refused(const char *answer, const char *error)
{
	char want[64];

	snprintf(want, sizeof(want), "\"error\":\"io.reeve.%s\"", error);
	if (!strstr(answer, want))
		fail_msg("%s not in %s", want, answer);
}

static uint32_t leases(void)
{
	struct ledger_totals t;

	ledger_totals(fake->core.ledger, &t);
	return t.leases;
}

static void hang_up(void)
{
	close(client_fd);
	if (fake->core.conns[SLOT] == client)
		conn_hung_up(client);
	record_publish(&fake->core);
	fake_answer(fake);
}

static void again(void)
{
	client_fd = fake_connect(fake, SLOT, PP_DOOR_NATIVE, MEDIA_UID, &client);
}

static void assert_nothing_left(void)
{
	fake_answer(fake);
	nics_close_unused(&fake->core, UINT64_MAX);
	fake_answer(fake);
	assert_int_equal(ledger_verify(fake->core.ledger), 0);
	assert_int_equal(leases(), 0);
	assert_int_equal(fake->nheld, 0);
	assert_false(fake->open);
	for (unsigned i = 0; i < ASK_BUCKETS; i++)
		assert_null(fake->core.asks[i]);
}

/* Open, join, the address: so many requests to reeved. The second address is one. */
static const struct {
	const char *first, *text;
	unsigned asks;
} steps[] = {
	{ NULL, "10.0.0.1", 3 },
	{ NULL, "2001:db8::1", 3 },
	{ "10.0.0.1", "10.0.0.2", 1 },
	{ "10.0.0.1", "2001:db8::1", 1 },
};

static void before_step(size_t i)
{
	if (steps[i].first)
		assert_got(address(client, client_fd, steps[i].first), steps[i].first);
}

static void test_the_whole_way(void **state)
{
	char release[32];
	struct lease l = { 0 };

	(void)state;
	assert_got(address(client, client_fd, "10.0.0.1"), "10.0.0.1");
	assert_got(address(client, client_fd, "2001:db8::1"), "2001:db8::1");
	assert_refused(address(client, client_fd, "2001:db8::1"), "Taken");
	assert_int_equal(leases(), 3);
	assert_true(fake_agrees(fake));
	while (ledger_next_lease(fake->core.ledger, l.id, &l) == 0 && l.res.kind == RES_XDP)
		;
	snprintf(release, sizeof(release), "\"lease\":%llu", (unsigned long long)l.id);
	begin(client, client_fd, "Release", release);
	fake_answer(fake);
	assert_null(strstr(heard(client, client_fd), "error"));
	assert_int_equal(leases(), 2);
	assert_true(fake_agrees(fake));
	assert_got(address(client, client_fd, "10.0.0.3"), "10.0.0.3");
	hang_up();
	assert_nothing_left();
}

static void test_a_failed_step_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		for (unsigned at = 1; at <= steps[i].asks; at++) {
			uint32_t before;

			before_step(i);
			before = leases();
			fake->fail_at = fake->requests + at;
			fake->error = EBUSY;
			assert_refused(address(client, client_fd, steps[i].text), "Taken");
			fake->fail_at = 0;
			/* Who is on the interface by then stays there. */
			assert_int_equal(leases(), before + (at == 3));
			assert_true(fake_agrees(fake));
			assert_got(address(client, client_fd, steps[i].text), steps[i].text);
			hang_up();
			assert_nothing_left();
			again();
		}
	hang_up();
}

static void test_a_client_that_goes_in_the_middle(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		for (unsigned answered = 0; answered < steps[i].asks; answered++) {
			before_step(i);
			begin_address(client, client_fd, steps[i].text);
			for (unsigned n = 0; n < answered; n++)
				assert_true(fake_answer_one(fake));
			hang_up();
			assert_nothing_left();
			again();
		}
	hang_up();
}

static void test_an_interface_that_goes_in_the_middle(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		for (unsigned answered = 0; answered < steps[i].asks; answered++) {
			before_step(i);
			begin_address(client, client_fd, steps[i].text);
			for (unsigned n = 0; n < answered; n++)
				assert_true(fake_answer_one(fake));
			nic_removed(&fake->core, FAKE_IF);
			fake_answer(fake);
			assert_refused(heard(client, client_fd), "NoSuchResource");
			assert_nothing_left();
			fake_add_nic(fake, FAKE_IF, "eth0");
		}
	hang_up();
}

static void test_who_may_not(void **state)
{
	struct conn *other;
	int fd = fake_connect(fake, 1, PP_DOOR_NATIVE, OTHER_UID, &other);

	(void)state;
	assert_refused(address(other, fd, "10.0.0.1"), "Denied");
	assert_refused(address(client, client_fd, "192.0.2.1"), "Denied");
	assert_refused(address(client, client_fd, "2001:db9::1"), "Denied");
	for (int i = 1; i <= 3; i++) {
		char text[16];

		snprintf(text, sizeof(text), "10.0.0.%d", i);
		assert_got(address(client, client_fd, text), text);
	}
	assert_refused(address(client, client_fd, "10.0.0.4"), "QuotaExceeded");
	assert_true(fake_agrees(fake));
	hang_up();
	close(fd);
	conn_hung_up(other);
	assert_nothing_left();
}

/* Whoever opens the interface for an address wants a form that has them. */
static void test_in_another_form(void **state)
{
	(void)state;
	fake->form = NIC_FORM_DISPATCHER;
	assert_refused(address(client, client_fd, "10.0.0.1"), "Unsupported");
	assert_int_equal(leases(), 1);
	hang_up();
	assert_nothing_left();
}

static uint32_t form_asked_for(void)
{
	struct pp_nic_open m;

	nic_open_message(&fake->core, fake->core.nics, &m);
	return m.form;
}

static void test_the_form_that_is_wanted(void **state)
{
	struct conf *c = &fake->core.conf;

	(void)state;
	assert_int_equal(form_asked_for(), NIC_WANT_SINGLE);
	c->ntenants = MEDIA;
	assert_int_equal(form_asked_for(), NIC_WANT_EITHER);
	fake->core.nics->single = true;
	assert_int_equal(form_asked_for(), NIC_WANT_SINGLE);
	fake->core.nics->single = false;
	c->ntenants = MEDIA + 1;
	c->tenants[TENANT_SYSTEM].quota.max[RES_XDP] = 0;
	assert_int_equal(form_asked_for(), NIC_WANT_SINGLE);
	c->tenants[MEDIA].nnets = 0;
	assert_int_equal(form_asked_for(), NIC_WANT_EITHER);
	hang_up();
}

/* --- the next core ----------------------------------------------------------------------- */

static void take_over(void)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;

	assert_non_null(next);
	fake_take_over(next, before, PP_END_KILLED);
	fake = next;
	client = fake_resume(next, before, SLOT);
	fake_add_nic(next, FAKE_IF, "eth0");
	fake_resync(next);
	assert_int_equal(ledger_verify(next->core.ledger), 0);
	assert_true(fake_agrees(next));
}

static void test_the_next_core_names_them(void **state)
{
	(void)state;
	assert_got(address(client, client_fd, "10.0.0.1"), "10.0.0.1");
	assert_got(address(client, client_fd, "2001:db8::1"), "2001:db8::1");
	take_over();
	assert_int_equal(leases(), 3);
	assert_int_equal(fake->nheld, 3);
	assert_refused(address(client, client_fd, "2001:db8::1"), "Taken");
	hang_up();
	assert_nothing_left();
}

/* A lease that can't say what it is over is lost, and reeved keeps nothing for it. */
static void test_one_that_is_not_known_any_more(void **state)
{
	struct ledger *l = fake->core.ledger;
	uint32_t lease;

	(void)state;
	assert_got(address(client, client_fd, "10.0.0.1"), "10.0.0.1");
	assert_got(address(client, client_fd, "2001:db8::1"), "2001:db8::1");
	assert_int_equal(l->flow_pool.used, 1);
	for (lease = 1; !l->flow_of[lease]; lease++)
		;
	/* As ledger_salvage() leaves one. */
	l->flow_of[lease] = 0;
	l->flow_pool = (struct pool){ 0 };
	take_over();
	assert_int_equal(leases(), 2);
	assert_got(address(client, client_fd, "2001:db8::1"), "2001:db8::1");
	hang_up();
	assert_nothing_left();
}

static void test_one_that_reeved_can_not_give_again(void **state)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;

	(void)state;
	assert_got(address(client, client_fd, "2001:db8::1"), "2001:db8::1");
	assert_non_null(next);
	fake_take_over(next, before, PP_END_KILLED);
	fake = next;
	client = fake_resume(next, before, SLOT);
	fake_add_nic(next, FAKE_IF, "eth0");
	next->fail_at = 3; /* interface, owner, address */
	next->error = EPERM;
	fake_resync(next);
	assert_int_equal(leases(), 1);
	assert_true(fake_agrees(next));
	hang_up();
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_whole_way, setup),
		cmocka_unit_test_setup(test_a_failed_step_changes_nothing, setup),
		cmocka_unit_test_setup(test_a_client_that_goes_in_the_middle, setup),
		cmocka_unit_test_setup(test_an_interface_that_goes_in_the_middle, setup),
		cmocka_unit_test_setup(test_who_may_not, setup),
		cmocka_unit_test_setup(test_in_another_form, setup),
		cmocka_unit_test_setup(test_the_form_that_is_wanted, setup),
		cmocka_unit_test_setup(test_the_next_core_names_them, setup),
		cmocka_unit_test_setup(test_one_that_is_not_known_any_more, setup),
		cmocka_unit_test_setup(test_one_that_reeved_can_not_give_again, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
