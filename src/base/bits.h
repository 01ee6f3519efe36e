/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of small numbers: a bit for each, 64 to a word. */
#ifndef REEVE_BASE_BITS_H
#define REEVE_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

static inline bool bits_has(const uint64_t *bits, uint32_t n)
{
	return bits[n / 64] >> n % 64 & 1;
}

static inline void bits_put(uint64_t *bits, uint32_t n, bool on)
{
	uint64_t bit = UINT64_C(1) << n % 64;

	bits[n / 64] = on ? bits[n / 64] | bit : bits[n / 64] & ~bit;
}

/* The first from `from` on that is in, or is not; `end`: none below it is. */
static inline uint32_t bits_next(const uint64_t *bits, uint32_t from, uint32_t end, bool on)
{
	while (from < end) {
		uint64_t word = on ? bits[from / 64] : ~bits[from / 64];

		word &= UINT64_MAX << from % 64;
		from = from / 64 * 64 + (word ? (uint32_t)__builtin_ctzll(word) : 64);
		if (word)
			break;
	}
	return from < end ? from : end;
}

#endif
