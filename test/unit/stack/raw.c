/* SPDX-License-Identifier: BSD-3-Clause */
#include "raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const uint8_t raw_everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void put16(uint8_t *at, uint32_t x)
{
	at[0] = (uint8_t)(x >> 8);
	at[1] = (uint8_t)x;
}

static void put32(uint8_t *at, uint32_t x)
{
	put16(at, x >> 16);
	put16(at + 2, x);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

void raw_open(struct raw *r, struct world *w, const char *ip)
{
	unsigned a, b, c, d;

	assert_int_equal(sscanf(ip, "%u.%u.%u.%u", &a, &b, &c, &d), 4);
	*r = (struct raw){ .world = w, .ip = { (uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d } };
	assert_int_equal(simnet_attach(w->net, 0, NULL, &r->port), 0);
}

void raw_send(struct raw *r, const struct raw_frame *f)
{
	uint8_t *room = port_tx_room(r->port);

	assert_non_null(room);
	memcpy(room, f->b, f->len);
	port_tx(r->port, f->len);
	port_flush(r->port);
}

bool raw_next(struct raw *r, struct raw_frame *ret)
{
	struct frame f;

	if (!port_rx(r->port, &f, 1))
		return false;
	assert_true(f.len <= sizeof(ret->b));
	ret->len = f.len;
	memcpy(ret->b, f.data, f.len);
	return true;
}

bool raw_is_machnet(const struct raw_frame *f, struct raw_packet *ret)
{
	if (f->len < RAW_MACHNET || get16(f->b + 12) != 0x0800 || f->b[23] != 17 ||
	    get16(f->b + 42) != 0x4e53)
		return false;
	*ret = (struct raw_packet){ .from = (uint16_t)get16(f->b + 34),
				    .to = (uint16_t)get16(f->b + 36),
				    .kind = f->b[44],
				    .flags = f->b[45],
				    .seq = get32(f->b + 46),
				    .ack = get32(f->b + 50) };
	return true;
}

uint32_t raw_count(struct raw *r, uint8_t kind, struct raw_packet *last)
{
	struct raw_packet p;
	struct raw_frame f;
	uint32_t n = 0;

	while (raw_next(r, &f)) {
		if (!raw_is_machnet(&f, &p) || p.kind != kind)
			continue;
		n++;
		if (last)
			*last = p;
	}
	return n;
}

void raw_forget(struct raw *r)
{
	struct raw_frame f;

	while (raw_next(r, &f))
		;
}

uint16_t raw_sum(const void *at, uint32_t len)
{
	const uint8_t *p = at;
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void raw_ip4(const struct raw *r, const struct host *to, uint8_t proto, const void *data,
	     uint32_t len, struct raw_frame *ret)
{
	uint8_t *b = ret->b;

	memset(b, 0, 34);
	memcpy(b, to->port->mac, 6);
	memcpy(b + 6, r->port->mac, 6);
	put16(b + 12, 0x0800);
	b[14] = 0x45;
	put16(b + 16, 20 + len);
	put16(b + 18, 0x1513);
	b[22] = 64;
	b[23] = proto;
	memcpy(b + 26, r->ip, 4);
	memcpy(b + 30, to->ip.b + 12, 4);
	put16(b + 24, raw_sum(b + 14, 20));
	if (len)
		memcpy(b + 34, data, len);
	ret->len = 34 + len;
}

void raw_machnet(const struct raw *r, const struct host *to, const struct raw_packet *p,
		 const void *data, uint32_t len, struct raw_frame *ret)
{
	uint8_t udp[1600] = { 0 };

	put16(udp, p->from);
	put16(udp + 2, p->to);
	put16(udp + 4, 62 + len);
	put16(udp + 8, 0x4e53);
	udp[10] = p->kind;
	udp[11] = p->flags;
	put32(udp + 12, p->seq);
	put32(udp + 16, p->ack);
	if (len)
		memcpy(udp + 62, data, len);
	raw_ip4(r, to, 17, udp, 62 + len, ret);
}

void raw_say(struct raw *r, const struct host *to, const struct raw_packet *p)
{
	raw_say_data(r, to, p, NULL, 0);
}

void raw_say_data(struct raw *r, const struct host *to, const struct raw_packet *p,
		  const void *data, uint32_t len)
{
	struct raw_frame f;

	raw_machnet(r, to, p, data, len, &f);
	raw_send(r, &f);
	world_run(r->world, 1000);
}

void raw_arp(struct raw *r, const uint8_t to[6], uint16_t op, const uint8_t ip[4],
	     const uint8_t about[4])
{
	struct raw_frame f = { .len = 42 };

	memcpy(f.b, to, 6);
	memcpy(f.b + 6, r->port->mac, 6);
	put16(f.b + 12, 0x0806);
	put16(f.b + 14, 1);
	put16(f.b + 16, 0x0800);
	f.b[18] = 6;
	f.b[19] = 4;
	put16(f.b + 20, op);
	memcpy(f.b + 22, r->port->mac, 6);
	memcpy(f.b + 28, ip, 4);
	if (op == 2)
		memcpy(f.b + 32, to, 6);
	memcpy(f.b + 38, about, 4);
	raw_send(r, &f);
}

void raw_introduce(struct raw *r, const struct host *to)
{
	raw_arp(r, to->port->mac, 1, r->ip, to->ip.b + 12);
	world_run(r->world, 1000);
	raw_forget(r);
}

void raw_connect(struct raw *r, const struct host *to, uint16_t port)
{
	raw_introduce(r, to);
	raw_say(r, to, &(struct raw_packet){ .from = 1024, .to = port, .kind = 1 });
	assert_int_equal(raw_count(r, 3, NULL), 1);
	raw_say(r, to,
		&(struct raw_packet){ .from = 1024, .to = port, .kind = 2, .seq = 1, .ack = 1 });
	raw_forget(r);
}

struct side *raw_meet(struct raw *r, struct world *w, struct host **ret)
{
	struct side *side;
	struct host *host;

	world_open(w, 1);
	host = world_host(w, "10.0.0.1", NULL);
	raw_open(r, w, "10.0.0.2");
	side = &w->sides[w->nsides++];
	side->host = host;
	side->size_max = 1;
	assert_int_equal(stack_listen(host->stack, &host->ip, 888, side), 0);
	raw_connect(r, host, 888);
	assert_true(side->connected);
	*ret = host;
	return side;
}
