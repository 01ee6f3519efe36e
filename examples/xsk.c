/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: xsk NIC PORT [COUNT]
 * Receives frames for a UDP port past the kernel's network stack, without a
 * privilege, and tells who sent them; ends after COUNT. REEVE_SOCKET in the
 * environment: where the daemon listens, if elsewhere.
 * cc -D_GNU_SOURCE xsk.c $(pkg-config --cflags --libs reeve) -o xsk
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <reeve/xsk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64 };

/* reeve's program lets through UDP frames only; IPv6 ones are just counted here. */
static void tell(const struct reeve_frame *f)
{
	const char *at = (const char *)f->data + sizeof(struct ethhdr);
	char source[INET_ADDRSTRLEN] = "?";
	struct udphdr udp;
	struct iphdr ip;

	if (f->len < sizeof(struct ethhdr) + sizeof(ip) + sizeof(udp))
		return;
	memcpy(&ip, at, sizeof(ip));
	if (ip.version != 4) {
		printf("%u bytes\n", f->len);
		return;
	}
	memcpy(&udp, at + sizeof(ip), sizeof(udp));
	inet_ntop(AF_INET, &ip.saddr, source, sizeof(source));
	printf("%s:%u to port %u, %u bytes\n", source, ntohs(udp.source), ntohs(udp.dest), f->len);
}

/* Whether `count` frames came. */
static bool receive(struct reeve *r, struct reeve_xsk *x, uint64_t count)
{
	struct pollfd p[] = { { .fd = reeve_xsk_fd(x), .events = POLLIN },
			      { .fd = reeve_fd(r), .events = POLLIN } };
	struct reeve_frame frames[BATCH];

	while (count) {
		size_t n = reeve_xsk_recv(x, frames, count < BATCH ? count : BATCH);

		for (size_t i = 0; i < n; i++)
			tell(&frames[i]);
		reeve_xsk_give_back(x, frames, n);
		fflush(stdout);
		count -= n;
		if (!n && poll(p, 2, -1) > 0 && p[1].revents)
			return false; /* the daemon is gone, and the queue with it */
	}
	return true;
}

int main(int argc, char **argv)
{
	struct reeve_xsk_want want = { .size = sizeof(want), .name = "xsk example" };
	struct reeve_xsk *x = NULL;
	struct reeve *r = NULL;
	uint16_t port;
	bool all;

	if (argc < 3) {
		fprintf(stderr, "usage: %s NIC PORT [COUNT]\n", argv[0]);
		return 2;
	}
	port = (uint16_t)strtoul(argv[2], NULL, 10);
	want.nic = argv[1];
	want.ports = &port;
	want.nports = 1;
	if (reeve_open(getenv("REEVE_SOCKET"), &r) < 0 || reeve_xsk_open(r, &want, &x) < 0) {
		fprintf(stderr, "%s\n", r ? reeve_error(r) : "out of memory");
		reeve_close(r);
		return 1;
	}
	printf("lease %" PRIu64 ": queue %u of %s\n", reeve_xsk_lease(x), reeve_xsk_queue(x),
	       want.nic);
	fflush(stdout);
	all = receive(r, x, argc > 3 ? strtoull(argv[3], NULL, 10) : UINT64_MAX);
	reeve_xsk_close(x);
	reeve_close(r);
	return all ? 0 : 1;
}
