/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tenant's channels of the message stack may have. */
#include <errno.h>

#include "model/conf.h"

int channel_terms_check(const struct channel_terms *t, struct err *e)
{
	if (t->memory > CHANNEL_MEMORY_MAX)
		return fail(e, EINVAL, "the memory of channels is at most 1024T");
	if (t->rate && (t->rate < CHANNEL_RATE_MIN || t->rate > CHANNEL_RATE_MAX))
		return fail(e, EINVAL, "the rate of a channel is from 1k to 10T bit/s");
	if (t->ports > UINT16_MAX)
		return fail(e, EINVAL, "a channel has at most %d ports", UINT16_MAX);
	return 0;
}
