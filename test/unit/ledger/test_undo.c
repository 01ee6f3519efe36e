/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that change a ledger behind an undo log: what one settling makes one, and what it costs. */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "ledger/layout.h"

static uint32_t lines_used(struct ledger *l)
{
	return UNDO_LINES - undo_room(fixture_undo(l));
}

static void *copy_of(const struct ledger *l)
{
	void *copy = malloc(ledger_bytes());

	assert_non_null(copy);
	memcpy(copy, l, ledger_bytes());
	return copy;
}

/* The writer is gone; the next one takes over. */
static void take_over(struct ledger *l)
{
	struct undo *u = fixture_undo(l);
	struct ledger *again;

	assert_int_equal(undo_take_back(u, fixture_bytes()), 0);
	assert_int_equal(ledger_open(l, ledger_bytes(), u, &again), 0);
}

static void several_calls_are_one(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), id;
	struct lease_want want = fixture_want(a, RES_FLOW, 1);
	struct flow flow = { .dst_port = 5000, .queue = 1 };
	void *copy;

	fixture_hold(l, NULL, &want);
	undo_settle(fixture_undo(l));
	copy = copy_of(l);
	want.res.id = 2;
	want.expires = 100;
	id = fixture_hold(l, NULL, &want);
	assert_int_equal(ledger_set_flow(l, id, &flow), 0);
	assert_int_equal(ledger_instance_orphan(l, a, 0, ""), 0);
	assert_int_equal(ledger_instance_end(l, a, 0, ""), 0);
	fixture_conf(&conf, 2, 8, 4);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	fixture_instance(l, slot[7]);
	take_over(l);
	assert_memory_equal(copy, l, ledger_bytes());
	free(copy);
}

static void what_was_settled_stays(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 1);
	ledger_id id;
	struct lease lease;

	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	undo_settle(fixture_undo(l));
	assert_int_equal(ledger_commit(l, id), 0);
	take_over(l);
	assert_int_equal(ledger_lease(l, id, &lease), 0);
	assert_int_equal(lease.state, LEASE_RESERVED);
}

/* A ring that starts anew is old memory to the one it is taken back to. */
static void a_ring_comes_back_with_its_tenant(void **state)
{
	struct ledger *l = *state;
	struct event ev = { .type = EVENT_RELOAD, .tenant = slot[0], .uid = 7 };
	void *copy;

	assert_int_equal(ledger_event(l, &ev), 1);
	undo_settle(fixture_undo(l));
	copy = copy_of(l);
	fixture_conf(&conf, 4, TENANT_MAX, 4);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	ev.uid = 8;
	for (ev.tenant = 0; ev.tenant < TENANT_MAX; ev.tenant++)
		ledger_event(l, &ev);
	take_over(l);
	assert_memory_equal(copy, l, ledger_bytes());
	free(copy);
}

/* --- more than the log can hold --------------------------------------------- */

enum { MANY = 3000 };

static ledger_id many_leases(struct ledger *l, bool commit)
{
	struct lease_want want;
	ledger_id in, id;

	fixture_conf(&conf, 0, 1, QUOTA_NONE);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	in = fixture_instance(l, slot[0]);
	want = fixture_want(in, RES_QUEUE, 0);
	for (; want.res.id < MANY; want.res.id++) {
		want.expires = 1 + want.res.id * 31 % 1000;
		assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
		if (commit)
			assert_int_equal(ledger_commit(l, id), 0);
	}
	undo_settle(fixture_undo(l));
	return in;
}

static uint32_t leases_left(const struct ledger *l)
{
	struct ledger_totals t;

	ledger_totals(l, &t);
	return t.leases;
}

/* Killed just before its end: some are released, the rest is held, and all is sound. */
static void an_end_that_is_too_large(void **state)
{
	struct ledger *l = *state;
	ledger_id in = many_leases(l, true);
	struct instance copy;

	assert_int_equal(ledger_instance_end(l, in, 0, ""), 0);
	assert_true(undo_room(fixture_undo(l)) >= LEDGER_UNDO_ROOM - LEDGER_LEASE_LINES);
	take_over(l);
	assert_in_range(leases_left(l), 1, MANY - 1);
	assert_int_equal(ledger_instance(l, in, &copy), 0);
	assert_int_equal(copy.leases, leases_left(l));
}

static void reservations_that_are_too_many(void **state)
{
	struct ledger *l = *state;

	many_leases(l, false);
	ledger_undo_reserved(l);
	assert_true(undo_room(fixture_undo(l)) >= LEDGER_UNDO_ROOM - LEDGER_LEASE_LINES);
	assert_int_equal(leases_left(l), 0);
}

/* Nobody settles: each call makes room before it starts. */
static void calls_without_end(void **state)
{
	struct ledger *l = *state;

	many_leases(l, true);
	for (unsigned i = 0; i < 3 * UNDO_LINES; i++) {
		struct event ev = { .type = EVENT_RELOAD, .tenant = i % TENANT_MAX };

		ledger_event(l, &ev);
	}
	take_over(l);
	assert_int_equal(leases_left(l), MANY);
}

/* --- what it costs ------------------------------------------------------------ */

/* Rings that have come round, and a slot that was used before: the ordinary case. */
static void an_ordinary_lease_takes_few_lines(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 1);
	struct lease_want other = fixture_want(want.instance, RES_QUEUE, 1);
	ledger_id id;

	fixture_hold(l, NULL, &other);
	undo_settle(fixture_undo(l));
	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	/* Header, slot, its check, owner, neighbour, bucket, tenant. */
	assert_in_range(lines_used(l), 1, 7);
	undo_settle(fixture_undo(l));
	assert_int_equal(ledger_commit(l, id), 0);
	/* Header, slot, its check, tenant, four or five of an event. */
	assert_in_range(lines_used(l), 1, 9);
	undo_settle(fixture_undo(l));
	assert_int_equal(ledger_revoke(l, id, 0, ""), 0);
	assert_in_range(lines_used(l), 1, 12);
}

static void the_dearest_lease(void **state)
{
	struct ledger *l = *state;
	struct lease_want want;
	ledger_id id;

	many_leases(l, true);
	want = fixture_want(fixture_instance(l, slot[0]), RES_QUEUE, MANY);
	want.expires = 1; /* to the top of the timers */
	undo_settle(fixture_undo(l));
	id = fixture_hold(l, NULL, &want);
	assert_in_range(lines_used(l), 20, LEDGER_LEASE_LINES);
	undo_settle(fixture_undo(l));
	assert_int_equal(ledger_revoke(l, id, 0, ""), 0);
	assert_in_range(lines_used(l), 20, LEDGER_LEASE_LINES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(several_calls_are_one),
		TEST(what_was_settled_stays),
		TEST(a_ring_comes_back_with_its_tenant),
		TEST(an_end_that_is_too_large),
		TEST(reservations_that_are_too_many),
		TEST(calls_without_end),
		TEST(an_ordinary_lease_takes_few_lines),
		TEST(the_dearest_lease),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
