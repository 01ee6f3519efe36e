/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "port/simnet_switch.h"

struct simnet {
	uint64_t now;
	uint64_t random;
	struct frames frames;
	struct simnet_stats stats;
	struct segment *segments;
	struct simport *ready, *last_ready;
	simnet_tap_fn tap;
	void *tap_arg;
	uint32_t attached;
};

static struct simport *simport(const struct port *p)
{
	return (struct simport *)((char *)p - offsetof(struct simport, port));
}

static void drop(struct simnet *n, uint32_t frame, uint64_t *counter)
{
	(*counter)++;
	frames_give(&n->frames, frame);
}

/* Under what a frame is counted that this port does not get; NULL: it gets it. */
static uint64_t *refusal(struct simnet *n, const struct simport *to, uint32_t len)
{
	if (!to->up)
		return &n->stats.down;
	if (len > PORT_ETHER_HEADER + (uint32_t)to->port.mtu)
		return &n->stats.length;
	return to->waiting.count < SIMNET_RING ? NULL : &n->stats.ring_full;
}

static void make_ready(struct simnet *n, struct simport *p)
{
	if (p->ready)
		return;
	p->ready = true;
	p->next_ready = NULL;
	if (n->ready)
		n->last_ready->next_ready = p;
	else
		n->ready = p;
	n->last_ready = p;
}

static void deliver(struct simnet *n, struct simport *nic, uint32_t frame)
{
	uint32_t len = n->frames.info[frame].len;
	struct simport *to = nic_queue(nic, frame_data(&n->frames, frame), len);
	uint64_t *why_not = refusal(n, to, len);

	if (why_not)
		return drop(n, frame, why_not);
	list_put(&n->frames, &to->waiting, frame);
	n->stats.delivered++;
	make_ready(n, to);
}

static void deliver_copy(struct simnet *n, struct simport *nic, uint32_t frame)
{
	uint32_t copy = frames_copy(&n->frames, frame);

	n->stats.copied++;
	if (copy == FRAME_NONE)
		n->stats.pool_full++;
	else
		deliver(n, nic, copy);
}

/* The last receiver gets the frame itself. */
static void flood(struct simnet *n, const struct segment *s, const struct simport *not_to,
		  uint32_t frame)
{
	struct simport *last = NULL;

	for (struct simport *p = s->ports; p; p = p->next) {
		if (p->nic != p || p == not_to)
			continue;
		if (last)
			deliver_copy(n, last, frame);
		last = p;
	}
	if (last)
		deliver(n, last, frame);
	else
		drop(n, frame, &n->stats.nowhere);
}

static void arrive(struct simnet *n, uint32_t frame)
{
	const struct frame_info *info = &n->frames.info[frame];
	const uint8_t *data = frame_data(&n->frames, frame);
	struct simport *from, *to = NULL;

	segment_look(info->segment);
	from = info->from ? info->from->nic : NULL;
	if (!(data[0] & 1))
		to = segment_find(info->segment, mac_load(data));
	if (!to)
		flood(n, info->segment, from, frame);
	else if (to == from)
		drop(n, frame, &n->stats.nowhere);
	else
		deliver(n, to, frame);
}

static void depart(struct simport *p, uint32_t frame, uint64_t left)
{
	struct simnet *n = p->net;
	bool held;
	uint64_t at = path_arrival(&p->path, &n->random, left, &held);

	n->stats.reordered += held;
	if (random_chance(&n->random, p->path.link.corrupt_ppm)) {
		path_corrupt(&n->random, frame_data(&n->frames, frame), n->frames.info[frame].len);
		n->stats.corrupted++;
	}
	frames_depart(&n->frames, frame, at);
}

/* The same again, right behind the first, with faults of its own. */
static void depart_twice(struct simport *p, uint32_t frame, uint64_t left)
{
	struct simnet *n = p->net;
	uint32_t copy = frames_copy(&n->frames, frame);

	depart(p, frame, left);
	n->stats.duplicated++;
	if (copy == FRAME_NONE)
		n->stats.pool_full++;
	else
		depart(p, copy, left);
}

