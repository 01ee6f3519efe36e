/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include "ledger/layout.h"

enum { MANY = 4000 };

static const struct res orders[] = {
	{ 0, 0, 0 },	      { 0, 0, 1 }, { 0, 0, UINT64_MAX },	{ 0, 1, 0 },
	{ 0, UINT32_MAX, 0 }, { 1, 0, 0 }, { 1, 0, UINT64_C(1) << 32 }, { 1, 1, 0 },
};

static void resources_have_one_order(void **state)
{
	const int n = sizeof(orders) / sizeof(orders[0]);

	(void)state;
	for (int a = 0; a < n; a++)
		for (int b = 0; b < n; b++)
			assert_int_equal(index_compare(&orders[a], &orders[b]), (a > b) - (a < b));
}

/* Lcores, the common case, must not share buckets; other patterns must not pile up. */
static void buckets_are_spread(void **state)
{
	static uint16_t seen[3][LEDGER_BUCKETS];
	unsigned most[3] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		const struct res res[3] = {
			{ RES_LCORE, 0, i },
			{ RES_QUEUE, i / 64, i % 64 },
			{ RES_FLOW, 2, (uint64_t)i << 40 },
		};

		for (unsigned k = 0; k < 3; k++) {
			uint16_t n = ++seen[k][index_bucket(&res[k])];

			assert_true(index_bucket(&res[k]) < LEDGER_BUCKETS);
			if (n > most[k])
				most[k] = n;
		}
	}
	for (unsigned k = 0; k < 3; k++)
		assert_true(most[k] <= 8);
}

/* All of one bucket, put in and taken out in an order unlike their own. */
static void one_chain_holds_many(void **state)
{
	struct ledger *l = *state;
	uint32_t bucket = 0, n = 0;

	for (uint64_t id = 0; n < 50; id++) {
		struct res res = { RES_VM, 0, (id * 7919) % (1 << 22) };

		if (id == 0)
			bucket = index_bucket(&res);
		if (index_bucket(&res) != bucket || index_find(l, &res))
			continue;
		l->leases[++n].res = res;
		index_add(l, n);
		for (uint32_t i = 1; i <= n; i++)
			assert_int_equal(index_find(l, &l->leases[i].res), i);
	}
	for (uint32_t i = 1; i <= n; i += 2)
		index_del(l, i);
	for (uint32_t i = 1; i <= n; i++)
		assert_int_equal(index_find(l, &l->leases[i].res), i % 2 ? 0 : i);
	for (uint32_t i = 2; i <= n; i += 2)
		index_del(l, i);
	assert_int_equal(l->buckets[bucket], 0);
}

/* Queues of one chain: each is moved away and back, and the rest stay found. */
static void renaming_keeps_chains_whole(void **state)
{
	struct ledger *l = *state;
	ledger_id in, ids[5];
	struct lease_want want;
	uint32_t n = 0;

	fixture_conf(&conf, 0, 1, QUOTA_NONE);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	in = fixture_instance(l, slot[0]);
	for (uint64_t id = 0; n < 5; id++) {
		want = fixture_want(in, RES_QUEUE, id);
		if (index_bucket(&want.res) == 77)
			assert_int_equal(ledger_reserve(l, NULL, &want, &ids[n++], NULL), 0);
	}
	for (n = 0; n < 5; n++) {
		struct lease lease;

		assert_int_equal(ledger_lease(l, ids[n], &lease), 0);
		assert_int_equal(ledger_rename(l, ids[n], UINT64_MAX), 0);
		assert_int_equal(index_find(l, &lease.res), 0);
		assert_int_equal(ledger_verify(l), 0);
		assert_int_equal(ledger_rename(l, ids[n], lease.res.id), 0);
		assert_int_equal(slot_of(ids[n]), index_find(l, &lease.res));
		assert_int_equal(ledger_verify(l), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(resources_have_one_order),
		TEST(buckets_are_spread),
		TEST(one_chain_holds_many),
		TEST(renaming_keeps_chains_whole),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
