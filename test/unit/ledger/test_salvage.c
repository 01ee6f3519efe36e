/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that ledger_open() refuses. Whatever was done to it, what comes out is
 * sound, and each lease in it is one that was held, word for word.
 */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "ledger/layout.h"

enum { HELD = 14, SIX = 12, FOUR = 13, RANDOM_FAULTS = 4000 };

static struct lease held[HELD]; /* as they were before anything was broken */
static struct instance holders[3];
static struct flow flow_of_the_first = { .queue = 2, .dst_port = 5000 };
static void *original;
static ledger_id reserved;

static const struct ipaddr six = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
static const struct ipaddr four = { { [10] = 0xff, 0xff, 10, 0, 0, 1 } };

static void hold_address(struct ledger *l, unsigned n, const struct ipaddr *a)
{
	struct lease_want want = { .instance = holders[n % 2].id, .res = res_address(3, a) };
	ledger_id id = fixture_hold(l, NULL, &want);

	assert_int_equal(ledger_set_address(l, id, a), 0);
	assert_int_equal(ledger_lease(l, id, &held[n]), 0);
	assert_true(ipaddr_equal(&held[n].address, a));
}

/* Cores, queues and flows in turn, every other one for a time. */
static void hold_nth(struct ledger *l, unsigned n)
{
	static const uint32_t kinds[] = { RES_LCORE, RES_QUEUE, RES_FLOW };
	struct lease_want want = fixture_want(holders[n % 2].id, kinds[n % 3], n);
	ledger_id id;

	want.expires = n % 2 ? 100 + n * 7 % 13 : 0;
	want.wall_ns = 1000 + n;
	id = fixture_hold(l, NULL, &want);
	if (want.res.kind == RES_FLOW)
		assert_int_equal(ledger_set_flow(l, id, &flow_of_the_first), 0);
	assert_int_equal(ledger_lease(l, id, &held[n]), 0);
}

/*
 * Three instances of two tenants, one of them with a reservation only; free
 * slots in all tables, an orphan, and a ring that came round.
 */
