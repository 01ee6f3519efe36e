/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "ledger/lcore.h"

static struct rights rights;
static struct lcore_answer answer;

/* All of the host may be leased. */
static void use_host(unsigned ncpus, unsigned nnodes, unsigned threads, enum numbering numbering)
{
	fixture_host(&host, ncpus, nnodes, threads, numbering);
	memset(&rights, 0, sizeof(rights));
	rights.may = host.usable;
}

static int setup(void **state)
{
	if (fixture_setup(state))
		return -1;
	use_host(16, 2, 2, SIBLINGS_NEXT);
	fixture_conf(&conf, 0, 2, QUOTA_NONE);
	return ledger_set_tenants(*state, &conf, slot);
}

static void hold(struct ledger *l, ledger_id instance, unsigned cpu, bool whole_core)
{
	struct lease_want want = fixture_want(instance, RES_LCORE, cpu);

	want.whole_core = whole_core;
	fixture_hold(l, NULL, &want);
}

static void keep_for_others(unsigned cpu)
{
	cpuset_add(&rights.reserved, cpu);
	cpuset_del(&rights.may, cpu);
}

static void assert_refused(const struct ledger *l, const struct lcore_want *want, int error,
			   const char *why)
{
	lcore_choose(l, &host, slot[0], &rights, want, &answer);
	assert_string_equal(answer.why, why);
	assert_int_equal(answer.error, error);
	assert_true(cpuset_empty(&answer.cpus));
}

static void assert_granted(const struct ledger *l, const struct lcore_want *want, const char *cpus,
			   const char *why)
{
	char list[128];

	lcore_choose(l, &host, slot[0], &rights, want, &answer);
	cpuset_format(&answer.cpus, list, sizeof(list));
	assert_string_equal(list, cpus);
	assert_int_equal(answer.error, 0);
	assert_string_equal(answer.why, why);
}

static struct lcore_want any(uint32_t count)
{
	return (struct lcore_want){ .count = count, .node = NODE_NONE };
}

static struct lcore_want exactly(const char *cpus)
{
	struct lcore_want want = { .node = NODE_NONE };

	assert_int_equal(cpuset_parse(cpus, &want.exact), 0);
	return want;
}

/* --- states -------------------------------------------------------------- */

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

/* --- any so many --------------------------------------------------------- */

static void the_lowest_numbers_first(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(1);

	assert_granted(l, &want, "0", "CPU 0 is free");
	want.count = 3;
	assert_granted(l, &want, "0-2", "CPUs 0-2 are free");
	want.count = 16;
	assert_granted(l, &want, "0-15", "CPUs 0-15 are free");
	want.count = 2;
	want.node = 1;
	assert_granted(l, &want, "8-9", "CPUs 8-9 are free on node 1");
}

static void own_then_isolated_then_quiet_cores(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(1);

	hold(l, fixture_instance(l, slot[1]), 0, false);
	assert_granted(l, &want, "2", "CPU 2 is free");
	cpuset_add(&host.isolated, 1);
	cpuset_add(&host.isolated, 9);
	assert_granted(l, &want, "9", "CPU 9 is free");
	want.count = 2;
	assert_granted(l, &want, "1,9", "CPUs 1,9 are free");
	cpuset_add(&rights.own, 14);
	want.count = 4;
	assert_granted(l, &want, "1-2,9,14", "CPUs 1-2,9,14 are free");
}

static void whole_core_takes_one_of_each_core(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(2);

	want.whole_core = true;
	assert_granted(l, &want, "0,2", "CPUs 0,2 are free, with the whole of their cores");
	want.count = 1;
	assert_granted(l, &want, "0", "CPU 0 is free, with the whole of its core");
	want.count = 5;
	want.node = 1;
	assert_granted(l, &want, "8-10,12,14",
		       "CPUs 8-10,12,14 are free on node 1, with the whole of their cores "
		       "(4 for 5 CPUs)");
	use_host(16, 2, 2, SIBLINGS_HALF);
	want = any(3);
	want.whole_core = true;
	assert_granted(l, &want, "0-2", "CPUs 0-2 are free, with the whole of their cores");
}

static void whole_core_leaves_out_cores_kept_for_others(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(1);

	keep_for_others(1);
	keep_for_others(2);
	assert_granted(l, &want, "0", "CPU 0 is free");
	want.whole_core = true;
	assert_granted(l, &want, "4", "CPU 4 is free, with the whole of its core");
	want.count = 12;
	lcore_choose(l, &host, slot[0], &rights, &want, &answer);
	assert_int_equal(answer.error, 0);
	want.count = 13;
	assert_refused(l, &want, ENOSPC,
		       "12 of 13 wanted CPUs are free (4 reserved for another tenant)");
	want.whole_core = false;
	want.count = 14;
	assert_granted(l, &want, "0,3-15", "CPUs 0,3-15 are free");
}

