/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ledger promises, as plain arrays that are searched from end to end.
 * It shares no code and no idea with the ledger: slow, and easy to believe.
 */
#ifndef REEVE_TEST_LEDGER_MODEL_H
#define REEVE_TEST_LEDGER_MODEL_H

#include <errno.h>

#include "fixture.h"

enum { M_INSTANCES = 12, M_LEASES = 200, M_EVENTS = 32768, M_NAMES = 8, M_ADDRESSES = 8 };

struct m_instance {
	ledger_id id; /* 0: the place is free */
	uint32_t tenant;
	bool orphan;
};

struct m_lease {
	ledger_id id; /* 0: the place is free */
	ledger_id instance;
	struct res res;
	bool whole_core, held;
	uint32_t uses;
	uint16_t port; /* of its flow; 0: nothing is known of it */
	bool told;     /* its address */
	uint64_t expires;
};

struct m_tenant {
	int name; /* "t<name>"; -1: the slot is unused */
	bool retired;
	struct quota quota;
	uint64_t granted, refused;
};

struct m_event {
	uint64_t seq;
	uint64_t nth; /* of its slot */
	uint32_t tenant, type;
	ledger_id instance, lease;
	struct ipaddr address;
};

struct model {
	struct m_instance instances[M_INSTANCES];
	struct m_lease leases[M_LEASES];
	struct m_tenant tenants[TENANT_MAX];
	struct m_event events[M_EVENTS]; /* all that ever were */
	uint64_t nevents;
	uint64_t made[TENANT_MAX];	/* events of each slot */
	uint64_t forgotten[TENANT_MAX]; /* events up to this number went with the slot's tenant */
};

static inline struct m_instance *m_instance(struct model *m, ledger_id id)
{
	for (unsigned i = 0; id && i < M_INSTANCES; i++)
		if (m->instances[i].id == id)
			return &m->instances[i];
	return NULL;
}

static inline struct m_lease *m_lease(struct model *m, ledger_id id)
{
	for (unsigned i = 0; id && i < M_LEASES; i++)
		if (m->leases[i].id == id)
			return &m->leases[i];
	return NULL;
}

static inline struct m_lease *m_holder(struct model *m, const struct res *res)
{
	for (unsigned i = 0; i < M_LEASES; i++)
		if (m->leases[i].id && !memcmp(&m->leases[i].res, res, sizeof(*res)))
			return &m->leases[i];
	return NULL;
}

static inline uint32_t m_used(struct model *m, uint32_t tenant, uint32_t kind)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < M_LEASES; i++)
		if (m->leases[i].id && m->leases[i].res.kind == kind &&
		    m_instance(m, m->leases[i].instance)->tenant == tenant)
			n++;
	return n;
}

static inline uint32_t m_count_instances(struct model *m, uint32_t tenant)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < M_INSTANCES; i++)
		n += m->instances[i].id && m->instances[i].tenant == tenant;
	return n;
}

static inline uint32_t m_count_leases(struct model *m, ledger_id instance)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < M_LEASES; i++)
		n += m->leases[i].id && m->leases[i].instance == instance;
	return n;
}

