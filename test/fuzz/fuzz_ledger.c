/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first byte says what the rest is:
 *   even  operations, each of a few bytes; the ledger must stay sound, and be
 *         what it was when it was settled last when its writer is killed
 *   odd   patches {u8 region, u16 offset, u32 value} to the memory of a ledger
 *         in use: ledger_open() must see what is wrong with it, and what it
 *         lets pass must go on working, and what is salvaged from the rest too
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "journal/undo.h"
#include "ledger/layout.h"
#include "ledger/lcore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDS = 16, GUARD = 1 << 20, CPUS = 16, VERIFY_EVERY = 16 };

/* The undo log, then the ledger. */
#define LOG_BYTES   ((sizeof(struct undo) + 4095) / 4096 * 4096)
#define TOTAL_BYTES (LOG_BYTES + ledger_bytes())

struct input {
	const uint8_t *p, *end;
};

struct fuzz {
	struct ledger *l;
	struct undo *undo;
	ledger_id instances[IDS], leases[IDS];
	uint64_t now;
	uint64_t settled; /* digest() of what was settled last */
};

static struct conf conf;
static struct host host;
static struct rights rights;

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Past the end come zeroes. */
static uint32_t take(struct input *in, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes && in->p < in->end; i++)
		value |= (uint32_t)*in->p++ << 8 * i;
	return value;
}

/* Zeroed memory, with nothing behind it. */
static char *memory_new(void)
{
	static char *mem;

	if (mem) {
		madvise(mem, TOTAL_BYTES, MADV_DONTNEED);
		return mem;
	}
	mem = mmap(NULL, TOTAL_BYTES + GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(mem != MAP_FAILED);
	check(mprotect(mem, TOTAL_BYTES, PROT_READ | PROT_WRITE) == 0);
	return mem;
}

static void ledger_new(struct fuzz *f)
{
	char *mem = memory_new();

	f->undo = (struct undo *)mem;
	undo_init(f->undo, TOTAL_BYTES);
	check(ledger_init(mem + LOG_BYTES, ledger_bytes(), f->undo, &f->l) == 0);
}

static void world_make(void)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		cpuset_add(&host.present, cpu);
		host.core[cpu] = (uint16_t)(cpu & ~1u);
		host.node[cpu] = cpu >= CPUS / 2;
	}
	host.online = host.usable = rights.may = host.present;
}

/* Bit t of `which`: the tenant of that number is in the config. */
static void conf_make(uint32_t which, uint32_t quota)
{
	memset(&conf, 0, sizeof(conf));
	for (unsigned t = 0; t < 8; t++) {
		struct tenant_conf *tc = &conf.tenants[conf.ntenants];

		if (!(which >> t & 1))
			continue;
		tc->name[0] = (char)('a' + t);
		for (unsigned k = 0; k < RES_KIND_MAX; k++)
			tc->quota.max[k] = quota;
		conf.ntenants++;
	}
}

/* --- operations ----------------------------------------------------------- */

static void op_tenants(struct fuzz *f, struct input *in)
{
	uint32_t slot[TENANT_MAX];
	uint32_t which = take(in, 1), quota = take(in, 1);

	conf_make(which, quota == 0xff ? QUOTA_NONE : quota);
	ledger_set_tenants(f->l, &conf, slot);
}

static void op_start(struct fuzz *f, struct input *in)
{
	uint32_t at = take(in, 1) % IDS, kind = take(in, 1) % 3;
	struct instance start = { .kind = kind, .tenant = take(in, 1), .since = f->now };

	memset(start.name, 'n', sizeof(start.name));
	ledger_instance_start(f->l, &start, &f->instances[at]);
}

static void op_end(struct fuzz *f, struct input *in)
{
	ledger_id id = f->instances[take(in, 1) % IDS];
	struct lease lease;

	ledger_instance_end(f->l, id, f->now, "gone");
	check(ledger_instance_next_lease(f->l, id, 0, &lease) == -ENOENT);
}

/* Two bytes for numbers below and above 32 bits. */
static uint64_t take_id(struct input *in)
{
	uint32_t id = take(in, 2);

	return (id & 0x7fff) | (uint64_t)(id >> 15) << 32;
}

