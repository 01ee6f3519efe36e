/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore_fixture.h"

#include <errno.h>

static struct lcore_answer answer;

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

static struct lcore_want exactly(const char *cpus)
{
	struct lcore_want want = { .node = NODE_NONE };

	assert_int_equal(cpuset_parse(cpus, &want.exact), 0);
	return want;
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
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
