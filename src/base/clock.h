/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time as nanoseconds. Pure code takes it as a parameter; only programs read it.
 */
#ifndef REEVE_BASE_CLOCK_H
#define REEVE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Durations and limits: CLOCK_BOOTTIME, which goes on while the host sleeps. */
static inline uint64_t clock_boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* What sd_notify(3) wants. */
static inline uint64_t clock_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* What people read: nanoseconds since 1970. */
static inline uint64_t clock_wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

enum { CLOCK_TEXT = 32 };

/* "2026-11-20T09:30:00.123Z" */
void clock_format(uint64_t wall_ns, char buf[static CLOCK_TEXT]);

#endif
