/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places are exact up to 2^(BITS + 1); from there on each power of two has 2^BITS of
 * them, so a place is never wider than a 64th of what is in it, and its middle is
 * less than a hundredth off.
 */
#include "base/histogram.h"

static uint32_t place_of(uint64_t number)
{
	uint32_t shift;

	if (number >> (HISTOGRAM_BITS + 1) == 0)
		return (uint32_t)number;
	shift = 63U - (uint32_t)__builtin_clzll(number) - HISTOGRAM_BITS;
	return (shift << HISTOGRAM_BITS) + (uint32_t)(number >> shift);
}

static uint64_t middle_of(uint32_t place)
{
	uint32_t shift = place >> HISTOGRAM_BITS;
	uint64_t first;

	if (shift < 2)
		return place;
	shift--;
	first = (uint64_t)(place - (shift << HISTOGRAM_BITS)) << shift;
	return first + (UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *h, uint64_t number)
{
	if (!h->count || number < h->min)
		h->min = number;
	if (number > h->max)
		h->max = number;
	h->count++;
	h->sum += (double)number;
	h->squares += (double)number * (double)number;
	h->places[place_of(number)]++;
}

uint64_t histogram_at(const struct histogram *h, double part)
{
	uint64_t before = 0, found;
	uint32_t i = 0;

	if (!h->count)
		return 0;
	while (i + 1 < HISTOGRAM_PLACES &&
	       (double)(before + h->places[i]) < part * (double)h->count)
		before += h->places[i++];
	found = middle_of(i);
	if (found < h->min)
		return h->min;
	return found > h->max ? h->max : found;
}

bool histogram_next(const struct histogram *h, uint32_t *place, struct histogram_bar *ret)
{
	while (*place < HISTOGRAM_PLACES && !h->places[*place])
		++*place;
	if (*place == HISTOGRAM_PLACES)
		return false;
	*ret = (struct histogram_bar){ middle_of(*place), h->places[*place] };
	++*place;
	return true;
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? h->sum / (double)h->count : 0;
}

/* By Newton, as libm is linked for nothing else. */
static double root(double x)
{
	double r = x > 1 ? x : 1;

	for (int i = 0; x > 0 && i < 600; i++) {
		double next = (r + x / r) / 2;

		if (next >= r)
			break;
		r = next;
	}
	return x > 0 ? r : 0;
}

double histogram_stddev(const struct histogram *h)
{
	double mean = histogram_mean(h);

	return h->count ? root(h->squares / (double)h->count - mean * mean) : 0;
}
