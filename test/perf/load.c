/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client side of the bench: the bytes libmtl sends, to reeve or to the
 * floor, and nothing between two messages that the server could hide behind.
 *
 *   getput N   N registered connections with one request on its way on each; a
 *              cycle is one GET_LCORE and one PUT_LCORE. N = 1 is ping-pong.
 *              Connections are served in turn by blocking calls, so a message
 *              costs this program one recv and one send, less than any server
 *              that has to find out who is talking.
 *   cycle      connect, register, get, put, close
 *   latency    getput on one connection, with the time of each request in ns
 *   hold N     N registered connections that say nothing until stdin ends
 *
 * Every answer is checked: a refusal ends the run, so a rate is the rate of
 * what was really granted. With -e the server echoes.
 */
#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "wire/mtl.h"

enum {
	HEAD = 16,	 /* magic, type, body_len, value: all an answer says */
	FIRST_LCORE = 1, /* client i asks for FIRST_LCORE + i */
	GETPUT_MAX = 64,
	HOLD_MAX = 20000,
	SAMPLES_MAX = 1 << 22,
};

#define WARM_NS (20 * NS_PER_MS)

enum { GET, PUT };

struct client {
	int fd;
	uint8_t ask[2][MTL_FRAME]; /* by GET and PUT */
};

static struct sockaddr_un server = { .sun_family = AF_UNIX };
static bool echoed;

static uint64_t now(void)
{
	return clock_boot_ns();
}

