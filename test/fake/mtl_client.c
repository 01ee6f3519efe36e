/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An MTL client that can be driven by hand: connects, sends and waits exactly
 * as libmtl does, and is told what to do by lines on stdin. One line of answer
 * for each, on stdout.
 *
 *   register NAME   get N   put N   any   heartbeat   queue IFINDEX
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mtl_wire.h"

/* There is no "any" in the protocol: libmtl asks for one after the other. */
static int do_any(int sock)
{
	cpu_set_t may;

	if (sched_getaffinity(0, sizeof(may), &may) < 0)
		return -1;
	for (uint16_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && mtl_lcore(sock, MTL_GET_LCORE, cpu) == 0)
			return cpu;
	return -1;
}

static int32_t do_queue(int sock, uint32_t ifindex)
{
	return mtl_interface(sock, MTL_GET_QUEUE, &(struct mtl_flow){ .ifindex = ifindex });
}

static void obey(int sock, const char *verb, const char *word)
{
	long number = strtol(word, NULL, 10);

	if (!strcmp(verb, "register"))
		printf("register %s: %d\n", word, mtl_register(sock, word, NULL, 0));
	else if (!strcmp(verb, "get"))
		printf("get lcore %ld: %d\n", number,
		       mtl_lcore(sock, MTL_GET_LCORE, (uint16_t)number));
	else if (!strcmp(verb, "put"))
		printf("put lcore %ld: %d\n", number,
		       mtl_lcore(sock, MTL_PUT_LCORE, (uint16_t)number));
	else if (!strcmp(verb, "any"))
		printf("got lcore %d\n", do_any(sock));
	else if (!strcmp(verb, "heartbeat"))
		printf("heartbeat: %d\n", mtl_heartbeat(sock));
	else if (!strcmp(verb, "queue"))
		printf("queue of if %ld: %d\n", number, do_queue(sock, (uint32_t)number));
	else
		printf("unknown: %s\n", verb);
}

int main(int argc, char **argv)
{
	int sock = mtl_dial(argc > 1 ? argv[1] : MTL_DEFAULT_PATH);
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		char *rest = NULL;
		const char *verb = strtok_r(line, " \n", &rest);
		const char *word = strtok_r(NULL, " \n", &rest);

		if (verb)
			obey(sock, verb, word ? word : "");
	}
	return 0;
}
