/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two stacks on a simulated network, in one thread: a flow of 64-byte messages from one
 * to the other for RUN_MS. Prints how many packets a second that is, acknowledgements
 * among them.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "port/simnet.h"
#include "stack/stack.h"

enum { RUN_MS = 300, MESSAGE = 64, PORT = 888 };

static struct simnet *net;
static struct stack *stacks[2];
static struct ipaddr ips[2];
static struct flow *flow;
static bool up;
static uint64_t messages;

static void on_connected(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	up = !error;
}

static bool on_accepted(void *arg, struct flow *f, void *listener)
{
	(void)arg;
	(void)f;
	(void)listener;
	return true;
}

static bool on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	(void)arg;
	(void)f;
	(void)data;
	(void)len;
	messages += flags & MACHNET_LAST ? 1 : 0;
	return true;
}

static void on_sendable(void *arg, struct flow *f)
{
	(void)arg;
	(void)f;
}

static void on_closed(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	errx(1, "the flow is gone: %s", strerror(error));
}

static const struct stack_user user = {
	.connected = on_connected,
	.accepted = on_accepted,
	.received = on_received,
	.sendable = on_sendable,
	.closed = on_closed,
};

static void open_stack(int i)
{
	struct stack_conf c = { .naddrs = 1,
				.flows = 64,
				.segments = 1024,
				.listeners = 4,
				.neighbours = 16,
				.seed = 1,
				.user = &user };
	struct port *port;

	ipaddr_from4(&ips[i], (const uint8_t[]){ 10, 0, 0, (uint8_t)(i + 1) });
	c.addrs[0] = (struct stack_addr){ .ip = ips[i], .prefix = 24 };
	if (simnet_attach(net, 0, NULL, &port) < 0)
		errx(1, "no port");
	c.port = port;
	if (stack_new(&c, 0, &stacks[i]) < 0)
		errx(1, "no stack");
}

static void turn(void)
{
	simnet_advance(net, simnet_now(net) + 1000);
	stack_poll(stacks[0], simnet_now(net));
	stack_poll(stacks[1], simnet_now(net));
}

static void send_all(void)
{
	static const uint8_t message[MESSAGE];

	while (flow_put(flow, message, MESSAGE, true))
		;
	stack_flush(stacks[0]);
}

int main(void)
{
	uint64_t begin, took, sent;

	if (simnet_new(1, 4096, &net) < 0)
		errx(1, "no network");
	open_stack(0);
	open_stack(1);
	if (stack_listen(stacks[1], &ips[1], PORT, NULL) < 0 ||
	    stack_connect(stacks[0], &ips[0], &ips[1], PORT, NULL, &flow) < 0)
		errx(1, "no flow");
	while (!up)
		turn();
	sent = simnet_stats(net)->sent;
	begin = clock_mono_ns();
	do {
		for (int i = 0; i < 64; i++) {
			send_all();
			turn();
		}
		took = clock_mono_ns() - begin;
	} while (took < RUN_MS * NS_PER_MS);
	sent = simnet_stats(net)->sent - sent;
	printf("rate %.0f\nmessages %.0f\n", (double)sent * 1e9 / (double)took,
	       (double)messages * 1e9 / (double)took);
	stack_free(stacks[0]);
	stack_free(stacks[1]);
	simnet_free(net);
	return 0;
}
