/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Echo requests from a stack of its own: what answers to them is reached by machnet,
 * too. Requests are due at fixed times; one whose way has to be found first goes as soon
 * as it is, and its round trip counts from there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "reeve-netd/net_tool.h"
#include "wire/icmp.h"

enum {
	ECHO_BYTES = 64, /* with the header of ICMP */
	DATA_BYTES = ECHO_BYTES - ICMP_HEADER,
	KEPT = 65536, /* requests that an answer may still be for: one for each number */
	LINGER_MS = 1000,
	INTERVAL_MS = 1000,
};

struct ping {
	struct net_tool tool; /* first: callbacks get it */
	const char *remote_text, *rtt_log;
	uint64_t id, count, interval_ms;
	struct ipaddr remote, local;
	FILE *log;

	uint64_t sent, answered; /* sent: the next request's number, less one */
	uint64_t begun_ns, due_ns;
	uint64_t sent_ns[KEPT]; /* 0: did not go, or has its answer */
	bool silent[KEPT];	/* has no answer */
	bool going;		/* the last one is still to go */
	struct histogram rtts;
};

static struct ping ping = {
	.remote_text = "", .rtt_log = "", .id = 777, .interval_ms = INTERVAL_MS
};

static const struct net_flag flags[] = {
	{ "remote_ip", .text = &ping.remote_text, .help = "whom to ask" },
	{ "icmp_id", .number = &ping.id, .max = UINT16_MAX, .help = "of the requests (777)" },
	{ "rtt_log", .text = &ping.rtt_log, .help = "a file for each round trip, in us" },
	{ "count", .number = &ping.count, .max = UINT32_MAX, .help = "so many; 0: until Ctrl-C" },
	{ "interval", .number = &ping.interval_ms, .max = 3600 * 1000,
	  .help = "from one to the next, in ms (1000)" },
	{ NULL },
};

/* --- answers ------------------------------------------------------------------------------ */

static void tell(const struct ping *p, const struct stack_echo *echo, uint64_t took)
{
	char text[IPADDR_TEXT];

	ipaddr_format(&echo->from, text);
	printf("%u bytes from %s: icmp_seq=%u ttl=%u time=%.1f us\n", echo->len + ICMP_HEADER, text,
	       echo->seq, echo->ttl, (double)took / 1e3);
	fflush(stdout);
	if (p->log)
		fprintf(p->log, "%.3f\n", (double)took / 1e3);
}

/* The first one that fits counts; one that came twice is the network's doing. */
static void on_echoed(void *arg, const struct stack_echo *echo)
{
	uint64_t now = clock_mono_ns(), at = ping.sent_ns[echo->seq];
	struct ping *p = &ping;

	(void)arg;
	if (echo->id != p->id || !ipaddr_equal(&echo->from, &p->remote) || !at)
		return;
	if (echo->len != DATA_BYTES || memcmp(echo->data, &at, sizeof(at)) != 0)
		return;
	p->sent_ns[echo->seq] = 0;
	p->silent[echo->seq] = false;
	p->answered++;
	histogram_add(&p->rtts, now - at);
	tell(p, echo, now - at);
}

static void on_notice(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "ping: %s\n", text);
}

static const struct stack_user user = { .echoed = on_echoed, .notice = on_notice };

/* --- requests ----------------------------------------------------------------------------- */

static void begin_next(struct ping *p)
{
	p->sent++;
	p->going = true;
	p->silent[p->sent % KEPT] = true;
	p->sent_ns[p->sent % KEPT] = 0;
	p->begun_ns = p->tool.now;
	p->due_ns += p->interval_ms * NS_PER_MS;
	if (p->due_ns < p->tool.now)
		p->due_ns = p->tool.now;
}

