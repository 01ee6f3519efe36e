/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/cpuset.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

unsigned cpuset_count(const struct cpuset *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CPUSET_WORDS; i++)
		n += (unsigned)__builtin_popcountll(s->w[i]);
	return n;
}

bool cpuset_empty(const struct cpuset *s)
{
	return cpuset_next(s, 0) == CPU_MAX;
}

bool cpuset_equal(const struct cpuset *a, const struct cpuset *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool cpuset_within(const struct cpuset *a, const struct cpuset *b)
{
	for (unsigned i = 0; i < CPUSET_WORDS; i++)
		if (a->w[i] & ~b->w[i])
			return false;
	return true;
}

bool cpuset_overlap(const struct cpuset *a, const struct cpuset *b)
{
	for (unsigned i = 0; i < CPUSET_WORDS; i++)
		if (a->w[i] & b->w[i])
			return true;
	return false;
}

void cpuset_or(struct cpuset *s, const struct cpuset *with)
{
	for (unsigned i = 0; i < CPUSET_WORDS; i++)
		s->w[i] |= with->w[i];
}

void cpuset_and(struct cpuset *s, const struct cpuset *with)
{
	for (unsigned i = 0; i < CPUSET_WORDS; i++)
		s->w[i] &= with->w[i];
}

void cpuset_minus(struct cpuset *s, const struct cpuset *without)
{
	for (unsigned i = 0; i < CPUSET_WORDS; i++)
		s->w[i] &= ~without->w[i];
}

unsigned cpuset_next(const struct cpuset *s, unsigned from)
{
	return bits_next(s->w, from, CPU_MAX, true);
}

/* Leaves at the first digit too many, so that the value can't overflow. */
static int parse_cpu(const char **p, unsigned *ret)
{
	unsigned value = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		value = value * 10 + (unsigned)(**p - '0');
		if (value >= CPU_MAX)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

/* By words: a long list of long ranges is no way to keep us busy. */
static void add_range(struct cpuset *s, unsigned first, unsigned last)
{
	for (unsigned i = first / 64; i <= last / 64; i++) {
		uint64_t word = ~UINT64_C(0);

		if (i == first / 64)
			word &= ~UINT64_C(0) << (first % 64);
		if (i == last / 64)
			word &= ~UINT64_C(0) >> (63 - last % 64);
		s->w[i] |= word;
	}
}

static int parse_range(const char **p, struct cpuset *s)
{
	unsigned first, last;
	int r;

	r = parse_cpu(p, &first);
	if (r < 0)
		return r;
	last = first;
	if (**p == '-') {
		(*p)++;
		r = parse_cpu(p, &last);
		if (r < 0)
			return r;
	}
	if (last < first)
		return -EINVAL;
	add_range(s, first, last);
	return 0;
}

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

int cpuset_parse(const char *text, struct cpuset *ret)
{
	struct cpuset s = { 0 };
	const char *p = skip_space(text);

	while (*p) {
		int r = parse_range(&p, &s);

		if (r < 0)
			return r;
		p = skip_space(p);
		if (*p == '\0')
			break;
		if (*p != ',')
			return -EINVAL;
		p = skip_space(p + 1);
		if (*p == '\0')
			return -EINVAL;
	}
	*ret = s;
	return 0;
}

static unsigned run_end(const struct cpuset *s, unsigned first)
{
	unsigned last = first;

	while (cpuset_has(s, last + 1))
		last++;
	return last;
}

static size_t put_ellipsis(char *buf, size_t at, size_t size)
{
	int n = snprintf(buf + at, size - at, "...");

	return at + (size_t)n < size ? at + (size_t)n : size - 1;
}

size_t cpuset_format(const struct cpuset *s, char *buf, size_t size)
{
	size_t used = 0, keep = 0; /* keep: the last comma that leaves room for "..." */
	unsigned first = cpuset_next(s, 0);

	if (!size)
		return 0;
	buf[0] = '\0';
	while (first < CPU_MAX) {
		unsigned last = run_end(s, first);
		char run[32];
		size_t n = (size_t)snprintf(run, sizeof(run), first == last ? "%s%u" : "%s%u-%u",
					    used ? "," : "", first, last);

		if (used + n >= size)
			return put_ellipsis(buf, keep, size);
		memcpy(buf + used, run, n + 1);
		used += n;
		if (used + sizeof("...") <= size)
			keep = used;
		first = cpuset_next(s, last + 1);
	}
	return used;
}
