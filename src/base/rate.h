/* SPDX-License-Identifier: BSD-3-Clause */
/* How often something may happen: a token bucket. Zeroed memory is a full one. */
#ifndef REEVE_BASE_RATE_H
#define REEVE_BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	uint64_t at_ns;
	uint32_t tokens, held;
	bool begun;
};

/*
 * `burst` times at once, `per_s` a second after that. true: now. *ret_held (may
 * be NULL): how often the answer was no since the last true.
 */
bool rate_take(struct rate *r, uint64_t boot_ns, uint32_t burst, uint32_t per_s,
	       uint32_t *ret_held);

#endif