static void op_reserve(struct fuzz *f, struct input *in)
{
	uint32_t at = take(in, 1) % IDS, who = take(in, 1) % IDS, flags = take(in, 1);
	struct lease_want want = {
		.instance = f->instances[who],
		.res = { .kind = flags % 16, .scope = flags >> 7 },
		.whole_core = flags & 16,
		.wall_ns = f->now,
	};
	struct lease holder;
	bool had;
	int r;

	want.res.id = take_id(in);
	if (flags & 32)
		want.expires = f->now + take(in, 1);
	had = want.res.kind < RES_KIND_MAX && ledger_holder(f->l, &want.res, &holder) == 0;
	r = ledger_reserve(f->l, flags & 64 ? NULL : &host, &want, &f->leases[at], NULL);
	check(!had || r < 0);
	check((ledger_holder(f->l, &want.res, &holder) == 0) == (had || r == 0));
}

static void op_settle(struct fuzz *f, struct input *in)
{
	uint32_t at = take(in, 1);
	ledger_id id = f->leases[at % IDS];

	if (at & 128)
		ledger_undo(f->l, id);
	else
		ledger_commit(f->l, id);
}

static void op_rename(struct fuzz *f, struct input *in)
{
	ledger_id id = f->leases[take(in, 1) % IDS];
	uint64_t to = take_id(in);
	struct lease was, is, holder;
	int r;

	if (ledger_lease(f->l, id, &was) < 0) {
		check(ledger_rename(f->l, id, to) == -ENOENT);
		return;
	}
	r = ledger_rename(f->l, id, to);
	check(ledger_lease(f->l, id, &is) == 0);
	check(is.res.id == (r < 0 ? was.res.id : to));
	check(ledger_holder(f->l, &is.res, &holder) == 0 && holder.id == id);
	if (is.res.id != was.res.id)
		check(ledger_holder(f->l, &was.res, &holder) == -ENOENT);
}

/* Once, or so often that the count can't take it. */
static void op_use(struct fuzz *f, struct input *in)
{
	uint32_t at = take(in, 1), uses = 1;
	ledger_id id = f->leases[at % IDS];

	if (at & 128)
		ledger_unuse(f->l, id, &uses);
	else if (at & 64)
		while (ledger_use(f->l, id, &uses) == 0)
			check(uses > 1);
	else
		ledger_use(f->l, id, &uses);
	check(uses <= UINT16_MAX);
}

static void op_release(struct fuzz *f, struct input *in)
{
	ledger_id id = f->leases[take(in, 1) % IDS];
	uint32_t who = take(in, 1);
	struct lease lease;

	int r = who & 128 ? ledger_revoke(f->l, id, f->now, NULL)
			  : ledger_release(f->l, f->instances[who % IDS], id, f->now, NULL);

	if (r == 0)
		check(ledger_lease(f->l, id, &lease) == -ENOENT);
}

static void op_expire(struct fuzz *f, struct input *in)
{
	struct lease lease;

	f->now += take(in, 1);
	while (ledger_expire(f->l, f->now, f->now, &lease) == 0)
		check(lease.expires <= f->now);
	check(!ledger_next_expiry(f->l) || ledger_next_expiry(f->l) > f->now);
}

/* Many at once, so that a ring comes round. */
static void op_event(struct fuzz *f, struct input *in)
{
	uint32_t tenant = take(in, 1), times = take(in, 1) + 1;

	for (; times; times--) {
		struct event ev = { .type = EVENT_REFUSE, .tenant = tenant };

		ledger_event(f->l, &ev);
	}
}

static void op_choose(struct fuzz *f, struct input *in)
{
	uint32_t flags = take(in, 1), who = take(in, 1) % IDS;
	struct lcore_want want = {
		.instance = f->instances[who],
		.count = take(in, 1),
		.node = (int32_t)(flags & 3) - 1,
		.whole_core = flags & 4,
	};
	struct lcore_answer a;

	lcore_choose(f->l, &host, flags >> 5, &rights, &want, &a);
	check(a.why[0] && memchr(a.why, '\0', sizeof(a.why)));
	check(cpuset_count(&a.cpus) == (a.error ? 0 : want.count));
}