static int use(void **state)
{
	struct ledger *l;
	struct lease_want want;

	if (fixture_setup(state))
		return -1;
	l = *state;
	fixture_conf(&conf, 0, 4, 100);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	for (unsigned i = 0; i < LEDGER_EVENTS + 5; i++)
		ledger_event(l, &(struct event){ .type = EVENT_RELOAD, .tenant = slot[1] });
	for (unsigned i = 0; i < 3; i++)
		holders[i].id = fixture_instance(l, slot[i % 2]);
	for (unsigned n = 0; n < SIX; n++)
		hold_nth(l, n);
	hold_address(l, SIX, &six);
	hold_address(l, FOUR, &four);
	assert_int_equal(ledger_instance_orphan(l, holders[1].id, 0, ""), 0);
	want = fixture_want(holders[2].id, RES_QUEUE, 100);
	assert_int_equal(ledger_instance_end(l, fixture_instance(l, slot[2]), 0, ""), 0);
	assert_int_equal(
		ledger_undo(l, (ledger_reserve(l, NULL, &want, &reserved, NULL), reserved)), 0);
	assert_int_equal(ledger_reserve(l, NULL, &want, &reserved, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ledger_instance(l, holders[i].id, &holders[i]), 0);
	undo_settle(fixture_undo(l));
	original = malloc(ledger_bytes());
	assert_non_null(original);
	memcpy(original, l, ledger_bytes());
	return 0;
}

static int drop(void **state)
{
	free(original);
	return fixture_teardown(state);
}

static const struct lease *held_by_id(ledger_id id)
{
	for (unsigned n = 0; n < HELD; n++)
		if (held[n].id == id)
			return &held[n];
	return NULL;
}

static bool is_known(const struct ipaddr *a)
{
	return !ipaddr_equal(a, &(struct ipaddr){ 0 });
}

/* What is there was there before, all of it; how many leases are left. */
static unsigned assert_subset(const struct ledger *l)
{
	struct lease lease = { .id = 0 };
	struct instance in = { .id = 0 };
	unsigned left = 0;

	for (; ledger_next_lease(l, lease.id, &lease) == 0; left++) {
		const struct lease *was = held_by_id(lease.id);

		assert_non_null(was);
		lease.uses = was->uses; /* an opinion, not a truth */
		if (!is_known(&lease.address) && !ipaddr_is4(&was->address))
			lease.address = was->address; /* goes with its flow slot */
		assert_memory_equal(&lease, was, sizeof(lease));
	}
	while (ledger_next_instance(l, in.id, &in) == 0) {
		const struct instance *was = &holders[in.id - 1];

		assert_in_range(in.id, 1, 3);
		assert_int_equal(in.pid, was->pid);
		assert_int_equal(in.uid, was->uid);
		assert_int_equal(in.tenant, was->tenant);
		assert_int_equal(in.orphan, was->orphan);
		assert_int_equal(in.start_time, was->start_time);
	}
	return left;
}

/* Ids that are made from now on are new ones. */
static void assert_goes_on(struct ledger *l)
{
	uint32_t slots[TENANT_MAX];
	uint64_t seq = last_seq(l);
	ledger_id in, lease;
	struct lease_want want;

	assert_int_equal(ledger_set_tenants(l, &conf, slots), 0);
	in = fixture_instance(l, slots[3]);
	assert_true(last_seq(l) > seq);
	assert_true(in > 4);
	want = fixture_want(in, RES_QUEUE, 999);
	lease = fixture_hold(l, NULL, &want);
	assert_null(held_by_id(lease));
	assert_int_not_equal(lease, reserved);
	assert_int_equal(ledger_revoke(l, lease, 0, ""), 0);
	assert_int_equal(ledger_verify(l), 0);
}

static unsigned salvage(struct ledger *l, struct ledger_loss *ret_loss)
{
	struct ledger *again = NULL;
	unsigned left;

	assert_int_equal(ledger_open(l, ledger_bytes(), fixture_undo(l), &again), -EBADMSG);
	assert_int_equal(ledger_salvage(l, ledger_bytes(), fixture_undo(l), ret_loss, &again), 0);
	assert_ptr_equal(again, l);
	assert_int_equal(ledger_verify(l), 0);
	left = assert_subset(l);
	assert_goes_on(l);
	return left;
}

/* --- one thing at a time ------------------------------------------------------- */

static void what_is_derived_is_made_anew(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;
	struct instance in;
	struct tenant t;

	l->ntimers = 77;
	l->lease_pool = l->instance_pool = l->flow_pool = (struct pool){ 5, 6, 7 };
	memset(l->buckets, 0xff, sizeof(l->buckets));
	memset(l->timers, 0xff, 4096);
	memset(l->flow_of, 0xff, 4096);
	for (unsigned n = 1; n <= HELD; n++)
		l->leases[n].next = l->leases[n].prev = l->leases[n].timer = 3;
	l->instances[1].first = l->instances[2].leases = 99;
	l->tenants[0].instances = 9;
	l->tenants[0].used[RES_LCORE] = 9;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_memory_equal(&loss, &(struct ledger_loss){ 0 }, sizeof(loss));
	assert_int_equal(ledger_instance(l, holders[1].id, &in), 0);
	assert_int_equal(in.leases, HELD / 2);
	assert_int_equal(ledger_tenant(l, slot[0], &t), 0);
	assert_int_equal(t.instances, 2);
	assert_int_equal(t.used[RES_LCORE], 2);
	assert_int_equal(ledger_next_expiry(l), 107);
}

static void a_reservation_is_no_loss(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;
	struct lease lease;

	l->ntimers++;
	salvage(l, &loss);
	assert_int_equal(ledger_lease(l, reserved, &lease), -ENOENT);
	assert_int_equal(loss.leases, 0);
}

/* And with it all it holds; its slot is not used again. */
static void an_instance_that_proves_nothing(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;
	struct instance in;

	l->instances[slot_of(holders[0].id)].pid ^= 1;
	assert_int_equal(salvage(l, &loss), HELD / 2);
	assert_int_equal(loss.instances, 1);
	assert_int_equal(loss.leases, HELD / 2);
	assert_int_equal(ledger_instance(l, holders[0].id, &in), -ENOENT);
	assert_int_equal(l->instances[slot_of(holders[0].id)].slot.generation, UINT32_MAX);
}

/* A fault where nothing is yet does not take what is between. */
static void a_fault_far_above(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;

	l->instance_checks[LEDGER_INSTANCES] = 1;
	l->lease_checks[LEDGER_LEASES] = 1;
	l->ntimers++;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_int_equal(loss.instances, 1);
	assert_int_equal(loss.leases, 1);
	assert_int_equal(l->lease_pool.high, LEDGER_LEASES);
	assert_int_equal(l->leases[LEDGER_LEASES].slot.generation, UINT32_MAX);
	memcpy(l, original, ledger_bytes());
}

/* Of the last slots of all nothing is left: that they were used is known from their number. */
static void the_last_slots_are_lost(void **state)
{
	struct ledger *l = *state;
	uint32_t lease = l->lease_pool.high, instance = l->instance_pool.high;
	struct ledger_loss loss;

	assert_int_equal(slot_of(reserved), lease);
	memset(&l->leases[lease], 0, sizeof(l->leases[lease]));
	l->lease_checks[lease] = 0;
	memset(&l->instances[instance], 0, sizeof(l->instances[instance]));
	l->instance_checks[instance] = 0;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_true(l->lease_pool.high >= lease);
	assert_true(l->instance_pool.high >= instance);
}

/* A number that can't be is no reason to believe that there are so many. */
static void numbers_of_slots_that_can_not_be(void **state)
{
	struct ledger *l = *state;
	uint32_t leases = l->lease_pool.high, instances = l->instance_pool.high;
	struct ledger_loss loss;

	l->lease_pool.high = LEDGER_LEASES + 1;
	l->instance_pool.high = UINT32_MAX;
	l->flow_pool.high = LEDGER_FLOWS + 1;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_true(l->lease_pool.high <= leases + 1);
	assert_true(l->instance_pool.high <= instances + 1);
}

static void a_lease_that_proves_nothing(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;
	struct lease lease;

	l->leases[slot_of(held[3].id)].res.id++;
	assert_int_equal(salvage(l, &loss), HELD - 1);
	assert_int_equal(loss.leases, 1);
	assert_int_equal(loss.instances, 0);
	assert_int_equal(ledger_lease(l, held[3].id, &lease), -ENOENT);
	assert_int_equal(ledger_holder(l, &held[3].res, &lease), -ENOENT);
	assert_int_equal(l->leases[slot_of(held[3].id)].slot.generation, UINT32_MAX);
}

/* Each proves itself: the resource was given away again because its lease was not found. */
static void two_over_one_resource(void **state)
{
	struct ledger *l = *state;
	unsigned older = slot_of(held[1].id), later = slot_of(held[4].id);
	struct ledger_loss loss;
	struct lease lease;

	l->leases[later].res = l->leases[older].res;
	seal_lease(l, later);
	held[4].res = held[1].res;
	assert_int_equal(salvage(l, &loss), HELD - 1);
	assert_int_equal(loss.leases, 1);
	assert_int_equal(ledger_holder(l, &held[1].res, &lease), 0);
	assert_int_equal(lease.id, held[1].id);
}

static void the_older_one_in_the_later_slot(void **state)
{
	struct ledger *l = *state;
	unsigned older = slot_of(held[4].id), later = slot_of(held[1].id);
	struct ledger_loss loss;
	struct lease lease;

	l->leases[older].since = 1;
	l->leases[older].res = l->leases[later].res;
	seal_lease(l, older);
	held[4].since = 1;
	held[4].res = held[1].res;
	assert_int_equal(salvage(l, &loss), HELD - 1);
	assert_int_equal(ledger_holder(l, &held[1].res, &lease), 0);
	assert_int_equal(lease.id, held[4].id);
}

static void sense_is_asked_too(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;

	l->leases[slot_of(held[0].id)].slot.state = LEASE_HELD + 1;
	l->leases[slot_of(held[1].id)].instance = LEDGER_INSTANCES;
	l->leases[slot_of(held[2].id)].instance = UINT32_MAX;
	l->leases[slot_of(held[3].id)].res.kind = RES_KIND_MAX;
	l->leases[slot_of(held[4].id)].whole_core = 1;
	l->leases[slot_of(held[5].id)].slot.generation = 0;
	for (unsigned n = 0; n < 6; n++)
		seal_lease(l, slot_of(held[n].id));
	l->instances[3].tenant = TENANT_MAX;
	seal_instance(l, 3);
	l->tenants[slot[0]].state = TENANT_RETIRED + 1;
	seal_tenant(l, slot[0]);
	assert_int_equal(salvage(l, &loss), HELD - 6);
	assert_int_equal(loss.leases, 6);
	assert_int_equal(loss.instances, 1);
	assert_int_equal(loss.tenants, 1);
}

static void a_tenant_without_a_name(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;
	struct ledger *again;
	struct tenant t;

	l->tenants[slot[0]].name[0] ^= 1;
	l->tenants[slot[3]].name[0] ^= 1;
	assert_int_equal(ledger_salvage(l, ledger_bytes(), fixture_undo(l), &loss, &again), 0);
	assert_int_equal(loss.tenants, 2);
	assert_int_equal(assert_subset(l), HELD);
	assert_int_equal(ledger_tenant(l, slot[0], &t), 0);
	assert_string_equal(t.name, "lost-0");
	assert_true(t.retired);
	assert_int_equal(t.instances, 2);
	assert_int_equal(ledger_tenant(l, slot[3], &t), -ENOENT);
	assert_goes_on(l);
}

static void a_flow_that_proves_nothing(void **state)
{
	struct ledger *l = *state;
	ledger_id lease = l->flows[2].lease;
	struct ledger_loss loss;
	struct flow flow;

	l->flows[2].flow.dst_port++;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_int_equal(loss.flows, 1);
	assert_int_equal(ledger_flow(l, lease, &flow), -ENOENT);
	assert_int_equal(ledger_flow(l, l->flows[1].lease, &flow), 0);
	assert_memory_equal(&flow, &flow_of_the_first, sizeof(flow));
	flow = flow_of_the_first;
	assert_int_equal(ledger_set_flow(l, lease, &flow), 0);
}

/* The lease stays; which address it is over is not known any more, and can be told again. */
static void an_address_that_proves_nothing(void **state)
{
	struct ledger *l = *state;
	uint16_t at = l->flow_of[slot_of(held[SIX].id)];
	struct ledger_loss loss;
	struct lease lease;

	l->flows[at].address.b[15]++;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_int_equal(loss.flows, 1);
	assert_int_equal(ledger_lease(l, held[SIX].id, &lease), 0);
	assert_false(is_known(&lease.address));
	assert_int_equal(ledger_set_address(l, held[SIX].id, &six), 0);
	assert_int_equal(ledger_lease(l, held[SIX].id, &lease), 0);
	assert_true(ipaddr_equal(&lease.address, &six));
	assert_int_equal(ledger_lease(l, held[FOUR].id, &lease), 0);
	assert_true(ipaddr_equal(&lease.address, &four));
}

/* Another's resource: what was an address is none any more. */
static void an_address_of_another_kind(void **state)
{
	struct ledger *l = *state;
	unsigned n = slot_of(held[SIX].id);
	struct ledger_loss loss;

	l->leases[n].res.kind = RES_QUEUE;
	held[SIX].res.kind = RES_QUEUE;
	held[SIX].address = (struct ipaddr){ 0 };
	seal_lease(l, n);
	assert_int_equal(salvage(l, &loss), HELD);
	assert_int_equal(loss.flows, 0);
	assert_int_equal(l->flow_of[n], 0);
}

static void a_ring_that_is_unsound(void **state)
{
	struct ledger *l = *state;
	uint64_t seq = l->last_seq;
	struct ledger_loss loss;
	struct event ev;

	l->events[slot[1]][9].type = EVENT_TYPE_MAX;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_int_equal(loss.rings, 1);
	assert_int_equal(ledger_next_event(l, slot[1], 0, &ev, NULL), -ENOENT);
	assert_int_equal(ledger_next_event(l, slot[0], 0, &ev, NULL), 0);
	assert_true(last_seq(l) > seq);
}

/* A number in two rings: one of them goes. */
static void rings_that_clash(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;

	l->events[slot[0]][0].seq = l->events[slot[1]][100].seq;
	assert_int_equal(salvage(l, &loss), HELD);
	assert_int_equal(loss.rings, 1);
}

static void numbers_of_events_do_not_go_back(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 500, UINT64_MAX, LEDGER_SEQ_LAST };
	struct ledger *l = *state;
	uint64_t seq = l->last_seq;

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct ledger_loss loss;

		memcpy(l, original, ledger_bytes());
		l->last_seq = numbers[i];
		assert_int_equal(salvage(l, &loss), HELD);
		assert_int_equal(loss.rings, 0);
		assert_true(l->last_seq > seq && l->last_seq < seq + 10);
	}
	memcpy(l, original, ledger_bytes());
	l->last_seq = 1U << 20; /* the ring that had it is lost, for all one knows */
	salvage(l, &(struct ledger_loss){ 0 });
	assert_true(l->last_seq > 1U << 20);
}

