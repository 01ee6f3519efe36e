/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An MTL client with interfaces, that can be driven by hand: does what libmtl's
 * port native_af_xdp does, when lines on stdin say so. One line of answer for
 * each, "WORD: NUMBER [MORE]". IF is a name or a number. Needs CAP_NET_RAW.
 *
 *   register NAME IF...          to the manager
 *   queue IF                     a queue of its own
 *   putqueue IF QUEUE
 *   map IF                       the XSKMAP; what kind of file came is printed
 *   port IF PORT                 a UDP port is wanted; unport IF PORT
 *   flow IF QUEUE SRC DST PORT   "-" for no SRC; unflow IF ID
 *   open IF QUEUE [SOCKET]       makes an AF_XDP socket, in the memory of another one
 *   insert SOCKET SLOT           into the XSKMAP of its interface; delete SOCKET SLOT
 *   close SOCKET
 *   recv COUNT MS                until so many frames came or the time is over
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mtl_wire.h"
#include "xsk_port.h"

enum { WORDS = 10, PORTS = 16, MAPS = 16, KINDS = 64 };

/* Frames of one kind: by socket, UDP ports and length. */
struct kind {
	uint32_t socket, src, dst, len;
	uint32_t count;
};

static struct xsk_port ports[PORTS];
static uint32_t nports;
static struct {
	uint32_t ifindex;
	int fd;
} maps[MAPS];
static uint32_t nmaps;

static uint32_t number(const char *word)
{
	return word ? (uint32_t)strtoul(word, NULL, 10) : 0;
}

static uint32_t interface(const char *word)
{
	if (!word)
		return 0;
	return *word >= '0' && *word <= '9' ? number(word) : if_nametoindex(word);
}

static int do_register(int sock, char **words)
{
	uint32_t ifindexes[WORDS];
	size_t n = 0;

	for (char **word = words + 2; *word; word++)
		ifindexes[n++] = interface(*word);
	return mtl_register(sock, words[1] ? words[1] : "", ifindexes, n);
}

static int do_flow(int sock, char **words)
{
	struct mtl_flow flow = { .ifindex = interface(words[1]),
				 .queue = (uint16_t)number(words[2]) };

	if (!words[3] || !words[4] || !words[5])
		return -EINVAL;
	if (*words[3] != '-' && inet_pton(AF_INET, words[3], &flow.src) != 1)
		return -EINVAL;
	if (inet_pton(AF_INET, words[4], &flow.dst) != 1)
		return -EINVAL;
	flow.dst_port = (uint16_t)number(words[5]);
	return mtl_interface(sock, MTL_ADD_FLOW, &flow);
}

static int do_map(int sock, uint32_t ifindex, char *ret_kind, size_t size)
{
	char path[64];
	ssize_t n;
	int fd = mtl_map_fd(sock, ifindex);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, ret_kind, size - 1);
	ret_kind[n > 0 ? n : 0] = '\0';
	maps[nmaps % MAPS].ifindex = ifindex;
	maps[nmaps++ % MAPS].fd = fd;
	return fd;
}

/* The newest map of the interface; libmtl asks for one for each queue. */
static int map_of(uint32_t ifindex)
{
	for (uint32_t i = nmaps; i-- > 0 && nmaps - i <= MAPS;)
		if (maps[i % MAPS].ifindex == ifindex)
			return maps[i % MAPS].fd;
	return -1;
}

/* The socket's number. */
static int do_open(char **words)
{
	struct xsk_port *shared = words[3] ? &ports[number(words[3]) % PORTS] : NULL;
	int r;

	if (nports == PORTS)
		return -ENFILE;
	r = xsk_port_open(&ports[nports], interface(words[1]), number(words[2]), shared);
	return r < 0 ? r : (int)nports++;
}

static int do_slot(const char *verb, const struct xsk_port *port, uint32_t slot)
{
	int map = map_of(port->ifindex);

	return *verb == 'i' ? xskmap_insert(map, slot, port->sock) : xskmap_delete(map, slot);
}

/* --- frames -------------------------------------------------------------------- */

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* Where UDP begins; 0: the frame has none. */
static uint32_t udp_at(const uint8_t *frame, uint32_t len)
{
	uint32_t at = 12;

	while (at + 4 <= len && (be16(frame + at) == 0x8100 || be16(frame + at) == 0x88a8))
		at += 4;
	if (at + 2 + 40 > len && be16(frame + at) != 0x0800)
		return 0;
	if (be16(frame + at) == 0x0800 && frame[at + 2 + 9] == IPPROTO_UDP)
		return at + 2 + 4U * (frame[at + 2] & 15);
	if (be16(frame + at) == 0x86dd && frame[at + 2 + 6] == IPPROTO_UDP)
		return at + 2 + 40;
	return 0;
}