static bool fits(const struct simnet_link *l, uint32_t len)
{
	return len >= PORT_ETHER_HEADER && (!l->mtu || len <= PORT_ETHER_HEADER + (uint32_t)l->mtu);
}

static void send_up(struct simport *p, uint32_t frame, uint32_t len)
{
	struct simnet *n = p->net;
	const struct simnet_link *l = &p->path.link;
	uint64_t left;

	if (n->tap)
		n->tap(n->tap_arg, n->now, &p->port, frame_data(&n->frames, frame), len);
	if (!fits(l, len))
		drop(n, frame, &n->stats.length);
	else if (path_queue(&p->path, len, n->now, &left) < 0)
		drop(n, frame, &n->stats.queue_full);
	else if (random_chance(&n->random, l->loss_ppm))
		drop(n, frame, &n->stats.lost);
	else if (random_chance(&n->random, l->duplicate_ppm))
		depart_twice(p, frame, left);
	else
		depart(p, frame, left);
}

static void on_flush(struct port *port)
{
	struct simport *p = simport(port);
	struct simnet *n = p->net;
	uint32_t frame, len;

	while (p->sending.count) {
		frame = list_take(&n->frames, &p->sending);
		len = n->frames.info[frame].len;
		n->stats.sent++;
		port->stats.tx_frames++;
		port->stats.tx_bytes += len;
		if (p->up)
			send_up(p, frame, len);
		else
			drop(n, frame, &n->stats.down);
	}
}

/* Once given, it stays until something was written there. */
static uint8_t *on_tx_room(struct port *port)
{
	struct simport *p = simport(port);

	if (!p->room_given && random_chance(&p->net->random, p->path.link.busy_ppm)) {
		port->stats.tx_full++;
		return NULL;
	}
	if (!p->room_given)
		frame_open(&p->net->frames, p->room, PORT_ETHER_HEADER + port->mtu);
	p->room_given = true;
	return frame_data(&p->net->frames, p->room);
}

/* The frame leaves its place to one from the pool. If there is none, what was written is lost. */
static void on_tx(struct port *port, uint32_t len)
{
	struct simport *p = simport(port);
	struct frames *f = &p->net->frames;
	uint32_t fresh = frames_take(f);

	assert(len <= FRAME_BYTES);
	p->room_given = false;
	if (fresh == FRAME_NONE) {
		p->net->stats.sent++;
		p->net->stats.pool_full++;
		return;
	}
	f->info[p->room].from = p;
	f->info[p->room].segment = p->segment;
	f->info[p->room].len = len;
	frame_open(f, p->room, len);
	list_put(f, &p->sending, p->room);
	p->room = fresh;
	if (p->sending.count == SIMNET_RING)
		on_flush(port);
}

static unsigned on_rx(struct port *port, struct frame *ret, unsigned max)
{
	struct simport *p = simport(port);
	struct frames *f = &p->net->frames;
	uint32_t frame;
	unsigned n;

	list_give(f, &p->taken);
	for (n = 0; n < max && p->waiting.count; n++) {
		frame = list_take(f, &p->waiting);
		list_put(f, &p->taken, frame);
		ret[n].data = frame_data(f, frame);
		ret[n].len = f->info[frame].len;
		port->stats.rx_bytes += ret[n].len;
	}
	port->stats.rx_frames += n;
	return n;
}

static void forget_ready(struct simnet *n, struct simport *p)
{
	struct simport **at = &n->ready, *before = NULL;

	if (!p->ready)
		return;
	for (; *at != p; at = &before->next_ready)
		before = *at;
	*at = p->next_ready;
	if (n->last_ready == p)
		n->last_ready = before;
}

static void on_close(struct port *port)
{
	struct simport *p = simport(port);
	struct frames *f = &p->net->frames;

	forget_ready(p->net, p);
	segment_remove(p->segment, p);
	frames_orphan(f, p);
	list_give(f, &p->sending);
	list_give(f, &p->waiting);
	list_give(f, &p->taken);
	frames_give(f, p->room);
	free(p);
}

static const struct port_ops simnet_ops = {
	.rx = on_rx,
	.tx_room = on_tx_room,
	.tx = on_tx,
	.flush = on_flush,
	.close = on_close,
};

