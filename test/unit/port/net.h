/* SPDX-License-Identifier: BSD-3-Clause */
/* A network for a test, and frames with a value in them. */
#ifndef TEST_UNIT_PORT_NET_H
#define TEST_UNIT_PORT_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "port/simnet.h"

enum {
	FRAMES = 4096,
	LEN = 64,
	VALUE_AT = 38, /* behind what is hashed for a queue */
	MANY = 100000,
	NOTHING = -1,
	US = 1000,
	MS = 1000000,
};

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t some_group[6] = { 0x01, 0x00, 0x5e, 1, 2, 3 };
static const uint8_t nobody[6] = { 0x02, 0xee, 0, 0, 0, 1 };

static inline struct simnet *network(uint64_t seed, uint32_t frames)
{
	struct simnet *n = NULL;

	assert_int_equal(simnet_new(seed, frames, &n), 0);
	return n;
}

static inline struct port *plug(struct simnet *n, uint32_t segment, const struct simnet_link *link)
{
	struct port *p = NULL;

	assert_int_equal(simnet_attach(n, segment, link, &p), 0);
	return p;
}

static inline int net_up(void **state)
{
	*state = network(1, FRAMES);
	return 0;
}

static inline int net_down(void **state)
{
	simnet_free(*state);
	return 0;
}

/* A frame with a value in it, not flushed yet; `flow` is in what is hashed for a queue. */
static inline void write_flow(struct port *p, const uint8_t *to, int value, uint32_t len, int flow)
{
	uint8_t *data = port_tx_room(p);

	assert_non_null(data);
	assert_ptr_equal(data, port_tx_room(p));
	memset(data, 0, len);
	memcpy(data, to, 6);
	memcpy(data + 6, p->mac, 6);
	if (len >= VALUE_AT + sizeof(value)) {
		memcpy(data + VALUE_AT - sizeof(flow), &flow, sizeof(flow));
		memcpy(data + VALUE_AT, &value, sizeof(value));
	}
	port_tx(p, len);
}

static inline void send_len(struct port *p, const uint8_t *to, int value, uint32_t len)
{
	write_flow(p, to, value, len, 0);
	port_flush(p);
}

static inline void send(struct port *p, const uint8_t *to, int value)
{
	send_len(p, to, value, LEN);
}

static inline int value_of(const struct frame *f)
{
	int value = 0;

	if (f->len >= VALUE_AT + sizeof(value))
		memcpy(&value, f->data + VALUE_AT, sizeof(value));
	return value;
}

/* The value of the next frame, or NOTHING. */
static inline int receive(struct port *p)
{
	struct frame f;

	return port_rx(p, &f, 1) ? value_of(&f) : NOTHING;
}

static inline unsigned receive_all(struct port *p)
{
	struct frame f[PORT_BURST];
	unsigned all = 0, n;

	while ((n = port_rx(p, f, PORT_BURST)))
		all += n;
	return all;
}

/* Until nothing is on its way. */
static inline void settle(struct simnet *n)
{
	while (simnet_advance(n, SIMNET_NEVER))
		;
}

/* Every frame that came from somewhere is somewhere. */
static inline void assert_all_counted(const struct simnet *n)
{
	const struct simnet_stats *s = simnet_stats(n);

	assert_int_equal(s->sent + s->duplicated + s->copied,
			 s->delivered + s->lost + s->down + s->length + s->queue_full +
				 s->ring_full + s->pool_full + s->nowhere);
}

#define on_net(test) cmocka_unit_test_setup_teardown(test, net_up, net_down)

#endif