static void op_claim(struct fuzz *f, struct input *in)
{
	char name[LEDGER_NAME_MAX];
	uint32_t at = take(in, 1);

	memset(name, (int)at, sizeof(name));
	ledger_instance_claim(f->l, f->instances[at % IDS], at, name);
}

/* Every list has an end, and the numbers of events go up. */
static void walk(const struct ledger *l)
{
	struct instance in = { .id = 0 };
	struct lease lease = { .id = 0 };
	struct event ev = { .seq = 0 };
	uint32_t steps = 0, listed = 0;

	while (ledger_next_lease(l, lease.id, &lease) == 0)
		check(++steps <= LEDGER_LEASES);
	while (ledger_next_instance(l, in.id, &in) == 0) {
		lease.id = 0;
		while (ledger_instance_next_lease(l, in.id, lease.id, &lease) == 0)
			check(++listed <= steps);
	}
	check(listed == steps);
	for (uint64_t after = 0; ledger_next_event(l, LEDGER_ALL_TENANTS, after, &ev, NULL) == 0;
	     after = ev.seq)
		check(ev.seq > after);
}

static void op_orphan(struct fuzz *f, struct input *in)
{
	ledger_id id = f->instances[take(in, 1) % IDS];
	struct lease lease = { .id = 0 };

	ledger_instance_orphan(f->l, id, f->now, NULL);
	while (ledger_instance_next_lease(f->l, id, lease.id, &lease) == 0)
		check(lease.state == LEASE_HELD);
}

static void op_undo_reserved(struct fuzz *f, struct input *in)
{
	struct lease lease = { .id = 0 };

	(void)in;
	ledger_undo_reserved(f->l);
	while (ledger_next_lease(f->l, lease.id, &lease) == 0)
		check(lease.state == LEASE_HELD);
}

static void op_flow(struct fuzz *f, struct input *in)
{
	ledger_id id = f->leases[take(in, 1) % IDS];
	struct flow flow = { .queue = 1, .dst_port = (uint16_t)take(in, 2) }, again;

	if (ledger_set_flow(f->l, id, &flow) == 0)
		check(ledger_flow(f->l, id, &again) == 0 && again.dst_port == flow.dst_port);
}

/* --- the writer is killed ------------------------------------------------------ */