static int try_send(struct ping *p, struct err *e)
{
	uint8_t data[DATA_BYTES] = { 0 };
	uint64_t now = clock_mono_ns();
	int r;

	memcpy(data, &now, sizeof(now));
	for (size_t i = sizeof(now); i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	r = stack_ping(p->tool.stack, &p->remote, (uint16_t)p->id, (uint16_t)p->sent, data,
		       sizeof(data));
	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return fail(e, -r, "can't ask %s: %s", p->remote_text, strerror(-r));
	p->sent_ns[p->sent % KEPT] = now;
	p->going = false;
	return 0;
}

static bool all_sent(const struct ping *p)
{
	return p->count && p->sent >= p->count;
}

/* A way that is being looked for, or an answer to the last one, has a second. */
static uint64_t next_time(const struct ping *p)
{
	uint64_t patience = p->begun_ns + LINGER_MS * NS_PER_MS;

	if (!p->sent || !(p->going || all_sent(p)) || p->due_ns > patience)
		return p->due_ns;
	return patience;
}

static int ask(struct ping *p, struct err *e)
{
	int r = 0;

	p->due_ns = p->tool.now;
	while (r == 0) {
		if (all_sent(p) && (p->answered == p->sent || p->tool.now >= next_time(p)))
			break;
		if (!all_sent(p) && p->tool.now >= next_time(p))
			begin_next(p);
		if (p->going)
			r = try_send(p, e);
		if (r == 0 && !net_tool_turn(&p->tool, next_time(p)))
			break;
	}
	return r;
}

/* --- the end --------------------------------------------------------------------------------- */

/* "3, 5-9": of the latest that are kept. */
static void tell_silent(const struct ping *p)
{
	uint64_t first = p->sent > KEPT ? p->sent - KEPT + 1 : 1;
	const char *between = "no answer to icmp_seq=";

	for (uint64_t n = first; n <= p->sent; n++) {
		uint64_t last = n;

		if (!p->silent[n % KEPT])
			continue;
		while (last < p->sent && p->silent[(last + 1) % KEPT])
			last++;
		printf("%s%" PRIu64, between, n % KEPT);
		if (last > n)
			printf("-%" PRIu64, last % KEPT);
		between = ", ";
		n = last;
	}
	if (*between == ',')
		putchar('\n');
}

static double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static void summary(const struct ping *p)
{
	const struct histogram *h = &p->rtts;

	printf("\n--- %s ping statistics ---\n", p->remote_text);
	printf("%" PRIu64 " packets transmitted, %" PRIu64 " received, %.1f%% packet loss\n",
	       p->sent, p->answered,
	       p->sent ? 100.0 * (double)(p->sent - p->answered) / (double)p->sent : 0);
	if (h->count)
		printf("RTT (us) mean=%.1f, p50=%.1f, p99=%.1f, p999=%.1f, min=%.1f, max=%.1f\n",
		       histogram_mean(h) / 1e3, us(histogram_at(h, 0.5)), us(histogram_at(h, 0.99)),
		       us(histogram_at(h, 0.999)), us(h->min), us(h->max));
	tell_silent(p);
	fflush(stdout);
}

static int open_log(struct ping *p, struct err *e)
{
	if (!*p->rtt_log)
		return 0;
	p->log = fopen(p->rtt_log, "we");
	return p->log ? 0
		      : fail(e, errno, "can't write to %.150s: %s", p->rtt_log, strerror(errno));
}

static int close_log(struct ping *p, struct err *e)
{
	if (!p->log || fclose(p->log) == 0)
		return 0;
	return fail(e, errno, "can't write to %.150s: %s", p->rtt_log, strerror(errno));
}

static int run(struct ping *p, struct err *e)
{
	int r = open_log(p, e), r2;

	if (r == 0)
		r = net_tool_open(&p->tool, &user, e);
	if (r == 0)
		r = net_tool_peer(&p->tool, p->remote_text, &p->remote, &p->local, e);
	if (r == 0) {
		printf("PING %s, %d bytes\n", p->remote_text, ECHO_BYTES);
		fflush(stdout);
		r = ask(p, e);
	}
	if (p->sent)
		summary(p);
	net_tool_close(&p->tool);
	r2 = close_log(p, r == 0 ? e : NULL);
	return r < 0 ? r : r2;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int code;

	ping.tool.name = "ping";
	ping.tool.about =
		"usage: machnet-ping --remote_ip=ADDRESS [flag...]\n"
		"Echo requests over an interface of machnet.json, while no machnet has it.\n";
	ping.tool.flags = flags;
	code = net_tool_start(&ping.tool, argc, argv);
	if (code >= 0)
		return code;
	if (!*ping.remote_text || !ping.interval_ms) {
		fail(&e, EINVAL, "%s",
		     *ping.remote_text ? "flag '--interval' is 1 at least"
				       : "flag '--remote_ip' is missing: whom to ask");
		net_tool_fail(&ping.tool, &e);
		return NET_EXIT_FLAGS;
	}
	if (run(&ping, &e) < 0)
		return net_tool_fail(&ping.tool, &e);
	return ping.answered ? NET_EXIT_OK : NET_EXIT_FAILED;
}