/* Four of each version. */
static inline struct ipaddr m_address(unsigned number)
{
	struct ipaddr a;
	char text[32];

	snprintf(text, sizeof(text), number < 4 ? "10.0.0.%u" : "2001:db8::%u", 1 + number % 4);
	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

/* That a resource is over; zeroes: none. */
static inline struct ipaddr m_address_of(const struct res *res)
{
	for (unsigned number = 0; number < M_ADDRESSES && res->kind == RES_ADDRESS; number++) {
		struct ipaddr a = m_address(number);

		if (res_address(res->scope, &a).id == res->id)
			return a;
	}
	return (struct ipaddr){ 0 };
}

/* What the ledger knows of it: of an IPv6 one nothing, until it is told. */
static inline struct ipaddr m_known_address(const struct m_lease *le)
{
	struct ipaddr a = le ? m_address_of(&le->res) : (struct ipaddr){ 0 };

	return le && (ipaddr_is4(&a) || le->told) ? a : (struct ipaddr){ 0 };
}

static inline void m_event(struct model *m, uint32_t tenant, uint32_t type, ledger_id instance,
			   ledger_id lease)
{
	assert_true(m->nevents < M_EVENTS);
	m->events[m->nevents] = (struct m_event){
		m->nevents + 1,
		++m->made[tenant],
		tenant,
		type,
		instance,
		lease,
		m_known_address(m_lease(m, lease)),
	};
	m->nevents++;
	m->tenants[tenant].refused += type == EVENT_REFUSE;
}

/* Hosts of the property test have siblings 2n and 2n+1, and 16 CPUs. */
static inline bool m_siblings(const struct res *a, const struct res *b)
{
	return a->kind == RES_LCORE && b->kind == RES_LCORE && a->id < 16 && b->id < 16 &&
	       (a->id ^ 1) == b->id;
}

/* What ledger_reserve() must answer. */
static inline int m_may_reserve(struct model *m, const struct lease_want *want)
{
	struct m_instance *in = m_instance(m, want->instance);

	if (!in)
		return -ENOENT;
	if (m_used(m, in->tenant, want->res.kind) >=
	    m->tenants[in->tenant].quota.max[want->res.kind])
		return -EDQUOT;
	if (m_holder(m, &want->res))
		return -EBUSY;
	for (unsigned i = 0; i < M_LEASES; i++) {
		const struct m_lease *le = &m->leases[i];

		if (le->id && le->instance != want->instance && m_siblings(&le->res, &want->res) &&
		    (le->whole_core || want->whole_core))
			return -EBUSY;
	}
	return 0;
}

static inline void m_drop_idle(struct model *m, uint32_t tenant)
{
	if (m->tenants[tenant].retired && !m_count_instances(m, tenant))
		m->tenants[tenant] = (struct m_tenant){ .name = -1 };
}

static inline struct m_lease *m_next_expiry(struct model *m)
{
	struct m_lease *first = NULL;

	for (unsigned i = 0; i < M_LEASES; i++) {
		struct m_lease *le = &m->leases[i];

		if (le->id && le->held && le->expires && (!first || le->expires < first->expires))
			first = le;
	}
	return first;
}

/* Whether the ring of its tenant still has the event. */
static inline bool m_event_kept(const struct model *m, const struct m_event *ev)
{
	return ev->seq > m->forgotten[ev->tenant] && m->made[ev->tenant] - ev->nth < LEDGER_EVENTS;
}

static inline struct flow m_flow(uint16_t port)
{
	return (struct flow){ .queue = port % NIC_QUEUES_MAX, .dst_port = port };
}

/* --- comparing ------------------------------------------------------------ */

static inline void m_same_flow(const struct m_lease *ml, const struct ledger *l)
{
	struct flow expect = m_flow(ml->port), flow;

	assert_int_equal(ledger_flow(l, ml->id, &flow), ml->port ? 0 : -ENOENT);
	if (ml->port)
		assert_memory_equal(&flow, &expect, sizeof(flow));
}

static inline void m_same_leases(struct model *m, const struct ledger *l)
{
	uint32_t seen = 0, expected = 0;
	struct lease le = { .id = 0 };

	while (ledger_next_lease(l, le.id, &le) == 0) {
		const struct m_lease *ml = m_lease(m, le.id);
		struct ipaddr expect;
		struct lease again;

		assert_non_null(ml);
		assert_int_equal(le.instance, ml->instance);
		assert_int_equal(le.tenant, m_instance(m, ml->instance)->tenant);
		assert_memory_equal(&le.res, &ml->res, sizeof(le.res));
		assert_int_equal(le.state, ml->held ? LEASE_HELD : LEASE_RESERVED);
		assert_int_equal(le.whole_core, ml->whole_core);
		assert_int_equal(le.uses, ml->uses);
		assert_int_equal(le.expires, ml->expires);
		assert_int_equal(ledger_holder(l, &ml->res, &again), 0);
		assert_int_equal(again.id, le.id);
		assert_true(m_holder(m, &le.res) == ml);
		m_same_flow(ml, l);
		expect = m_known_address(ml);
		assert_true(ipaddr_equal(&le.address, &expect));
		seen++;
	}
	for (unsigned i = 0; i < M_LEASES; i++)
		expected += m->leases[i].id != 0;
	assert_int_equal(seen, expected);
}

static inline void m_same_instances(struct model *m, const struct ledger *l)
{
	struct instance in = { .id = 0 };
	uint32_t seen = 0, expected = 0;

	while (ledger_next_instance(l, in.id, &in) == 0) {
		const struct m_instance *mi = m_instance(m, in.id);
		struct lease le = { .id = 0 };
		uint32_t leases = 0;

		assert_non_null(mi);
		assert_int_equal(in.tenant, mi->tenant);
		assert_int_equal(in.orphan, mi->orphan);
		while (ledger_instance_next_lease(l, in.id, le.id, &le) == 0) {
			assert_int_equal(le.instance, in.id);
			leases++;
		}
		assert_int_equal(leases, m_count_leases(m, in.id));
		assert_int_equal(in.leases, leases);
		seen++;
	}
	for (unsigned i = 0; i < M_INSTANCES; i++)
		expected += m->instances[i].id != 0;
	assert_int_equal(seen, expected);
}

static inline void m_same_tenants(struct model *m, const struct ledger *l)
{
	for (uint32_t t = 0; t < TENANT_MAX; t++) {
		const struct m_tenant *mt = &m->tenants[t];
		char name[TENANT_NAME_MAX];
		struct tenant tenant;
		int r = ledger_tenant(l, t, &tenant);

		assert_int_equal(r, mt->name < 0 ? -ENOENT : 0);
		if (r < 0)
			continue;
		snprintf(name, sizeof(name), "t%d", mt->name);
		assert_string_equal(tenant.name, name);
		assert_int_equal(tenant.retired, mt->retired);
		assert_int_equal(tenant.instances, m_count_instances(m, t));
		assert_int_equal(tenant.granted, mt->granted);
		assert_int_equal(tenant.refused, mt->refused);
		assert_memory_equal(&tenant.quota, &mt->quota, sizeof(mt->quota));
		for (uint32_t k = 0; k < RES_KIND_MAX; k++)
			assert_int_equal(tenant.used[k], m_used(m, t, k));
	}
}

/* The next event above `after`, and what was lost on the way. */
static inline uint64_t m_same_event(struct model *m, const struct ledger *l, uint32_t tenant,
				    uint64_t after)
{
	const struct m_event *expect = NULL;
	uint64_t lost = 0, missing = 0;
	struct event ev;
	int r;

	for (uint64_t i = after; i < m->nevents && !expect; i++) {
		const struct m_event *me = &m->events[i];

		if (tenant != LEDGER_ALL_TENANTS &&
		    (me->tenant != tenant || me->seq <= m->forgotten[tenant]))
			continue;
		if (m_event_kept(m, me))
			expect = me;
		else
			missing++;
	}
	r = ledger_next_event(l, tenant, after, &ev, &lost);
	assert_int_equal(r, expect ? 0 : -ENOENT);
	if (!expect)
		return UINT64_MAX;
	assert_int_equal(ev.seq, expect->seq);
	assert_int_equal(ev.tenant, expect->tenant);
	assert_int_equal(ev.type, expect->type);
	assert_int_equal(ev.instance, expect->instance);
	assert_int_equal(ev.lease, expect->lease);
	assert_true(ipaddr_equal(&ev.address, &expect->address));
	assert_int_equal(lost != 0, missing != 0);
	if (tenant == LEDGER_ALL_TENANTS || after == 0)
		assert_int_equal(lost, missing);
	else
		assert_true(lost >= missing);
	return ev.seq;
}

static inline void m_same(struct model *m, const struct ledger *l)
{
	struct ledger_totals totals;

	assert_int_equal(ledger_verify(l), 0);
	m_same_leases(m, l);
	m_same_instances(m, l);
	m_same_tenants(m, l);
	assert_int_equal(ledger_next_expiry(l), m_next_expiry(m) ? m_next_expiry(m)->expires : 0);
	ledger_totals(l, &totals);
	assert_int_equal(totals.last_seq, m->nevents);
}

#endif
