/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random operations, each compared with a model in its answer and in all that
 * can be seen afterwards. Now and then they are settled, and now and then the
 * writer is killed: then all is as it was when they were settled last. The seeds
 * are fixed: a failure comes back.
 */
#include "model.h"

#include <stdlib.h>

#include "ledger/layout.h"

enum { SHORT_RUNS = 20, SHORT_STEPS = 300, LONG_RUNS = 2, LONG_STEPS = 2500 };

struct run {
	struct ledger *l;
	struct model m;
	struct model settled; /* what is taken back to */
	uint64_t random;
	uint64_t now;
	ledger_id stale[8]; /* ids of what has ended, or never was */
	unsigned nstale;
};

static uint32_t pick(struct run *t, uint32_t below)
{
	t->random = t->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(t->random >> 33) % below;
}

static void remember_stale(struct run *t, ledger_id id)
{
	t->stale[t->nstale++ % 8] = id;
}

/* Mostly one that lives. */
static ledger_id pick_instance(struct run *t)
{
	ledger_id id = t->m.instances[pick(t, M_INSTANCES)].id;

	return id && pick(t, 20) ? id : t->stale[pick(t, 8)];
}

static ledger_id pick_lease(struct run *t)
{
	for (unsigned i = 0; i < 16; i++) {
		ledger_id id = t->m.leases[pick(t, 48)].id;

		if (id)
			return id;
	}
	return t->stale[pick(t, 8)];
}

/* --- the memory that a refusal must leave alone --------------------------- */

enum { COPY_HEAD = offsetof(struct ledger, timers), COPY_SLOTS = 64 };

struct copy {
	unsigned char head[COPY_HEAD];
	uint32_t timers[COPY_SLOTS];
	struct instance_slot instances[COPY_SLOTS];
	struct lease_slot leases[M_LEASES];
};

static struct copy before, after;

static void copy_take(const struct ledger *l, struct copy *c)
{
	memcpy(c->head, l, COPY_HEAD);
	memcpy(c->timers, l->timers, sizeof(c->timers));
	memcpy(c->instances, l->instances, sizeof(c->instances));
	memcpy(c->leases, l->leases, sizeof(c->leases));
}

