/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets by hand: hex to bytes, addresses from text, and numbers that repeat with their seed. */
#ifndef TEST_WIRE_PACKET_H
#define TEST_WIRE_PACKET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/ipaddr.h"

enum { ROUNDS = 2000 };

/* Blanks between bytes are skipped. How many there were. */
static inline uint32_t from_hex(const char *hex, uint8_t *ret)
{
	uint32_t n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2hhx", &ret[n]), 1);
		hex++;
		n++;
	}
	return n;
}

static inline struct ipaddr ip_of(const char *text)
{
	struct ipaddr a;

	if (ipaddr_parse(text, &a) < 0)
		fail_msg("no address: %s", text);
	return a;
}

static inline uint32_t random_number(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*state >> 32);
}

static inline void random_bytes(uint64_t *state, void *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)at)[i] = (uint8_t)random_number(state);
}

/* One that packets may come from. */
static inline struct ipaddr random_ip(uint64_t *state, bool is6)
{
	struct ipaddr a = { .b = { 0xfd } };

	random_bytes(state, a.b + 1, sizeof(a.b) - 1);
	if (!is6)
		ipaddr_from4(&a, (const uint8_t[]){ 10, a.b[1], a.b[2], a.b[3] });
	return a;
}

/* Memory of just that size, so that a sanitizer sees who reads past its end. */
static inline uint8_t *exactly(const uint8_t *bytes, uint32_t len)
{
	uint8_t *p = malloc(len ? len : 1);

	assert_non_null(p);
	if (len)
		memcpy(p, bytes, len);
	return p;
}

#endif
