/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small ledger in use, of which one word at a time is broken. Each must be
 * found, and only that word may have been what was found.
 */
#include "fixture.h"

#include <errno.h>

#include "ledger/layout.h"

/* With `seal`, the check words fit what was broken: it must be found by its sense. */
#define BREAK_IF(word, value, seal)                                      \
	do {                                                             \
		__typeof__(word) before = (word);                        \
		assert_int_not_equal(before, (__typeof__(word))(value)); \
		(word) = (value);                                        \
		if (seal)                                                \
			seal_all(l);                                     \
		assert_unsound(l);                                       \
		(word) = before;                                         \
		if (seal)                                                \
			seal_all(l);                                     \
		assert_int_equal(ledger_verify(l), 0);                   \
	} while (0)
#define BREAK(word, value)	   BREAK_IF(word, value, true)
#define BREAK_CHECKED(word, value) BREAK_IF(word, value, false)

enum { USED = 8 }; /* more slots than any test takes */

static void seal_all(struct ledger *l)
{
	for (uint32_t t = 0; t < TENANT_MAX; t++)
		seal_tenant(l, t);
	for (uint32_t n = 1; n <= USED; n++) {
		seal_instance(l, n);
		seal_lease(l, n);
	}
	for (uint32_t n = 1; n <= l->flow_pool.high && n <= USED; n++)
		seal_flow(l, n);
}

static void assert_unsound(struct ledger *l)
{
	struct ledger *other = NULL;

	assert_int_equal(ledger_open(l, ledger_bytes(), NULL, &other), -EBADMSG);
	assert_null(other);
}

/*
 * Instance 1 holds lease 1 (lcore 1, until 100) and lease 2 (lcore 2, until
 * 200), instance 2 lease 3 (queue 3); instance 3 and lease 4 are free.
 */
static int use(void **state)
{
	struct lease_want want;
	struct ledger *l;
	ledger_id last;

	if (fixture_setup(state))
		return -1;
	l = *state;
	want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 1);
	want.expires = 100;
	fixture_hold(l, &host, &want);
	want.res.id = 2;
	want.expires = 200;
	fixture_hold(l, &host, &want);
	want = fixture_want(fixture_instance(l, slot[1]), RES_QUEUE, 3);
	fixture_hold(l, &host, &want);
	last = fixture_instance(l, slot[1]);
	want = fixture_want(last, RES_QUEUE, 4);
	fixture_hold(l, &host, &want);
	return ledger_instance_end(l, last, 0, "");
}

static void header_and_pools(void **state)
{
	struct ledger *l = *state;

	BREAK(l->magic, 0);
	BREAK(l->size, 0);
	BREAK(l->version, LEDGER_VERSION + 1);
	BREAK(l->last_seq, 2);
	BREAK(l->last_seq, UINT64_MAX);
	BREAK(l->last_tenant, slot[0]);
	BREAK(l->last_tenant, TENANT_MAX);
	BREAK(l->last_tenant, UINT32_MAX);
	BREAK(l->instance_pool.high, 2);
	BREAK(l->instance_pool.high, UINT32_MAX);
	BREAK(l->instance_pool.free, 1);
	BREAK(l->instance_pool.free, 0);
	BREAK(l->instance_pool.free, UINT32_MAX);
	BREAK(l->instance_pool.used, 1);
	BREAK(l->instances[3].slot.link, 3);
	BREAK(l->instances[3].slot.generation, 0);
	BREAK(l->instances[3].slot.generation, UINT32_MAX);
	BREAK(l->lease_pool.high, 1);
	BREAK(l->lease_pool.free, 2);
	BREAK(l->lease_pool.used, 4);
}

