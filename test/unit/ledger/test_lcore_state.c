/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of each CPU for who asks; test_lcore.c has what is chosen by it. */
#include "lcore_fixture.h"

#include <errno.h>
#include <stdlib.h>

static void names_are_those_of_the_interface(void **state)
{
	static const char *const names[] = { "free",  "leased",	 "sibling", "reserved",
					     "never", "outside", "offline" };

	(void)state;
	for (unsigned s = 0; s < CPU_STATE_MAX; s++)
		assert_string_equal(cpu_state_name((enum cpu_state)s), names[s]);
	assert_null(cpu_state_name(CPU_STATE_MAX));
}

static void each_state_is_found(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[1]);
	struct lcore_want want = any(1);
	static const enum cpu_state expect[] = { CPU_LEASED, CPU_SIBLING, CPU_RESERVED,
						 CPU_NEVER,  CPU_OUTSIDE, CPU_OFFLINE,
						 CPU_FREE,   CPU_LEASED,  CPU_LEASED };

	hold(l, in, 0, true);
	cpuset_add(&rights.reserved, 1); /* a sibling first of all */
	keep_for_others(2);
	cpuset_add(&rights.never, 2);
	cpuset_add(&rights.never, 3);
	cpuset_del(&rights.may, 3);
	cpuset_del(&rights.may, 4);
	cpuset_del(&rights.may, 5);
	cpuset_del(&host.online, 5);
	hold(l, in, 7, false);
	hold(l, in, 8, false);
	keep_for_others(8);
	for (unsigned cpu = 0; cpu < sizeof(expect) / sizeof(expect[0]); cpu++)
		assert_int_equal(lcore_state(l, &host, &rights, &want, cpu), expect[cpu]);
}

static void unknown_cpus_are_offline(void **state)
{
	static const unsigned cpus[] = { 16, CPU_MAX - 1, CPU_MAX, UINT32_MAX };
	struct ledger *l = *state;
	struct lcore_want want = any(1);

	hold(l, fixture_instance(l, slot[1]), 16, true);
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++)
		assert_int_equal(lcore_state(l, &host, &rights, &want, cpus[i]), CPU_OFFLINE);
}

static void siblings_depend_on_who_asks(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), b = fixture_instance(l, slot[0]);
	struct lcore_want want = any(1);

	hold(l, a, 0, true);
	hold(l, a, 2, false);
	want.instance = a;
	assert_int_equal(lcore_state(l, &host, &rights, &want, 1), CPU_FREE);
	want.whole_core = true;
	assert_int_equal(lcore_state(l, &host, &rights, &want, 3), CPU_FREE);
	want.instance = b;
	assert_int_equal(lcore_state(l, &host, &rights, &want, 3), CPU_SIBLING);
	want.whole_core = false;
	assert_int_equal(lcore_state(l, &host, &rights, &want, 1), CPU_SIBLING);
	assert_int_equal(lcore_state(l, &host, &rights, &want, 3), CPU_FREE);
}

/* To have its whole core would lock the tenant out for whom its sibling is kept. */
static void a_whole_core_is_not_free_when_a_part_is_kept(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(1);

	keep_for_others(1);
	assert_int_equal(lcore_state(l, &host, &rights, &want, 0), CPU_FREE);
	want.whole_core = true;
	assert_int_equal(lcore_state(l, &host, &rights, &want, 0), CPU_RESERVED);
	assert_int_equal(lcore_state(l, &host, &rights, &want, 2), CPU_FREE);
	cpuset_add(&rights.never, 0);
	assert_int_equal(lcore_state(l, &host, &rights, &want, 0), CPU_RESERVED);
	hold(l, fixture_instance(l, slot[1]), 1, false);
	assert_int_equal(lcore_state(l, &host, &rights, &want, 0), CPU_SIBLING);
	cpuset_del(&host.present, 3);
	cpuset_add(&rights.reserved, 3); /* nobody can come for what is not there */
	assert_int_equal(lcore_state(l, &host, &rights, &want, 2), CPU_FREE);
}

static void put_somewhere(struct rights *r, unsigned cpu)
{
	switch (rand() % 8) {
	case 0:
		cpuset_add(&r->reserved, cpu);
		break;
	case 1:
		cpuset_add(&r->never, cpu);
		break;
	case 2:
		break;
	case 3:
		cpuset_add(&r->own, cpu);
		cpuset_add(&r->may, cpu);
		break;
	default:
		cpuset_add(&r->may, cpu);
	}
}

