/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every transaction over an interface, failed at each of its steps, left by its
 * client at each of them, and with the interface going away at each of them.
 * Afterwards the ledger is as before, and the kernel holds what the ledger says.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/reeved.h"
#include "record.h"
#include "session.h"
#include "txn.h"

#include <cmocka.h>

/* Requests of one client, in an order that works: each needs those before it. */
enum step {
	STEP_REGISTER,
	STEP_QUEUE,
	STEP_PORT,
	STEP_FLOW,
	STEP_ADDRESS,
	STEP_ADDRESS6,
	STEP_MAP,
	STEP_PORT_AGAIN,
	STEP_MAX,
};

/* Requests to reeved that a step takes: open and join first. */
static const unsigned asks_of[STEP_MAX] = { 2, 1, 1, 1, 1, 1, 1, 0 };

static struct fake_reeved fake;
static struct conn *client;
static int client_fd;

/* What the client was told of an address, for which the MTL protocol has no request. */
enum { NOT_TOLD = INT_MAX };
static int told = NOT_TOLD;

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void write_request(uint32_t type, uint32_t ifindex, uint16_t value)
{
	uint8_t frame[MTL_FRAME] = "IMTL";

	put16(frame + 6, (uint16_t)type);
	if (type == MTL_REGISTER) {
		put16(frame + 84, 1);
		put16(frame + 88, (uint16_t)ifindex);
	} else {
		put16(frame + 14, (uint16_t)ifindex);
		put16(frame + 16, value);
	}
	if (type == MTL_ADD_FLOW) {
		put16(frame + 24, 2); /* UDP_V4_FLOW */
		put16(frame + 36, 5000);
	}
	assert_int_equal(send(client_fd, frame, sizeof(frame), MSG_NOSIGNAL), sizeof(frame));
}

static void send_request(uint32_t type, uint32_t ifindex, uint16_t value)
{
	write_request(type, ifindex, value);
	mtl_events(client, EPOLLIN);
}

static void on_address(struct conn *c, const struct nic_grant *g)
{
	assert_ptr_equal(c, client);
	assert_int_equal(told, NOT_TOLD);
	told = g->error ? -1 : 0;
}

static void ask_for_address(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	nic_add_address(client, FAKE_IF, &a, on_address);
}

static void begin_step(enum step step)
{
	switch (step) {
	case STEP_REGISTER:
		send_request(MTL_REGISTER, FAKE_IF, 0);
		break;
	case STEP_QUEUE:
		send_request(MTL_GET_QUEUE, FAKE_IF, 0);
		break;
	case STEP_PORT:
	case STEP_PORT_AGAIN:
		send_request(MTL_ADD_UDP_FILTER, FAKE_IF, 5000);
		break;
	case STEP_FLOW:
		send_request(MTL_ADD_FLOW, FAKE_IF, 1);
		break;
	case STEP_ADDRESS:
		ask_for_address("10.0.0.9");
		break;
	case STEP_ADDRESS6:
		ask_for_address("fd00::9");
		break;
	case STEP_MAP:
		send_request(MTL_XSK_MAP_FD, FAKE_IF, 0);
		break;
	default:
		break;
	}
}

/* The value of an answer; a map is 0, and /dev/null too: who counts descriptors is the kernel. */
static int take_answer(void)
{
	uint8_t frame[MTL_FRAME];
	int r = told;
	ssize_t n;

	told = NOT_TOLD;
	if (r != NOT_TOLD)
		return r;
	n = recv(client_fd, frame, sizeof(frame), MSG_DONTWAIT);

	if (n == 1)
		return 0;
	assert_int_equal(n, MTL_FRAME);
	return (int)((uint32_t)frame[12] << 24 | (uint32_t)frame[13] << 16 |
		     (uint32_t)frame[14] << 8 | frame[15]);
}

static int do_step(enum step step)
{
	begin_step(step);
	fake_answer(&fake);
	return take_answer();
}

static void connect_client(void)
{
	client_fd = fake_connect(&fake, 0, PP_DOOR_MTL, 0, &client);
}

static void hang_up(void)
{
	close(client_fd);
	if (fake.core.conns[0] == client)
		conn_hung_up(client);
	record_publish(&fake.core);
}

static uint32_t leases(void)
{
	struct ledger_totals t;

	ledger_totals(fake.core.ledger, &t);
	return t.leases;
}