static void not_ours_is_not_touched(void **state)
{
	struct ledger *l = *state, *again = NULL;
	struct undo *u = fixture_undo(l);
	struct ledger_loss loss;

	assert_int_equal(ledger_salvage(l, ledger_bytes() - 1, u, &loss, &again), -EBADMSG);
	l->version++;
	assert_int_equal(ledger_salvage(l, ledger_bytes(), u, &loss, &again), -EBADMSG);
	l->version--;
	l->size++;
	assert_int_equal(ledger_salvage(l, ledger_bytes(), u, &loss, &again), -EBADMSG);
	l->size--;
	l->magic++;
	assert_int_equal(ledger_salvage(l, ledger_bytes(), u, &loss, &again), -EBADMSG);
	l->magic--;
	assert_null(again);
	assert_memory_equal(l, original, ledger_bytes());
}

/* --- anything -------------------------------------------------------------------- */

struct span {
	size_t from, len;
};

#define SPAN(member, count)                                                                        \
	{                                                                                          \
		offsetof(struct ledger, member), (count) * sizeof(((struct ledger *)0)->member[0]) \
	}

/* The memory that is in use, behind magic, size and version. */
static const struct span used[] = {
	{ offsetof(struct ledger, undo), 64 - offsetof(struct ledger, undo) },
	SPAN(tenants, 5),
	SPAN(buckets, LEDGER_BUCKETS),
	SPAN(timers, 10),
	SPAN(instances, 6),
	SPAN(leases, 18),
	{ offsetof(struct ledger, events), sizeof(struct event) * LEDGER_EVENTS * 3 },
	{ offsetof(struct ledger, flow_pool), sizeof(struct pool) },
	SPAN(flow_of, 20),
	SPAN(flows, 6),
	SPAN(tenant_checks, TENANT_MAX),
	SPAN(instance_checks, 6),
	SPAN(lease_checks, 18),
};