static void leases(void **state)
{
	struct ledger *l = *state;

	BREAK(l->leases[1].slot.generation, 0);
	BREAK(l->leases[1].slot.state, LEASE_RESERVED);
	BREAK(l->leases[1].slot.state, SLOT_FREE);
	BREAK(l->leases[1].slot.state, LEASE_HELD + 1);
	BREAK(l->leases[1].instance, 2);
	BREAK(l->leases[1].instance, 0);
	BREAK(l->leases[1].instance, UINT32_MAX);
	BREAK(l->leases[1].res.kind, RES_KIND_MAX);
	BREAK(l->leases[1].res.kind, RES_QUEUE);
	BREAK(l->leases[1].res.scope, 1);
	BREAK(l->leases[1].res.id, 2);
	BREAK(l->leases[1].next, 1);
	BREAK(l->leases[1].next, 2);
	BREAK(l->leases[1].next, 3);
	BREAK(l->leases[1].next, UINT32_MAX);
	BREAK(l->leases[1].prev, 0);
	BREAK(l->leases[2].next, 0);
	BREAK(l->leases[2].prev, 1);
	BREAK(l->leases[1].whole_core, 2);
	BREAK(l->leases[3].whole_core, 1);
	BREAK(l->leases[1].uses, 0);
	BREAK(l->leases[3].uses, 0);
}

static void a_reservation(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_FLOW, 9);
	uint32_t n;
	ledger_id id;

	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), 0);
	n = slot_of(id);
	BREAK(l->leases[n].uses, 0);
	BREAK(l->leases[n].uses, 2);
	BREAK(l->leases[n].res.id, RES_FLOW_SOFT | 9);
}

static void timers(void **state)
{
	struct ledger *l = *state;

	BREAK(l->ntimers, 1);
	BREAK(l->ntimers, UINT32_MAX);
	BREAK(l->timers[0], 2);
	BREAK(l->timers[1], UINT32_MAX);
	BREAK(l->leases[1].expires, 0);
	BREAK(l->leases[1].expires, 201);
	BREAK(l->leases[1].timer, 0);
	BREAK(l->leases[1].timer, 2);
	BREAK(l->leases[1].timer, UINT32_MAX);
	BREAK(l->leases[3].timer, 1);
	/* One timer too many, which looks like one of the others. */
	l->timers[2] = 2;
	BREAK(l->ntimers, 3);
}

static void hash_index(void **state)
{
	struct ledger *l = *state;
	uint32_t *bucket = &l->buckets[index_bucket(&l->leases[1].res)];
	uint32_t *none = &l->buckets[0];

	while (*none)
		none++;
	BREAK(*bucket, 0);
	BREAK(*bucket, 2);
	BREAK(*bucket, 4);
	BREAK(*bucket, UINT32_MAX);
	BREAK(*none, 1);
	BREAK(*none, 4);
	BREAK(l->leases[1].slot.link, 1);
	BREAK(l->leases[1].slot.link, 2);
	BREAK(l->leases[1].slot.link, UINT32_MAX);
}

static void instances_and_tenants(void **state)
{
	struct ledger *l = *state;

	BREAK(l->instances[1].slot.state, INSTANCE_LIVE + 1);
	BREAK(l->instances[1].slot.state, SLOT_FREE);
	BREAK(l->instances[1].kind, INSTANCE_KIND_MAX);
	BREAK(l->instances[1].tenant, 1);
	BREAK(l->instances[1].tenant, TENANT_MAX);
	BREAK(l->instances[1].leases, 1);
	BREAK(l->instances[1].first, 0);
	BREAK(l->instances[1].first, UINT32_MAX);
	BREAK(l->instances[1].name[LEDGER_NAME_MAX - 1], 'x');
	BREAK(l->tenants[0].state, TENANT_UNUSED);
	BREAK(l->tenants[2].state, TENANT_RETIRED);
	BREAK(l->tenants[0].state, TENANT_RETIRED + 1);
	BREAK(l->tenants[0].instances, 0);
	BREAK(l->tenants[0].used[RES_LCORE], 1);
	BREAK(l->tenants[0].name[TENANT_NAME_MAX - 1], 'x');
}

static void events(void **state)
{
	struct ledger *l = *state;

	BREAK(l->tenants[0].events, UINT64_MAX);
	BREAK(l->tenants[0].events, 4);
	BREAK(l->tenants[0].lost_seq, 1);
	BREAK(l->events[0][0].seq, 0);
	BREAK(l->events[0][1].seq, 1);
	BREAK(l->events[0][2].seq, 4); /* the other tenant's first */
	BREAK(l->events[0][2].seq, 100);
	BREAK(l->events[0][0].tenant, 1);
	BREAK(l->events[0][0].type, EVENT_TYPE_MAX);
	BREAK(l->events[0][0].res.kind, RES_KIND_MAX + 1);
	BREAK(l->events[0][0].why[EVENT_WHY_MAX - 1], 'x');
}