static void whole_core_counts_the_instances_own_cores(void **state)
{
	struct ledger *l = *state;
	ledger_id a = fixture_instance(l, slot[0]), b = fixture_instance(l, slot[0]);
	struct lcore_want want = any(1);

	hold(l, a, 0, true);
	hold(l, b, 2, false);
	want.instance = a;
	want.whole_core = true;
	assert_granted(l, &want, "4", "CPU 4 is free, with the whole of its core");
	want.count = 7;
	assert_granted(l, &want, "4-6,8,10,12,14",
		       "CPUs 4-6,8,10,12,14 are free, with the whole of their cores "
		       "(6 for 7 CPUs)");
	want.count = 14;
	assert_refused(l, &want, ENOSPC,
		       "13 of 14 wanted CPUs are free "
		       "(2 leased, 1 on a core shared with another instance)");
}

static void too_few_says_what_stands_in_the_way(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[1]);
	struct lcore_want want = any(6);

	hold(l, in, 8, false);
	hold(l, in, 9, false);
	keep_for_others(10);
	cpuset_del(&host.online, 11);
	want.node = 1;
	assert_refused(l, &want, ENOSPC,
		       "4 of 6 wanted CPUs are free on node 1 "
		       "(2 leased, 1 reserved for another tenant, 1 offline)");
	cpuset_add(&rights.never, 12);
	cpuset_del(&rights.may, 13);
	cpuset_del(&rights.may, 14);
	assert_refused(l, &want, ENOSPC,
		       "1 of 6 wanted CPUs is free on node 1 (2 leased, 1 reserved for another "
		       "tenant, 1 never leased, 2 not for reeve to lease, 1 offline)");
	want.count = 17;
	want.node = NODE_NONE;
	use_host(16, 2, 2, SIBLINGS_NEXT);
	rights.reserved = rights.may;
	assert_refused(l, &want, ENOSPC,
		       "none of 17 wanted CPUs is free (2 leased, 14 reserved for another tenant)");
	want.count = 1;
	assert_refused(l, &want, ENOSPC,
		       "no CPU is free (2 leased, 14 reserved for another tenant)");
}

static void too_many_for_the_host(void **state)
{
	struct lcore_want want = any(UINT32_MAX);

	assert_refused(*state, &want, ENOSPC, "16 of 4294967295 wanted CPUs are free");
	want = any(1);
	want.node = 2;
	assert_refused(*state, &want, ENOENT, "no CPU of this host is on node 2");
	want.node = -7;
	assert_refused(*state, &want, ENOENT, "no CPU of this host is on node -7");
	want = any(0);
	assert_refused(*state, &want, EINVAL, "no CPU is asked for");
}

/* --- exactly these ------------------------------------------------------- */

static void exact_sets_are_granted_whole(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = exactly("3,5-6");

	assert_granted(l, &want, "3,5-6", "CPUs 3,5-6 are free");
	want.whole_core = true;
	assert_granted(l, &want, "3,5-6", "CPUs 3,5-6 are free, with the whole of their cores");
	want = exactly("8");
	want.node = 1;
	assert_granted(l, &want, "8", "CPU 8 is free on node 1");
}

static void exact_sets_are_refused_for_the_first_in_the_way(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[1]);
	struct lcore_want want = exactly("2-5");

	hold(l, in, 3, false);
	assert_refused(l, &want, EBUSY, "CPU 3 is leased");
	hold(l, in, 4, false);
	assert_refused(l, &want, EBUSY, "CPU 3 is leased; 1 more of the 4 wanted is not free");
	hold(l, in, 5, false);
	assert_refused(l, &want, EBUSY, "CPU 3 is leased; 2 more of the 4 wanted are not free");
	want = exactly("2");
	want.whole_core = true;
	assert_refused(l, &want, EBUSY, "CPU 2 shares a core with another instance's lease");
	keep_for_others(6);
	want = exactly("6");
	assert_refused(l, &want, EACCES, "CPU 6 is reserved for another tenant");
	want = exactly("7");
	assert_granted(l, &want, "7", "CPU 7 is free");
	want.whole_core = true;
	assert_refused(l, &want, EACCES,
		       "CPU 7 shares a core with one reserved for another tenant");
	want = exactly("6-7");
	want.whole_core = true;
	assert_refused(l, &want, EACCES,
		       "CPU 6 is reserved for another tenant; "
		       "1 more of the 2 wanted is not free");
	cpuset_add(&rights.never, 7);
	want = exactly("7");
	assert_refused(l, &want, EACCES, "CPU 7 is never leased");
	cpuset_del(&rights.may, 8);
	want = exactly("8");
	assert_refused(l, &want, EACCES, "CPU 8 is not among the CPUs reeve may lease");
	want = exactly("16,8191");
	assert_refused(l, &want, ENOENT,
		       "CPU 16 is not running on this host; 1 more of the 2 wanted is not free");
	want = exactly("9");
	want.node = 0;
	assert_refused(l, &want, EINVAL, "CPU 9 is not on node 0");
}