/* All that any of the above, and going on after it, may have written to. */
static void restore(struct ledger *l)
{
	static const struct span written[] = {
		{ 0, offsetof(struct ledger, timers) },
		SPAN(timers, 64),
		SPAN(instances, 64),
		SPAN(leases, 64),
		{ offsetof(struct ledger, events), sizeof(struct event) * LEDGER_EVENTS * 8 },
		SPAN(flows, 64),
		{ offsetof(struct ledger, tenant_checks),
		  sizeof(struct ledger) - offsetof(struct ledger, tenant_checks) },
	};

	if (l->lease_pool.high >= 64 || l->instance_pool.high >= 64)
		memcpy(l, original, ledger_bytes());
	for (size_t i = 0; i < ARRAY_SIZE(written); i++)
		memcpy((char *)l + written[i].from, (char *)original + written[i].from,
		       written[i].len);
}

/* Opened, and then whatever is said of a lease is true; or salvaged. */
static void assert_survives(struct ledger *l)
{
	struct undo *u = fixture_undo(l);
	struct ledger_loss loss;
	struct ledger *again;

	if (ledger_open(l, ledger_bytes(), u, &again) < 0) {
		assert_int_equal(ledger_salvage(l, ledger_bytes(), u, &loss, &again), 0);
		assert_subset(l);
	}
	assert_int_equal(ledger_verify(l), 0);
	ledger_undo_reserved(l);
	assert_subset(l);
	assert_goes_on(l);
}

