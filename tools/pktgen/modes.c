/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pktgen.h"

enum {
	RESOLVE_S = 5,
	PING_MS = 1,
};

/* --- what is told each second ------------------------------------------------------------ */

static double per_s(uint64_t n, double seconds)
{
	return (double)n / seconds;
}

static void report(struct pktgen *p)
{
	const struct pktgen_counts *a = &p->then, *b = &p->now;
	double s = (double)(p->tool.now - a->at_ns) / (double)NS_PER_S;

	printf("[TX PPS: %f (%f Gbps), RX PPS: %f (%f Gbps), TX_DROP PPS: %f]\n",
	       per_s(b->tx - a->tx, s), per_s(b->tx_bytes - a->tx_bytes, s) * 8 / 1e9,
	       per_s(b->rx - a->rx, s), per_s(b->rx_bytes - a->rx_bytes, s) * 8 / 1e9,
	       per_s(b->tx_drop - a->tx_drop, s));
	fflush(stdout);
	p->then = p->now;
	p->then.at_ns = p->tool.now;
}

static uint64_t next_report(const struct pktgen *p)
{
	return p->then.at_ns + NS_PER_S;
}

static bool turn(struct pktgen *p, uint64_t until)
{
	bool goes_on = net_tool_turn(&p->tool, until < next_report(p) ? until : next_report(p));

	if (p->tool.now >= next_report(p))
		report(p);
	return goes_on;
}

/* --- packets ------------------------------------------------------------------------------- */

static uint32_t frame_bytes(const struct stack_datagram *d)
{
	return d->len + ETHER_HEADER + 8 + (ipaddr_is4(&d->remote) ? 20 : 40);
}

static int send_one(struct pktgen *p, const struct stack_datagram *d)
{
	int r = stack_send_udp(p->tool.stack, d);

	if (r == 0) {
		p->now.tx++;
		p->now.tx_bytes += frame_bytes(d);
	} else if (r == -EAGAIN) {
		p->now.tx_drop++;
	}
	return r;
}

static uint8_t *payload(struct pktgen *p)
{
	static uint8_t own[PKTGEN_SIZE_MAX];

	if (!p->pool)
		return own;
	p->pool_at += p->payload;
	if (p->pool_at + p->payload > PKTGEN_POOL)
		p->pool_at = 0;
	memcpy(own, p->pool + p->pool_at, p->payload);
	return own;
}

static int send_next(struct pktgen *p, uint64_t now)
{
	uint8_t *data = payload(p);
	const struct stack_datagram d = { .local = p->local,
					  .remote = p->remote,
					  .local_port = PKTGEN_PORT,
					  .remote_port = PKTGEN_PORT,
					  .data = data,
					  .len = p->payload };
	int r;

	memcpy(data, &p->seq, sizeof(p->seq));
	memcpy(data + sizeof(p->seq), &now, sizeof(now));
	r = send_one(p, &d);
	p->seq += r == 0;
	return r;
}

static void bounce(struct pktgen *p, const struct stack_datagram *d)
{
	struct stack_datagram back = *d;

	send_one(p, &back);
}

static void take_answer(struct pktgen *p, const struct stack_datagram *d)
{
	uint64_t now = clock_mono_ns(), seq, at;

	if (!ipaddr_equal(&d->remote, &p->remote) || d->len < PKTGEN_STAMPS)
		return;
	memcpy(&seq, d->data, sizeof(seq));
	memcpy(&at, d->data + sizeof(seq), sizeof(at));
	if (seq >= p->seq || at > now)
		return;
	p->answered++;
	histogram_add(&p->rtts, now - at);
	if (p->log)
		fprintf(p->log, "%llu\n", (unsigned long long)(now - at));
}

bool pktgen_received(struct pktgen *p, const struct stack_datagram *d)
{
	if (d->local_port != PKTGEN_PORT)
		return false;
	p->now.rx++;
	p->now.rx_bytes += frame_bytes(d);
	if (p->ping)
		take_answer(p, d);
	else if (!p->active)
		bounce(p, d);
	return true;
}

/* --- the modes ------------------------------------------------------------------------------- */

/* The first packet finds the way. 1: a signal. */
static int resolve(struct pktgen *p, struct err *e)
{
	uint64_t until = p->tool.now + RESOLVE_S * NS_PER_S;
	int r;

	while ((r = send_next(p, clock_mono_ns())) == -EHOSTUNREACH && p->tool.now < until)
		if (!net_tool_turn(&p->tool, until))
			return 1;
	stack_flush(p->tool.stack);
	p->then.at_ns = p->tool.now;
	if (r == -EHOSTUNREACH)
		return fail(e, EHOSTUNREACH, "nobody says that %s is there, in %d s",
			    p->remote_text, RESOLVE_S);
	return r < 0 ? fail(e, -r, "can't send to %s: %s", p->remote_text, strerror(-r)) : 0;
}

/* What finds no room counts as dropped, the rest of its batch with it. */
static void send_batch(struct pktgen *p)
{
	uint64_t now = clock_mono_ns(), i;
	int r = 0;

	for (i = 0; r == 0 && i < p->batch; i++)
		r = send_next(p, now);
	p->now.tx_drop += p->batch - i;
	stack_flush(p->tool.stack);
	if (r < 0)
		sched_yield();
}

int pktgen_active(struct pktgen *p, struct err *e)
{
	int r = resolve(p, e);

	if (r)
		return r < 0 ? r : 0;
	do
		send_batch(p);
	while (turn(p, 0));
	return 0;
}

int pktgen_passive(struct pktgen *p, struct err *e)
{
	(void)e;
	p->then.at_ns = p->tool.now;
	while (turn(p, UINT64_MAX))
		;
	return 0;
}

/* Without sleep: it would be in every round trip. */
int pktgen_ping(struct pktgen *p, struct err *e)
{
	int r = resolve(p, e);
	uint64_t due = p->tool.now;

	if (r)
		return r < 0 ? r : 0;
	while (turn(p, 0)) {
		if (p->tool.now < due)
			continue;
		due += PING_MS * NS_PER_MS;
		if (due < p->tool.now)
			due = p->tool.now;
		send_next(p, clock_mono_ns());
		stack_flush(p->tool.stack);
	}
	return 0;
}
