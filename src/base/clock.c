/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#include <stdio.h>

void clock_format(uint64_t wall_ns, char buf[static CLOCK_TEXT])
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(buf, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, CLOCK_TEXT - n, ".%03uZ", (unsigned)(wall_ns % NS_PER_S / NS_PER_MS));
}
