/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault points, in test builds (-Dfaults=true) only; in all others FAULT() is 0 and
 * nothing is left of it. A test maps the same page as the process and arms one point:
 * when it is reached for the so-manieth time, the process believes that an error was met
 * there, or stands still until the test lets it go on or kills it.
 *
 *   r = FAULT(CORE_RESERVE);      where an error can be met: 0 or a negative errno
 *   FAULT_HERE(CORE_RESERVED);    where none can
 */
#ifndef REEVE_BASE_FAULT_H
#define REEVE_BASE_FAULT_H

#ifdef REEVE_FAULTS

#include <stdint.h>

#include "base/fault_points.h"

enum fault_point {
#define POINT(name, errors) FAULT_##name,
	FAULT_POINTS(POINT)
#undef POINT
		FAULT_POINT_MAX
};

enum { FAULT_PAGE = 4096 };

struct fault_page {
	uint32_t armed; /* point plus 1; 0: none. Written last by the test */
	uint32_t nth;	/* counts down */
	uint32_t error; /* a positive errno; 0: stand still */
	uint32_t fired; /* who it was: a pid; 0: nobody yet */
	uint32_t go;	/* set by the test */
	uint32_t hits[FAULT_POINT_MAX];
};

/* The page is the last of the so many bytes of a file. */
void fault_map(int fd, uint64_t bytes);
/* 0 or a negative errno. */
int fault_at(enum fault_point point);

#define FAULT(point)	     fault_at(FAULT_##point)
#define FAULT_MAP(fd, bytes) fault_map(fd, bytes)

#else

#define FAULT(point)	     0
#define FAULT_MAP(fd, bytes) ((void)0)

#endif

#define FAULT_HERE(point) ((void)FAULT(point))

#endif
