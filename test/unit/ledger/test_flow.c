/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>

#include "ledger/layout.h"

static struct flow flow_to(uint16_t port)
{
	return (struct flow){ .queue = 3, .dst_port = port, .dst = { 192, 0, 2, 1 } };
}

static void assert_flow(const struct ledger *l, ledger_id lease, uint16_t port)
{
	struct flow expect = flow_to(port), flow;

	assert_int_equal(ledger_flow(l, lease, &flow), 0);
	assert_memory_equal(&flow, &expect, sizeof(flow));
}

static ledger_id reserve_flow(struct ledger *l, ledger_id instance, uint64_t number)
{
	struct lease_want want = fixture_want(instance, RES_FLOW, number);
	ledger_id id;

	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	return id;
}

static void a_flow_lives_as_long_as_its_lease(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]);
	ledger_id first = reserve_flow(l, in, 1), second = reserve_flow(l, in, 2);
	struct flow flow = flow_to(5000);

	assert_int_equal(ledger_flow(l, first, &flow), -ENOENT);
	assert_int_equal(ledger_set_flow(l, first, &flow), 0);
	flow = flow_to(5002);
	assert_int_equal(ledger_set_flow(l, second, &flow), 0);
	assert_flow(l, first, 5000);
	assert_int_equal(ledger_verify(l), 0);
	/* Its number may change, it may be held, and be about something else. */
	assert_int_equal(ledger_rename(l, first, 9), 0);
	assert_int_equal(ledger_commit(l, first), 0);
	flow = flow_to(5004);
	assert_int_equal(ledger_set_flow(l, first, &flow), 0);
	assert_flow(l, first, 5004);
	assert_int_equal(ledger_undo(l, second), 0);
	assert_int_equal(ledger_flow(l, second, &flow), -ENOENT);
	assert_int_equal(ledger_set_flow(l, second, &flow), -ENOENT);
	assert_flow(l, first, 5004);
	assert_int_equal(ledger_instance_end(l, in, 0, ""), 0);
	assert_int_equal(l->flow_pool.used, 0);
}

static ledger_id reserve_address(struct ledger *l, ledger_id instance, const struct ipaddr *a)
{
	struct res res = res_address(2, a);
	struct lease_want want = { .instance = instance, .res = res };
	ledger_id id;

	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	return id;
}

static void an_address_is_known_by_its_lease(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]), four, six;
	struct ipaddr a4, a6, none = { 0 };
	struct event ev;
	struct lease lease;

	assert_int_equal(ipaddr_parse("10.0.0.1", &a4), 0);
	assert_int_equal(ipaddr_parse("2001:db8::1", &a6), 0);
	four = reserve_address(l, in, &a4);
	six = reserve_address(l, in, &a6);
	assert_int_equal(ledger_lease(l, four, &lease), 0);
	assert_true(ipaddr_equal(&lease.address, &a4));
	assert_int_equal(ledger_lease(l, six, &lease), 0);
	assert_true(ipaddr_equal(&lease.address, &none));
	assert_int_equal(ledger_set_address(l, six, &a4), -EINVAL);
	assert_int_equal(ledger_set_address(l, four, &a4), 0);
	assert_int_equal(l->flow_pool.used, 0);
	assert_int_equal(ledger_set_address(l, six, &a6), 0);
	assert_int_equal(ledger_set_flow(l, six, &(struct flow){ .dst_port = 1 }), -EINVAL);
	assert_int_equal(l->flow_pool.used, 1);
	assert_int_equal(ledger_verify(l), 0);
	assert_int_equal(ledger_commit(l, six), 0);
	assert_int_equal(ledger_rename(l, four, 5), -EINVAL);
	assert_int_equal(ledger_lease(l, six, &lease), 0);
	assert_true(ipaddr_equal(&lease.address, &a6));
	assert_int_equal(ledger_revoke(l, six, 0, ""), 0);
	assert_int_equal(l->flow_pool.used, 0);
	assert_int_equal(ledger_next_event(l, slot[0], l->last_seq - 1, &ev, NULL), 0);
	assert_int_equal(ev.type, EVENT_RELEASE);
	assert_true(ipaddr_equal(&ev.address, &a6));
	assert_int_equal(ledger_set_address(l, six, &a6), -ENOENT);
	assert_int_equal(ledger_verify(l), 0);
}