int simnet_new(uint64_t seed, uint32_t frames, struct simnet **ret)
{
	_cleanup_free_ struct simnet *n = calloc(1, sizeof(*n));
	int r;

	if (!frames || frames == FRAME_NONE)
		return -EINVAL;
	if (!n)
		return -ENOMEM;
	r = frames_init(&n->frames, frames);
	if (r < 0)
		return r;
	n->random = seed;
	*ret = take_ptr(&n);
	return 0;
}

void simnet_free(struct simnet *n)
{
	struct segment *s;

	if (!n)
		return;
	while ((s = n->segments)) {
		while (s->ports)
			on_close(&s->ports->port);
		n->segments = s->next;
		free(s);
	}
	frames_fini(&n->frames);
	free(n);
}

static struct segment *segment_of(struct simnet *n, uint32_t number)
{
	struct segment *s = n->segments;

	while (s && s->number != number)
		s = s->next;
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->number = number;
	s->next = n->segments;
	n->segments = s;
	return s;
}

static void port_init(struct port *p, uint32_t number, uint16_t mtu)
{
	p->ops = &simnet_ops;
	p->mac[0] = 0x02;
	for (int i = 0; i < 4; i++)
		p->mac[2 + i] = (uint8_t)(number >> (24 - 8 * i));
	p->mtu = mtu;
	p->wait_fd = -1;
}

static void attach(struct simnet *n, struct segment *s, const struct simnet_link *link,
		   struct simport *p)
{
	p->net = n;
	p->up = true;
	p->path.link = *link;
	p->number = n->attached++;
	port_init(&p->port, p->number, link->mtu ? link->mtu : SIMNET_MTU);
	segment_add(s, p);
}

int simnet_attach(struct simnet *n, uint32_t segment, const struct simnet_link *link,
		  struct port **ret)
{
	static const struct simnet_link perfect;
	_cleanup_free_ struct simport *p = NULL;
	struct segment *s;

	link = link ? link : &perfect;
	if (link->mtu && (link->mtu < PORT_MTU_MIN || link->mtu > PORT_MTU_MAX))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	s = segment_of(n, segment);
	if (!p || !s)
		return -ENOMEM;
	p->room = frames_take(&n->frames);
	if (p->room == FRAME_NONE)
		return -ENOBUFS;
	attach(n, s, link, p);
	*ret = &take_ptr(&p)->port;
	return 0;
}

uint32_t simnet_number(const struct port *p)
{
	return simport(p)->number;
}

void simnet_set_link(struct port *p, const struct simnet_link *link)
{
	struct path *path = &simport(p)->path;

	path->link = *link;
	path->rest = 0; /* it was in units of the old rate */
}

void simnet_set_up(struct port *p, bool up)
{
	simport(p)->up = up;
}

uint64_t simnet_now(const struct simnet *n)
{
	return n->now;
}

uint64_t simnet_next(const struct simnet *n)
{
	return frames_next(&n->frames);
}

bool simnet_advance(struct simnet *n, uint64_t until_ns)
{
	uint64_t before = n->stats.delivered, next;

	while ((next = simnet_next(n)) != SIMNET_NEVER && next <= until_ns) {
		n->now = next;
		do
			arrive(n, frames_arrive(&n->frames));
		while (simnet_next(n) == next);
		if (n->stats.delivered != before)
			return true;
	}
	if (until_ns != SIMNET_NEVER && until_ns > n->now)
		n->now = until_ns;
	return false;
}

bool simnet_waiting(const struct port *p)
{
	return simport(p)->waiting.count;
}

struct port *simnet_ready(struct simnet *n)
{
	struct simport *p;

	while ((p = n->ready)) {
		n->ready = p->next_ready;
		p->ready = false;
		if (p->waiting.count)
			return &p->port;
	}
	return NULL;
}

void simnet_tap(struct simnet *n, simnet_tap_fn tap, void *arg)
{
	n->tap = tap;
	n->tap_arg = arg;
}

const struct simnet_stats *simnet_stats(const struct simnet *n)
{
	return &n->stats;
}

uint64_t simnet_random(struct simnet *n)
{
	return random_next(&n->random);
}
