/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte i of a message is i modulo 256, but for the first eight: which slot of the window
 * it is, in the order of the host that asks, who alone looks at it.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "msg_gen.h"

enum {
	SPIN_NS = 50000,
	SEND_MS = 100, /* so often a server without room looks whether it shall end */
};

volatile sig_atomic_t msg_gen_ended;

/* --- time ----------------------------------------------------------------------------------- */

static void begin(struct msg_gen *g)
{
	g->now = clock_mono_ns();
	g->begun.at_ns = g->counts.at_ns = g->then.at_ns = g->now;
	g->report_ns = g->now + NS_PER_S;
	g->end_ns = g->duration_s ? g->now + g->duration_s * NS_PER_S : UINT64_MAX;
}

/* Before each message and each sleep. */
static bool goes_on(struct msg_gen *g)
{
	g->now = clock_mono_ns();
	if (g->now >= g->report_ns)
		msg_gen_report(g);
	return !msg_gen_ended && g->now < g->end_ns;
}

static uint64_t until_next(const struct msg_gen *g)
{
	uint64_t next = g->report_ns < g->end_ns ? g->report_ns : g->end_ns;

	return next > g->now ? next - g->now : 0;
}

/*
 * A signal that came before is seen, one that comes later ends the sleep. Nobody tells when
 * there is room to send. 0, 1: there was a message, or -1.
 */
static int sleep_armed(struct msg_gen *g)
{
	uint64_t ns = g->stalled ? NS_PER_MS : until_next(g);
	struct timespec t = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
	struct pollfd p = { .fd = g->poll_fd, .events = POLLIN };
	sigset_t signals, before;
	int r = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	if (!msg_gen_ended)
		r = machnet_poll_arm(g->ctx);
	if (r == 0 && !msg_gen_ended)
		ppoll(&p, 1, &t, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* --- what comes ----------------------------------------------------------------------------- */

/*
 * Bytes, or 0: it is time to look at the clock, or to try to send again. A sleep costs more
 * than what most answers take, so it comes last.
 */
static ssize_t receive(struct msg_gen *g, MachnetFlow_t *from)
{
	uint64_t begun = g->now;
	ssize_t n;

	while ((n = machnet_recv(g->ctx, g->in, MACHNET_MSG_MAX, from)) == 0) {
		g->now = clock_mono_ns();
		if (msg_gen_ended || until_next(g) == 0)
			return 0;
		if (!g->busy_poll)
			sched_yield();
		if (g->now - begun < SPIN_NS || (g->busy_poll && !g->stalled))
			continue;
		if (g->poll_fd < 0 && !g->busy_poll)
			return machnet_recv_wait(g->ctx, g->in, MACHNET_MSG_MAX, from, 1);
		if (!g->busy_poll && sleep_armed(g) < 0)
			return -1;
		if (g->stalled)
			return 0;
	}
	return n;
}

/* 1 with a message, 0 without. */
static int next_message(struct msg_gen *g, size_t *ret_len, MachnetFlow_t *ret_from, struct err *e)
{
	ssize_t n = receive(g, ret_from);

	if (n == 0 || (n < 0 && errno == EINTR))
		return 0;
	if (n < 0)
		return fail(e, errno, "can't receive: %s", strerror(errno));
	g->counts.rx++;
	g->counts.rx_bytes += (uint64_t)n;
	*ret_len = (size_t)n;
	return 1;
}

static void sent(struct msg_gen *g)
{
	g->counts.tx++;
	g->counts.tx_bytes += g->size;
}

/* --- client ---------------------------------------------------------------------------------- */

static void check_pattern(struct msg_gen *g, size_t len)
{
	for (size_t i = sizeof(uint64_t); i < len; i++) {
		if (g->in[i] == (uint8_t)i)
			continue;
		if (!g->mismatches++)
			msg_gen_say('E', "Data mismatch at index %zu: %u instead of %u", i,
				    g->in[i], (unsigned)(uint8_t)i);
		return;
	}
}

/* As many as the window and the channel have room for. */
static int send_idle(struct msg_gen *g, MachnetFlow_t flow, struct err *e)
{
	while (g->nidle && g->to_send) {
		uint64_t slot = g->idle[g->nidle - 1];

		memcpy(g->out, &slot, sizeof(slot));
		g->sent_ns[slot] = clock_mono_ns();
		if (machnet_send(g->ctx, flow, g->out, g->size) == 0) {
			g->nidle--;
			g->to_send--;
			g->stalled = false;
			sent(g);
			continue;
		}
		if (errno != EAGAIN)
			return fail(e, errno, "can't send: %s", strerror(errno));
		g->counts.tx_drops += !g->stalled;
		g->stalled = true;
		break;
	}
	return 0;
}

static void take_answer(struct msg_gen *g, size_t len)
{
	uint64_t slot = UINT64_MAX, rtt;

	if (len >= sizeof(slot))
		memcpy(&slot, g->in, sizeof(slot));
	if (slot >= g->window || !g->sent_ns[slot]) {
		g->strays++;
		return;
	}
	rtt = clock_mono_ns() - g->sent_ns[slot];
	g->sent_ns[slot] = 0;
	histogram_add(&g->rtts, rtt);
	histogram_add(&g->rtts_all, rtt);
	g->idle[g->nidle++] = (uint32_t)slot;
	if (g->verify)
		check_pattern(g, len);
}

int msg_gen_client(struct msg_gen *g, MachnetFlow_t flow, struct err *e)
{
	MachnetFlow_t from;
	size_t len;
	int r = 0;

	for (g->nidle = 0; g->nidle < g->window; g->nidle++)
		g->idle[g->nidle] = (uint32_t)(g->window - 1 - g->nidle);
	g->to_send = g->nr;
	msg_gen_say('I', "Client Loop: Starting.");
	for (begin(g); r >= 0 && goes_on(g);) {
		r = send_idle(g, flow, e);
		if (r < 0 || (!g->to_send && g->nidle == g->window))
			break;
		r = next_message(g, &len, &from, e);
		if (r > 0)
			take_answer(g, len);
	}
	return r < 0 ? r : 0;
}

/* --- server ---------------------------------------------------------------------------------- */

/* Whoever asks has room for the answer soon, or is gone, and then nobody misses it. */
static int answer(struct msg_gen *g, size_t len, MachnetFlow_t from, struct err *e)
{
	const MachnetFlow_t to = { from.dst_ip, from.src_ip, from.dst_port, from.src_port };
	int r;

	if (len >= sizeof(uint64_t))
		memcpy(g->out, g->in, sizeof(uint64_t));
	do
		r = machnet_send_wait(g->ctx, to, g->out, g->size, SEND_MS);
	while (r < 0 && (errno == EAGAIN || errno == EINTR) && goes_on(g));
	if (r == 0)
		sent(g);
	else if (errno == EAGAIN || errno == EINTR)
		g->counts.tx_drops++;
	else
		return fail(e, errno, "can't send: %s", strerror(errno));
	return 0;
}

int msg_gen_server(struct msg_gen *g, struct err *e)
{
	MachnetFlow_t from;
	size_t len;
	int r = 0;

	msg_gen_say('I', "Server Loop: Starting.");
	for (begin(g); r >= 0 && goes_on(g) && g->counts.rx < g->nr;) {
		r = next_message(g, &len, &from, e);
		if (r > 0)
			r = answer(g, len, from, e);
	}
	return r < 0 ? r : 0;
}
