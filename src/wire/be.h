/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers in the network's byte order, at any address. */
#ifndef REEVE_WIRE_BE_H
#define REEVE_WIRE_BE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t be16_get(const uint8_t *at)
{
	uint16_t n;

	memcpy(&n, at, sizeof(n));
	return be16toh(n);
}

static inline uint32_t be32_get(const uint8_t *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return be32toh(n);
}

static inline void be16_put(uint8_t *at, uint16_t n)
{
	n = htobe16(n);
	memcpy(at, &n, sizeof(n));
}

static inline void be32_put(uint8_t *at, uint32_t n)
{
	n = htobe32(n);
	memcpy(at, &n, sizeof(n));
}

#endif
