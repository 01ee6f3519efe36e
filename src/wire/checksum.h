/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071). Sums are kept in the machine's byte order, which
 * is the checksum's own; only the finished field is stored, by checksum_put().
 */
#ifndef REEVE_WIRE_CHECKSUM_H
#define REEVE_WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model/ipaddr.h"

/* Of `len` bytes, added to `sum`; only the last piece of several may have an odd length. */
uint64_t checksum_add(uint64_t sum, const void *at, size_t len);
/* What stands in front of UDP, ICMPv6: the addresses, the protocol and its length. */
uint64_t checksum_pseudo(const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
			 uint32_t len);
/* Folded to 16 bits, not complemented: 0xffff for data that contains its right checksum. */
uint16_t checksum_fold(uint64_t sum);

static inline void checksum_put(uint8_t *at, uint16_t sum)
{
	memcpy(at, &sum, sizeof(sum));
}

static inline uint16_t checksum_get(const uint8_t *at)
{
	uint16_t sum;

	memcpy(&sum, at, sizeof(sum));
	return sum;
}

#endif