static void assert_nothing_left(void)
{
	fake_answer(&fake);
	nics_close_unused(&fake.core, UINT64_MAX);
	fake_answer(&fake);
	assert_int_equal(ledger_verify(fake.core.ledger), 0);
	assert_int_equal(leases(), 0);
	assert_int_equal(fake.nheld, 0);
	assert_false(fake.open);
	if (fake.core.nics) {
		assert_int_equal(fake.core.nics->users, 0);
		assert_int_equal(fake.core.nics->state, NIC_IDLE);
	}
	for (unsigned i = 0; i < ASK_BUCKETS; i++)
		assert_null(fake.core.asks[i]);
}

static void steps_before(enum step step)
{
	for (enum step s = 0; s < step; s++)
		assert_true(do_step(s) >= 0);
	assert_true(fake_agrees(&fake));
}

static void use_hardware(bool on)
{
	fake.hardware = on;
	fake.core.nics->ntuple = on;
}

static void fail_each(bool hardware)
{
	use_hardware(hardware);
	for (enum step step = 0; step < STEP_MAX; step++)
		for (unsigned at = 1; at <= asks_of[step]; at++) {
			uint32_t before;

			connect_client();
			steps_before(step);
			before = leases();
			fake.fail_at = fake.requests + at;
			fake.error = ENOMEM;
			assert_int_equal(do_step(step), step == STEP_MAP ? 0 : -1);
			fake.fail_at = 0;
			assert_int_equal(leases(), before);
			assert_true(fake_agrees(&fake));
			/* And it is no harm to try once more. */
			assert_true(do_step(step) >= 0);
			hang_up();
			assert_nothing_left();
		}
}

static void test_a_failed_step_changes_nothing(void **state)
{
	(void)state;
	fail_each(false);
}

static void test_a_failed_rule_changes_nothing(void **state)
{
	(void)state;
	fail_each(true);
}

static void test_a_client_that_goes_in_the_middle(void **state)
{
	(void)state;
	use_hardware(true);
	for (enum step step = 0; step < STEP_MAX; step++)
		for (unsigned answered = 0; answered < asks_of[step]; answered++) {
			connect_client();
			steps_before(step);
			begin_step(step);
			for (unsigned i = 0; i < answered; i++)
				assert_true(fake_answer_one(&fake));
			hang_up();
			assert_nothing_left();
		}
}

/* As rtnetlink would tell. */
static void remove_nic(void)
{
	nic_removed(&fake.core, FAKE_IF);
	assert_null(fake.core.nics);
}

static void test_an_interface_that_goes_in_the_middle(void **state)
{
	(void)state;
	for (enum step step = 0; step < STEP_MAX; step++)
		for (unsigned answered = 0; answered < asks_of[step]; answered++) {
			use_hardware(true);
			connect_client();
			steps_before(step);
			begin_step(step);
			for (unsigned i = 0; i < answered; i++)
				assert_true(fake_answer_one(&fake));
			remove_nic();
			fake_answer(&fake);
			assert_int_equal(take_answer(), step == STEP_MAP ? 0 : -1);
			assert_nothing_left();
			assert_int_equal(do_step(STEP_QUEUE), -1);
			hang_up();
			fake_add_nic(&fake, FAKE_IF, "eth0");
		}
}

/* The second request is looked at as soon as the first is refused. */
static void test_a_second_request_of_who_waits(void **state)
{
	(void)state;
	connect_client();
	write_request(MTL_REGISTER, FAKE_IF, 0);
	send_request(MTL_GET_QUEUE, FAKE_IF, 0);
	remove_nic();
	fake_answer(&fake);
	assert_int_equal(take_answer(), -1);
	assert_int_equal(take_answer(), -1);
	hang_up();
	assert_nothing_left();
	fake_add_nic(&fake, FAKE_IF, "eth0");
}

/* What answers the first life of an interface means nothing to its second. */
static void test_an_interface_that_returns_while_it_is_opened(void **state)
{
	(void)state;
	connect_client();
	send_request(MTL_REGISTER, FAKE_IF, 0);
	remove_nic();
	assert_int_equal(take_answer(), -1);
	fake_add_nic(&fake, FAKE_IF, "eth0");
	assert_int_equal(do_step(STEP_REGISTER), 0);
	assert_true(fake_agrees(&fake));
	hang_up();
	assert_nothing_left();
}