static void count(struct kind *kinds, struct kind seen)
{
	for (uint32_t i = 0; i < KINDS; i++) {
		struct kind *k = &kinds[i];

		if (k->count && (k->socket != seen.socket || k->src != seen.src ||
				 k->dst != seen.dst || k->len != seen.len))
			continue;
		seen.count = k->count + 1;
		*k = seen;
		return;
	}
}

static uint32_t drain(uint32_t socket, struct kind *kinds)
{
	const uint8_t *frame;
	uint32_t len, n = 0;

	while ((frame = xsk_port_peek(&ports[socket], &len))) {
		struct kind seen = { .socket = socket, .len = len };
		uint32_t udp = len < 42 ? 0 : udp_at(frame, len);

		if (udp && udp + 4 <= len) {
			seen.src = be16(frame + udp);
			seen.dst = be16(frame + udp + 2);
		}
		count(kinds, seen);
		xsk_port_next(&ports[socket]);
		n++;
	}
	return n;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t receive(uint32_t want, uint32_t ms, struct kind *kinds)
{
	struct pollfd polls[PORTS];
	int64_t end = now_ms() + ms;
	uint32_t n = 0;

	for (;;) {
		int64_t left = end - now_ms();

		for (uint32_t i = 0; i < nports; i++) {
			polls[i] = (struct pollfd){ .fd = ports[i].sock, .events = POLLIN };
			if (ports[i].sock >= 0)
				n += drain(i, kinds);
		}
		if (n >= want || left <= 0)
			return n;
		poll(polls, nports, (int)left);
	}
}

/* "recv: 12 0:1000>5000/60*10 1:1001>5000/60*2": socket, ports, length, how many. */
static void do_recv(uint32_t want, uint32_t ms)
{
	struct kind kinds[KINDS] = { 0 };

	printf("recv: %u", receive(want, ms, kinds));
	for (uint32_t i = 0; i < KINDS && kinds[i].count; i++)
		printf(" %u:%u>%u/%u*%u", kinds[i].socket, kinds[i].src, kinds[i].dst, kinds[i].len,
		       kinds[i].count);
	printf("\n");
}

/* --- orders ---------------------------------------------------------------------- */

static int port_order(int sock, char **words)
{
	uint32_t type = *words[0] == 'u' ? MTL_DEL_PORT : MTL_ADD_PORT;

	return mtl_port(sock, type, interface(words[1]), (uint16_t)number(words[2]));
}

static int interface_order(int sock, uint32_t type, char **words)
{
	struct mtl_flow of = { .ifindex = interface(words[1]),
			       .queue = (uint16_t)number(words[2]),
			       .id = number(words[2]) };

	return mtl_interface(sock, type, &of);
}

static int manager_order(int sock, char **words)
{
	const char *verb = words[0];

	if (!strcmp(verb, "register"))
		return do_register(sock, words);
	if (!strcmp(verb, "queue"))
		return interface_order(sock, MTL_GET_QUEUE, words);
	if (!strcmp(verb, "putqueue"))
		return interface_order(sock, MTL_PUT_QUEUE, words);
	if (!strcmp(verb, "unflow"))
		return interface_order(sock, MTL_DEL_FLOW, words);
	if (!strcmp(verb, "flow"))
		return do_flow(sock, words);
	if (!strcmp(verb, "port") || !strcmp(verb, "unport"))
		return port_order(sock, words);
	return -ENOSYS;
}

static int socket_order(char **words)
{
	const char *verb = words[0];
	struct xsk_port *port = &ports[number(words[1]) % PORTS];

	if (!strcmp(verb, "open"))
		return do_open(words);
	if (!strcmp(verb, "insert") || !strcmp(verb, "delete"))
		return do_slot(verb, port, number(words[2]));
	if (strcmp(verb, "close") != 0)
		return -ENOSYS;
	xsk_port_close(port);
	return 0;
}

static void obey(int sock, char **words)
{
	char kind[64];
	int r;

	if (!strcmp(words[0], "recv")) {
		do_recv(number(words[1]), number(words[2]));
	} else if (!strcmp(words[0], "map")) {
		r = do_map(sock, interface(words[1]), kind, sizeof(kind));
		printf("map: %d %s\n", r, kind);
	} else {
		r = manager_order(sock, words);
		if (r == -ENOSYS)
			r = socket_order(words);
		printf("%s: %d\n", words[0], r);
	}
}

int main(int argc, char **argv)
{
	int sock = mtl_dial(argc > 1 ? argv[1] : MTL_DEFAULT_PATH);
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		char *words[WORDS + 3] = { NULL };
		char *rest = NULL;
		size_t n = 0;

		for (char *word = strtok_r(line, " \n", &rest); word && n < WORDS + 2;
		     word = strtok_r(NULL, " \n", &rest))
			words[n++] = word;
		if (words[0])
			obey(sock, words);
	}
	return 0;
}
