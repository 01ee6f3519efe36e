/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: control attach|reference|listen IP|connect IP REMOTE PORT
 *
 * How long an application waits for a new channel, as our library asks for it or as
 * Machnet's does, for a port, or for a flow to who listens at REMOTE. Prints the median and
 * the longest of COUNT, in ns. Between two there is a pause, as between applications.
 */
#include <err.h>
#include <fcntl.h>
#include <machnet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "shim/door.h"

enum { COUNT = 15, PAUSE_MS = 60, PORT = 9000 };

static const char *ip, *remote;
static uint16_t port;
static void *ctx;

/* --- what is timed ------------------------------------------------------------------------ */

static void ours(int number)
{
	(void)number;
	ctx = machnet_attach();
	if (!ctx)
		err(1, "attach");
}

static void end_ours(void)
{
	machnet_detach(ctx);
}

static struct {
	void *at;
	size_t size;
	int sock;
} theirs;

/* The connection is no bell, so the channel ends with the process, not with it. */
static void reference(int number)
{
	struct chan_msg m = { .type = CHAN_REQ_CHANNEL,
			      .id = (uint32_t)number,
			      .channel = { .rings = 1024, .buffers = 4096 } };
	struct stat st;
	int fd = -1;

	memcpy(m.app, g_app_uuid, sizeof(m.app));
	if (getrandom(m.channel.channel, sizeof(m.channel.channel), 0) < 0 ||
	    door_connect(&theirs.sock) < 0 || door_ask(theirs.sock, &m, &fd) < 0 ||
	    fstat(fd, &st) < 0)
		errx(1, "no channel");
	theirs.size = (size_t)st.st_size;
	theirs.at = mmap(NULL, theirs.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			 0);
	if (theirs.at == MAP_FAILED || *(uint32_t *)theirs.at != CHAN_MAGIC)
		errx(1, "no memory of a channel");
	close(fd);
}

static void end_reference(void)
{
	munmap(theirs.at, theirs.size);
	close(theirs.sock);
}

static void hear(int number)
{
	if (machnet_listen(ctx, ip, (uint16_t)(PORT + number)) != 0)
		err(1, "listen");
}

static void call(int number)
{
	MachnetFlow_t flow;

	(void)number;
	if (machnet_connect(ctx, ip, remote, port, &flow) != 0)
		err(1, "connect");
}

static void nothing(void)
{
}

/* --- the rest ----------------------------------------------------------------------------- */

static void measure(void (*what)(int number), void (*end)(void))
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * (long)NS_PER_MS };
	struct histogram took = { 0 };

	for (int i = 0; i < COUNT; i++) {
		uint64_t since;

		nanosleep(&pause, NULL);
		since = clock_mono_ns();
		what(i);
		histogram_add(&took, clock_mono_ns() - since);
		end();
	}
	printf("median %llu\nlongest %llu\n", (unsigned long long)histogram_at(&took, 0.5),
	       (unsigned long long)took.max);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	ip = argc > 2 ? argv[2] : NULL;
	remote = argc > 3 ? argv[3] : NULL;
	port = argc > 4 ? (uint16_t)strtoul(argv[4], NULL, 10) : 0;
	if (machnet_init() != 0)
		err(1, "init");
	if (!strcmp(what, "attach")) {
		measure(ours, end_ours);
		return 0;
	}
	if (!strcmp(what, "reference")) {
		measure(reference, end_reference);
		return 0;
	}
	ours(0);
	measure(strcmp(what, "listen") ? call : hear, nothing);
	return 0;
}
