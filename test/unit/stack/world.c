/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- what is said --------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static size_t size_of(uint64_t seed, uint32_t number, uint32_t most)
{
	uint64_t r = mix(seed + number);

	return r & 1 ? 1 + (r >> 8) % 100 % most : 1 + (r >> 8) % most;
}

static uint8_t byte_of(uint64_t seed, uint32_t number, size_t at)
{
	return (uint8_t)(seed * 31 + number * 7 + at + (at >> 8));
}

static void speak(struct side *x)
{
	static uint8_t piece[4096];

	while (x->flow && x->connected && x->sent < x->to_send) {
		size_t size = size_of(x->out_seed, x->sent, x->size_max);
		size_t n = size - x->at_out < sizeof(piece) ? size - x->at_out : sizeof(piece),
		       took;

		for (size_t i = 0; i < n; i++)
			piece[i] = byte_of(x->out_seed, x->sent, x->at_out + i);
		took = flow_put(x->flow, piece, n, x->at_out + n == size);
		x->at_out += took;
		if (took < n)
			return;
		if (x->at_out == size) {
			x->sent++;
			x->at_out = 0;
		}
	}
}

/* --- what is heard ----------------------------------------------------------------------- */

static void on_connected(void *arg, struct flow *f, int error)
{
	struct side *x = flow_user(f);

	(void)arg;
	if (error) {
		x->flow = NULL;
		x->error = error;
		return;
	}
	x->connected = true;
	speak(x);
}

static bool on_accepted(void *arg, struct flow *f, void *listener)
{
	struct host *h = arg;
	struct side *x = NULL;

	h->accepts++;
	/* The listener is the first of the sides of its port. */
	for (x = listener; x && (x->flow || x->error); x++)
		if (x + 1 == h->world->sides + h->world->nsides)
			return false;
	if (!x) {
		h->refuses++;
		return false;
	}
	x->flow = f;
	x->connected = true;
	flow_set_user(f, x);
	speak(x);
	return true;
}

static bool on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	struct side *x = flow_user(f);
	size_t size;

	(void)arg;
	if (x->deaf)
		return false;
	assert_true(x->got < x->to_get);
	size = size_of(x->in_seed, x->got, x->size_max);
	assert_int_equal(flags & MACHNET_FIRST ? 1 : 0, x->at_in == 0);
	assert_true(x->at_in + len <= size);
	for (uint32_t i = 0; i < len; i++)
		if (data[i] != byte_of(x->in_seed, x->got, x->at_in + i))
			fail_msg("message %u has another byte %zu", x->got, x->at_in + i);
	x->at_in += len;
	assert_int_equal(flags & MACHNET_LAST ? 1 : 0, x->at_in == size);
	if (x->at_in == size) {
		x->got++;
		x->at_in = 0;
	}
	return true;
}

static void on_sendable(void *arg, struct flow *f)
{
	(void)arg;
	speak(flow_user(f));
}

static void on_closed(void *arg, struct flow *f, int error)
{
	struct side *x = flow_user(f);

	(void)arg;
	x->flow = NULL;
	x->error = error;
}

static void on_echoed(void *arg, const struct stack_echo *echo)
{
	struct host *h = arg;

	(void)echo;
	h->echoes++;
}

static void on_notice(void *arg, const char *text)
{
	struct host *h = arg;

	snprintf(h->notice, sizeof(h->notice), "%s", text);
	h->notices++;
}

static const struct stack_user user = {
	.connected = on_connected,
	.accepted = on_accepted,
	.received = on_received,
	.sendable = on_sendable,
	.closed = on_closed,
	.echoed = on_echoed,
	.notice = on_notice,
};

/* --- hosts --------------------------------------------------------------------------------- */

void world_open(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	assert_int_equal(simnet_new(seed, 4096, &w->net), 0);
}

