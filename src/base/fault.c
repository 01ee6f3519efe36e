/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fault.h"

#ifdef REEVE_FAULTS

#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct fault_page) <= FAULT_PAGE, "it is one page");

static volatile struct fault_page *at;

void fault_map(int fd, uint64_t bytes)
{
	void *page = mmap(NULL, FAULT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  (off_t)(bytes - FAULT_PAGE));

	at = page == MAP_FAILED ? NULL : page;
}

/* Killed here, it ends as one that is killed from outside: nothing of it goes on. */
static void stand_still(void)
{
	while (!at->go)
		poll(NULL, 0, 1);
	at->go = 0;
}

int fault_at(enum fault_point point)
{
	int error;

	if (!at)
		return 0;
	at->hits[point]++;
	if (at->armed != point + 1 || --at->nth)
		return 0;
	error = (int)at->error;
	at->armed = 0;
	at->fired = (uint32_t)getpid();
	if (!error)
		stand_still();
	return -error;
}

#endif
