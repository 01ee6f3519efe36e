/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often each of many numbers came, as times in ns: any number of 64 bits, each kept
 * to less than a hundredth of itself, in memory that does not grow. Zeroed memory is an
 * empty one. Pure.
 */
#ifndef REEVE_BASE_HISTOGRAM_H
#define REEVE_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Numbers with the same so many bits behind their first one are not told apart. */
	HISTOGRAM_BITS = 6,
	HISTOGRAM_PLACES = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
	uint64_t count, min, max;
	double sum, squares;
	uint64_t places[HISTOGRAM_PLACES];
};

void histogram_add(struct histogram *h, uint64_t number);

/*
 * What `part` of them, 0.99 say, were no greater than. It is one of the numbers to
 * within a hundredth, neither below the least nor above the greatest; 0 if there are none.
 */
uint64_t histogram_at(const struct histogram *h, double part);

/* So many of them were this number, or less than a hundredth off. */
struct histogram_bar {
	uint64_t number, count;
};

/* From the least to the greatest, with *place 0 at first; false: that was the last. */
bool histogram_next(const struct histogram *h, uint32_t *place, struct histogram_bar *ret);

/* Exact; 0 if there are none. */
double histogram_mean(const struct histogram *h);
double histogram_stddev(const struct histogram *h);

#endif
