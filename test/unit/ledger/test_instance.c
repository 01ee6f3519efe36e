/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>

#include "ledger/layout.h"

/* What people see at first is 1, 2, 3, whatever ended meanwhile. */
static void the_first_ids_are_short(void **state)
{
	struct ledger *l = *state;

	for (ledger_id n = 1; n <= POOL_FRESH; n++) {
		assert_int_equal(fixture_instance(l, slot[0]), n);
		assert_int_equal(ledger_instance_end(l, n, 0, ""), 0);
	}
	assert_int_equal(slot_of(fixture_instance(l, slot[0])), POOL_FRESH);
}

static void ids_are_not_given_out_again(void **state)
{
	struct ledger *l = *state;
	ledger_id first, second, lease;
	struct lease_want want;
	struct instance in;
	struct lease copy;

	the_first_ids_are_short(state);
	first = fixture_instance(l, slot[0]);
	want = fixture_want(first, RES_LCORE, 1);
	lease = fixture_hold(l, &host, &want);
	assert_int_equal(ledger_instance_end(l, first, 0, ""), 0);
	second = fixture_instance(l, slot[0]);
	assert_int_equal(slot_of(second), slot_of(first));
	assert_int_not_equal(second, first);
	assert_int_equal(ledger_instance(l, first, &in), -ENOENT);
	assert_int_equal(ledger_instance_end(l, first, 0, ""), -ENOENT);
	want.instance = second;
	assert_int_not_equal(fixture_hold(l, &host, &want), lease);
	assert_int_equal(ledger_lease(l, lease, &copy), -ENOENT);
	assert_int_equal(ledger_revoke(l, lease, 0, ""), -ENOENT);
}

static void a_worn_slot_is_not_used_again(void **state)
{
	struct ledger *l = *state;
	ledger_id id = fixture_instance(l, slot[0]);

	l->instances[slot_of(id)].slot.generation = UINT32_MAX;
	seal_instance(l, slot_of(id));
	id = slot_id(&l->instances[slot_of(id)].slot, slot_of(id));
	assert_true(id < UINT64_C(1) << 53);
	assert_int_equal(ledger_instance_end(l, id, 0, ""), 0);
	assert_int_equal(ledger_verify(l), 0);
	assert_int_equal(l->instance_pool.free, 0);
}

static void nonsense_ids_are_no_ids(void **state)
{
	static const ledger_id ids[] = { 0,	     1,		  UINT32_MAX,  UINT64_C(1) << 32,
					 UINT64_MAX, 0x1ffffffff, 0x100010000, 0x100010001 };
	struct ledger *l = *state;
	struct instance in;
	struct lease lease;
	char name[LEDGER_NAME_MAX] = "";

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(ledger_instance(l, ids[i], &in), -ENOENT);
		assert_int_equal(ledger_instance_claim(l, ids[i], 1, name), -ENOENT);
		assert_int_equal(ledger_instance_end(l, ids[i], 0, NULL), -ENOENT);
		assert_int_equal(ledger_next_instance(l, ids[i], &in), -ENOENT);
		assert_int_equal(ledger_lease(l, ids[i], &lease), -ENOENT);
		assert_int_equal(ledger_next_lease(l, ids[i], &lease), -ENOENT);
		assert_int_equal(ledger_commit(l, ids[i]), -ENOENT);
		assert_int_equal(ledger_undo(l, ids[i]), -ENOENT);
		assert_int_equal(ledger_revoke(l, ids[i], 0, NULL), -ENOENT);
		assert_int_equal(ledger_instance_next_lease(l, ids[i], 0, &lease), -ENOENT);
	}
}

static void an_instance_says_who_it_is(void **state)
{
	struct instance in = { .kind = INSTANCE_MTL,
			       .tenant = 2,
			       .pid = 3,
			       .uid = 4,
			       .gid = 5,
			       .claimed_pid = 6,
			       .start_time = 7,
			       .cgroup_id = 8,
			       .since = 9,
			       .leases = 99 };
	struct ledger *l = *state;
	struct instance out;
	ledger_id id;

	memset(in.name, 'x', sizeof(in.name));
	assert_int_equal(ledger_instance_start(l, &in, &id), 0);
	assert_int_equal(ledger_instance(l, id, &out), 0);
	in.id = id;
	in.leases = 0;
	in.name[LEDGER_NAME_MAX - 1] = '\0';
	/* Up to the padding behind it. */
	assert_memory_equal(&in, &out, offsetof(struct instance, name) + LEDGER_NAME_MAX);
	assert_event(l, 1, EVENT_INSTANCE_START, id, 0);
	memset(in.name, 'y', sizeof(in.name));
	assert_int_equal(ledger_instance_claim(l, id, 60, in.name), 0);
	assert_int_equal(ledger_instance(l, id, &out), 0);
	assert_int_equal(out.claimed_pid, 60);
	assert_int_equal(strlen(out.name), LEDGER_NAME_MAX - 1);
	assert_int_equal(out.name[0], 'y');
	in.kind = INSTANCE_KIND_MAX;
	assert_int_equal(ledger_instance_start(l, &in, &id), -EINVAL);
	in.kind = INSTANCE_MTL;
	in.tenant = TENANT_MAX;
	assert_int_equal(ledger_instance_start(l, &in, &id), -ENOENT);
	in.tenant = 10;
	assert_int_equal(ledger_instance_start(l, &in, &id), -ENOENT);
}