/* --- quota --------------------------------------------------------------- */

static void quota_is_looked_at_first(void **state)
{
	struct ledger *l = *state;
	ledger_id in = fixture_instance(l, slot[0]);
	struct lcore_want want = any(3);

	conf.tenants[0].quota.max[RES_LCORE] = 3;
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	assert_granted(l, &want, "0-2", "CPUs 0-2 are free");
	hold(l, in, 0, false);
	assert_refused(l, &want, EDQUOT, "3 wanted, but 1 of the quota of 3 lcores is in use");
	want = exactly("100-102");
	assert_refused(l, &want, EDQUOT, "3 wanted, but 1 of the quota of 3 lcores is in use");
	hold(l, in, 1, false);
	assert_refused(l, &want, EDQUOT, "3 wanted, but 2 of the quota of 3 lcores are in use");
	conf.tenants[0].quota.max[RES_LCORE] = 0;
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	assert_refused(l, &want, EDQUOT, "the quota leaves this tenant no lcores");
	slot[0] = 9;
	assert_refused(l, &want, ENOENT, "there is no such tenant");
}

/* --- hosts --------------------------------------------------------------- */

static void one_cpu(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(1);

	use_host(1, 1, 1, SIBLINGS_NEXT);
	want.whole_core = true;
	assert_granted(l, &want, "0", "CPU 0 is free, with the whole of its core");
	want.count = 2;
	assert_refused(l, &want, ENOSPC, "1 of 2 wanted CPUs is free");
}

static void many_cpus(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(64);

	use_host(256, 4, 2, SIBLINGS_HALF);
	want.node = 3;
	assert_granted(l, &want, "96-127,224-255", "CPUs 96-127,224-255 are free on node 3");
	want.whole_core = true;
	want.count = 33;
	assert_granted(l, &want, "96-127,224",
		       "CPUs 96-127,224 are free on node 3, with the whole of their cores "
		       "(32 for 33 CPUs)");
	use_host(CPU_MAX, 8, 2, SIBLINGS_NEXT);
	want = any(CPU_MAX);
	want.whole_core = true;
	lcore_choose(l, &host, slot[0], &rights, &want, &answer);
	assert_int_equal(answer.error, 0);
	assert_int_equal(cpuset_count(&answer.cpus), CPU_MAX);
}

/* A scattered set fills the sentence, which must still end in its buffer. */
static void long_lists_are_cut(void **state)
{
	struct lcore_want want = { .node = 1, .whole_core = true };

	use_host(8000, 1, 2, SIBLINGS_NEXT);
	for (unsigned cpu = 0; cpu < 8000; cpu++)
		host.node[cpu] = 1;
	for (unsigned cpu = 1000; cpu < 8000; cpu += 3)
		cpuset_add(&want.exact, cpu);
	lcore_choose(*state, &host, slot[0], &rights, &want, &answer);
	assert_int_equal(answer.error, 0);
	assert_true(cpuset_equal(&answer.cpus, &want.exact));
	assert_true(strlen(answer.why) < sizeof(answer.why));
	assert_non_null(strstr(answer.why, "... are free on node 1"));
}

/* Core numbers from a host that lies about them stay within bounds. */
static void core_numbers_out_of_range(void **state)
{
	struct ledger *l = *state;
	struct lcore_want want = any(16);

	for (unsigned cpu = 0; cpu < 16; cpu++)
		host.core[cpu] = UINT16_MAX;
	want.whole_core = true;
	hold(l, fixture_instance(l, slot[1]), 0, true);
	want.count = 15;
	assert_granted(l, &want, "1-15", "CPUs 1-15 are free, with the whole of their cores");
}

#define LCORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_teardown)

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
		LCORE_TEST(the_lowest_numbers_first),
		LCORE_TEST(own_then_isolated_then_quiet_cores),
		LCORE_TEST(whole_core_takes_one_of_each_core),
		LCORE_TEST(whole_core_leaves_out_cores_kept_for_others),
		LCORE_TEST(whole_core_counts_the_instances_own_cores),
		LCORE_TEST(too_few_says_what_stands_in_the_way),
		LCORE_TEST(too_many_for_the_host),
		LCORE_TEST(exact_sets_are_granted_whole),
		LCORE_TEST(exact_sets_are_refused_for_the_first_in_the_way),
		LCORE_TEST(quota_is_looked_at_first),
		LCORE_TEST(one_cpu),
		LCORE_TEST(many_cpus),
		LCORE_TEST(long_lists_are_cut),
		LCORE_TEST(core_numbers_out_of_range),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