static void test_an_unused_interface_stays_for_a_moment(void **state)
{
	unsigned opened;

	(void)state;
	for (int i = 0; i < 3; i++) {
		connect_client();
		assert_int_equal(do_step(STEP_REGISTER), 0);
		if (i == 0)
			opened = fake.opened;
		hang_up();
		fake_answer(&fake);
		assert_true(fake.open);
		nics_close_unused(&fake.core, fake.core.nics->unused_ns);
		fake_answer(&fake);
	}
	assert_int_equal(fake.opened, opened);
	assert_nothing_left();
}

static int reserve(struct conn *c, enum res_kind kind, uint64_t id)
{
	struct lease_want want = { .instance = c->instance, .res = { .kind = kind, .id = id } };
	ledger_id lease;

	return txn_reserve(c, &want, &lease);
}

/* Whatever its quota is, a tenant leaves the others a third of the table. */
static void test_a_tenant_leaves_leases_to_others(void **state)
{
	struct conn *other;
	uint32_t held = 0;
	int fd, r;

	(void)state;
	connect_client();
	fd = fake_connect(&fake, 1, PP_DOOR_MTL, 1000, &other);
	assert_int_equal(conn_start_instance(client, INSTANCE_MTL, 0, "", 0), 0);
	assert_int_equal(conn_start_instance(other, INSTANCE_MTL, 0, "", 0), 0);
	assert_int_not_equal(client->tenant, other->tenant);
	while ((r = reserve(client, RES_QP, held + 1)) == 0)
		held++;
	assert_int_equal(r, -ENOSPC);
	assert_in_range(held, LEDGER_LEASES / 3 * 2 - 1, LEDGER_LEASES / 3 * 2 + 2);
	assert_int_equal(reserve(other, RES_LCORE, 3), 0);
	close(fd);
	conn_hung_up(other);
	hang_up();
	assert_nothing_left();
}

static unsigned sockets;

static void count_socket(struct conn *c, const struct nic_grant *g)
{
	(void)c;
	assert_int_equal(g->error, 0);
	assert_true(fcntl(g->fds[0], F_GETFD) >= 0 && fcntl(g->fds[1], F_GETFD) >= 0);
	sockets++;
}

static void ask_for_socket(struct conn *c)
{
	const struct nic_socket_want want = { .frames = 16, .frame_size = 2048, .ring = 16 };
	struct lease l = { .res = res_queue(FAKE_IF, 1) };

	assert_int_equal(conn_start_instance(c, INSTANCE_MTL, 0, "", 0), 0);
	l.instance = c->instance;
	nic_open_socket(c, &l, &want, count_socket);
	assert_true(c->busy);
}

static void test_sockets_of_a_tenant_are_made_in_turn(void **state)
{
	struct conn *second, *third;
	struct socket_turn *turn;
	int fds[2];

	(void)state;
	connect_client();
	fds[0] = fake_connect(&fake, 1, PP_DOOR_MTL, 0, &second);
	fds[1] = fake_connect(&fake, 2, PP_DOOR_MTL, 0, &third);
	turn = &fake.core.socket_turns[client->tenant];
	sockets = 0;
	ask_for_socket(client);
	assert_null(turn->waiting);
	ask_for_socket(second);
	ask_for_socket(third);
	assert_non_null(turn->waiting);
	/* Who goes while it waits loses its turn. */
	close(fds[0]);
	conn_hung_up(second);
	assert_true(fake_answer_one(&fake));
	assert_int_equal(sockets, 1);
	assert_null(turn->waiting);
	assert_true(turn->taken);
	fake_answer(&fake);
	assert_int_equal(sockets, 2);
	assert_false(turn->taken);
	close(fds[1]);
	conn_hung_up(third);
	hang_up();
	assert_nothing_left();
}

static int lease_of(const struct ipaddr *a, struct lease *ret)
{
	struct res res = res_address(FAKE_IF, a);

	return ledger_holder(fake.core.ledger, &res, ret);
}

