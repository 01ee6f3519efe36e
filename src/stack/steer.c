/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/steer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "stack/impl.h"

enum { INBOX = 256, PORTS = 65536, FIRST_PORT = 1024 };

/* One writer, one reader; counters run on. */
struct inbox {
	_Alignas(64) _Atomic uint32_t written;
	_Alignas(64) _Atomic uint32_t read;
	uint8_t *slots;
};

struct steering {
	uint32_t engines, slot;
	steering_wake *wake;
	void *arg;
	_Atomic uint8_t owners[PORTS]; /* engine plus 1; 0: nobody's */
	struct inbox inboxes[];	       /* from engine * engines + to engine */
};

struct slot {
	uint32_t len;
	uint32_t copy;
	uint8_t frame[];
};

int steering_new(uint32_t engines, uint32_t frame, steering_wake *wake, void *arg,
		 struct steering **ret)
{
	struct steering *t;

	if (!engines || engines > STACK_ENGINES)
		return -EINVAL;
	t = aligned_alloc(64,
			  (sizeof(*t) + engines * engines * sizeof(t->inboxes[0]) + 63) / 64 * 64);
	if (!t)
		return -ENOMEM;
	memset(t, 0, sizeof(*t) + engines * engines * sizeof(t->inboxes[0]));
	t->engines = engines;
	t->slot = (uint32_t)(sizeof(struct slot) + frame + 7) / 8 * 8;
	t->wake = wake;
	t->arg = arg;
	for (uint32_t i = 0; i < engines * engines; i++) {
		t->inboxes[i].slots = calloc(INBOX, t->slot);
		if (!t->inboxes[i].slots) {
			steering_free(t);
			return -ENOMEM;
		}
	}
	*ret = t;
	return 0;
}

void steering_free(struct steering *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->engines * t->engines; i++)
		free(t->inboxes[i].slots);
	free(t);
}

static struct slot *slot_at(const struct steering *t, struct inbox *box, uint32_t number)
{
	return (struct slot *)(box->slots + (size_t)(number % INBOX) * t->slot);
}

/* Full: the frame is lost, as in a queue of a NIC. */
static void hand_over(struct stack *s, uint32_t to, const uint8_t *frame, uint32_t len, bool copy)
{
	struct steering *t = s->conf.steering;
	struct inbox *box = &t->inboxes[s->conf.engine * t->engines + to];
	uint32_t at = atomic_load_explicit(&box->written, memory_order_relaxed);
	struct slot *slot = slot_at(t, box, at);

	if (at - atomic_load_explicit(&box->read, memory_order_acquire) == INBOX ||
	    len > t->slot - sizeof(*slot))
		return;
	slot->len = len;
	slot->copy = copy;
	memcpy(slot->frame, frame, len);
	atomic_store_explicit(&box->written, at + 1, memory_order_release);
	s->stats.steered++;
	if (t->wake)
		t->wake(t->arg, to);
}

bool steer_away(struct stack *s, uint16_t port, const uint8_t *frame, uint32_t len)
{
	struct steering *t = s->conf.steering;
	uint32_t owner;

	if (!t)
		return false;
	owner = atomic_load_explicit(&t->owners[port], memory_order_relaxed);
	if (!owner || owner - 1 == s->conf.engine)
		return false;
	hand_over(s, owner - 1, frame, len, false);
	return true;
}

void steer_to_all(struct stack *s, const uint8_t *frame, uint32_t len)
{
	struct steering *t = s->conf.steering;

	for (uint32_t i = 0; t && i < t->engines; i++)
		if (i != s->conf.engine)
			hand_over(s, i, frame, len, true);
}

/* As many as there were at the beginning: a busy neighbour does not keep us here. */
static bool drain(struct stack *s, struct inbox *box)
{
	struct steering *t = s->conf.steering;
	uint32_t end = atomic_load_explicit(&box->written, memory_order_acquire);
	uint32_t at = atomic_load_explicit(&box->read, memory_order_relaxed);
	bool any = at != end;

	for (; at != end; at++) {
		struct slot *slot = slot_at(t, box, at);

		input(s, slot->frame, slot->len, slot->copy);
		atomic_store_explicit(&box->read, at + 1, memory_order_release);
	}
	return any;
}

bool steer_drain(struct stack *s)
{
	struct steering *t = s->conf.steering;
	bool any = false;

	for (uint32_t from = 0; t && from < t->engines; from++)
		if (from != s->conf.engine)
			any |= drain(s, &t->inboxes[from * t->engines + s->conf.engine]);
	return any;
}

bool steer_has(const struct steering *t, uint32_t engine)
{
	return engine < t->engines;
}

/* Among the engines. */
static bool claim(struct stack *s, uint16_t port)
{
	struct steering *t = s->conf.steering;
	uint8_t nobody = 0;

	return s->port_users[port] || !t ||
	       atomic_compare_exchange_strong(&t->owners[port], &nobody,
					      (uint8_t)(s->conf.engine + 1));
}

static void disclaim(struct stack *s, uint16_t port)
{
	if (!s->port_users[port] && s->conf.steering)
		atomic_store(&s->conf.steering->owners[port], 0);
}

/* Where the kernel has the address, too, it has to let us have the port. */
static bool is_shared(const struct stack *s, const struct ipaddr *ip)
{
	return s->shared_users && stack_own(s, ip)->ports_only;
}

static bool share(struct stack *s, const struct ipaddr *ip, uint16_t port)
{
	if (!is_shared(s, ip))
		return true;
	if (!s->shared_users[port] && !s->conf.own_port(s->conf.arg, port, true))
		return false;
	s->shared_users[port]++;
	return true;
}

static void unshare(struct stack *s, const struct ipaddr *ip, uint16_t port)
{
	if (is_shared(s, ip) && --s->shared_users[port] == 0)
		s->conf.own_port(s->conf.arg, port, false);
}

bool port_take(struct stack *s, const struct ipaddr *ip, uint16_t port)
{
	if (!claim(s, port))
		return false;
	if (!share(s, ip, port)) {
		disclaim(s, port);
		return false;
	}
	s->port_users[port]++;
	return true;
}

void port_give(struct stack *s, const struct ipaddr *ip, uint16_t port)
{
	unshare(s, ip, port);
	s->port_users[port]--;
	disclaim(s, port);
}

bool port_find(struct stack *s, const struct ipaddr *ip, uint16_t *ret)
{
	for (uint32_t i = 0; i < PORTS; i++) {
		uint16_t port;

		if (s->next_port < FIRST_PORT)
			s->next_port = FIRST_PORT;
		port = s->next_port++;
		if (!s->port_users[port] && port_take(s, ip, port)) {
			*ret = port;
			return true;
		}
	}
	return false;
}
