/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>

static void leases_expire_in_order(void **state)
{
	static const uint64_t times[] = { 300, 100, 400, 200 };
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]);
	struct lease lease;

	assert_int_equal(ledger_next_expiry(l), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct lease_want want = fixture_want(in, RES_LCORE, i);

		want.expires = times[i];
		fixture_hold(l, &host, &want);
	}
	assert_int_equal(ledger_next_expiry(l), 100);
	assert_int_equal(ledger_expire(l, 99, 0, &lease), -ENOENT);
	for (unsigned i = 1; i <= 4; i++) {
		assert_int_equal(ledger_next_expiry(l), i * 100);
		assert_int_equal(ledger_expire(l, 400, 9, &lease), 0);
		assert_int_equal(lease.expires, i * 100);
		assert_int_equal(lease.state, LEASE_HELD);
		assert_event(l, last_seq(l), EVENT_EXPIRE, in, lease.id);
		assert_int_equal(ledger_verify(l), 0);
	}
	assert_int_equal(ledger_next_expiry(l), 0);
	assert_int_equal(ledger_expire(l, UINT64_MAX, 0, &lease), -ENOENT);
}

static void a_reservation_does_not_expire(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 1);
	struct lease lease;
	ledger_id id;

	want.expires = 5;
	assert_int_equal(ledger_reserve(l, &host, &want, &id, NULL), 0);
	assert_int_equal(ledger_next_expiry(l), 0);
	assert_int_equal(ledger_expire(l, 10, 0, &lease), -ENOENT);
	assert_int_equal(ledger_commit(l, id), 0);
	assert_int_equal(ledger_next_expiry(l), 5);
	assert_int_equal(ledger_revoke(l, id, 0, ""), 0);
	assert_int_equal(ledger_next_expiry(l), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(leases_expire_in_order),
		TEST(a_reservation_does_not_expire),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
