/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory, tenants and hosts that all tests of the ledger share. */
#ifndef REEVE_TEST_LEDGER_FIXTURE_H
#define REEVE_TEST_LEDGER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* First: cmocka has a macro with the name of a function of ours. */
#include "journal/undo.h"
#include "ledger/ledger.h"

#include <cmocka.h>

/* An undo log, then the ledger, each from the start of a page. */
#define FIXTURE_LOG ((sizeof(struct undo) + 4095) / 4096 * 4096)

static inline size_t fixture_bytes(void)
{
	return FIXTURE_LOG + ledger_bytes();
}

static inline struct undo *fixture_undo(void *ledger)
{
	return (struct undo *)((char *)ledger - FIXTURE_LOG);
}

/* Where the ledger is to be; the log is ready. */
static inline void *fixture_memory(int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	char *mem = mmap(NULL, fixture_bytes(), PROT_READ | PROT_WRITE, flags, fd, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	undo_init((struct undo *)mem, fixture_bytes());
	return mem + FIXTURE_LOG;
}

static inline struct ledger *fixture_ledger(void)
{
	void *mem = fixture_memory(-1);
	struct ledger *l;

	assert_int_equal(ledger_init(mem, ledger_bytes(), fixture_undo(mem), &l), 0);
	return l;
}

static inline void fixture_free(void *ledger)
{
	munmap(fixture_undo(ledger), fixture_bytes());
}

/* Tenant "t<first>" and so on, each with this quota for every kind. */
static inline void fixture_conf(struct conf *c, unsigned first, unsigned n, uint32_t quota)
{
	memset(c, 0, sizeof(*c));
	c->ntenants = n;
	for (unsigned i = 0; i < n; i++) {
		snprintf(c->tenants[i].name, sizeof(c->tenants[i].name), "t%u", first + i);
		for (unsigned k = 0; k < RES_KIND_MAX; k++)
			c->tenants[i].quota.max[k] = quota;
	}
}

enum numbering { SIBLINGS_NEXT, SIBLINGS_HALF };

/* Siblings are 2n and 2n+1, or n and n + N/2; nodes take the cores in blocks. */
static inline void fixture_host(struct host *h, unsigned ncpus, unsigned nnodes, unsigned threads,
				enum numbering numbering)
{
	unsigned ncores = ncpus / threads;

	memset(h, 0, sizeof(*h));
	for (unsigned cpu = 0; cpu < ncpus; cpu++) {
		unsigned core = numbering == SIBLINGS_NEXT ? cpu / threads : cpu % ncores;

		cpuset_add(&h->present, cpu);
		h->core[cpu] = (uint16_t)(numbering == SIBLINGS_NEXT ? core * threads : core);
		h->node[cpu] = (int16_t)(core * nnodes / ncores);
		h->package[cpu] = (uint16_t)h->node[cpu];
	}
	h->online = h->present;
	h->usable = h->present;
}

static inline ledger_id fixture_instance(struct ledger *l, uint32_t tenant)
{
	struct instance in = { .kind = INSTANCE_NATIVE, .tenant = tenant, .pid = 10, .uid = 20 };
	ledger_id id;

	assert_int_equal(ledger_instance_start(l, &in, &id), 0);
	return id;
}

static inline struct lease_want fixture_want(ledger_id instance, uint32_t kind, uint64_t id)
{
	return (struct lease_want){ .instance = instance, .res = { .kind = kind, .id = id } };
}

static inline ledger_id fixture_hold(struct ledger *l, const struct host *host,
				     const struct lease_want *want)
{
	ledger_id id;

	assert_int_equal(ledger_reserve(l, host, want, &id, NULL), 0);
	assert_int_equal(ledger_commit(l, id), 0);
	return id;
}

static struct conf conf;
static struct host host;
static uint32_t slot[TENANT_MAX];

/* Four tenants with a quota of 4 on 2 nodes x 4 cores x 2 threads. */
static inline int fixture_setup(void **state)
{
	struct ledger *l = fixture_ledger();

	fixture_conf(&conf, 0, 4, 4);
	fixture_host(&host, 16, 2, 2, SIBLINGS_NEXT);
	*state = l;
	return ledger_set_tenants(l, &conf, slot);
}

/* Whatever a test did, the memory it leaves is sound. */
static inline int fixture_teardown(void **state)
{
	int r = ledger_verify(*state);

	fixture_free(*state);
	return r;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

static inline uint64_t last_seq(const struct ledger *l)
{
	struct ledger_totals t;

	ledger_totals(l, &t);
	return t.last_seq;
}

static inline void assert_event(const struct ledger *l, uint64_t seq, uint32_t type,
				ledger_id instance, ledger_id lease)
{
	struct event ev;
	uint64_t lost;

	assert_int_equal(ledger_next_event(l, LEDGER_ALL_TENANTS, seq - 1, &ev, &lost), 0);
	assert_int_equal(ev.seq, seq);
	assert_int_equal(lost, 0);
	assert_int_equal(ev.type, type);
	assert_int_equal(ev.instance, instance);
	assert_int_equal(ev.lease, lease);
}

#endif
