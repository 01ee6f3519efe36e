/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cc hello_world.c -lmachnet_shim -o hello_world
 *
 * hello_world --local=10.0.0.1                      prints what comes
 * hello_world --local=10.0.0.2 --remote=10.0.0.1    sends one message there
 */
#include <getopt.h>
#include <machnet.h>
#include <stdio.h>
#include <string.h>

enum { PORT = 31580 };

static int complain(const char *what)
{
	perror(what);
	return 1;
}

static int say_hello(void *ctx, const char *local, const char *remote)
{
	static const char text[] = "Hello World!";
	MachnetFlow_t flow;

	if (machnet_connect(ctx, local, remote, PORT, &flow) < 0)
		return complain("machnet_connect");
	printf("Sending message\n");
	if (machnet_send(ctx, flow, text, strlen(text)) < 0)
		return complain("machnet_send");
	machnet_close(ctx, flow); /* what was sent is delivered first */
	return 0;
}

static int print_messages(void *ctx)
{
	unsigned long count = 0;
	char text[1024];
	ssize_t n;

	printf("Waiting for messages\n");
	fflush(stdout);
	while ((n = machnet_recv_wait(ctx, text, sizeof(text), NULL, -1)) > 0) {
		printf("Received message: %.*s, count = %lu\n", (int)n, text, ++count);
		fflush(stdout);
	}
	return complain("machnet_recv_wait");
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "local", required_argument, NULL, 'l' },
						 { "remote", required_argument, NULL, 'r' },
						 { 0 } };
	const char *local = "", *remote = "";
	void *ctx;
	int o;

	while ((o = getopt_long_only(argc, argv, "", options, NULL)) != -1)
		if (o == 'l')
			local = optarg;
		else if (o == 'r')
			remote = optarg;
		else
			return 1;
	if (machnet_init() < 0)
		return complain("machnet_init");
	ctx = machnet_attach();
	if (!ctx)
		return complain("machnet_attach");
	if (machnet_listen(ctx, local, PORT) < 0)
		return complain("machnet_listen");
	o = *remote ? say_hello(ctx, local, remote) : print_messages(ctx);
	machnet_detach(ctx);
	return o;
}
