/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A choice is made in three steps: survey the host (what stands in the way of
 * each CPU), pick, and say why in a sentence. The sentence is read by the
 * tenant who asked, so it tells of others only that there are some.
 */
#include "ledger/lcore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of one core: who has a CPU of it. */
enum {
	CORE_MINE = 1,
	CORE_OTHER = 2,	      /* another instance */
	CORE_OTHER_WHOLE = 4, /* another instance, and it does not share */
	CORE_RESERVED = 8,    /* another tenant may come for it at any time */
	CORE_HELD = CORE_MINE | CORE_OTHER,
};

struct survey {
	const struct host *host;
	const struct rights *rights;
	const struct lcore_want *want;
	uint8_t state[CPU_MAX]; /* enum cpu_state */
	uint8_t core[CPU_MAX];	/* CORE_*, by core number */
	uint32_t count[CPU_STATE_MAX];
};

static const char *const state_names[] = {
	[CPU_FREE] = "free",	     [CPU_LEASED] = "leased", [CPU_SIBLING] = "sibling",
	[CPU_RESERVED] = "reserved", [CPU_NEVER] = "never",   [CPU_OUTSIDE] = "outside",
	[CPU_OFFLINE] = "offline",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == CPU_STATE_MAX, "a name for each");

/* What a person reads of a CPU in that state; the second fits after a number. */
static const char *const state_one[] = {
	[CPU_LEASED] = "is leased",
	[CPU_SIBLING] = "shares a core with another instance's lease",
	[CPU_RESERVED] = "is reserved for another tenant",
	[CPU_NEVER] = "is never leased",
	[CPU_OUTSIDE] = "is not among the CPUs reeve may lease",
	[CPU_OFFLINE] = "is not running on this host",
};
static const char *const state_some[] = {
	[CPU_LEASED] = "leased",
	[CPU_SIBLING] = "on a core shared with another instance",
	[CPU_RESERVED] = "reserved for another tenant",
	[CPU_NEVER] = "never leased",
	[CPU_OUTSIDE] = "not for reeve to lease",
	[CPU_OFFLINE] = "offline",
};

const char *cpu_state_name(enum cpu_state s)
{
	return s < CPU_STATE_MAX ? state_names[s] : NULL;
}

__attribute__((format(printf, 2, 3))) static void say(struct lcore_answer *a, const char *fmt, ...)
{
	size_t used = strlen(a->why);
	va_list args;

	va_start(args, fmt);
	vsnprintf(a->why + used, sizeof(a->why) - used, fmt, args);
	va_end(args);
}

static unsigned core_of(const struct host *host, unsigned cpu)
{
	return host->core[cpu] < CPU_MAX ? host->core[cpu] : cpu;
}

/* What the lease over `cpu` means for its core; 0: nobody holds it. */
static uint8_t holder_bits(const struct ledger *l, unsigned cpu, ledger_id instance)
{
	struct res res = { .kind = RES_LCORE, .id = cpu };
	struct lease lease;

	if (ledger_holder(l, &res, &lease) < 0)
		return 0;
	if (lease.instance == instance)
		return CORE_MINE;
	return lease.whole_core ? CORE_OTHER | CORE_OTHER_WHOLE : CORE_OTHER;
}

static uint8_t core_bits(const struct ledger *l, const struct rights *rights, unsigned cpu,
			 ledger_id instance)
{
	uint8_t bits = holder_bits(l, cpu, instance);

	return cpuset_has(&rights->reserved, cpu) ? bits | CORE_RESERVED : bits;
}

static enum cpu_state judge(const struct host *host, const struct rights *rights,
			    const struct lcore_want *want, unsigned cpu, uint8_t core)
{
	if (core & CORE_OTHER_WHOLE || (want->whole_core && core & CORE_OTHER))
		return CPU_SIBLING;
	if (cpuset_has(&rights->reserved, cpu) || (want->whole_core && core & CORE_RESERVED))
		return CPU_RESERVED;
	if (cpuset_has(&rights->never, cpu))
		return CPU_NEVER;
	if (!cpuset_has(&host->online, cpu))
		return CPU_OFFLINE;
	return cpuset_has(&rights->may, cpu) ? CPU_FREE : CPU_OUTSIDE;
}

enum cpu_state lcore_state(const struct ledger *l, const struct host *host,
			   const struct rights *rights, const struct lcore_want *want, unsigned cpu)
{
	uint8_t core = 0;
	unsigned other;

	if (!cpuset_has(&host->present, cpu))
		return CPU_OFFLINE;
	if (holder_bits(l, cpu, want->instance))
		return CPU_LEASED;
	cpuset_for_each(other, &host->present)
		if (core_of(host, other) == core_of(host, cpu))
			core |= core_bits(l, rights, other, want->instance);
	return judge(host, rights, want, cpu, core);
}

