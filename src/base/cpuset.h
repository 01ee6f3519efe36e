/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of CPUs of a fixed size, so that it can stand in messages and in the
 * ledger's memory. CPU_MAX is what the kernel itself can be built for.
 */
#ifndef REEVE_BASE_CPUSET_H
#define REEVE_BASE_CPUSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CPU_MAX = 8192, CPUSET_WORDS = CPU_MAX / 64 };

struct cpuset {
	uint64_t w[CPUSET_WORDS];
};

static inline bool cpuset_has(const struct cpuset *s, unsigned cpu)
{
	return cpu < CPU_MAX && (s->w[cpu / 64] >> (cpu % 64) & 1);
}

static inline void cpuset_add(struct cpuset *s, unsigned cpu)
{
	if (cpu < CPU_MAX)
		s->w[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

static inline void cpuset_del(struct cpuset *s, unsigned cpu)
{
	if (cpu < CPU_MAX)
		s->w[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
}

unsigned cpuset_count(const struct cpuset *s);
bool cpuset_empty(const struct cpuset *s);
bool cpuset_equal(const struct cpuset *a, const struct cpuset *b);
/* Every CPU of `a` is in `b`. */
bool cpuset_within(const struct cpuset *a, const struct cpuset *b);
bool cpuset_overlap(const struct cpuset *a, const struct cpuset *b);
void cpuset_or(struct cpuset *s, const struct cpuset *with);
void cpuset_and(struct cpuset *s, const struct cpuset *with);
void cpuset_minus(struct cpuset *s, const struct cpuset *without);

/* First member at or above `from`; CPU_MAX when there is none. */
unsigned cpuset_next(const struct cpuset *s, unsigned from);

#define cpuset_for_each(cpu, s) \
	for (cpu = cpuset_next((s), 0); cpu < CPU_MAX; cpu = cpuset_next((s), cpu + 1))

/*
 * The kernel's list form: "0-3,8". Blank space around it is ignored and an
 * empty text is the empty set. -EINVAL: not such a list; -ERANGE: a number at
 * or above CPU_MAX. *ret is untouched on failure.
 */
int cpuset_parse(const char *text, struct cpuset *ret);

/*
 * Writes the list form and a NUL; returns its length without the NUL. What
 * does not fit ends in "..." at a comma.
 */
size_t cpuset_format(const struct cpuset *s, char *buf, size_t size);

#endif
