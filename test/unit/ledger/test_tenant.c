/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

static void tenants_keep_their_slot(void **state)
{
	struct ledger *l = *state;
	uint32_t again[TENANT_MAX];
	struct tenant t;

	for (uint32_t i = 0; i < 4; i++) {
		struct event ev = { .type = EVENT_RELOAD, .tenant = i };

		assert_int_equal(slot[i], i);
		assert_int_equal(ledger_event(l, &ev), i + 1);
	}
	fixture_conf(&conf, 2, 3, 9);
	assert_int_equal(ledger_set_tenants(l, &conf, again), 0);
	assert_int_equal(again[0], 2);
	assert_int_equal(again[1], 3);
	assert_int_equal(ledger_tenant(l, again[2], &t), 0);
	assert_string_equal(t.name, "t4");
	assert_int_equal(t.quota.max[RES_VM], 9);
	assert_int_equal(ledger_tenant(l, 0, &t), -ENOENT);
	assert_int_equal(ledger_tenant(l, 1, &t), -ENOENT);
	assert_int_equal(ledger_tenant(l, TENANT_MAX, &t), -ENOENT);
}

/* A history is kept for as long as another slot will do. */
static void the_oldest_history_goes_first(void **state)
{
	struct ledger *l = *state;
	uint32_t again[TENANT_MAX];

	fixture_conf(&conf, 0, TENANT_MAX, 1);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	for (uint32_t i = 0; i < TENANT_MAX; i++) {
		struct event ev = { .type = EVENT_RELOAD, .tenant = i * 5 % TENANT_MAX };

		ledger_event(l, &ev);
	}
	conf.ntenants = 0;
	assert_int_equal(ledger_set_tenants(l, &conf, again), 0);
	fixture_conf(&conf, 200, 3, 1);
	assert_int_equal(ledger_set_tenants(l, &conf, again), 0);
	assert_int_equal(again[0], 0);
	assert_int_equal(again[1], 5);
	assert_int_equal(again[2], 10);
}

static void a_retired_tenant_lives_until_its_last_lease(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[1]);
	struct lease_want want = fixture_want(in, RES_LCORE, 1);
	struct instance start = { .tenant = slot[1] };
	uint32_t again[TENANT_MAX];
	struct tenant t;

	fixture_hold(l, &host, &want);
	conf.ntenants = 1;
	assert_int_equal(ledger_set_tenants(l, &conf, again), 0);
	assert_int_equal(ledger_tenant(l, slot[2], &t), -ENOENT);
	assert_int_equal(ledger_tenant(l, slot[1], &t), 0);
	assert_true(t.retired);
	assert_int_equal(t.used[RES_LCORE], 1);
	assert_int_equal(ledger_instance_start(l, &start, &in), -ENOENT);
	fixture_conf(&conf, 0, 2, 4);
	assert_int_equal(ledger_set_tenants(l, &conf, again), 0);
	assert_int_equal(again[1], slot[1]);
	assert_int_equal(ledger_tenant(l, slot[1], &t), 0);
	assert_false(t.retired);
	conf.ntenants = 1;
	assert_int_equal(ledger_set_tenants(l, &conf, again), 0);
	assert_int_equal(ledger_instance_end(l, want.instance, 0, ""), 0);
	assert_int_equal(ledger_tenant(l, slot[1], &t), -ENOENT);
}

static void no_room_for_tenants_changes_nothing(void **state)
{
	struct ledger *l = *state;
	uint32_t again[TENANT_MAX] = { 77 };
	void *copy = malloc(ledger_bytes());
	ledger_id in[TENANT_MAX];

	assert_non_null(copy);
	fixture_conf(&conf, 0, TENANT_MAX, 4);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	for (unsigned t = 0; t < TENANT_MAX; t++)
		in[t] = fixture_instance(l, slot[t]);
	fixture_conf(&conf, 1, TENANT_MAX, 4);
	memcpy(copy, l, ledger_bytes());
	assert_int_equal(ledger_set_tenants(l, &conf, again), -ENOSPC);
	assert_int_equal(again[0], 77);
	assert_memory_equal(copy, l, ledger_bytes());
	assert_int_equal(ledger_instance_end(l, in[0], 0, ""), 0);
	assert_int_equal(ledger_set_tenants(l, &conf, again), 0);
	assert_int_equal(again[TENANT_MAX - 1], slot[0]);
	conf.ntenants = TENANT_MAX + 1;
	assert_int_equal(ledger_set_tenants(l, &conf, again), -EINVAL);
	free(copy);
}

static void a_smaller_quota_takes_nothing_away(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 0);
	struct tenant t;
	ledger_id id;

	for (want.res.id = 0; want.res.id < 3; want.res.id++)
		fixture_hold(l, &host, &want);
	conf.tenants[0].quota.max[RES_LCORE] = 1;
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	assert_int_equal(ledger_tenant(l, slot[0], &t), 0);
	assert_int_equal(t.used[RES_LCORE], 3);
	assert_int_equal(ledger_reserve(l, &host, &want, &id, NULL), -EDQUOT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(tenants_keep_their_slot),
		TEST(the_oldest_history_goes_first),
		TEST(a_retired_tenant_lives_until_its_last_lease),
		TEST(no_room_for_tenants_changes_nothing),
		TEST(a_smaller_quota_takes_nothing_away),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