static void be16(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static void be32(uint8_t *to, uint32_t v)
{
	be16(to, v >> 16);
	be16(to + 2, v);
}

static void request_head(uint8_t frame[static MTL_FRAME], enum mtl_type type)
{
	memset(frame, 0, MTL_FRAME);
	be32(frame, MTL_MAGIC);
	be32(frame + 4, type);
}

static void request_lcore(uint8_t frame[static MTL_FRAME], enum mtl_type type, uint32_t lcore)
{
	request_head(frame, type);
	be16(frame + 12, lcore);
}

static void request_register(uint8_t frame[static MTL_FRAME])
{
	request_head(frame, MTL_REGISTER);
	be32(frame + 12, (uint32_t)getpid());
	be32(frame + 16, getuid());
	memcpy(frame + 20, "bench", sizeof("bench"));
}

static void client_send(const struct client *c, const uint8_t frame[static MTL_FRAME])
{
	if (send(c->fd, frame, MTL_FRAME, MSG_NOSIGNAL) != MTL_FRAME)
		err(1, "send");
}

/* The answer must be what the server owes to `frame`. */
static void client_recv(const struct client *c, const uint8_t frame[static MTL_FRAME])
{
	static const uint8_t yes[HEAD] = { 'I', 'M', 'T', 'L', 0, 0, 0, MTL_RESPONSE, 0, 0, 0, 4 };
	uint8_t answer[MTL_FRAME];
	ssize_t n;

	n = recv(c->fd, answer, sizeof(answer), MSG_WAITALL);
	if (n < 0)
		err(1, "recv");
	if (n != MTL_FRAME)
		errx(1, "the server hung up");
	if (memcmp(answer, echoed ? frame : yes, HEAD) != 0)
		errx(1, "request %u: answer %u, value %d", frame[7], answer[7], (int8_t)answer[15]);
}

static void client_ask(const struct client *c, const uint8_t frame[static MTL_FRAME])
{
	client_send(c, frame);
	client_recv(c, frame);
}

static int server_connect(void)
{
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		err(1, "%s", server.sun_path);
	return fd;
}

static void client_open(struct client *c, unsigned index)
{
	uint8_t reg[MTL_FRAME];

	request_register(reg);
	request_lcore(c->ask[GET], MTL_GET_LCORE, FIRST_LCORE + index);
	request_lcore(c->ask[PUT], MTL_PUT_LCORE, FIRST_LCORE + index);
	c->fd = server_connect();
	client_ask(c, reg);
}

/* Takes the answers to what each client sent last, and sends its next request. */
static void getput_turn(const struct client *c, unsigned n, int sent, int next)
{
	for (unsigned i = 0; i < n; i++) {
		client_recv(&c[i], c[i].ask[sent]);
		client_send(&c[i], c[i].ask[next]);
	}
}

/* Cycles done until `ns` have passed; nothing is held or on its way afterwards. */
static uint64_t getput_run(const struct client *c, unsigned n, uint64_t ns, uint64_t *ret_ns)
{
	uint64_t start = now();
	uint64_t cycles = 0;

	for (unsigned i = 0; i < n; i++)
		client_send(&c[i], c[i].ask[GET]);
	do {
		getput_turn(c, n, GET, PUT);
		getput_turn(c, n, PUT, GET);
		cycles += n;
	} while (now() - start < ns);
	*ret_ns = now() - start;
	for (unsigned i = 0; i < n; i++) {
		client_recv(&c[i], c[i].ask[GET]);
		client_ask(&c[i], c[i].ask[PUT]);
	}
	return cycles;
}

/* `warm`: cycles outside of the time, for whoever counts the server's work. */
static void rate_print(uint64_t cycles, uint64_t ns, uint64_t warm)
{
	printf("rate %.1f\n", (double)cycles * (double)NS_PER_S / (double)ns);
	printf("cycles %" PRIu64 "\n", cycles + warm);
}

static void getput(unsigned n, uint64_t ns)
{
	struct client clients[GETPUT_MAX];
	uint64_t cycles;
	uint64_t took;
	uint64_t warm;

	for (unsigned i = 0; i < n; i++)
		client_open(&clients[i], i);
	warm = getput_run(clients, n, WARM_NS, &took);
	cycles = getput_run(clients, n, ns, &took);
	rate_print(cycles, took, warm);
}

static uint64_t cycle_run(uint64_t ns, uint64_t *ret_ns)
{
	uint64_t start = now();
	uint64_t cycles = 0;
	struct client c;

	do {
		client_open(&c, 0);
		client_ask(&c, c.ask[GET]);
		client_ask(&c, c.ask[PUT]);
		close(c.fd);
		cycles++;
	} while (now() - start < ns);
	*ret_ns = now() - start;
	return cycles;
}

static void cycle(uint64_t ns)
{
	uint64_t cycles;
	uint64_t took;
	uint64_t warm;

	warm = cycle_run(WARM_NS, &took);
	cycles = cycle_run(ns, &took);
	rate_print(cycles, took, warm);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void latency(uint64_t ns)
{
	_cleanup_free_ uint32_t *sample = calloc(SAMPLES_MAX, sizeof(*sample));
	struct client c;
	uint64_t start;
	uint64_t last;
	uint64_t t;
	size_t n = 0;

	if (!sample)
		err(1, "samples");
	client_open(&c, 0);
	getput_run(&c, 1, WARM_NS, &t);
	start = last = now();
	do {
		/* An even number, so that the last one gives the core back. */
		client_ask(&c, c.ask[n % 2 ? PUT : GET]);
		t = now();
		sample[n++] = (uint32_t)(t - last);
		last = t;
	} while (n % 2 || (t - start < ns && n < SAMPLES_MAX));
	qsort(sample, n, sizeof(*sample), by_value);
	printf("p50 %u\np99 %u\n", sample[n / 2], sample[n * 99 / 100]);
}

static void hold(unsigned n)
{
	struct client c;
	char byte;

	for (unsigned i = 0; i < n; i++)
		client_open(&c, 0);
	printf("held %u\n", n);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static uint64_t number(const char *text, uint64_t max)
{
	uint64_t v;

	if (str_u64(text, max, &v) < 0 || v == 0)
		errx(2, "%s: not a number from 1 to %" PRIu64, text, max);
	return v;
}

static void usage(void)
{
	errx(2, "usage: load [-e] SOCKET getput N MS | cycle MS | latency MS | hold N");
}

int main(int argc, char **argv)
{
	echoed = argc > 1 && strcmp(argv[1], "-e") == 0;
	argv += 1 + echoed;
	argc -= 1 + echoed;
	if (argc < 3)
		usage();
	if (!str_copy(server.sun_path, sizeof(server.sun_path), argv[0]))
		errx(2, "%s: path too long", argv[0]);
	if (argc == 4 && strcmp(argv[1], "getput") == 0)
		getput((unsigned)number(argv[2], GETPUT_MAX), number(argv[3], 60000) * NS_PER_MS);
	else if (argc == 3 && strcmp(argv[1], "cycle") == 0)
		cycle(number(argv[2], 60000) * NS_PER_MS);
	else if (argc == 3 && strcmp(argv[1], "latency") == 0)
		latency(number(argv[2], 60000) * NS_PER_MS);
	else if (argc == 3 && strcmp(argv[1], "hold") == 0)
		hold((unsigned)number(argv[2], HOLD_MAX));
	else
		usage();
	return 0;
}
