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

static void reservations_are_undone_together(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), b = fixture_instance(l, slot[1]);
	struct lease_want want = fixture_want(a, RES_LCORE, 0);
	ledger_id held = fixture_hold(l, NULL, &want), id;
	struct ledger_totals totals;
	struct lease lease;
	struct tenant t;

	for (want.res.id = 1; want.res.id < 4; want.res.id++)
		assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	want = fixture_want(b, RES_FLOW, 1);
	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	ledger_undo_reserved(l);
	ledger_totals(l, &totals);
	assert_int_equal(totals.leases, 1);
	assert_int_equal(totals.last_seq, 3);
	assert_int_equal(ledger_lease(l, held, &lease), 0);
	assert_int_equal(ledger_tenant(l, slot[0], &t), 0);
	assert_int_equal(t.used[RES_LCORE], 1);
	assert_int_equal(ledger_tenant(l, slot[1], &t), 0);
	assert_int_equal(t.used[RES_FLOW], 0);
	ledger_undo_reserved(l);
	assert_int_equal(ledger_lease(l, held, &lease), 0);
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

static void a_reservation_gets_its_number(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_FLOW, 7);
	struct lease lease;
	uint64_t seq;
	ledger_id id;

	want.res.scope = 2;
	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	seq = last_seq(l);
	assert_int_equal(ledger_rename(l, id, RES_FLOW_SOFT | 7), 0);
	assert_int_equal(last_seq(l), seq);
	assert_int_equal(ledger_holder(l, &want.res, &lease), -ENOENT);
	want.res = res_flow(2, RES_FLOW_SOFT | 7);
	assert_int_equal(ledger_holder(l, &want.res, &lease), 0);
	assert_int_equal(lease.id, id);
	assert_memory_equal(&lease.res, &want.res, sizeof(want.res));
	assert_int_equal(ledger_commit(l, id), 0);
	assert_int_equal(ledger_rename(l, id, 8), -ENOENT);
	want.res = res_flow(2, 7);
	fixture_hold(l, NULL, &want);
}

static void a_number_that_is_taken(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_FLOW, 7);
	void *copy = malloc(ledger_bytes());
	ledger_id id, core;

	assert_non_null(copy);
	fixture_hold(l, NULL, &want);
	want.res.id = 8;
	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	want.res = (struct res){ .kind = RES_LCORE, .id = 3 };
	assert_int_equal(ledger_reserve(l, NULL, &want, &core, NULL), 0);
	memcpy(copy, l, ledger_bytes());
	assert_int_equal(ledger_rename(l, id, 7), -EBUSY);
	assert_int_equal(ledger_rename(l, id, 8), 0);
	assert_int_equal(ledger_rename(l, core, 4), -EINVAL);
	assert_int_equal(ledger_rename(l, 0, 9), -ENOENT);
	assert_int_equal(ledger_rename(l, core + 1, 9), -ENOENT);
	assert_memory_equal(copy, l, ledger_bytes());
	assert_int_equal(ledger_undo(l, id), 0);
	free(copy);
}

static void a_lease_counts_its_uses(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]), id;
	struct lease_want want = fixture_want(in, RES_UDP_PORT, 5000);
	struct lease lease;
	uint32_t uses = 9;
	uint64_t seq;

	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	assert_int_equal(ledger_use(l, id, &uses), -ENOENT);
	assert_int_equal(ledger_unuse(l, id, &uses), -ENOENT);
	assert_int_equal(uses, 9);
	assert_int_equal(ledger_commit(l, id), 0);
	seq = last_seq(l);
	assert_int_equal(ledger_use(l, id, &uses), 0);
	assert_int_equal(uses, 2);
	assert_int_equal(ledger_lease(l, id, &lease), 0);
	assert_int_equal(lease.uses, 2);
	assert_int_equal(ledger_unuse(l, id, &uses), 0);
	assert_int_equal(uses, 1);
	assert_int_equal(ledger_unuse(l, id, &uses), 0);
	assert_int_equal(uses, 0);
	assert_int_equal(ledger_lease(l, id, &lease), 0);
	assert_int_equal(lease.uses, 1);
	assert_int_equal(last_seq(l), seq);
	assert_int_equal(ledger_release(l, in, id, 0, ""), 0);
	assert_int_equal(ledger_use(l, id, &uses), -ENOENT);
	assert_int_equal(ledger_unuse(l, id, &uses), -ENOENT);
}

/* Nor does the next lease in the slot inherit them. */
static void uses_have_a_limit(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_UDP_PORT, 5000);
	ledger_id id = fixture_hold(l, NULL, &want);
	struct lease lease;
	uint32_t uses = 1;

	while (uses < UINT16_MAX)
		assert_int_equal(ledger_use(l, id, &uses), 0);
	uses = 9;
	assert_int_equal(ledger_use(l, id, &uses), -EOVERFLOW);
	assert_int_equal(uses, 9);
	assert_int_equal(ledger_lease(l, id, &lease), 0);
	assert_int_equal(lease.uses, UINT16_MAX);
	assert_int_equal(ledger_unuse(l, id, &uses), 0);
	assert_int_equal(uses, UINT16_MAX - 1);
	assert_int_equal(ledger_revoke(l, id, 0, ""), 0);
	assert_int_equal(ledger_lease(l, fixture_hold(l, NULL, &want), &lease), 0);
	assert_int_equal(lease.uses, 1);
}

/* The same port for two owners, the NIC's rule and the soft one of a number: four resources. */
static void numbers_are_wider_than_32_bits(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]);
	const uint32_t low = 1, high = 1 << 17;
	const struct res wide[] = { res_udp_port(2, low, 5000), res_udp_port(2, low + high, 5000),
				    res_flow(2, 5), res_flow(2, RES_FLOW_SOFT | 5) };
	struct lease lease;

	assert_true(wide[1].id > UINT64_C(1) << 33);
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		struct lease_want want = { .instance = in, .res = wide[i] };

		fixture_hold(l, &host, &want);
	}
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		struct event ev;

		assert_int_equal(ledger_holder(l, &wide[i], &lease), 0);
		assert_int_equal(lease.res.id, wide[i].id);
		assert_int_equal(ledger_next_event(l, slot[0], 1 + i, &ev, NULL), 0);
		assert_int_equal(ev.res.id, wide[i].id);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_grant_and_a_release),	      TEST(an_undone_reservation_never_was),
		TEST(refusals_change_nothing),	      TEST(reservations_are_undone_together),
		TEST(resources_differ_in_each_word),  TEST(whole_core_keeps_siblings_away),
		TEST(whole_core_needs_free_siblings), TEST(without_a_host_cores_are_alone),
		TEST(a_reservation_gets_its_number),  TEST(a_number_that_is_taken),
		TEST(a_lease_counts_its_uses),	      TEST(uses_have_a_limit),
		TEST(numbers_are_wider_than_32_bits),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
