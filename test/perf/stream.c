/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: stream receive IP PORT
 *        stream send IP REMOTE PORT SIZE MS FLOWS
 *
 * Messages of one size, one way, from application to application, as fast as they are
 * taken, over so many flows in turn. The receiver says "ready", and on SIGTERM "rate N", of
 * messages a second, and "bytes N", of them a second.
 */
#include <err.h>
#include <errno.h>
#include <machnet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { MOST = 65536, FLOWS_MOST = 64, WAIT_MS = 100 };

static char buf[MOST];
static volatile sig_atomic_t ended;

static void on_signal(int signo)
{
	(void)signo;
	ended = 1;
}

static void *attach(void)
{
	void *ctx;

	if (machnet_init() != 0)
		err(1, "init");
	ctx = machnet_attach();
	if (!ctx)
		err(1, "attach");
	return ctx;
}

static void receive(const char *ip, uint16_t port)
{
	const void *ctx = attach();
	uint64_t count = 0, bytes = 0, first = 0, last = 0;
	double seconds;

	if (machnet_listen(ctx, ip, port) != 0)
		err(1, "listen");
	puts("ready");
	fflush(stdout);
	while (!ended) {
		ssize_t n = machnet_recv_wait(ctx, buf, sizeof(buf), NULL, WAIT_MS);

		if (n < 0 && errno != EINTR)
			err(1, "receive");
		if (n <= 0)
			continue;
		last = clock_mono_ns();
		first = first ? first : last;
		count++;
		bytes += (uint64_t)n;
	}
	if (count < 2)
		errx(1, "nothing came");
	seconds = (double)(last - first) / NS_PER_S;
	printf("rate %.0f\nbytes %.0f\n", (double)count / seconds, (double)bytes / seconds);
}

static void send_all(char **arg)
{
	const void *ctx = attach();
	size_t size = strtoul(arg[3], NULL, 10);
	uint16_t port = (uint16_t)strtoul(arg[2], NULL, 10);
	uint64_t end;
	long nflows = strtol(arg[5], NULL, 10);
	MachnetFlow_t flows[FLOWS_MOST];

	if (size > MOST || nflows < 1 || nflows > FLOWS_MOST)
		errx(2, "at most %d bytes, and 1 to %d flows", MOST, FLOWS_MOST);
	for (long i = 0; i < nflows; i++)
		if (machnet_connect(ctx, arg[0], arg[1], port, &flows[i]) != 0)
			err(1, "connect");
	end = clock_mono_ns() + strtoul(arg[4], NULL, 10) * NS_PER_MS;
	for (long i = 0; !ended && clock_mono_ns() < end; i = (i + 1) % nflows)
		if (machnet_send_wait(ctx, flows[i], buf, size, WAIT_MS) != 0 && errno != EAGAIN)
			err(1, "send");
	for (long i = 0; i < nflows; i++)
		machnet_close(ctx, flows[i]);
	machnet_detach(ctx);
}

int main(int argc, char **argv)
{
	signal(SIGTERM, on_signal);
	if (argc == 4 && !strcmp(argv[1], "receive"))
		receive(argv[2], (uint16_t)strtoul(argv[3], NULL, 10));
	else if (argc == 8 && !strcmp(argv[1], "send"))
		send_all(argv + 2);
	else
		errx(2, "usage: stream receive IP PORT | send IP REMOTE PORT SIZE MS FLOWS");
	return 0;
}
