/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/simnet_switch.h"

enum {
	HASH_FROM = 26, /* in a UDP frame: source address */
	HASH_TO = 38,	/* behind the destination port */
};

/* At the end: the order in which a broadcast arrives is that of attaching. */
void segment_add(struct segment *s, struct simport *p)
{
	struct simport **end = &s->ports;

	while (*end)
		end = &(*end)->next;
	*end = p;
	p->segment = s;
	s->stale = true;
}

void segment_remove(struct segment *s, struct simport *p)
{
	struct simport **at = &s->ports;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	s->stale = true;
}

struct simport *segment_find(const struct segment *s, uint64_t mac)
{
	struct simport *p = s->ports;

	while (p && p->mac != mac)
		p = p->next;
	return p;
}

/* All ports up to this one have their groups. */
static void group(struct segment *s, struct simport *p)
{
	struct simport *last = segment_find(s, p->mac);

	p->nic = last;
	p->next_queue = NULL;
	p->queues = 0;
	last->queues++;
	if (last == p)
		return;
	while (last->next_queue)
		last = last->next_queue;
	last->next_queue = p;
}

void segment_look(struct segment *s)
{
	struct simport *p;
	uint64_t mac;

	for (p = s->ports; p; p = p->next) {
		mac = mac_load(p->port.mac);
		s->stale |= p->mac != mac;
		p->mac = mac;
	}
	if (!s->stale)
		return;
	for (p = s->ports; p; p = p->next)
		group(s, p);
	s->stale = false;
}

/* FNV-1a, with its high bits brought down to where a remainder sees them. */
static uint32_t hash(const uint8_t *frame, uint32_t len)
{
	uint32_t h = 2166136261;

	for (uint32_t i = HASH_FROM; i < HASH_TO && i < len; i++)
		h = (h ^ frame[i]) * 16777619;
	return h ^ (h >> 16);
}

struct simport *nic_queue(struct simport *nic, const uint8_t *frame, uint32_t len)
{
	unsigned skip;

	if (nic->queues == 1)
		return nic;
	for (skip = hash(frame, len) % nic->queues; skip; skip--)
		nic = nic->next_queue;
	return nic;
}
