/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Applications that own the memory of their channels, at both ends of a wire, and write
 * there what the input wants while traffic runs. Each byte is an operation, with what it
 * needs behind it. Next to them two others talk through channels of their own.
 *
 * Whatever is written: nobody else notices. The others' messages arrive, whole and in order,
 * and none of their buffers is lost; a channel whose rings make no sense is given up, and that
 * is all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "unit/reeve-netd/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPERATIONS = 300, BUFFERS = 256, PORT = 700, LEN = 4000 };

struct world {
	const uint8_t *in, *end;
	struct pair p;
	struct endpoint *bad[2], *good[2];
	struct chan_flow bad_flow, good_flow;
	uint32_t sent, got;
};

static void check_at(bool holds, int line)
{
	if (holds)
		return;
	fprintf(stderr, "line %d does not hold\n", line);
	abort();
}

#define check(holds) check_at(holds, __LINE__)

/* Past the end come zeroes. */
static uint32_t take(struct world *w, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes && w->in < w->end; i++)
		value |= (uint32_t)*w->in++ << 8 * i;
	return value;
}

static void talk(struct world *w)
{
	int64_t n;

	if (app_send(w->good[0]->ch, &w->good_flow, LEN, w->sent))
		w->sent++;
	while ((n = app_recv(w->good[1]->ch, w->got, NULL)) != -1) {
		check(n == LEN);
		w->got++;
	}
}

static struct chan_ring *ring_of(struct channel *c, uint32_t which)
{
	struct chan_ring *const all[] = { c->sq.shared, c->cq.shared, c->rx.shared, c->tx.shared,
					  c->free.ring.shared };

	return all[which % ARRAY_SIZE(all)];
}

static void turn_ring(struct world *w, struct channel *c)
{
	uint32_t what = take(w, 1);
	struct chan_ring *r = ring_of(c, what);
	uint32_t *const ends[] = { &r->prod.head, &r->prod.tail, &r->cons.head, &r->cons.tail };

	*ends[what / 8 % 4] += (uint32_t)(int8_t)take(w, 1);
}

static void turn_header(struct world *w, struct channel *c)
{
	uint32_t buf = take(w, 1) % c->nbufs, word = take(w, 1) % (sizeof(struct chan_buf) / 4);
	uint32_t value = take(w, 1);

	if (value & 0x80)
		value = take(w, 4);
	memcpy(c->pool + (size_t)buf * CHAN_BUF_SIZE + 4 * word, &value, sizeof(value));
}

static void ask(struct world *w, struct channel *c)
{
	struct chan_ctrl q = { .id = take(w, 1), .op = take(w, 1) % 8 }, answer;

	if (q.op == CHAN_LISTEN || q.op == CHAN_UNLISTEN) {
		q.listener.ip = w->bad_flow.src_ip;
		q.listener.port = (uint16_t)take(w, 1);
	} else {
		q.flow = w->bad_flow;
		q.flow.dst_port = take(w, 1) & 1 ? PORT : (uint16_t)take(w, 2);
	}
	app_answer(c, &answer);
	app_ask(c, &q);
}

static void operate(struct world *w)
{
	uint32_t op = take(w, 1);
	struct endpoint *ep = w->bad[op >> 7];
	struct channel *c = ep->ch;
	const struct chan_flow back = { w->bad_flow.dst_ip, w->bad_flow.src_ip,
					w->bad_flow.dst_port, w->bad_flow.src_port };
	uint32_t buf, value;

	switch (op % 10) {
	case 0:
		value = take(w, 4);
		memcpy(c->base + take(w, 3) % (c->size - 4), &value, sizeof(value));
		break;
	case 1:
		turn_ring(w, c);
		break;
	case 2:
		turn_header(w, c);
		break;
	case 3:
		app_send(c, op >> 7 ? &back : &w->bad_flow, take(w, 2) + 1, 0);
		break;
	case 4:
		app_recv(c, 0, NULL);
		break;
	case 5:
		app_put(c, take(w, 2));
		break;
	case 6:
		ask(w, c);
		break;
	case 7:
		if (app_take(c, &buf))
			app_give(c, take(w, 1) & 1 ? buf : take(w, 2));
		break;
	case 8:
		pair_run(&w->p, (uint64_t)take(w, 1) * 100000);
		break;
	default:
		pair_step(&w->p);
	}
}

static void finish(struct world *w)
{
	for (int i = 0; i < 100000 && w->got < w->sent; i++) {
		int64_t n = app_recv(w->good[1]->ch, w->got, NULL);

		check(n == -1 || n == LEN);
		w->got += n == LEN;
		pair_step(&w->p);
	}
	check(w->got == w->sent);
	pair_run(&w->p, 100 * NS_PER_MS);
	for (int i = 0; i < 2; i++) {
		check(!w->good[i]->broken && w->good[i]->nflows == 1);
		check(shared_ring_count(&w->good[i]->ch->free) + w->good[i]->ch->nspare ==
		      BUFFERS - 1);
	}
}

/* What an engine's owner does with it. */
static void take_away(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		struct pair_host *h = &w->p.hosts[i];

		if (!w->bad[i]->broken || !w->bad[i]->stack)
			continue;
		check(h->broken == 1);
		exchange_remove(&h->exchange, w->bad[i]);
		check(w->bad[i]->nflows == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = data, .end = data + size };

	pair_open(&w.p, 1, NULL);
	for (int i = 0; i < 2; i++) {
		w.good[i] = pair_channel(&w.p.hosts[i], BUFFERS, false);
		w.bad[i] = pair_channel(&w.p.hosts[i], BUFFERS, false);
	}
	check(pair_connect(&w.p, w.good[0], w.good[1], PORT + 1, &w.good_flow) == 0);
	check(pair_connect(&w.p, w.bad[0], w.bad[1], PORT, &w.bad_flow) == 0);
	for (int i = 0; i < OPERATIONS && w.in < w.end; i++) {
		operate(&w);
		talk(&w);
		take_away(&w);
	}
	take_away(&w);
	finish(&w);
	pair_close(&w.p);
	return 0;
}
