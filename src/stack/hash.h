/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes under a key that strangers don't know: for tables that they can fill. */
#ifndef REEVE_STACK_HASH_H
#define REEVE_STACK_HASH_H

#include <stdint.h>
#include <string.h>

#include "model/ipaddr.h"

/* The upper half is the better one; what a word's upper half changes stays there until the next. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
	return hash ^ hash >> 32;
}

static inline uint64_t hash_ip(uint64_t hash, const struct ipaddr *ip)
{
	uint64_t words[2];

	memcpy(words, ip->b, sizeof(words));
	return hash_mix(hash_mix(hash, words[0]), words[1]);
}

#endif
