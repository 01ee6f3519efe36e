/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An MTL client that can be driven by hand: connects, sends and waits exactly
 * as libmtl does, and is told what to do by lines on stdin. One line of answer
 * for each, on stdout. What libmtl leaves uninitialised is 0xa5 here.
 *
 *   register NAME   get N   put N   any   heartbeat   queue IFINDEX
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FRAME = 118, MAGIC = 0x494d544c, HOSTNAME = 64 };
enum { REGISTER = 101, HEARTBEAT, GET_LCORE, PUT_LCORE, GET_QUEUE = 108 };

#define DEFAULT_PATH "/var/run/imtl/mtl_manager.sock"

static void put_u16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof(value));
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static void begin(uint8_t *frame, uint32_t type, uint32_t body_len)
{
	memset(frame, 0xa5, FRAME);
	put_u32(frame, MAGIC);
	put_u32(frame + 4, type);
	put_u32(frame + 8, body_len);
}

/* libmtl, too, gives up its manager when the socket fails, and waits without a limit. */
static int32_t ask(int sock, const uint8_t *frame)
{
	uint8_t reply[FRAME];
	uint32_t value;

	if (send(sock, frame, FRAME, MSG_NOSIGNAL) != FRAME ||
	    recv(sock, reply, FRAME, MSG_WAITALL) != FRAME) {
		printf("the manager is gone\n");
		exit(1);
	}
	memcpy(&value, reply + 12, sizeof(value));
	return (int32_t)ntohl(value);
}

static int32_t do_register(int sock, const char *name)
{
	uint8_t frame[FRAME];

	/* Host order, here and in PUT_LCORE: libmtl never converts these two. */
	begin(frame, REGISTER, htonl(FRAME - 12));
	put_u32(frame + 12, (uint32_t)getpid());
	put_u32(frame + 16, (uint32_t)getuid());
	memset(frame + 20, 0, HOSTNAME);
	memcpy(frame + 20, name, strnlen(name, HOSTNAME - 1));
	put_u16(frame + 84, 0);
	return ask(sock, frame);
}

static int32_t do_lcore(int sock, uint32_t type, long lcore)
{
	uint8_t frame[FRAME];

	begin(frame, type, type == PUT_LCORE ? htonl(2) : 2);
	put_u16(frame + 12, (uint16_t)lcore);
	return ask(sock, frame);
}

static int32_t do_word(int sock, uint32_t type, uint32_t body_len, uint32_t word)
{
	uint8_t frame[FRAME];

	begin(frame, type, body_len);
	put_u32(frame + 12, word);
	return ask(sock, frame);
}

/* There is no "any" in the protocol: libmtl asks for one after the other. */
static int do_any(int sock)
{
	cpu_set_t may;

	if (sched_getaffinity(0, sizeof(may), &may) < 0)
		return -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && do_lcore(sock, GET_LCORE, cpu) == 0)
			return cpu;
	return -1;
}

static void obey(int sock, const char *verb, const char *word)
{
	long number = strtol(word, NULL, 10);

	if (!strcmp(verb, "register"))
		printf("register %s: %d\n", word, do_register(sock, word));
	else if (!strcmp(verb, "get"))
		printf("get lcore %ld: %d\n", number, do_lcore(sock, GET_LCORE, number));
	else if (!strcmp(verb, "put"))
		printf("put lcore %ld: %d\n", number, do_lcore(sock, PUT_LCORE, number));
	else if (!strcmp(verb, "any"))
		printf("got lcore %d\n", do_any(sock));
	else if (!strcmp(verb, "heartbeat"))
		printf("heartbeat: %d\n", do_word(sock, HEARTBEAT, 4, 1));
	else if (!strcmp(verb, "queue"))
		printf("queue of if %ld: %d\n", number,
		       do_word(sock, GET_QUEUE, 26, (uint32_t)number));
	else
		printf("unknown: %s\n", verb);
}

static int dial(const char *path)
{
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0) {
		printf("connect: %s\n", strerror(errno));
		exit(1);
	}
	return sock;
}

int main(int argc, char **argv)
{
	int sock = dial(argc > 1 ? argv[1] : DEFAULT_PATH);
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
