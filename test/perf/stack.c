/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: stack client|server raw|flow|raw-rate|flow-rate|flow-bulk
 *
 * One end of a wire between two namespaces, with messages of 64 bytes: `raw` are bare
 * frames of the same length as those of `flow`, without any stack, over the same ports.
 *
 * `client raw|flow` times one message there and back after another for RUN_MS, and prints
 * "rtt NS", with flows also "connect NS": who is at the other end is unknown then.
 * `client raw-rate|flow-rate` sends as many as can be, 32 at once; with `-bulk` they are of
 * 64 KiB. `server` answers, or with `-rate` and `-bulk` only takes; it says "ready", and on
 * SIGTERM "rate N", of frames a second, and "bytes N", of payload a second.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "reeve-netd/iface.h"
#include "wire/ip.h"
#include "wire/udp.h"

enum { RUN_MS = 300, MESSAGE = 64, BULK = 65536, PORT = 888, BATCH = 32 };
enum { FRAME = ETHER_HEADER + IP4_HEADER + UDP_HEADER + MACHNET_HEADER + MESSAGE };

static const struct mac macs[2] = { { { 2, 0, 0, 0, 0, 1 } }, { { 2, 0, 0, 0, 0, 2 } } };
static const uint8_t ips[2][4] = { { 10, 8, 0, 1 }, { 10, 8, 0, 2 } };

static struct end {
	bool server, flow, rate, bulk;
	struct net_iface conf;
	struct iface iface;
	struct port *port;
	struct stack *stack;
	struct flow *peer;
	struct ipaddr ip, remote;

	bool came, failed;
	uint64_t count, bytes, first_ns, last_ns;
	size_t put; /* of the message of `-bulk` under way */
	uint64_t sent_ns;
	struct histogram rtts;
} end;

static volatile sig_atomic_t ended;

static void on_signal(int signo)
{
	(void)signo;
	ended = 1;
}

/* --- one message -------------------------------------------------------------------------- */

static void came(uint64_t now)
{
	end.came = true;
	if (!end.count++)
		end.first_ns = now;
	end.last_ns = now;
}

static void timed(uint64_t now)
{
	if (end.sent_ns)
		histogram_add(&end.rtts, now - end.sent_ns);
	end.sent_ns = now;
}

/* --- raw ---------------------------------------------------------------------------------- */

static uint8_t template[FRAME];

static void make_template(void)
{
	struct ether ether = { .dst = macs[1], .src = macs[0], .type = ETHER_IPV4 };
	struct ip ip = { .src = end.ip,
			 .dst = end.remote,
			 .proto = IP_UDP,
			 .ttl = IP_TTL,
			 .len = FRAME - ETHER_HEADER - IP4_HEADER };
	struct udp udp = { .src = PORT,
			   .dst = PORT,
			   .payload = template + FRAME - MACHNET_HEADER - MESSAGE,
			   .len = MACHNET_HEADER + MESSAGE };

	ether_encode(template, &ether);
	ip_encode(template + ETHER_HEADER, &ip);
	udp_encode(template + ETHER_HEADER + IP4_HEADER, &ip, &udp);
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t kept[8];

	memcpy(kept, a, len);
	memcpy(a, b, len);
	memcpy(b, kept, len);
}

static bool raw_send(const uint8_t *frame, bool back)
{
	uint8_t *room = port_tx_room(end.port);

	if (!room)
		return false;
	memcpy(room, frame, FRAME);
	if (back) {
		swap(room, room + ETHER_MAC, ETHER_MAC);
		swap(room + ETHER_HEADER + 12, room + ETHER_HEADER + 16, 4);
	}
	port_tx(end.port, FRAME);
	return true;
}

static bool raw_poll(uint64_t now)
{
	struct frame frames[PORT_BURST];
	unsigned n = port_rx(end.port, frames, PORT_BURST);

	for (unsigned i = 0; i < n; i++) {
		if (frames[i].len != FRAME)
			continue;
		came(now);
		if (end.server && !end.rate)
			raw_send(frames[i].data, true);
	}
	port_flush(end.port);
	return n > 0;
}

static void raw_batch(void)
{
	for (int i = 0; i < BATCH && raw_send(template, false); i++)
		;
	port_flush(end.port);
}

/* --- flows -------------------------------------------------------------------------------- */

static void on_connected(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	end.failed = error;
	end.came = true;
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
	(void)flags;
	came(clock_mono_ns());
	end.bytes += len;
	if (end.server && !end.rate)
		flow_put(f, data, len, true);
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
	end.failed = error && !end.server;
}

