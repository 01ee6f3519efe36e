/* SPDX-License-Identifier: BSD-3-Clause */
/* Each bit of what is the truth in a slot counts, and nothing else does. */
#include "fixture.h"

#include "ledger/layout.h"

typedef uint32_t (*check_fn)(const struct ledger *l, uint32_t n);

static unsigned bits_that_count(struct ledger *l, check_fn check, void *word, size_t size)
{
	uint32_t was = check(l, 1);
	unsigned n = 0;

	for (size_t bit = 0; bit < size * 8; bit++) {
		unsigned char *byte = (unsigned char *)word + bit / 8;

		*byte ^= (unsigned char)(1U << bit % 8);
		n += check(l, 1) != was;
		*byte ^= (unsigned char)(1U << bit % 8);
	}
	return n;
}

#define assert_counts(check, word) \
	assert_int_equal(bits_that_count(l, check, &(word), sizeof(word)), 8 * sizeof(word))
#define assert_idle(check, word) \
	assert_int_equal(bits_that_count(l, check, &(word), sizeof(word)), 0)

static void leases(void **state)
{
	struct ledger *l = *state;
	struct lease_slot *s = &l->leases[1];

	assert_counts(check_lease, s->slot.generation);
	assert_counts(check_lease, s->slot.state);
	assert_counts(check_lease, s->instance);
	assert_counts(check_lease, s->res);
	assert_counts(check_lease, s->since);
	assert_counts(check_lease, s->expires);
	assert_counts(check_lease, s->whole_core);
	assert_idle(check_lease, s->slot.link);
	assert_idle(check_lease, s->next);
	assert_idle(check_lease, s->prev);
	assert_idle(check_lease, s->timer);
	assert_idle(check_lease, s->uses);
}

static void instances(void **state)
{
	struct ledger *l = *state;
	struct instance_slot *s = &l->instances[1];

	assert_counts(check_instance, s->slot.generation);
	assert_counts(check_instance, s->slot.state);
	assert_counts(check_instance, s->kind);
	assert_counts(check_instance, s->orphan);
	assert_counts(check_instance, s->tenant);
	assert_counts(check_instance, s->pid);
	assert_counts(check_instance, s->uid);
	assert_counts(check_instance, s->gid);
	assert_counts(check_instance, s->start_time);
	assert_counts(check_instance, s->cgroup_id);
	assert_idle(check_instance, s->slot.link);
	assert_idle(check_instance, s->claimed_pid);
	assert_idle(check_instance, s->leases);
	assert_idle(check_instance, s->first);
	assert_idle(check_instance, s->since);
	assert_idle(check_instance, s->name);
}

static void tenants(void **state)
{
	struct ledger *l = *state;
	struct tenant_slot *t = &l->tenants[1];

	assert_counts(check_tenant, t->name);
	assert_counts(check_tenant, t->state);
	assert_idle(check_tenant, t->instances);
	assert_idle(check_tenant, t->used);
	assert_idle(check_tenant, t->quota);
	t->state = TENANT_UNUSED;
	assert_int_equal(check_tenant(l, 1), 0);
	t->state = TENANT_LIVE;
}

static void flows(void **state)
{
	struct ledger *l = *state;

	assert_counts(check_flow, l->flows[1].lease);
	assert_counts(check_flow, l->flows[1].flow);
	assert_idle(check_flow, l->flows[1].slot.link);
}

/* A slot that is all zero has a check word, and not that of its neighbour. */
static void slots_have_numbers(void **state)
{
	struct ledger *l = *state;

	assert_int_not_equal(check_lease(l, 1), check_lease(l, 2));
	assert_int_not_equal(check_instance(l, 1), check_instance(l, 2));
	assert_int_not_equal(check_flow(l, 1), check_flow(l, 2));
	assert_int_not_equal(check_lease(l, 1), 0);
	assert_int_not_equal(check_instance(l, 1), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(leases), TEST(instances), TEST(tenants), TEST(flows), TEST(slots_have_numbers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
