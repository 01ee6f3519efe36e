/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two stacks on a simulated wire that gets worse: one sends messages, the other compares
 * each with what it must be. Time is simulated, so this takes a moment. For the demo.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "port/simnet.h"
#include "stack/stack.h"

enum { MESSAGE = 5000, PORT = 888, PHASE_S = 2 };

struct end {
	struct port *port;
	struct stack *stack;
	struct flow *flow;
	uint64_t sent, got, wrong;
	size_t at_out, at_in;
};

static struct simnet *wire;
static struct end ends[2];

static uint8_t byte_of(uint64_t message, size_t at)
{
	return (uint8_t)(message * 31 + at);
}

static void speak(struct end *x)
{
	static uint8_t message[MESSAGE];
	size_t took;

	do {
		for (size_t i = 0; i < MESSAGE; i++)
			message[i] = byte_of(x->sent, i);
		took = flow_put(x->flow, message + x->at_out, MESSAGE - x->at_out, true);
		x->at_out += took;
		if (x->at_out < MESSAGE)
			return;
		x->at_out = 0;
		x->sent++;
	} while (took);
}

static void on_connected(void *arg, struct flow *f, int error)
{
	struct end *x = arg;

	if (error)
		exit(1);
	x->flow = f;
	speak(x);
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
	struct end *x = arg;

	(void)f;
	for (uint32_t i = 0; i < len; i++)
		x->wrong += data[i] != byte_of(x->got, x->at_in + i);
	x->at_in += len;
	if (flags & MACHNET_LAST) {
		x->wrong += x->at_in != MESSAGE;
		x->at_in = 0;
		x->got++;
	}
	return true;
}

static void on_sendable(void *arg, struct flow *f)
{
	(void)f;
	speak(arg);
}

static void on_closed(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	fprintf(stderr, "talk: the flow ended: %s\n", strerror(error));
	exit(1);
}

static const struct stack_user user = {
	.connected = on_connected,
	.accepted = on_accepted,
	.received = on_received,
	.sendable = on_sendable,
	.closed = on_closed,
};

static void open_end(struct end *x, const char *address, const struct simnet_link *link)
{
	struct stack_conf conf = { .naddrs = 1,
				   .flows = 16,
				   .segments = 4096,
				   .listeners = 8,
				   .neighbours = 64,
				   .seed = 1,
				   .user = &user,
				   .arg = x };

	ipaddr_parse(address, &conf.addrs[0].ip);
	if (simnet_attach(wire, 0, link, &x->port) < 0)
		exit(1);
	conf.port = x->port;
	if (stack_new(&conf, 1, &x->stack) < 0)
		exit(1);
}

static uint64_t next_due(void)
{
	uint64_t a = stack_deadline(ends[0].stack), b = stack_deadline(ends[1].stack);

	return a < b ? a : b;
}

static void run_until(uint64_t until)
{
	while (simnet_now(wire) < until) {
		uint64_t due = next_due();

		if (due <= simnet_now(wire))
			due = simnet_now(wire) + 1000;
		simnet_advance(wire, due < until ? due : until);
		for (int i = 0; i < 2; i++)
			stack_poll(ends[i].stack, simnet_now(wire) + 1);
	}
}

static void phase(uint32_t loss_percent)
{
	struct simnet_link link = { .loss_ppm = loss_percent * 10000, .delay_ns = 50000 };
	uint64_t got = ends[1].got;
	struct stack_stats before, after;

	stack_stats(ends[0].stack, &before);
	simnet_set_link(ends[0].port, &link);
	simnet_set_link(ends[1].port, &link);
	run_until(simnet_now(wire) + PHASE_S * NS_PER_S);
	stack_stats(ends[0].stack, &after);
	printf("%2u %% of all packets lost: %6llu messages/s, %6llu packets sent again, %llu bytes wrong\n",
	       loss_percent, (unsigned long long)(ends[1].got - got) / PHASE_S,
	       (unsigned long long)(after.resent - before.resent),
	       (unsigned long long)ends[1].wrong);
}

int main(void)
{
	const struct simnet_link link = { .delay_ns = 50000 };
	static const uint32_t losses[] = { 0, 1, 5, 10, 30, 0 };
	struct ipaddr a, b;

	if (simnet_new(1, 4096, &wire) < 0)
		return 1;
	open_end(&ends[0], "10.0.0.1", &link);
	open_end(&ends[1], "10.0.0.2", &link);
	ipaddr_parse("10.0.0.1", &a);
	ipaddr_parse("10.0.0.2", &b);
	stack_listen(ends[1].stack, &b, PORT, NULL);
	stack_connect(ends[0].stack, &a, &b, PORT, NULL, &ends[0].flow);
	run_until(NS_PER_MS);
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		phase(losses[i]);
	return ends[1].wrong != 0;
}
