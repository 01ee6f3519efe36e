/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/rate.h"

#include "base/clock.h"

bool rate_take(struct rate *r, uint64_t boot_ns, uint32_t burst, uint32_t per_s, uint32_t *ret_held)
{
	uint64_t earned = 0;

	if (!r->begun) {
		*r = (struct rate){ .at_ns = boot_ns, .tokens = burst, .begun = true };
	} else if (per_s) {
		earned = (boot_ns - r->at_ns) / (NS_PER_S / per_s);
		r->at_ns += earned * (NS_PER_S / per_s);
	}
	r->tokens = earned > burst - r->tokens ? burst : r->tokens + (uint32_t)earned;
	if (!r->tokens) {
		r->held++;
		return false;
	}
	r->tokens--;
	if (ret_held)
		*ret_held = r->held;
	r->held = 0;
	return true;
}