/* It says something else than its resource: that is damage. */
static void an_address_fits_its_resource(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;
	struct ipaddr a;
	ledger_id id;

	assert_int_equal(ipaddr_parse("2001:db8::1", &a), 0);
	id = reserve_address(l, fixture_instance(l, slot[0]), &a);
	assert_int_equal(ledger_set_address(l, id, &a), 0);
	assert_int_equal(ledger_commit(l, id), 0);
	assert_int_equal(ledger_verify(l), 0);
	l->flows[1].address.b[15] = 2;
	seal_flow(l, 1);
	assert_int_equal(ledger_verify(l), -EBADMSG);
	assert_int_equal(ledger_salvage(l, ledger_bytes(), fixture_undo(l), &loss, &l), 0);
	assert_int_equal(loss.flows, 1);
	assert_int_equal(loss.leases, 0);
	assert_int_equal(ledger_verify(l), 0);
}

static void not_every_lease_is_over_a_flow(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]), queue;
	struct lease_want want = fixture_want(in, RES_QUEUE, 1);
	struct flow flow = flow_to(5000), any = { .queue = 1 };

	queue = fixture_hold(l, NULL, &want);
	assert_int_equal(ledger_set_flow(l, queue, &flow), -EINVAL);
	assert_int_equal(ledger_flow(l, queue, &flow), -ENOENT);
	assert_int_equal(ledger_set_flow(l, reserve_flow(l, in, 1), &any), -EINVAL);
	assert_int_equal(ledger_set_flow(l, 0, &flow), -ENOENT);
	assert_int_equal(ledger_flow(l, UINT64_MAX, &flow), -ENOENT);
	assert_int_equal(l->flow_pool.high, 0);
}

/* The next lease in the slot has its own id, and nothing of what was said before. */
static void the_next_one_starts_with_none(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]), first, next;
	struct flow flow = flow_to(5000);

	for (unsigned i = 0; i < POOL_FRESH; i++)
		assert_int_equal(ledger_undo(l, reserve_flow(l, in, i)), 0);
	first = reserve_flow(l, in, 1);
	assert_int_equal(ledger_set_flow(l, first, &flow), 0);
	assert_int_equal(ledger_undo(l, first), 0);
	next = reserve_flow(l, in, 1);
	assert_int_equal(slot_of(next), slot_of(first));
	assert_int_equal(ledger_flow(l, next, &flow), -ENOENT);
	assert_int_equal(ledger_flow(l, first, &flow), -ENOENT);
}

static void the_table_is_full(void **state)
{
	struct ledger *l = *state;
	struct flow flow = flow_to(5000);
	ledger_id in, more, last = 0;

	fixture_conf(&conf, 0, 1, QUOTA_NONE);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	in = fixture_instance(l, slot[0]);
	for (unsigned i = 0; i < LEDGER_FLOWS; i++) {
		last = reserve_flow(l, in, i);
		assert_int_equal(ledger_set_flow(l, last, &flow), 0);
	}
	more = reserve_flow(l, in, LEDGER_FLOWS);
	assert_int_equal(ledger_set_flow(l, more, &flow), -ENOSPC);
	assert_int_equal(ledger_set_flow(l, last, &flow), 0);
	assert_int_equal(ledger_undo(l, last), 0);
	assert_int_equal(ledger_set_flow(l, more, &flow), 0);
	assert_flow(l, more, 5000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_flow_lives_as_long_as_its_lease),
		TEST(an_address_is_known_by_its_lease),
		TEST(an_address_fits_its_resource),
		TEST(not_every_lease_is_over_a_flow),
		TEST(the_next_one_starts_with_none),
		TEST(the_table_is_full),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