static void flip(struct ledger *l, size_t at, unsigned bit)
{
	((unsigned char *)l)[at] ^= (unsigned char)(1U << bit % 8);
}

/* The three tables of truth, bit by bit, each with all else as it was. */
static void each_bit_of_the_truth(void **state)
{
	static const struct span truth[] = {
		SPAN(tenants, 2),
		SPAN(instances, 4),
		{ offsetof(struct ledger, leases) + 64, 64 * 2 },
		{ offsetof(struct ledger, leases) + 64 * (HELD + 1), 64 },
		{ offsetof(struct ledger, flows) + 64, 64 },
		SPAN(lease_checks, 3),
	};
	struct ledger *l = *state, *again;

	for (size_t i = 0; i < ARRAY_SIZE(truth); i++) {
		for (size_t bit = 0; bit < truth[i].len * 8; bit++) {
			size_t at = truth[i].from + bit / 8;

			flip(l, at, (unsigned)bit);
			if (ledger_open(l, ledger_bytes(), NULL, &again) == 0) {
				ledger_undo_reserved(l);
				assert_subset(l);
				restore(l);
			} else {
				flip(l, at, (unsigned)bit);
			}
		}
	}
	assert_memory_equal(l, original, ledger_bytes());
}

static uint64_t number = 1;