/* One after the other, whoever asks; and given back it can be had again. */
static void test_an_address_has_one_holder(void **state)
{
	struct ipaddr a;
	struct lease l;

	(void)state;
	assert_int_equal(ipaddr_parse("fd00::9", &a), 0);
	connect_client();
	steps_before(STEP_ADDRESS6);
	assert_int_equal(do_step(STEP_ADDRESS6), 0);
	assert_int_equal(do_step(STEP_ADDRESS6), -1);
	assert_int_equal(lease_of(&a, &l), 0);
	assert_true(ipaddr_equal(&l.address, &a));
	nic_release(client, &l, "given back", on_address);
	fake_answer(&fake);
	assert_int_equal(take_answer(), 0);
	assert_int_equal(lease_of(&a, &l), -ENOENT);
	assert_true(fake_agrees(&fake));
	assert_int_equal(do_step(STEP_ADDRESS6), 0);
	hang_up();
	assert_nothing_left();
}

/* Nobody else's frames may be looked into there. */
static void test_no_address_in_the_dispatcher_form(void **state)
{
	(void)state;
	connect_client();
	fake.form = NIC_FORM_DISPATCHER;
	assert_int_equal(do_step(STEP_REGISTER), 0);
	assert_int_equal(do_step(STEP_ADDRESS), -1);
	fake.form = NIC_FORM_SINGLE;
	hang_up();
	assert_nothing_left();
}

static void test_when_all_uses_of_interfaces_are_taken(void **state)
{
	(void)state;
	connect_client();
	fake.core.nics->users = PP_NIC_USES_MAX;
	assert_int_equal(do_step(STEP_REGISTER), -1);
	fake.core.nics->users = 0;
	assert_int_equal(do_step(STEP_REGISTER), 0);
	hang_up();
	assert_nothing_left();
}

static void test_the_whole_way(void **state)
{
	int rule;

	(void)state;
	use_hardware(true);
	connect_client();
	assert_int_equal(do_step(STEP_REGISTER), 0);
	for (int queue = 1; queue < FAKE_QUEUES; queue++)
		assert_int_equal(do_step(STEP_QUEUE), queue);
	assert_int_equal(do_step(STEP_QUEUE), -1);
	assert_int_equal(do_step(STEP_PORT), 0);
	assert_int_equal(do_step(STEP_PORT_AGAIN), 0);
	rule = do_step(STEP_FLOW);
	assert_int_equal(rule, fake.location);
	assert_true(fake_agrees(&fake));
	/* The rule leads to queue 1, and can't be without it. */
	send_request(MTL_PUT_QUEUE, FAKE_IF, 1);
	fake_answer(&fake);
	assert_int_equal(take_answer(), 0);
	assert_true(fake_agrees(&fake));
	/* Asked for twice, so one removal leaves it. */
	send_request(MTL_DEL_UDP_FILTER, FAKE_IF, 5000);
	assert_int_equal(take_answer(), 0);
	assert_true(fake_agrees(&fake));
	for (int i = 0; i < 2; i++) {
		send_request(MTL_DEL_UDP_FILTER, FAKE_IF, 5000);
		fake_answer(&fake);
		assert_int_equal(take_answer(), i ? -1 : 0);
	}
	assert_true(fake_agrees(&fake));
	hang_up();
	assert_nothing_left();
}

static int start(void **state)
{
	struct conf *c = test_malloc(sizeof(*c));

	(void)state;
	conf_defaults(c);
	c->nnic_confs = 1;
	c->nic_confs[0] = (struct nic_conf){
		.name.text = "*", .form = NIC_WANT_SINGLE, .system_queues = 1, .soft_flows = 1
	};
	fake_start(&fake, c);
	fake_add_nic(&fake, FAKE_IF, "eth0");
	test_free(c);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_whole_way),
		cmocka_unit_test(test_a_failed_step_changes_nothing),
		cmocka_unit_test(test_a_failed_rule_changes_nothing),
		cmocka_unit_test(test_a_client_that_goes_in_the_middle),
		cmocka_unit_test(test_an_interface_that_goes_in_the_middle),
		cmocka_unit_test(test_a_second_request_of_who_waits),
		cmocka_unit_test(test_an_interface_that_returns_while_it_is_opened),
		cmocka_unit_test(test_a_tenant_leaves_leases_to_others),
		cmocka_unit_test(test_sockets_of_a_tenant_are_made_in_turn),
		cmocka_unit_test(test_an_address_has_one_holder),
		cmocka_unit_test(test_no_address_in_the_dispatcher_form),
		cmocka_unit_test(test_when_all_uses_of_interfaces_are_taken),
		cmocka_unit_test(test_an_unused_interface_stays_for_a_moment),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
