/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slot number alone would let a late PP_CLOSE end the slot's next owner, so
 * a connection is named by slot and use.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "mech/discard.h"
#include "reeved.h"

int clients_init(struct clients *c, uint32_t max)
{
	*c = (struct clients){ .max = max, .free = NO_SLOT };
	c->kept = calloc(max, sizeof(*c->kept));
	return c->kept ? 0 : -ENOMEM;
}

bool clients_full(const struct clients *c)
{
	return c->count == c->max;
}

static uint32_t take_slot(struct clients *c)
{
	uint32_t slot = c->free;

	if (slot == NO_SLOT)
		return c->high++;
	c->free = c->kept[slot].next_free;
	return slot;
}

struct pp_conn clients_add(struct clients *c, enum pp_door door, int fd)
{
	uint32_t slot = take_slot(c);
	struct kept *k = &c->kept[slot];

	k->fd = fd;
	k->door = door;
	k->use++;
	c->count++;
	return (struct pp_conn){ .slot = slot, .use = k->use };
}

static void drop_slot(struct clients *c, uint32_t slot)
{
	struct kept *k = &c->kept[slot];

	if (c->stored)
		c->stored[slot].ino = 0;
	discard(k->fd, c->foreign_fds);
	k->fd = -1;
	k->next_free = c->free;
	c->free = slot;
	c->count--;
}

static bool is_kept(const struct clients *c, struct pp_conn conn)
{
	return conn.slot < c->high && c->kept[conn.slot].fd >= 0 &&
	       c->kept[conn.slot].use == conn.use;
}

int clients_find(const struct clients *c, struct pp_conn conn, enum pp_door *ret_door)
{
	if (!is_kept(c, conn))
		return -1;
	*ret_door = c->kept[conn.slot].door;
	return c->kept[conn.slot].fd;
}

void clients_batch(const struct clients *c, uint32_t *at, struct pp_resume *ret,
		   int fds[static FD_PASS_MAX])
{
	*ret = (struct pp_resume){ .head.type = PP_RESUME };
	for (; *at < c->high && ret->n < FD_PASS_MAX; (*at)++) {
		const struct kept *k = &c->kept[*at];

		if (k->fd < 0)
			continue;
		fds[ret->n] = k->fd;
		ret->conns[ret->n++] = (struct pp_conn){ .slot = *at, .use = k->use };
	}
}

/* Slots below that nobody has are free. */
static void reach(struct clients *c, uint32_t slot)
{
	for (; c->high <= slot; c->high++) {
		c->kept[c->high].fd = -1;
		c->kept[c->high].next_free = c->free;
		c->free = c->high;
	}
}

static void take_out(struct clients *c, uint32_t slot)
{
	uint32_t *at = &c->free;

	while (*at != slot)
		at = &c->kept[*at].next_free;
	*at = c->kept[slot].next_free;
}

bool clients_restore(struct clients *c, struct pp_conn conn, enum pp_door door, int fd)
{
	if (conn.slot >= c->max || (conn.slot < c->high && c->kept[conn.slot].fd >= 0))
		return false;
	reach(c, conn.slot);
	take_out(c, conn.slot);
	c->kept[conn.slot] = (struct kept){ .fd = fd, .use = conn.use, .door = door };
	c->count++;
	return true;
}

bool clients_drop(struct clients *c, struct pp_conn conn)
{
	if (!is_kept(c, conn))
		return false;
	drop_slot(c, conn.slot);
	return true;
}

void clients_drop_all(struct clients *c)
{
	for (uint32_t slot = 0; slot < c->high; slot++)
		if (c->kept[slot].fd >= 0)
			drop_slot(c, slot);
}