static void a_ring_that_came_round(void **state)
{
	struct ledger *l = *state;

	for (unsigned i = 0; i < LEDGER_EVENTS + 50; i++) {
		struct event ev = { .type = EVENT_RELOAD, .tenant = 0 };

		ledger_event(l, &ev);
	}
	BREAK(l->tenants[0].lost_seq, 0);
	BREAK(l->tenants[0].lost_seq, l->last_seq);
	BREAK(l->tenants[0].events, l->tenants[0].events + 1);
	BREAK(l->tenants[0].events, l->tenants[0].events + LEDGER_EVENTS);
	BREAK(l->tenants[1].lost_seq, 1);
}

/* --- what only the check word tells ------------------------------------------ */

static void truth_of_tenants(void **state)
{
	struct ledger *l = *state;

	BREAK_CHECKED(l->tenants[0].name[0], 'x');
	BREAK_CHECKED(l->tenants[0].name[TENANT_NAME_MAX - 2], 'x');
	BREAK_CHECKED(l->tenants[2].state, TENANT_UNUSED);
	BREAK_CHECKED(l->tenant_checks[0], l->tenant_checks[0] ^ 1);
	BREAK_CHECKED(l->tenant_checks[TENANT_MAX - 1], 1);
}

static void truth_of_instances(void **state)
{
	struct ledger *l = *state;
	struct instance_slot *s = &l->instances[2];

	BREAK_CHECKED(s->slot.generation, 2);
	BREAK_CHECKED(l->instances[3].slot.generation, 2);
	BREAK_CHECKED(s->kind, INSTANCE_MTL);
	BREAK_CHECKED(s->orphan, 1);
	BREAK_CHECKED(s->pid, s->pid ^ 1);
	BREAK_CHECKED(s->uid, s->uid ^ 1);
	BREAK_CHECKED(s->gid, s->gid ^ 1U << 31);
	BREAK_CHECKED(s->start_time, s->start_time ^ 1);
	BREAK_CHECKED(s->cgroup_id, s->cgroup_id ^ UINT64_C(1) << 63);
	BREAK_CHECKED(l->instance_checks[2], 0);
	BREAK_CHECKED(l->instance_checks[3], 0);
}

static void truth_of_leases(void **state)
{
	struct ledger *l = *state;
	struct lease_slot *s = &l->leases[1];

	BREAK_CHECKED(s->slot.generation, 2);
	BREAK_CHECKED(l->leases[4].slot.generation, 2);
	BREAK_CHECKED(s->since, s->since ^ 1);
	BREAK_CHECKED(s->expires, 101);
	BREAK_CHECKED(s->whole_core, 1);
	BREAK_CHECKED(l->leases[4].res.id, 5); /* nobody has it, and its words are still its own */
	BREAK_CHECKED(l->lease_checks[1], 0);
	BREAK_CHECKED(l->lease_checks[4], 0);
}

static void flows(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = fixture_want(fixture_instance(l, slot[0]), RES_FLOW, 9);
	struct flow flow = { .queue = 1, .dst_port = 5000 };
	struct flow_slot *f = &l->flows[1];
	uint32_t n;

	n = slot_of(fixture_hold(l, NULL, &want));
	assert_int_equal(ledger_set_flow(l, slot_id(&l->leases[n].slot, n), &flow), 0);
	BREAK(l->flow_of[n], 0);
	BREAK(l->flow_of[n], 2);
	BREAK(l->flow_of[n], UINT16_MAX);
	BREAK(f->lease, f->lease + 1);
	BREAK(f->slot.state, SLOT_FREE);
	BREAK(f->slot.state, FLOW_LIVE + 1);
	BREAK(f->slot.generation, 0);
	BREAK(f->flow.queue, NIC_QUEUES_MAX);
	BREAK(l->flow_pool.high, 0);
	BREAK(l->flow_pool.high, LEDGER_FLOWS + 1);
	BREAK(l->flow_pool.used, 0);
	BREAK(l->flow_pool.free, 1);
	BREAK_CHECKED(f->flow.dst_port, 5001);
	BREAK_CHECKED(f->flow.src[15], 1);
	BREAK_CHECKED(f->check, 0);
}