static const struct stack_user user = {
	.connected = on_connected,
	.accepted = on_accepted,
	.received = on_received,
	.sendable = on_sendable,
	.closed = on_closed,
};

static bool poll_once(uint64_t now)
{
	if (end.failed)
		errx(1, "the flow is gone");
	return end.flow ? stack_poll(end.stack, now) : raw_poll(now);
}

static void wait_until_it_came(uint64_t until)
{
	uint64_t now;

	end.came = false;
	while (!end.came && (now = clock_mono_ns()) < until)
		poll_once(now);
}

static void connect_flow(void)
{
	uint64_t begin = clock_mono_ns();

	stack_poll(end.stack, begin);
	if (stack_connect(end.stack, &end.ip, &end.remote, PORT, NULL, &end.peer) < 0)
		errx(1, "can't connect");
	wait_until_it_came(begin + 5 * NS_PER_S);
	if (!end.came || end.failed)
		errx(1, "not connected");
	if (!end.rate)
		printf("connect %llu\n", (unsigned long long)(clock_mono_ns() - begin));
}

static void flow_batch(void)
{
	static const uint8_t message[MESSAGE];

	for (int i = 0; i < BATCH && flow_put(end.peer, message, MESSAGE, true); i++)
		;
}

static void bulk_batch(void)
{
	static const uint8_t message[BULK];
	size_t n;

	do {
		n = flow_put(end.peer, message + end.put, BULK - end.put, true);
		end.put = (end.put + n) % BULK;
	} while (n);
}

static void batch(void)
{
	if (end.bulk)
		bulk_batch();
	else if (end.flow)
		flow_batch();
	else
		raw_batch();
}

/* --- the two ends --------------------------------------------------------------------------- */

static void send_one(void)
{
	if (end.flow)
		flow_put(end.peer, template, MESSAGE, true);
	else
		raw_send(template, false);
	port_flush(end.port);
}

static void client(void)
{
	uint64_t until = clock_mono_ns() + RUN_MS * NS_PER_MS, now;

	while ((now = clock_mono_ns()) < until) {
		if (end.rate) {
			batch();
			poll_once(now);
			continue;
		}
		timed(clock_mono_ns());
		send_one();
		wait_until_it_came(until + NS_PER_S);
		if (!end.came)
			errx(1, "no answer");
	}
	if (!end.rate)
		printf("rtt %llu\n", (unsigned long long)histogram_at(&end.rtts, 0.5));
}

static double each_second(uint64_t n)
{
	uint64_t took = end.last_ns - end.first_ns;

	return took ? (double)n * 1e9 / (double)took : 0;
}

static void server(void)
{

	if (end.flow && stack_listen(end.stack, &end.ip, PORT, NULL) < 0)
		errx(1, "can't listen");
	puts("ready");
	fflush(stdout);
	while (!ended)
		poll_once(clock_mono_ns());
	if (end.rate)
		printf("rate %.0f\nbytes %.0f\n", each_second(end.count), each_second(end.bytes));
}

static void open_end(void)
{
	struct err e = { 0 };

	end.conf = (struct net_iface){ .ifname = "wire", .naddrs = 1, .engine_threads = 1 };
	memcpy(end.conf.mac, macs[end.server].b, ETHER_MAC);
	ipaddr_from4(&end.ip, ips[end.server]);
	ipaddr_from4(&end.remote, ips[!end.server]);
	end.conf.addrs[0] = (struct net_addr){ .ip = end.ip, .prefix = 24 };
	if (iface_open(&end.iface, &way_alone, NULL, &end.conf, &user, &e) < 0) {
		iface_close(&end.iface);
		errx(1, "%s", e.text);
	}
	end.port = end.iface.engines[0].port;
	end.stack = end.iface.engines[0].stack;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(1, "usage: stack client|server raw|flow|raw-rate|flow-rate|flow-bulk");
	end.server = !strcmp(argv[1], "server");
	end.flow = !strncmp(argv[2], "flow", 4);
	end.bulk = strstr(argv[2], "-bulk");
	end.rate = end.bulk || strstr(argv[2], "-rate");
	signal(SIGTERM, on_signal);
	open_end();
	make_template();
	if (!end.server && end.flow)
		connect_flow();
	end.server ? server() : client();
	iface_close(&end.iface);
	return 0;
}