static uint64_t digest_bytes(uint64_t h, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* Of all that can be asked. */
static uint64_t digest(const struct ledger *l)
{
	struct ledger_totals totals;
	struct instance in = { .id = 0 };
	struct lease lease = { .id = 0 };
	struct flow flow;
	struct tenant t;
	uint64_t h = 0;

	ledger_totals(l, &totals);
	h = digest_bytes(h, &totals.last_seq, sizeof(totals.last_seq));
	for (uint32_t n = 0; n < TENANT_MAX; n++)
		if (ledger_tenant(l, n, &t) == 0)
			h = digest_bytes(h, t.used, sizeof(t.used));
	while (ledger_next_instance(l, in.id, &in) == 0)
		h = digest_bytes(h, &in, offsetof(struct instance, name) + sizeof(in.name));
	while (ledger_next_lease(l, lease.id, &lease) == 0) {
		h = digest_bytes(h, &lease, sizeof(lease));
		if (ledger_flow(l, lease.id, &flow) == 0)
			h = digest_bytes(h, &flow, sizeof(flow));
	}
	return h;
}

static void op_undo_settle(struct fuzz *f, struct input *in)
{
	(void)in;
	undo_settle(f->undo);
	f->settled = digest(f->l);
}

static void op_kill(struct fuzz *f, struct input *in)
{
	(void)in;
	check(undo_take_back(f->undo, TOTAL_BYTES) == 0);
	check(ledger_open(f->l, ledger_bytes(), f->undo, &f->l) == 0);
	check(digest(f->l) == f->settled);
}

static void operate(struct fuzz *f, struct input *in)
{
	static void (*const ops[])(struct fuzz *, struct input *) = {
		op_tenants, op_start,	      op_end,	 op_reserve,	 op_settle, op_release,
		op_expire,  op_event,	      op_choose, op_claim,	 op_rename, op_use,
		op_orphan,  op_undo_reserved, op_flow,	 op_undo_settle, op_kill,
	};

	op_undo_settle(f, in);
	for (unsigned n = 1; in->p < in->end; n++) {
		/* A log that fills is settled by whoever comes next: so that it is known when. */
		if (undo_room(f->undo) < UNDO_LINES / 2)
			op_undo_settle(f, in);
		ops[take(in, 1) % ARRAY_SIZE(ops)](f, in);
		if (n % VERIFY_EVERY == 0)
			check(ledger_verify(f->l) == 0);
	}
	check(ledger_verify(f->l) == 0);
	walk(f->l);
}

/* --- hostile memory --------------------------------------------------------- */

/*
 * Two tenants, two instances, three leases (two timed), a free slot of each
 * table. One operation a line.
 */
/* clang-format off */
static const uint8_t in_use[] = {
	0, 3, 9,		/* tenants a, b */
	1, 0, 0, 0,		/* an instance of a */
	1, 1, 1, 1,		/* of b */
	1, 2, 0, 0,		/* of a */
	3, 0, 0, 32, 4, 0, 50,	/* lcore 4, timed */
	3, 1, 0, 48, 6, 0, 20,	/* lcore 6, timed, whole core */
	3, 2, 1, 1, 7, 0,	/* queue 7 */
	3, 3, 1, 0, 9, 0,	/* lcore 9 */
	3, 4, 1, 2, 5, 0,	/* flow 5 */
	14, 4, 136, 19,		/* to port 5000 */
	4, 0,			/* commit */
	4, 1,			/* commit */
	4, 2,			/* commit */
	4, 131,			/* undo */
	2, 2,			/* an instance ends */
	7, 1, 3,		/* four events */
};
/* clang-format on */

static void *region(struct ledger *l, uint32_t which)
{
	switch (which % 12) {
	case 0:
		return l;
	case 1:
		return l->timers;
	case 2:
		return l->instances;
	case 3:
		return l->leases;
	case 4:
		return l->events[0];
	case 5:
		return l->events[1];
	case 7:
		return l->flows;
	case 8:
		return &l->flow_pool;
	case 9:
		return l->instance_checks;
	case 10:
		return l->lease_checks;
	case 11:
		return l->tenant_checks;
	case 6:
		return &l->buckets[index_bucket(&l->leases[1].res)];
	default:
		return l->buckets;
	}
}

static void patch(struct ledger *l, struct input *in)
{
	while (in->end - in->p >= 7) {
		char *at = region(l, take(in, 1));
		uint32_t offset = take(in, 2), value = take(in, 4);

		memcpy(at + offset, &value, sizeof(value));
	}
}

/* Only what is not ours at all is lost as a whole. */
static bool open_or_salvage(struct fuzz *f, struct ledger **ret)
{
	struct ledger_loss loss;

	undo_settle(f->undo);
	if (ledger_open(f->l, ledger_bytes(), f->undo, ret) == 0)
		return true;
	if (ledger_salvage(f->l, ledger_bytes(), f->undo, &loss, ret) == 0)
		return true;
	check(!header_ours(f->l));
	return false;
}

static void reopen(struct fuzz *f, struct input *in)
{
	struct input rest = { in_use, in_use + sizeof(in_use) };
	struct ledger *l = NULL;

	operate(f, &rest);
	patch(f->l, in);
	if (!open_or_salvage(f, &l)) {
		check(l == NULL);
		return;
	}
	check(ledger_verify(l) == 0);
	walk(l);
	rest = (struct input){ in_use, in_use + sizeof(in_use) };
	operate(f, &rest);
	for (unsigned i = 0; i < IDS; i++)
		ledger_instance_end(l, f->instances[i], 0, "");
	check(ledger_verify(l) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct fuzz f = { .now = 1 };
	uint32_t mode = take(&in, 1);

	if (cpuset_empty(&host.present))
		world_make();
	ledger_new(&f);
	if (mode % 2)
		reopen(&f, &in);
	else
		operate(&f, &in);
	return 0;
}
