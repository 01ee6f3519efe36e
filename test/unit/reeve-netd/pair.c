/* SPDX-License-Identifier: BSD-3-Clause */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { STEP_NS = 10000, FLOWS = 64 };

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* --- hosts ------------------------------------------------------------------------------------ */

static const struct stack_user user = {
	.connected = endpoint_connected,
	.accepted = endpoint_accepted,
	.received = endpoint_received,
	.sendable = endpoint_sendable,
	.closed = endpoint_closed,
};

static void on_broken(void *arg)
{
	struct pair_host *h = arg;

	h->broken++;
}

uint64_t pair_now(const struct pair *p)
{
	return simnet_now(p->net) + 1;
}

static void open_host(struct pair *p, struct pair_host *h, const struct simnet_link *link)
{
	struct stack_conf conf = { .naddrs = 1,
				   .flows = 256,
				   .segments = 4096,
				   .shares = 32,
				   .listeners = 64,
				   .neighbours = 8 };
	const uint8_t four[] = { 10, 0, 0, (uint8_t)(h - p->hosts + 1) };

	h->ip = UINT32_C(0x0a000000) | four[3];
	ipaddr_from4(&conf.addrs[0].ip, four);
	must(simnet_attach(p->net, 0, link, &h->port) == 0, "no port");
	conf.port = h->port;
	conf.seed = simnet_random(p->net);
	conf.user = &user;
	must(stack_new(&conf, pair_now(p), &h->stack) == 0, "no stack");
	must(exchange_open(&h->exchange, h->stack) == 0, "no exchange");
	h->exchange.broken = on_broken;
	h->exchange.arg = h;
}

void pair_open(struct pair *p, uint64_t seed, const struct simnet_link *link)
{
	memset(p, 0, sizeof(*p));
	must(simnet_new(seed, 4096, &p->net) == 0, "no network");
	open_host(p, &p->hosts[0], link);
	open_host(p, &p->hosts[1], link);
}

void pair_close(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		struct pair_host *h = &p->hosts[i];

		exchange_close(&h->exchange);
		for (uint32_t k = 0; k < h->neps; k++)
			endpoint_free(h->eps[k]);
		stack_free(h->stack);
	}
	simnet_free(p->net);
}

struct endpoint *pair_channel(struct pair_host *h, uint32_t buffers, bool rings)
{
	const uint8_t id[16] = { (uint8_t)h->neps };
	struct endpoint *ep;
	struct channel *c;
	int fd;

	must(channel_new(buffers, &c, &fd) == 0, "no channel");
	channel_begin(c, id, rings);
	close(fd);
	must(endpoint_new(c, rings, FLOWS, 1, &ep) == 0, "no endpoint");
	h->eps[h->neps++] = ep;
	exchange_add(&h->exchange, ep);
	return ep;
}

void pair_step(struct pair *p)
{
	simnet_advance(p->net, simnet_now(p->net) + STEP_NS);
	for (int i = 0; i < 2; i++) {
		struct pair_host *h = &p->hosts[i];

		do
			stack_poll(h->stack, pair_now(p));
		while (simnet_waiting(h->port));
		exchange_turn(&h->exchange, pair_now(p));
	}
}

void pair_run(struct pair *p, uint64_t ns)
{
	uint64_t end = pair_now(p) + ns;

	while (pair_now(p) < end)
		pair_step(p);
}

/* --- an application ------------------------------------------------------------------------------
 */

static uint32_t *entries(struct chan_ring *r)
{
	return (uint32_t *)(void *)(r + 1);
}

bool app_take(struct channel *c, uint32_t *ret)
{
	struct chan_ring *r = c->free.ring.shared;

	if (r->cons.head == r->prod.tail)
		return false;
	*ret = entries(r)[r->cons.head % c->nbufs] % c->nbufs;
	r->cons.tail = ++r->cons.head;
	return true;
}

void app_give(struct channel *c, uint32_t buf)
{
	struct chan_ring *r = c->free.ring.shared;

	entries(r)[r->prod.head % c->nbufs] = buf;
	r->prod.tail = ++r->prod.head;
}

bool app_put(struct channel *c, uint32_t buf)
{
	struct chan_ring *r = c->tx.shared;

	if (r->prod.head - r->cons.tail >= CHAN_RING_SLOTS - 1)
		return false;
	entries(r)[r->prod.head % CHAN_RING_SLOTS] = buf;
	r->prod.tail = ++r->prod.head;
	return true;
}

bool app_ask(struct channel *c, const struct chan_ctrl *request)
{
	struct chan_ring *r = c->sq.shared;

	if (r->prod.head != r->cons.tail)
		return false;
	memcpy((struct chan_ctrl *)(void *)(r + 1) + r->prod.head % CHAN_CTRL_SLOTS, request,
	       sizeof(*request));
	r->prod.tail = ++r->prod.head;
	return true;
}