void world_close(struct world *w)
{
	for (uint32_t i = 0; i < w->nhosts; i++)
		stack_free(w->hosts[i].stack);
	simnet_free(w->net);
}

void host_conf(struct stack_conf *ret, const char *text)
{
	*ret = (struct stack_conf){
		.naddrs = 1, .flows = 64, .segments = 2048, .listeners = 16, .neighbours = 64
	};
	assert_int_equal(ipaddr_parse(text, &ret->addrs[0].ip), 0);
}

struct host *world_host_conf(struct world *w, const struct simnet_link *link, uint32_t segment,
			     struct stack_conf *conf)
{
	struct host *h = &w->hosts[w->nhosts++];

	h->world = w;
	h->ip = conf->addrs[0].ip;
	assert_int_equal(simnet_attach(w->net, segment, link, &h->port), 0);
	conf->port = h->port;
	conf->seed = simnet_random(w->net);
	if (!conf->user) {
		conf->user = &user;
		conf->arg = h;
	}
	assert_int_equal(stack_new(conf, simnet_now(w->net) + 1, &h->stack), 0);
	return h;
}

struct host *world_host(struct world *w, const char *text, const struct simnet_link *link)
{
	struct stack_conf conf;

	host_conf(&conf, text);
	return world_host_conf(w, link, 0, &conf);
}

void world_flow(struct world *w, struct host *a, struct host *b, uint16_t port, struct side **ret_a,
		struct side **ret_b)
{
	struct side *x = &w->sides[w->nsides++], *y = &w->sides[w->nsides++];

	x->host = a;
	y->host = b;
	x->size_max = y->size_max = 1;
	if (stack_listen(b->stack, &b->ip, port, y) < 0)
		fail_msg("can't listen");
	assert_int_equal(stack_connect(a->stack, &a->ip, &b->ip, port, x, &x->flow), 0);
	*ret_a = x;
	*ret_b = y;
}

void side_talk(struct side *from, struct side *to, uint32_t messages, uint32_t size_max)
{
	from->out_seed = to->in_seed = mix((uint64_t)(from - from->host->world->sides) + 1);
	from->to_send = to->to_get = messages;
	from->size_max = to->size_max = size_max;
	speak(from);
	stack_flush(from->host->stack);
}

/* --- time ------------------------------------------------------------------------------------ */

/* The stack's clock begins at 1: 0 is "never" to some. */
static uint64_t now_of(const struct world *w)
{
	return simnet_now(w->net) + 1;
}

static uint64_t next_due(const struct world *w)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < w->nhosts; i++) {
		uint64_t due = stack_deadline(w->hosts[i].stack);

		next = due < next ? due : next;
	}
	return next == UINT64_MAX ? next : next - 1;
}

static bool step(struct world *w, uint64_t until)
{
	uint64_t due = next_due(w), now;

	if (due <= simnet_now(w->net))
		due = simnet_now(w->net) + 1000;
	simnet_advance(w->net, due < until ? due : until);
	now = now_of(w);
	for (uint32_t i = 0; i < w->nhosts; i++) {
		struct host *h = &w->hosts[i];

		while (simnet_waiting(h->port))
			stack_poll(h->stack, now);
		if (w->steered || stack_deadline(h->stack) <= now)
			stack_poll(h->stack, now);
	}
	return simnet_now(w->net) < until;
}

void world_run(struct world *w, uint64_t ns)
{
	uint64_t until = simnet_now(w->net) + ns;

	while (step(w, until))
		;
}

bool world_done(const struct world *w)
{
	for (uint32_t i = 0; i < w->nsides; i++)
		if (w->sides[i].sent != w->sides[i].to_send ||
		    w->sides[i].got != w->sides[i].to_get)
			return false;
	return true;
}

bool world_run_until_done(struct world *w, uint64_t ns)
{
	uint64_t until = simnet_now(w->net) + ns;

	while (!world_done(w))
		if (!step(w, until))
			return false;
	return true;
}