static void use_random_host(unsigned ncpus, unsigned threads, enum numbering numbering)
{
	use_host(ncpus, 1, threads, numbering);
	memset(&rights, 0, sizeof(rights));
	for (unsigned cpu = 0; cpu < ncpus; cpu++) {
		put_somewhere(&rights, cpu);
		if (rand() % 8 == 0)
			cpuset_del(&host.online, cpu);
		if (rand() % 8 == 0)
			cpuset_del(&host.present, cpu);
		if (rand() % 16 == 0)
			host.core[cpu] = UINT16_MAX;
	}
}

static void assert_states_agree(const struct ledger *l, const struct lcore_want *want)
{
	uint8_t states[CPU_MAX];

	memset(states, 0xff, sizeof(states));
	lcore_states(l, &host, &rights, want, states);
	for (unsigned cpu = 0; cpu < CPU_MAX; cpu++)
		assert_int_equal(states[cpu], lcore_state(l, &host, &rights, want, cpu));
}

static void one_pass_finds_the_same_states(void **state)
{
	static const struct {
		unsigned ncpus, threads;
		enum numbering numbering;
	} hosts[] = { { 1, 1, SIBLINGS_NEXT },
		      { 16, 2, SIBLINGS_NEXT },
		      { 64, 2, SIBLINGS_HALF },
		      { 96, 4, SIBLINGS_NEXT },
		      { 60, 1, SIBLINGS_HALF } };

	srand(11);
	for (unsigned round = 0; round < 200; round++) {
		unsigned n = hosts[round % 5].ncpus;
		struct ledger *l = *state;
		struct lcore_want want = any(1);
		ledger_id in[3];

		use_random_host(n, hosts[round % 5].threads, hosts[round % 5].numbering);
		for (unsigned i = 0; i < 3; i++)
			in[i] = fixture_instance(l, slot[i % 2]);
		for (unsigned i = 0; i < n / 3; i++) {
			struct lease_want lease = fixture_want(in[i % 3], RES_LCORE,
							       (unsigned)rand() % n);
			ledger_id id;

			lease.whole_core = rand() % 2;
			ledger_reserve(l, &host, &lease, &id,
				       NULL); /* refused or not, either will do */
		}
		want.instance = round % 4 < 3 ? in[round % 4] : 0;
		want.whole_core = rand() % 2;
		assert_states_agree(l, &want);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(ledger_instance_end(l, in[i], 0, ""), 0);
	}
}

/* What lcore_state() calls free is what ledger_reserve() grants, on any host. */
static void free_means_that_reserve_agrees(void **state)
{
	static const enum numbering numberings[] = { SIBLINGS_NEXT, SIBLINGS_HALF };
	struct ledger *l = *state;
	ledger_id in[3];

	srand(7);
	for (unsigned i = 0; i < 3; i++)
		in[i] = fixture_instance(l, slot[i % 2]);
	for (unsigned step = 0; step < 2000; step++) {
		struct lcore_want want = any(1);
		struct lease_want lease;
		enum cpu_state before;
		ledger_id id;
		int r;

		if (step % 1000 == 0)
			use_host(16, 2, 2, numberings[step / 1000]);
		lease = fixture_want(in[rand() % 3], RES_LCORE, (unsigned)rand() % 16);
		lease.whole_core = rand() % 2;
		want.instance = lease.instance;
		want.whole_core = lease.whole_core;
		before = lcore_state(l, &host, &rights, &want, (unsigned)lease.res.id);
		r = ledger_reserve(l, &host, &lease, &id, NULL);
		assert_int_equal(r, before == CPU_FREE ? 0 : -EBUSY);
		if (r == 0 && rand() % 3)
			assert_int_equal(ledger_undo(l, id), 0);
		else if (step % 50 == 49)
			for (unsigned i = 0; i < 3; i++) {
				assert_int_equal(ledger_instance_end(l, in[i], 0, ""), 0);
				in[i] = fixture_instance(l, slot[i % 2]);
			}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_interface),
		LCORE_TEST(each_state_is_found),
		LCORE_TEST(unknown_cpus_are_offline),
		LCORE_TEST(siblings_depend_on_who_asks),
		LCORE_TEST(a_whole_core_is_not_free_when_a_part_is_kept),
		LCORE_TEST(one_pass_finds_the_same_states),
		LCORE_TEST(free_means_that_reserve_agrees),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