bool app_answer(struct channel *c, struct chan_ctrl *ret)
{
	struct chan_ring *r = c->cq.shared;

	if (r->cons.head == r->prod.tail)
		return false;
	memcpy(ret, (struct chan_ctrl *)(void *)(r + 1) + r->cons.head % CHAN_CTRL_SLOTS,
	       sizeof(*ret));
	r->cons.tail = ++r->cons.head;
	return true;
}

uint8_t app_byte(uint32_t seed, uint32_t at)
{
	return (uint8_t)(seed * 31 + at + (at >> 8) + (at >> 16));
}

static uint8_t *at(struct channel *c, uint32_t buf)
{
	return c->pool + (size_t)(buf % c->nbufs) * CHAN_BUF_SIZE;
}

static void fill(struct channel *c, uint32_t buf, const struct chan_flow *flow, uint32_t len,
		 uint32_t seed, uint32_t done)
{
	struct chan_buf *b = (struct chan_buf *)(void *)at(c, buf);
	uint32_t n = len - done < CHAN_MSS ? len - done : CHAN_MSS;

	b->flags = (uint8_t)((done ? 0 : CHAN_FIRST) | (done + n < len ? CHAN_MORE : CHAN_LAST));
	b->flow = *flow;
	b->msg_len = done ? 0 : len;
	b->data_len = n;
	b->data_ofs = CHAN_HEADROOM;
	b->next = CHAN_NONE;
	for (uint32_t i = 0; i < n; i++)
		((uint8_t *)(b + 1))[CHAN_HEADROOM + i] = app_byte(seed, done + i);
}

bool app_send(struct channel *c, const struct chan_flow *flow, uint32_t len, uint32_t seed)
{
	uint32_t need = (len + CHAN_MSS - 1) / CHAN_MSS, first = CHAN_NONE, last = 0, buf = 0;

	if (shared_ring_count(&c->free) < need || !need)
		return false;
	if (c->tx.shared->prod.head - c->tx.shared->cons.tail >= CHAN_RING_SLOTS - 1)
		return false;
	for (uint32_t i = 0; i < need; i++) {
		app_take(c, &buf);
		fill(c, buf, flow, len, seed, i * CHAN_MSS);
		if (i)
			channel_chain(c, last, buf);
		else
			first = buf;
		last = buf;
	}
	return app_put(c, first);
}

int64_t app_recv(struct channel *c, uint32_t seed, struct chan_flow *ret_from)
{
	struct chan_ring *r = c->rx.shared;
	uint32_t buf, len = 0;
	bool same = true;
	struct chan_buf head;

	if (r->cons.head == r->prod.tail)
		return -1;
	buf = entries(r)[r->cons.head % CHAN_RING_SLOTS];
	r->cons.tail = ++r->cons.head;
	do {
		memcpy(&head, at(c, buf), sizeof(head));
		for (uint32_t i = 0; i < head.data_len && i < CHAN_MSS; i++, len++)
			same &= at(c, buf)[sizeof(head) + CHAN_HEADROOM + i] == app_byte(seed, len);
		app_give(c, buf);
		buf = head.next;
	} while (head.flags & CHAN_MORE && len < CHAN_MESSAGE_MAX);
	if (ret_from)
		*ret_from = head.flow;
	return same ? (int64_t)len : -2;
}

int pair_ask(struct pair *p, struct endpoint *ep, const struct chan_ctrl *request,
	     struct chan_ctrl *ret_answer)
{
	uint64_t end = pair_now(p) + 11 * NS_PER_S;
	struct chan_ctrl answer = { 0 };

	must(app_ask(ep->ch, request), "no room to ask");
	while (!app_answer(ep->ch, &answer)) {
		must(pair_now(p) < end, "no answer");
		pair_step(p);
	}
	must(answer.id == request->id && answer.op == CHAN_STATUS, "another answer");
	if (ret_answer)
		*ret_answer = answer;
	return answer.status == CHAN_OK ? 0 : -(int)answer.error;
}

int pair_connect(struct pair *p, struct endpoint *from, struct endpoint *to, uint16_t port,
		 struct chan_flow *ret)
{
	struct chan_ctrl c = { .id = 1, .op = CHAN_LISTEN }, answer;
	uint32_t to_ip = to->stack == p->hosts[0].stack ? p->hosts[0].ip : p->hosts[1].ip;
	uint32_t from_ip = from->stack == p->hosts[0].stack ? p->hosts[0].ip : p->hosts[1].ip;
	int r;

	c.listener.ip = to_ip;
	c.listener.port = port;
	r = pair_ask(p, to, &c, NULL);
	if (r < 0)
		return r;
	c = (struct chan_ctrl){ .id = 2, .op = CHAN_CONNECT };
	c.flow = (struct chan_flow){ .src_ip = from_ip, .dst_ip = to_ip, .dst_port = port };
	r = pair_ask(p, from, &c, &answer);
	*ret = answer.flow;
	return r;
}