static void assert_unchanged(struct run *t)
{
	copy_take(t->l, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* --- operations ------------------------------------------------------------ */

static void op_start(struct run *t)
{
	struct instance in = { .kind = pick(t, INSTANCE_KIND_MAX), .tenant = pick(t, 10) };
	const struct m_tenant *mt = &t->m.tenants[in.tenant];
	struct m_instance *place = NULL;
	ledger_id id = 0;
	int r;

	for (unsigned i = 0; i < M_INSTANCES && !place; i++)
		if (!t->m.instances[i].id)
			place = &t->m.instances[i];
	if (!place)
		return;
	r = ledger_instance_start(t->l, &in, &id);
	assert_int_equal(r, mt->name >= 0 && !mt->retired ? 0 : -ENOENT);
	if (r < 0) {
		assert_unchanged(t);
		return;
	}
	*place = (struct m_instance){ .id = id, .tenant = in.tenant };
	m_event(&t->m, in.tenant, EVENT_INSTANCE_START, id, 0);
}

/* The order in which one instance's leases go is the ledger's own affair: ask it. */
static void model_end(struct run *t, struct m_instance *in)
{
	uint32_t held = 0;
	struct event ev;

	for (unsigned i = 0; i < M_LEASES; i++)
		held += t->m.leases[i].id && t->m.leases[i].instance == in->id &&
			t->m.leases[i].held;
	for (; held; held--) {
		struct m_lease *le;

		assert_int_equal(ledger_next_event(t->l, in->tenant, t->m.nevents, &ev, NULL), 0);
		le = m_lease(&t->m, ev.lease);
		assert_non_null(le);
		assert_int_equal(le->instance, in->id);
		assert_true(le->held);
		m_event(&t->m, in->tenant, EVENT_RELEASE, in->id, le->id);
		*le = (struct m_lease){ 0 };
	}
	for (unsigned i = 0; i < M_LEASES; i++)
		if (t->m.leases[i].instance == in->id)
			t->m.leases[i] = (struct m_lease){ 0 };
}

static void op_end(struct run *t)
{
	ledger_id id = pick_instance(t);
	struct m_instance *in = m_instance(&t->m, id);
	uint32_t tenant;
	int r;

	if (in && pick(t, 3))
		return; /* more starts than ends, so that there are some */
	r = ledger_instance_end(t->l, id, t->now, "it ended");
	assert_int_equal(r, in ? 0 : -ENOENT);
	if (r < 0) {
		assert_unchanged(t);
		return;
	}
	tenant = in->tenant;
	model_end(t, in);
	m_event(&t->m, tenant, EVENT_INSTANCE_END, id, 0);
	*in = (struct m_instance){ 0 };
	m_drop_idle(&t->m, tenant);
	remember_stale(t, id);
}

static void model_undo_reserved(struct run *t, ledger_id instance)
{
	for (unsigned i = 0; i < M_LEASES; i++) {
		struct m_lease *le = &t->m.leases[i];

		if (!le->id || le->held || (instance && le->instance != instance))
			continue;
		remember_stale(t, le->id);
		*le = (struct m_lease){ 0 };
	}
}

static void op_orphan(struct run *t)
{
	ledger_id id = pick_instance(t);
	struct m_instance *in = m_instance(&t->m, id);

	if (pick(t, 3))
		return;
	assert_int_equal(ledger_instance_orphan(t->l, id, t->now, "gone"), in ? 0 : -ENOENT);
	if (!in) {
		assert_unchanged(t);
		return;
	}
	model_undo_reserved(t, id);
	if (!in->orphan)
		m_event(&t->m, in->tenant, EVENT_ORPHAN, id, 0);
	in->orphan = true;
}

static void op_undo_reserved(struct run *t)
{
	if (pick(t, 4))
		return;
	ledger_undo_reserved(t->l);
	model_undo_reserved(t, 0);
}

static void op_flow(struct run *t)
{
	ledger_id id = pick_lease(t);
	struct m_lease *le = m_lease(&t->m, id);
	uint16_t port = (uint16_t)pick(t, 1000);
	struct flow flow = m_flow(port);
	int expect = 0;

	if (!le)
		expect = -ENOENT;
	else if (le->res.kind != RES_FLOW || !port)
		expect = -EINVAL;
	assert_int_equal(ledger_set_flow(t->l, id, &flow), expect);
	if (expect < 0)
		assert_unchanged(t);
	else
		le->port = port;
}

/* Mostly the one that the lease is over. */
static void op_address(struct run *t)
{
	ledger_id id = pick_lease(t);
	struct m_lease *le = m_lease(&t->m, id);
	bool is_address = le && le->res.kind == RES_ADDRESS;
	struct ipaddr a = is_address && pick(t, 4) ? m_address_of(&le->res)
						   : m_address(pick(t, M_ADDRESSES));
	int expect = 0;

	if (!le)
		expect = -ENOENT;
	else if (!is_address || res_address(0, &a).id != le->res.id)
		expect = -EINVAL;
	assert_int_equal(ledger_set_address(t->l, id, &a), expect);
	if (expect < 0 || ipaddr_is4(&a))
		assert_unchanged(t);
	else
		le->told = true;
}

/* Of flows some differ only above 32 bits. */
static uint64_t random_id(struct run *t, uint32_t kind)
{
	struct ipaddr a;

	if (kind == RES_ADDRESS) {
		a = m_address(pick(t, M_ADDRESSES));
		return res_address(0, &a).id;
	}
	return kind == RES_FLOW ? pick(t, 6) | (pick(t, 2) ? RES_FLOW_SOFT : 0) : pick(t, 20);
}

static struct lease_want random_want(struct run *t)
{
	static const uint32_t kinds[] = { RES_LCORE, RES_LCORE, RES_LCORE,   RES_QUEUE,
					  RES_QUEUE, RES_FLOW,	RES_ADDRESS, RES_ADDRESS };
	struct lease_want want = { .instance = pick_instance(t) };

	want.res.kind = kinds[pick(t, 8)];
	want.res.id = random_id(t, want.res.kind);
	if (want.res.kind == RES_LCORE)
		want.whole_core = pick(t, 3) == 0;
	else
		want.res.scope = pick(t, 3);
	want.expires = pick(t, 3) ? 0 : t->now + 1 + pick(t, 50);
	want.wall_ns = t->now;
	return want;
}

static void op_reserve(struct run *t)
{
	struct lease_want want = random_want(t);
	int expect = m_may_reserve(&t->m, &want);
	ledger_id id = 0, holder = 0;
	struct m_lease *place;

	assert_int_equal(ledger_reserve(t->l, &host, &want, &id, &holder), expect);
	if (expect < 0) {
		const struct m_lease *in_the_way = m_lease(&t->m, holder);

		assert_int_equal(id, 0);
		assert_int_equal(in_the_way != NULL, expect == -EBUSY);
		if (in_the_way && m_holder(&t->m, &want.res))
			assert_true(in_the_way == m_holder(&t->m, &want.res));
		assert_unchanged(t);
		return;
	}
	assert_null(m_lease(&t->m, id));
	for (place = t->m.leases; place->id; place++)
		assert_true(place + 1 < t->m.leases + M_LEASES);
	*place = (struct m_lease){ .id = id,
				   .instance = want.instance,
				   .res = want.res,
				   .whole_core = want.whole_core,
				   .uses = 1,
				   .expires = want.expires };
}

static void op_rename(struct run *t)
{
	ledger_id id = pick_lease(t);
	struct m_lease *le = m_lease(&t->m, id);
	struct res to = le ? le->res : (struct res){ .kind = RES_QUEUE };
	const struct m_lease *holder;
	int expect = 0;

	to.id = random_id(t, to.kind);
	holder = m_holder(&t->m, &to);
	if (!le || le->held)
		expect = -ENOENT;
	else if (to.kind == RES_LCORE || to.kind == RES_ADDRESS)
		expect = -EINVAL;
	else if (holder && holder != le)
		expect = -EBUSY;
	assert_int_equal(ledger_rename(t->l, id, to.id), expect);
	if (expect < 0 || holder == le)
		assert_unchanged(t);
	else
		le->res = to;
}

static void op_use(struct run *t)
{
	ledger_id id = pick_lease(t);
	struct m_lease *le = m_lease(&t->m, id);
	uint32_t more = pick(t, 2), uses = 0;
	int r = more ? ledger_use(t->l, id, &uses) : ledger_unuse(t->l, id, &uses);

	assert_int_equal(r, le && le->held ? 0 : -ENOENT);
	if (r < 0 || uses == 0) {
		assert_true(r < 0 || (!more && le->uses == 1));
		assert_unchanged(t);
		return;
	}
	le->uses = more ? le->uses + 1 : le->uses - 1;
	assert_int_equal(uses, le->uses);
}

static void op_settle(struct run *t)
{
	ledger_id id = pick_lease(t);
	struct m_lease *le = m_lease(&t->m, id);
	bool commit = pick(t, 4) != 0;
	uint32_t tenant;
	int r;

	r = commit ? ledger_commit(t->l, id) : ledger_undo(t->l, id);
	assert_int_equal(r, le && !le->held ? 0 : -ENOENT);
	if (r < 0) {
		assert_unchanged(t);
		return;
	}
	tenant = m_instance(&t->m, le->instance)->tenant;
	if (!commit) {
		*le = (struct m_lease){ 0 };
		remember_stale(t, id);
		return;
	}
	le->held = true;
	t->m.tenants[tenant].granted++;
	m_event(&t->m, tenant, EVENT_GRANT, le->instance, id);
}

static void op_release(struct run *t)
{
	bool administrator = !pick(t, 3);
	ledger_id id = pick_lease(t), by = pick(t, 5) ? pick_instance(t) : 0;
	struct m_lease *le = m_lease(&t->m, id);
	int expect = 0, r;

	if (!le || !le->held)
		expect = -ENOENT;
	else if (!administrator && by != le->instance)
		expect = -EPERM;
	r = administrator ? ledger_revoke(t->l, id, t->now, "given back")
			  : ledger_release(t->l, by, id, t->now, "given back");
	assert_int_equal(r, expect);
	if (expect < 0) {
		assert_unchanged(t);
		return;
	}
	m_event(&t->m, m_instance(&t->m, le->instance)->tenant, EVENT_RELEASE, le->instance, id);
	*le = (struct m_lease){ 0 };
	remember_stale(t, id);
}

static void op_expire(struct run *t)
{
	struct m_lease *first = m_next_expiry(&t->m), *le;
	struct lease lease;
	int r;

	t->now += pick(t, 10);
	r = ledger_expire(t->l, t->now, t->now, &lease);
	assert_int_equal(r, first && first->expires <= t->now ? 0 : -ENOENT);
	if (r < 0) {
		assert_unchanged(t);
		return;
	}
	le = m_lease(&t->m, lease.id);
	assert_non_null(le);
	assert_int_equal(le->expires, first->expires);
	m_event(&t->m, m_instance(&t->m, le->instance)->tenant, EVENT_EXPIRE, le->instance, le->id);
	*le = (struct m_lease){ 0 };
	remember_stale(t, lease.id);
}

/* Now and then many, so that a ring comes round. */
static void op_event(struct run *t)
{
	uint32_t tenant = pick(t, 10), times = pick(t, 8) ? 1 : 80;
	struct m_tenant *mt = &t->m.tenants[tenant];

	for (; times; times--) {
		struct event ev = { .tenant = tenant, .res.kind = RES_KIND_MAX, .error = EBUSY };

		ev.type = pick(t, 2) ? EVENT_REFUSE : EVENT_RELOAD;
		m_event(&t->m, tenant, ev.type, 0, 0);
		assert_int_equal(ledger_event(t->l, &ev), t->m.nevents);
	}
	if (mt->name < 0)
		mt->refused = 0;
}

/* The slot of a tenant by name, or TENANT_MAX. */
static uint32_t model_named(const struct model *m, int name)
{
	uint32_t t = 0;

	while (t < TENANT_MAX && m->tenants[t].name != name)
		t++;
	return t;
}

static void model_tenants(struct run *t, const struct conf *c, const int *names,
			  const uint32_t *slots)
{
	bool kept[TENANT_MAX] = { false };
	bool known[TENANT_MAX];

	for (uint32_t i = 0; i < c->ntenants; i++) {
		uint32_t was = model_named(&t->m, names[i]);

		known[i] = was < TENANT_MAX;
		if (known[i])
			assert_int_equal(slots[i], was);
		assert_true(slots[i] < TENANT_MAX);
		assert_false(kept[slots[i]]);
		kept[slots[i]] = true;
	}
	for (uint32_t s = 0; s < TENANT_MAX; s++) {
		t->m.tenants[s].retired = t->m.tenants[s].name >= 0 && !kept[s];
		m_drop_idle(&t->m, s);
	}
	for (uint32_t i = 0; i < c->ntenants; i++) {
		struct m_tenant *mt = &t->m.tenants[slots[i]];

		if (!known[i]) {
			assert_int_equal(m_count_instances(&t->m, slots[i]), 0);
			*mt = (struct m_tenant){ .name = names[i] };
			t->m.forgotten[slots[i]] = t->m.nevents;
		}
		mt->quota = c->tenants[i].quota;
	}
}

static void op_tenants(struct run *t)
{
	uint32_t slots[TENANT_MAX];
	int names[M_NAMES];

	fixture_conf(&conf, 0, 0, 0);
	for (int name = 0; name < M_NAMES; name++) {
		struct tenant_conf *tc = &conf.tenants[conf.ntenants];

		if (!pick(t, 4))
			continue;
		names[conf.ntenants++] = name;
		snprintf(tc->name, sizeof(tc->name), "t%d", name);
		for (uint32_t k = 0; k < RES_KIND_MAX; k++)
			tc->quota.max[k] = pick(t, 5) ? pick(t, 8) : QUOTA_NONE;
	}
	assert_int_equal(ledger_set_tenants(t->l, &conf, slots), 0);
	model_tenants(t, &conf, names, slots);
}

static void settle(struct run *t)
{
	undo_settle(fixture_undo(t->l));
	t->settled = t->m;
}

static void take_over(struct run *t)
{
	struct undo *u = fixture_undo(t->l);

	assert_int_equal(undo_take_back(u, fixture_bytes()), 0);
	assert_int_equal(ledger_open(t->l, ledger_bytes(), u, &t->l), 0);
	t->m = t->settled;
	m_same(&t->m, t->l);
}

static void step(struct run *t)
{
	static void (*const ops[])(struct run *) = {
		op_start,   op_start,	op_end,	    op_reserve, op_reserve, op_reserve,
		op_reserve, op_rename,	op_use,	    op_use,	op_settle,  op_settle,
		op_settle,  op_release, op_expire,  op_event,	op_orphan,  op_undo_reserved,
		op_flow,    op_flow,	op_address, op_address,
	};

	copy_take(t->l, &before);
	if (pick(t, 40) == 0)
		op_tenants(t);
	else
		ops[pick(t, sizeof(ops) / sizeof(ops[0]))](t);
	m_same(&t->m, t->l);
	m_same_event(&t->m, t->l, LEDGER_ALL_TENANTS, pick(t, (uint32_t)t->m.nevents + 2));
	m_same_event(&t->m, t->l, pick(t, 10), pick(t, (uint32_t)t->m.nevents + 2));
	if (pick(t, 4) == 0)
		settle(t);
	else if (pick(t, 8) == 0)
		take_over(t);
}

static void run_seed(uint64_t seed, unsigned steps)
{
	static struct run t;
	struct ledger *reopened;

	memset(&t, 0, sizeof(t));
	t.l = fixture_ledger();
	t.random = seed;
	t.stale[1] = 1;
	t.stale[2] = UINT64_MAX;
	for (uint32_t i = 0; i < TENANT_MAX; i++)
		t.m.tenants[i].name = -1;
	op_tenants(&t);
	settle(&t);
	for (unsigned i = 0; i < steps; i++)
		step(&t);
	for (uint64_t seq = 0; seq != UINT64_MAX;)
		seq = m_same_event(&t.m, t.l, LEDGER_ALL_TENANTS, seq);
	for (uint32_t tenant = 0; tenant < 10; tenant++)
		for (uint64_t seq = 0; seq != UINT64_MAX;)
			seq = m_same_event(&t.m, t.l, tenant, seq);
	assert_int_equal(ledger_open(t.l, ledger_bytes(), NULL, &reopened), 0);
	fixture_free(t.l);
}

static void short_runs(void **state)
{
	(void)state;
	fixture_host(&host, 16, 2, 2, SIBLINGS_NEXT);
	for (uint64_t seed = 1; seed <= SHORT_RUNS; seed++)
		run_seed(seed, SHORT_STEPS);
}

static void long_runs(void **state)
{
	(void)state;
	fixture_host(&host, 16, 2, 2, SIBLINGS_NEXT);
	for (uint64_t seed = 1; seed <= LONG_RUNS; seed++)
		run_seed(seed << 32, LONG_STEPS);
}

/* --- full tables ------------------------------------------------------------ */

static ledger_id full_instances[LEDGER_INSTANCES];
static ledger_id full_leases[LEDGER_LEASES]; /* over queue i of interface 1 */

static ledger_id full_owner(unsigned queue)
{
	return full_instances[queue * 7 % LEDGER_INSTANCES];
}

static void full_take(struct ledger *l, unsigned queue)
{
	struct lease_want want = fixture_want(full_owner(queue), RES_QUEUE, queue);

	want.res.scope = 1;
	want.expires = queue % 3 ? 0 : 1 + queue * 31 % 1000;
	full_leases[queue] = fixture_hold(l, NULL, &want);
}

static void fill(struct ledger *l)
{
	fixture_conf(&conf, 0, 3, QUOTA_NONE);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	for (unsigned i = 0; i < LEDGER_INSTANCES; i++)
		full_instances[i] = fixture_instance(l, slot[i % 3]);
	for (unsigned queue = 0; queue < LEDGER_LEASES; queue++)
		full_take(l, queue);
}

static void full_tables_refuse(void **state)
{
	struct ledger *l = *state;
	struct lease_want want;
	struct instance in = { .tenant = 0 };
	ledger_id id = 5;

	fill(l);
	assert_int_equal(ledger_verify(l), 0);
	assert_int_equal(ledger_instance_start(l, &in, &id), -ENOSPC);
	want = fixture_want(full_instances[0], RES_LCORE, 1);
	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), -ENOSPC);
	assert_int_equal(id, 5);
	assert_int_equal(ledger_revoke(l, full_leases[4711], 0, ""), 0);
	fixture_hold(l, NULL, &want);
	assert_int_equal(ledger_reserve(l, NULL, &want, &id, NULL), -EBUSY);
}

