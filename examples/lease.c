/* SPDX-License-Identifier: BSD-3-Clause */
/* cc -D_GNU_SOURCE lease.c $(pkg-config --cflags --libs reeve) -o lease */
#include <inttypes.h>
#include <reeve/reeve.h>
#include <sched.h>
#include <stdio.h>

int main(void)
{
	struct reeve_want want = { .size = sizeof(want), .count = 2, .whole_core = true };
	struct reeve_lease leases[2];
	struct reeve *r = NULL;
	cpu_set_t cpus;
	size_t n = 0;

	if (reeve_open(NULL, &r) < 0 || reeve_acquire(r, &want, leases, 2, &n) < 0) {
		fprintf(stderr, "%s\n", r ? reeve_error(r) : "out of memory");
		reeve_close(r);
		return 1;
	}
	CPU_ZERO(&cpus);
	for (size_t i = 0; i < n; i++) {
		printf("lease %" PRIu64 ": cpu %u\n", leases[i].id, leases[i].cpu);
		CPU_SET(leases[i].cpu, &cpus);
	}
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		perror("sched_setaffinity");
	for (size_t i = 0; i < n; i++)
		reeve_release(r, leases[i].id);
	reeve_close(r);
	return 0;
}
