/* SPDX-License-Identifier: BSD-3-Clause */
/* Two tenants without limits and a host whose CPUs may all be leased. */
#ifndef REEVE_TEST_LEDGER_LCORE_FIXTURE_H
#define REEVE_TEST_LEDGER_LCORE_FIXTURE_H

#include "fixture.h"

#include "ledger/lcore.h"

static struct rights rights;

/* All of the host may be leased. */
static inline void use_host(unsigned ncpus, unsigned nnodes, unsigned threads,
			    enum numbering numbering)
{
	fixture_host(&host, ncpus, nnodes, threads, numbering);
	memset(&rights, 0, sizeof(rights));
	rights.may = host.usable;
}

static inline int setup(void **state)
{
	if (fixture_setup(state))
		return -1;
	use_host(16, 2, 2, SIBLINGS_NEXT);
	fixture_conf(&conf, 0, 2, QUOTA_NONE);
	return ledger_set_tenants(*state, &conf, slot);
}

static inline void hold(struct ledger *l, ledger_id instance, unsigned cpu, bool whole_core)
{
	struct lease_want want = fixture_want(instance, RES_LCORE, cpu);

	want.whole_core = whole_core;
	fixture_hold(l, NULL, &want);
}

static inline void keep_for_others(unsigned cpu)
{
	cpuset_add(&rights.reserved, cpu);
	cpuset_del(&rights.may, cpu);
}

static inline struct lcore_want any(uint32_t count)
{
	return (struct lcore_want){ .count = count, .node = NODE_NONE };
}

#define LCORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_teardown)

#endif