static size_t pick(size_t below)
{
	number = number * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (size_t)(number >> 33) % below;
}

/* One bit, a few, a word, or a stretch of zeroes. */
static void harm(struct ledger *l)
{
	for (size_t times = 1 + pick(4) * pick(4); times; times--) {
		const struct span *s = &used[pick(ARRAY_SIZE(used))];
		size_t at = s->from + pick(s->len);

		flip(l, at, (unsigned)pick(8));
		if (pick(8) == 0)
			memset((char *)l + at / 8 * 8, pick(2) ? 0xff : 0, 8);
		if (pick(16) == 0)
			memset((char *)l + at / 64 * 64, 0, 64);
	}
}

static void random_faults(void **state)
{
	struct ledger *l = *state;
	uint64_t magic = l->magic, size = l->size;

	for (unsigned i = 0; i < RANDOM_FAULTS; i++) {
		restore(l);
		harm(l);
		l->magic = magic; /* the first line may have gone */
		l->size = size;
		l->version = LEDGER_VERSION;
		assert_survives(l);
	}
	restore(l);
	assert_memory_equal(l, original, ledger_bytes());
}

static void pages_that_are_lost(void **state)
{
	struct ledger *l = *state;

	for (size_t i = 1; i < ARRAY_SIZE(used); i++) {
		for (size_t at = used[i].from; at < used[i].from + used[i].len; at += LEDGER_PAGE) {
			size_t page = at / LEDGER_PAGE * LEDGER_PAGE;

			if (!page)
				continue;
			restore(l);
			memset((char *)l + page, 0, LEDGER_PAGE);
			assert_survives(l);
		}
	}
}

/* Killed in here, whatever was written and whatever not: the next one has no less. */
static void salvage_that_is_cut_short(void **state)
{
	struct ledger *l = *state;
	struct ledger_loss loss;
	struct ledger *again;
	unsigned char *broken = malloc(ledger_bytes()), *done = malloc(ledger_bytes());
	struct undo *u = fixture_undo(l);

	assert_non_null(broken);
	assert_non_null(done);
	l->leases[slot_of(held[3].id)].res.id++;
	l->instances[3].pid++;
	l->tenants[0].name[0]++;
	memcpy(broken, l, ledger_bytes());
	assert_int_equal(ledger_salvage(l, ledger_bytes(), u, &loss, &again), 0);
	memcpy(done, l, ledger_bytes());
	for (unsigned times = 0; times < 60; times++) {
		memcpy(l, broken, ledger_bytes());
		for (size_t at = 0; at < ledger_bytes(); at += 8)
			if (memcmp(broken + at, done + at, 8) && pick(2))
				memcpy((char *)l + at, done + at, 8);
		if (ledger_open(l, ledger_bytes(), u, &again) < 0)
			assert_int_equal(ledger_salvage(l, ledger_bytes(), u, &loss, &again), 0);
		assert_int_equal(assert_subset(l), HELD - 1);
	}
	free(broken);
	free(done);
}

#define USED_TEST(fn) cmocka_unit_test_setup_teardown(fn, use, drop)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		USED_TEST(what_is_derived_is_made_anew),
		USED_TEST(a_reservation_is_no_loss),
		USED_TEST(an_instance_that_proves_nothing),
		USED_TEST(a_fault_far_above),
		USED_TEST(the_last_slots_are_lost),
		USED_TEST(numbers_of_slots_that_can_not_be),
		USED_TEST(a_lease_that_proves_nothing),
		USED_TEST(two_over_one_resource),
		USED_TEST(the_older_one_in_the_later_slot),
		USED_TEST(sense_is_asked_too),
		USED_TEST(a_tenant_without_a_name),
		USED_TEST(a_flow_that_proves_nothing),
		USED_TEST(an_address_that_proves_nothing),
		USED_TEST(an_address_of_another_kind),
		USED_TEST(a_ring_that_is_unsound),
		USED_TEST(rings_that_clash),
		USED_TEST(numbers_of_events_do_not_go_back),
		USED_TEST(not_ours_is_not_touched),
		USED_TEST(each_bit_of_the_truth),
		USED_TEST(random_faults),
		USED_TEST(pages_that_are_lost),
		USED_TEST(salvage_that_is_cut_short),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