static void an_ended_instance_holds_nothing(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]), held, reserved;
	struct lease_want want = fixture_want(in, RES_LCORE, 4);
	struct ledger_totals totals;
	struct tenant t;
	struct event ev;

	held = fixture_hold(l, &host, &want);
	want.res.id = 5;
	assert_int_equal(ledger_reserve(l, &host, &want, &reserved, NULL), 0);
	assert_int_equal(ledger_instance_end(l, in, 77, "the process exited"), 0);
	assert_int_equal(ledger_commit(l, reserved), -ENOENT);
	ledger_totals(l, &totals);
	assert_int_equal(totals.instances, 0);
	assert_int_equal(totals.leases, 0);
	assert_int_equal(totals.last_seq, 4);
	assert_event(l, 3, EVENT_RELEASE, in, held);
	assert_event(l, 4, EVENT_INSTANCE_END, in, 0);
	assert_int_equal(ledger_next_event(l, slot[0], 3, &ev, NULL), 0);
	assert_string_equal(ev.why, "the process exited");
	assert_int_equal(ev.wall_ns, 77);
	assert_int_equal(ev.uid, 20);
	assert_int_equal(ledger_tenant(l, slot[0], &t), 0);
	assert_int_equal(t.instances, 0);
	assert_int_equal(t.used[RES_LCORE], 0);
	assert_int_equal(t.granted, 1);
}

static void an_orphan_keeps_what_it_holds(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]), held, reserved;
	struct lease_want want = fixture_want(in, RES_LCORE, 4);
	struct instance copy;
	struct lease lease;
	struct event ev;

	held = fixture_hold(l, &host, &want);
	want.res.id = 5;
	assert_int_equal(ledger_reserve(l, &host, &want, &reserved, NULL), 0);
	assert_int_equal(ledger_instance(l, in, &copy), 0);
	assert_false(copy.orphan);
	assert_int_equal(ledger_instance_orphan(l, in, 77, "reeved was restarted"), 0);
	assert_int_equal(ledger_instance(l, in, &copy), 0);
	assert_true(copy.orphan);
	assert_int_equal(copy.leases, 1);
	assert_int_equal(ledger_lease(l, held, &lease), 0);
	assert_int_equal(ledger_lease(l, reserved, &lease), -ENOENT);
	assert_event(l, 3, EVENT_ORPHAN, in, 0);
	assert_int_equal(ledger_next_event(l, slot[0], 2, &ev, NULL), 0);
	assert_string_equal(ev.why, "reeved was restarted");
	assert_int_equal(ev.wall_ns, 77);
	/* It was said already. */
	assert_int_equal(ledger_instance_orphan(l, in, 78, "again"), 0);
	assert_int_equal(last_seq(l), 3);
	assert_int_equal(ledger_instance_end(l, in, 0, ""), 0);
	assert_int_equal(ledger_instance_orphan(l, in, 0, ""), -ENOENT);
}

static void lists_go_in_slot_order(void **state)
{
	struct ledger *l = *state;
	ledger_id in[3], leases[3];
	struct instance next;
	struct lease lease;
	unsigned seen = 0;

	for (unsigned i = 0; i < 3; i++) {
		struct lease_want want;

		in[i] = fixture_instance(l, slot[i]);
		want = fixture_want(in[0], RES_QUEUE, i);
		leases[i] = fixture_hold(l, &host, &want);
	}
	assert_int_equal(ledger_instance_end(l, in[1], 0, ""), 0);
	assert_int_equal(ledger_next_instance(l, 0, &next), 0);
	assert_int_equal(next.id, in[0]);
	assert_int_equal(next.leases, 3);
	assert_int_equal(ledger_next_instance(l, next.id, &next), 0);
	assert_int_equal(next.id, in[2]);
	assert_int_equal(ledger_next_instance(l, next.id, &next), -ENOENT);
	assert_int_equal(ledger_revoke(l, leases[0], 0, ""), 0);
	assert_int_equal(ledger_next_lease(l, 0, &lease), 0);
	assert_int_equal(lease.id, leases[1]);
	assert_int_equal(ledger_next_lease(l, leases[1], &lease), 0);
	assert_int_equal(lease.id, leases[2]);
	assert_int_equal(ledger_next_lease(l, leases[2], &lease), -ENOENT);
	for (ledger_id at = 0; ledger_instance_next_lease(l, in[0], at, &lease) == 0; at = lease.id)
		seen++;
	assert_int_equal(seen, 2);
	assert_int_equal(ledger_instance_next_lease(l, in[2], 0, &lease), -ENOENT);
	assert_int_equal(ledger_instance_next_lease(l, in[2], leases[2], &lease), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_first_ids_are_short),	     TEST(ids_are_not_given_out_again),
		TEST(a_worn_slot_is_not_used_again), TEST(nonsense_ids_are_no_ids),
		TEST(an_instance_says_who_it_is),    TEST(an_ended_instance_holds_nothing),
		TEST(an_orphan_keeps_what_it_holds), TEST(lists_go_in_slot_order),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