/* An IPv6 address stands in a flow's place; what its resource says it must be. */
static void addresses(void **state)
{
	struct ledger *l = *state;
	struct lease_want want = { .instance = fixture_instance(l, slot[0]) };
	struct flow_slot *f = &l->flows[1];
	struct ipaddr a, four;
	uint32_t n;

	assert_int_equal(ipaddr_parse("2001:db8::1", &a), 0);
	assert_int_equal(ipaddr_parse("10.0.0.1", &four), 0);
	want.res = res_address(2, &four);
	fixture_hold(l, NULL, &want);
	want.res = res_address(2, &a);
	n = slot_of(fixture_hold(l, NULL, &want));
	assert_int_equal(ledger_set_address(l, slot_id(&l->leases[n].slot, n), &a), 0);
	BREAK(l->flow_of[n], 0);
	BREAK(l->flow_of[n], 2);
	BREAK(f->lease, f->lease - 1);
	BREAK(f->slot.state, SLOT_FREE);
	BREAK(l->flow_pool.used, 0);
	BREAK(f->address.b[15], 2);
	BREAK_CHECKED(f->address.b[0], 0);
	BREAK_CHECKED(l->leases[n].res.id, want.res.id ^ 1);
}

/* Faults of which every single word looks right. */
static void worn_slot_instead_of_a_free_one(void **state)
{
	struct ledger *l = *state;

	assert_int_equal(ledger_instance_end(l, slot_id(&l->instances[2].slot, 2), 0, ""), 0);
	assert_int_equal(l->instance_pool.free, 2);
	l->instances[2].slot.link = 0;
	l->instances[2].slot.generation = UINT32_MAX;
	seal_all(l);
	assert_unsound(l);
	l->instance_pool.free = 3;
	assert_int_equal(ledger_verify(l), 0);
}

static void one_resource_twice(void **state)
{
	struct ledger *l = *state;
	struct res second = l->leases[2].res;

	index_del(l, 2);
	l->leases[2].res = l->leases[1].res;
	l->leases[2].slot.link = 0;
	l->leases[1].slot.link = 2;
	seal_all(l);
	assert_unsound(l);
	l->leases[1].slot.link = 0;
	l->leases[2].res = second;
	index_add(l, 2);
	seal_all(l);
}

static void a_list_that_nobody_starts(void **state)
{
	struct ledger *l = *state;

	l->instances[1].first = 0;
	l->instances[1].leases = 0;
	l->leases[1].next = 2;
	l->leases[2].prev = 1;
	assert_unsound(l);
	l->instances[1].first = 2;
	l->instances[1].leases = 2;
	l->leases[1].next = 0;
	l->leases[2].prev = 0;
}

/* Its owner's words mean nothing, and must not be used. */
static void a_lease_of_a_free_instance(void **state)
{
	struct ledger *l = *state;

	l->instances[1].leases = 1;
	l->leases[2].next = 0;
	l->leases[1].prev = 0;
	l->leases[1].instance = 3;
	l->instances[3].tenant = UINT16_MAX;
	seal_all(l);
	assert_unsound(l);
	l->instances[1].leases = 2;
	l->leases[2].next = 1;
	l->leases[1].prev = 2;
	l->leases[1].instance = 1;
	seal_all(l);
}

#define USED_TEST(fn) cmocka_unit_test_setup_teardown(fn, use, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		USED_TEST(header_and_pools),
		USED_TEST(leases),
		USED_TEST(a_reservation),
		USED_TEST(timers),
		USED_TEST(hash_index),
		USED_TEST(instances_and_tenants),
		USED_TEST(events),
		USED_TEST(a_ring_that_came_round),
		USED_TEST(truth_of_tenants),
		USED_TEST(truth_of_instances),
		USED_TEST(truth_of_leases),
		USED_TEST(flows),
		USED_TEST(addresses),
		USED_TEST(worn_slot_instead_of_a_free_one),
		USED_TEST(one_resource_twice),
		USED_TEST(a_list_that_nobody_starts),
		USED_TEST(a_lease_of_a_free_instance),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