static bool on_node(const struct survey *s, unsigned cpu)
{
	return s->want->node == NODE_NONE || s->host->node[cpu] == s->want->node;
}

/* lcore_state() of every CPU, with each lease looked up once. */
static void survey_take(struct survey *s, const struct ledger *l)
{
	struct cpuset held = { 0 };
	unsigned cpu;

	memset(s->state, CPU_OFFLINE, sizeof(s->state));
	cpuset_for_each(cpu, &s->host->present) {
		uint8_t bits = core_bits(l, s->rights, cpu, s->want->instance);

		s->core[core_of(s->host, cpu)] |= bits;
		if (bits & CORE_HELD)
			cpuset_add(&held, cpu);
	}
	cpuset_for_each(cpu, &s->host->present) {
		uint8_t core = s->core[core_of(s->host, cpu)];

		s->state[cpu] = CPU_LEASED;
		if (!cpuset_has(&held, cpu))
			s->state[cpu] = judge(s->host, s->rights, s->want, cpu, core);
		if (on_node(s, cpu))
			s->count[s->state[cpu]]++;
	}
}

void lcore_states(const struct ledger *l, const struct host *host, const struct rights *rights,
		  const struct lcore_want *want, uint8_t ret[static CPU_MAX])
{
	struct survey s = { .host = host, .rights = rights, .want = want };

	survey_take(&s, l);
	memcpy(ret, s.state, sizeof(s.state));
}

static void say_node(struct lcore_answer *a, const struct lcore_want *want)
{
	if (want->node != NODE_NONE)
		say(a, " on node %" PRId32, want->node);
}

/* --- exactly these ------------------------------------------------------- */

static int state_error(enum cpu_state state)
{
	switch (state) {
	case CPU_FREE:
		return 0;
	case CPU_LEASED:
	case CPU_SIBLING:
		return EBUSY;
	case CPU_OFFLINE:
		return ENOENT;
	default:
		return EACCES;
	}
}

static const char *in_the_way(const struct survey *s, unsigned cpu)
{
	if (s->state[cpu] == CPU_RESERVED && !cpuset_has(&s->rights->reserved, cpu))
		return "shares a core with one reserved for another tenant";
	return state_one[s->state[cpu]];
}

static void refuse_exact(const struct survey *s, unsigned first, struct lcore_answer *a)
{
	uint32_t others = 0;
	unsigned cpu;

	for (cpu = cpuset_next(&s->want->exact, first + 1); cpu < CPU_MAX;
	     cpu = cpuset_next(&s->want->exact, cpu + 1))
		others += s->state[cpu] != CPU_FREE;
	a->error = state_error(s->state[first]);
	say(a, "CPU %u %s", first, in_the_way(s, first));
	if (others)
		say(a, "; %" PRIu32 " more of the %u wanted %s not free", others,
		    cpuset_count(&s->want->exact), others == 1 ? "is" : "are");
}

static bool pick_exact(const struct survey *s, struct lcore_answer *a)
{
	unsigned cpu;

	cpuset_for_each(cpu, &s->want->exact) {
		if (s->state[cpu] != CPU_FREE) {
			refuse_exact(s, cpu, a);
			return false;
		}
		if (!on_node(s, cpu)) {
			a->error = EINVAL;
			say(a, "CPU %u is not on node %" PRId32, cpu, s->want->node);
			return false;
		}
	}
	a->cpus = s->want->exact;
	return true;
}

/* --- any so many --------------------------------------------------------- */

enum { RANKS = 8 };

/* How much a CPU is to be preferred: 0 most. */
static unsigned rank(const struct survey *s, unsigned cpu)
{
	unsigned r = 0;

	if (!cpuset_has(&s->rights->own, cpu))
		r += 4;
	if (!cpuset_has(&s->host->isolated, cpu))
		r += 2;
	if (s->core[core_of(s->host, cpu)] & CORE_HELD)
		r += 1;
	return r;
}

/* Adds up to `left` of the candidates to *cpus; with `cores`, one of each core not in it. */
static uint32_t pick(const struct survey *s, uint32_t left, struct cpuset *cores,
		     struct cpuset *cpus)
{
	unsigned cpu;

	for (unsigned r = 0; r < RANKS; r++) {
		cpuset_for_each(cpu, &s->rights->may) {
			if (!left)
				return 0;
			if (s->state[cpu] != CPU_FREE || !on_node(s, cpu) || rank(s, cpu) != r ||
			    cpuset_has(cpus, cpu))
				continue;
			if (cores && cpuset_has(cores, core_of(s->host, cpu)))
				continue;
			if (cores)
				cpuset_add(cores, core_of(s->host, cpu));
			cpuset_add(cpus, cpu);
			left--;
		}
	}
	return left;
}

