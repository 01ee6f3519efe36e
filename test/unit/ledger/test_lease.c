/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

static void a_grant_and_a_release(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]), other = fixture_instance(l, slot[1]), id;
	struct lease_want want = fixture_want(in, RES_LCORE, 6);
	struct lease lease;
	struct event ev;

	want.wall_ns = 50;
	assert_int_equal(ledger_reserve(l, &host, &want, &id, NULL), 0);
	assert_int_equal(last_seq(l), 2);
	assert_int_equal(ledger_lease(l, id, &lease), 0);
	assert_int_equal(lease.state, LEASE_RESERVED);
	assert_int_equal(ledger_release(l, in, id, 60, ""), -ENOENT);
	assert_int_equal(ledger_commit(l, id), 0);
	assert_int_equal(ledger_commit(l, id), -ENOENT);
	assert_int_equal(ledger_undo(l, id), -ENOENT);
	assert_event(l, 3, EVENT_GRANT, in, id);
	assert_int_equal(ledger_next_event(l, slot[0], 2, &ev, NULL), 0);
	assert_string_equal(ev.why, "leased");
	assert_int_equal(ev.wall_ns, 50);
	assert_int_equal(ledger_holder(l, &want.res, &lease), 0);
	assert_int_equal(lease.id, id);
	assert_int_equal(lease.state, LEASE_HELD);
	assert_int_equal(lease.tenant, slot[0]);
	assert_int_equal(lease.since, 50);
	assert_int_equal(ledger_release(l, other, id, 60, ""), -EPERM);
	assert_int_equal(ledger_release(l, 0, id, 60, ""), -EPERM);
	assert_int_equal(ledger_release(l, in, id, 60, "given back"), 0);
	assert_event(l, 4, EVENT_RELEASE, in, id);
	assert_int_equal(ledger_holder(l, &want.res, &lease), -ENOENT);
}

static void an_undone_reservation_never_was(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 6);
	struct tenant t;
	ledger_id id;

	assert_int_equal(ledger_reserve(l, &host, &want, &id, NULL), 0);
	assert_int_equal(ledger_undo(l, id), 0);
	assert_int_equal(last_seq(l), 1);
	assert_int_equal(ledger_tenant(l, slot[0], &t), 0);
	assert_int_equal(t.used[RES_LCORE], 0);
	assert_int_equal(t.granted, 0);
	assert_int_equal(ledger_commit(l, id), -ENOENT);
}

static void refusals_change_nothing(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), b = fixture_instance(l, slot[1]);
	struct lease_want want = fixture_want(a, RES_LCORE, 0);
	ledger_id id = 7, held, holder = 8;
	void *copy = malloc(ledger_bytes());

	assert_non_null(copy);
	held = fixture_hold(l, &host, &want);
	for (want.res.id = 1; want.res.id < 4; want.res.id++)
		fixture_hold(l, &host, &want);
	memcpy(copy, l, ledger_bytes());
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -EDQUOT);
	want.instance = b + (UINT64_C(1) << 32);
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -ENOENT);
	want = fixture_want(b, RES_KIND_MAX, 0);
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -EINVAL);
	want = fixture_want(b, RES_LCORE, 9);
	want.res.scope = 1;
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -EINVAL);
	want = fixture_want(b, RES_QUEUE, 9);
	want.whole_core = true;
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -EINVAL);
	assert_int_equal(holder, 8);
	want = fixture_want(b, RES_LCORE, 0);
	assert_int_equal(ledger_reserve(l, &host, &want, &id, NULL), -EBUSY);
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -EBUSY);
	assert_int_equal(holder, held);
	assert_int_equal(id, 7);
	assert_int_equal(ledger_release(l, b, held, 0, ""), -EPERM);
	assert_int_equal(ledger_commit(l, held), -ENOENT);
	assert_memory_equal(copy, l, ledger_bytes());
	free(copy);
}

static void resources_differ_in_each_word(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_QUEUE, 5);
	ledger_id id;

	fixture_hold(l, NULL, &want);
	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), -EBUSY);
	want.res.scope = 1;
	fixture_hold(l, NULL, &want);
	want.res.kind = RES_FLOW;
	fixture_hold(l, NULL, &want);
	want.res.id |= UINT64_C(1) << 63;
	fixture_hold(l, NULL, &want);
}

static void whole_core_keeps_siblings_away(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), b = fixture_instance(l, slot[0]);
	struct lease_want want = fixture_want(a, RES_LCORE, 4);
	ledger_id held, id, holder;

	want.whole_core = true;
	held = fixture_hold(l, &host, &want);
	want = fixture_want(b, RES_LCORE, 5);
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -EBUSY);
	assert_int_equal(holder, held);
	want.res.id = 6;
	fixture_hold(l, &host, &want);
	want = fixture_want(a, RES_LCORE, 5);
	fixture_hold(l, &host, &want);
	assert_int_equal(ledger_release(l, a, held, 0, ""), 0);
	want = fixture_want(b, RES_LCORE, 4);
	fixture_hold(l, &host, &want);
}

static void whole_core_needs_free_siblings(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), b = fixture_instance(l, slot[1]);
	struct lease_want want = fixture_want(a, RES_LCORE, 1);
	ledger_id reserved, id, holder;

	fixture_host(&host, 16, 2, 2, SIBLINGS_HALF);
	assert_int_equal(ledger_reserve(l, &host, &want, &reserved, NULL), 0);
	want = fixture_want(b, RES_LCORE, 9);
	want.whole_core = true;
	assert_int_equal(ledger_reserve(l, &host, &want, &id, &holder), -EBUSY);
	assert_int_equal(holder, reserved);
	assert_int_equal(ledger_undo(l, reserved), 0);
	fixture_hold(l, &host, &want);
}

static void without_a_host_cores_are_alone(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), b = fixture_instance(l, slot[1]);
	struct lease_want want = fixture_want(a, RES_LCORE, 4);

	want.whole_core = true;
	fixture_hold(l, NULL, &want);
	want = fixture_want(b, RES_LCORE, 5);
	fixture_hold(l, NULL, &want);
	/* Numbers that the host lacks are names without a core. */
	want.res.id = 65535;
	want.whole_core = true;
	fixture_hold(l, &host, &want);
	want.res.id = (UINT64_C(1) << 32) + 4;
	fixture_hold(l, &host, &want);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_grant_and_a_release),	      TEST(an_undone_reservation_never_was),
		TEST(refusals_change_nothing),	      TEST(resources_differ_in_each_word),
		TEST(whole_core_keeps_siblings_away), TEST(whole_core_needs_free_siblings),
		TEST(without_a_host_cores_are_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
