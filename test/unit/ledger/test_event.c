/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>

static uint64_t add_event(struct ledger *l, uint32_t tenant, uint32_t type)
{
	struct event ev = { .type = type, .tenant = tenant, .error = 5 };

	return ledger_event(l, &ev);
}

static void events_merge_by_number(void **state)
{
	struct ledger *l = *state;
	struct event ev = { .seq = 0 };
	uint64_t lost;

	for (unsigned i = 1; i <= 9; i++)
		assert_int_equal(add_event(l, slot[i % 3], EVENT_RELOAD), i);
	for (unsigned i = 1; i <= 9; i++) {
		assert_int_equal(ledger_next_event(l, LEDGER_ALL_TENANTS, ev.seq, &ev, &lost), 0);
		assert_int_equal(ev.seq, i);
		assert_int_equal(ev.tenant, slot[i % 3]);
		assert_int_equal(lost, 0);
	}
	assert_int_equal(ledger_next_event(l, LEDGER_ALL_TENANTS, 9, &ev, &lost), -ENOENT);
	assert_int_equal(ledger_next_event(l, LEDGER_ALL_TENANTS, UINT64_MAX, &ev, &lost), -ENOENT);
	assert_int_equal(ledger_next_event(l, slot[1], 1, &ev, &lost), 0);
	assert_int_equal(ev.seq, 4);
	assert_int_equal(lost, 0);
	assert_int_equal(ledger_next_event(l, slot[3], 0, &ev, &lost), -ENOENT);
	assert_int_equal(ledger_next_event(l, TENANT_MAX, 0, &ev, &lost), -ENOENT);
}

static void a_noisy_tenant_shortens_only_its_own_history(void **state)
{
	struct ledger *l = *state;
	struct event ev;
	uint64_t lost;

	add_event(l, slot[0], EVENT_RELOAD);
	for (unsigned i = 0; i < LEDGER_EVENTS + 10; i++)
		add_event(l, slot[1], EVENT_REFUSE);
	assert_int_equal(ledger_next_event(l, slot[0], 0, &ev, &lost), 0);
	assert_int_equal(ev.seq, 1);
	assert_int_equal(lost, 0);
	assert_int_equal(ledger_next_event(l, slot[1], 0, &ev, &lost), 0);
	assert_int_equal(ev.seq, 12);
	assert_int_equal(lost, 10);
	assert_int_equal(ledger_next_event(l, slot[1], 5, &ev, &lost), 0);
	assert_int_equal(lost, 6);
	assert_int_equal(ledger_next_event(l, slot[1], 11, &ev, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(ledger_next_event(l, slot[1], 12, &ev, &lost), 0);
	assert_int_equal(ev.seq, 13);
	assert_int_equal(lost, 0);
	assert_int_equal(ledger_next_event(l, LEDGER_ALL_TENANTS, 1, &ev, &lost), 0);
	assert_int_equal(ev.seq, 12);
	assert_int_equal(lost, 10);
}

static void a_new_tenant_does_not_see_the_old_ones_events(void **state)
{
	struct ledger *l = *state;
	struct event ev;
	uint64_t lost;

	for (unsigned t = 0; t < TENANT_MAX; t++)
		assert_int_equal(add_event(l, t, EVENT_REFUSE), t + 1);
	fixture_conf(&conf, 100, TENANT_MAX, 1);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	for (unsigned t = 0; t < TENANT_MAX; t++) {
		struct tenant tenant;

		assert_int_equal(ledger_next_event(l, t, 0, &ev, &lost), -ENOENT);
		assert_int_equal(ledger_tenant(l, t, &tenant), 0);
		assert_int_equal(tenant.refused, 0);
	}
	assert_int_equal(add_event(l, slot[0], EVENT_REFUSE), TENANT_MAX + 1);
	assert_int_equal(ledger_next_event(l, LEDGER_ALL_TENANTS, 0, &ev, &lost), 0);
	assert_int_equal(lost, TENANT_MAX);
}

static void events_out_of_range_are_not_recorded(void **state)
{
	struct ledger *l = *state;
	struct event ev = { .type = EVENT_REFUSE, .tenant = slot[0], .res.kind = RES_KIND_MAX + 1 };
	struct tenant t;

	assert_int_equal(add_event(l, TENANT_MAX, EVENT_REFUSE), 0);
	assert_int_equal(add_event(l, LEDGER_ALL_TENANTS, EVENT_REFUSE), 0);
	assert_int_equal(add_event(l, slot[0], EVENT_TYPE_MAX), 0);
	assert_int_equal(ledger_event(l, &ev), 0);
	assert_int_equal(last_seq(l), 0);
	memset(ev.why, 'w', sizeof(ev.why));
	ev.res.kind = RES_KIND_MAX;
	assert_int_equal(ledger_event(l, &ev), 1);
	assert_int_equal(ledger_next_event(l, slot[0], 0, &ev, NULL), 0);
	assert_int_equal(strlen(ev.why), EVENT_WHY_MAX - 1);
	assert_int_equal(ledger_tenant(l, slot[0], &t), 0);
	assert_int_equal(t.refused, 1);
	/* No tenant there, but a place for it. */
	assert_int_equal(add_event(l, 40, EVENT_REFUSE), 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(events_merge_by_number),
		TEST(a_noisy_tenant_shortens_only_its_own_history),
		TEST(a_new_tenant_does_not_see_the_old_ones_events),
		TEST(events_out_of_range_are_not_recorded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