/* A core of which the instance has a CPU already is not a new one. */
static uint32_t pick_cores(const struct survey *s, uint32_t left, struct cpuset *cpus)
{
	struct cpuset cores = { 0 };

	for (unsigned core = 0; core < CPU_MAX; core++)
		if (s->core[core] & CORE_MINE)
			cpuset_add(&cores, core);
	return pick(s, left, &cores, cpus);
}

static void refuse_count(const struct survey *s, struct lcore_answer *a)
{
	uint32_t nfree = s->count[CPU_FREE];
	const char *before = " (";

	a->error = ENOSPC;
	if (nfree)
		say(a, "%" PRIu32 " of %" PRIu32 " wanted CPUs %s free", nfree, s->want->count,
		    nfree == 1 ? "is" : "are");
	else if (s->want->count > 1)
		say(a, "none of %" PRIu32 " wanted CPUs is free", s->want->count);
	else
		say(a, "no CPU is free");
	say_node(a, s->want);
	for (unsigned state = CPU_FREE + 1; state < CPU_STATE_MAX; state++) {
		if (!s->count[state])
			continue;
		say(a, "%s%" PRIu32 " %s", before, s->count[state], state_some[state]);
		before = ", ";
	}
	if (before[0] == ',')
		say(a, ")");
}

static bool node_exists(const struct survey *s)
{
	for (unsigned state = 0; state < CPU_STATE_MAX; state++)
		if (s->count[state])
			return true;
	return false;
}

static bool pick_count(const struct survey *s, struct lcore_answer *a)
{
	struct cpuset cpus = { 0 };
	uint32_t left = s->want->count;

	if (!node_exists(s)) {
		a->error = ENOENT;
		say(a, "no CPU of this host is");
		say_node(a, s->want);
		return false;
	}
	if (s->want->whole_core)
		left = pick_cores(s, left, &cpus);
	left = pick(s, left, NULL, &cpus);
	if (left) {
		refuse_count(s, a);
		return false;
	}
	a->cpus = cpus;
	return true;
}

/* --- the answer ---------------------------------------------------------- */

static bool quota_allows(const struct ledger *l, uint32_t tenant, uint32_t n,
			 struct lcore_answer *a)
{
	struct tenant t;
	uint32_t max, used;

	if (ledger_tenant(l, tenant, &t) < 0) {
		a->error = ENOENT;
		say(a, "there is no such tenant");
		return false;
	}
	max = t.quota.max[RES_LCORE];
	used = t.used[RES_LCORE];
	if ((uint64_t)used + n <= max)
		return true;
	a->error = EDQUOT;
	if (max)
		say(a,
		    "%" PRIu32 " wanted, but %" PRIu32 " of the quota of %" PRIu32
		    " lcores %s in use",
		    n, used, max, used == 1 ? "is" : "are");
	else
		say(a, "the quota leaves this tenant no lcores");
	return false;
}

static uint32_t count_cores(const struct survey *s, const struct cpuset *cpus)
{
	struct cpuset cores = { 0 };
	unsigned cpu;

	cpuset_for_each(cpu, cpus)
		cpuset_add(&cores, core_of(s->host, cpu));
	return cpuset_count(&cores);
}

static void say_granted(const struct survey *s, uint32_t n, struct lcore_answer *a)
{
	char list[80];
	uint32_t cores;

	cpuset_format(&a->cpus, list, sizeof(list));
	say(a, n == 1 ? "CPU %s is free" : "CPUs %s are free", list);
	say_node(a, s->want);
	if (!s->want->whole_core)
		return;
	cores = count_cores(s, &a->cpus);
	say(a, ", with the whole of %s", cores == 1 ? "its core" : "their cores");
	if (cores != n && n > 1)
		say(a, " (%" PRIu32 " for %" PRIu32 " CPUs)", cores, n);
}

void lcore_choose(const struct ledger *l, const struct host *host, uint32_t tenant,
		  const struct rights *rights, const struct lcore_want *want,
		  struct lcore_answer *ret)
{
	struct survey s = { .host = host, .rights = rights, .want = want };
	bool exact = !cpuset_empty(&want->exact);
	uint32_t n = exact ? cpuset_count(&want->exact) : want->count;

	*ret = (struct lcore_answer){ 0 };
	if (!n) {
		ret->error = EINVAL;
		say(ret, "no CPU is asked for");
		return;
	}
	if (!quota_allows(l, tenant, n, ret))
		return;
	survey_take(&s, l);
	if (exact ? pick_exact(&s, ret) : pick_count(&s, ret))
		say_granted(&s, n, ret);
}