/* Give back, take again and let run out, in random places of full tables. */
static void full_tables_churn(void **state)
{
	struct run t = { .l = *state, .random = 99 };
	struct ledger_totals totals;
	uint64_t last = 0;
	struct lease le;

	fill(t.l);
	for (unsigned i = 0; i < 40000; i++) {
		unsigned queue = pick(&t, LEDGER_LEASES);
		ledger_id was = full_leases[queue];

		assert_int_equal(ledger_release(t.l, full_owner(queue), was, 0, ""), 0);
		full_take(t.l, queue);
		assert_int_equal(slot_of(full_leases[queue]), slot_of(was));
		assert_int_not_equal(full_leases[queue], was);
	}
	assert_int_equal(ledger_verify(t.l), 0);
	while (ledger_expire(t.l, 500, 0, &le) == 0) {
		assert_true(le.expires >= last && le.expires <= 500);
		last = le.expires;
	}
	assert_true(ledger_next_expiry(t.l) > 500);
	assert_int_equal(ledger_verify(t.l), 0);
	for (unsigned i = 0; i < LEDGER_INSTANCES; i++)
		assert_int_equal(ledger_instance_end(t.l, full_instances[i], 0, ""), 0);
	ledger_totals(t.l, &totals);
	assert_int_equal(totals.instances, 0);
	assert_int_equal(totals.leases, 0);
	assert_int_equal(ledger_next_expiry(t.l), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_runs),
		cmocka_unit_test(long_runs),
		TEST(full_tables_refuse),
		TEST(full_tables_churn),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
