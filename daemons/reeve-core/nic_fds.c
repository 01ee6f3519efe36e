/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors for clients: an owner's map, and sockets. To make a socket takes
 * long, as it comes with its memory; so each tenant has one made at a time, and
 * its others wait for that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "nic.h"

/* What is told at the end, and about what. */
struct wanted {
	nic_done *done;
	struct res res;
	uint32_t tenant;
};

struct socket_wait {
	struct socket_wait *next;
	struct conn *conn;
	struct wanted wanted;
	struct pp_nic_xsk request;
};

static void tell(struct conn *c, const struct wanted *w, const union pp_msg *m, const int *fds)
{
	const char *why;
	int error = answer_error(m, &why);

	if (error)
		nic_refuse(c, w->done, &w->res, error, why);
	else
		w->done(c, &(struct nic_grant){ .why = "", .fds = fds, .value = m->nic_fds.value });
}

/* --- the map --------------------------------------------------------------------- */

static void got_map(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		    const int *fds)
{
	(void)core;
	if (c)
		tell(c, ctx, m, fds);
}

static void run_map(struct conn *c, struct nic *nic, const struct nic_op *op)
{
	struct wanted w = { .done = op->done, .res = res_xdp(op->ifindex, owner_of(c->instance)) };
	struct pp_nic_map m = { .head.type = PP_NIC_MAP,
				.ifindex = op->ifindex,
				.owner = owner_of(c->instance) };

	(void)nic;
	if (ask(c->core, c, &m, got_map, &w, sizeof(w)) < 0)
		nic_refuse(c, op->done, &w.res, ENOMEM, "out of memory");
}

void nic_get_map(struct conn *c, uint32_t ifindex, nic_done *done)
{
	nic_start(c, &(struct nic_op){ .run = run_map, .done = done, .ifindex = ifindex });
}

/* --- sockets --------------------------------------------------------------------- */

static void next_socket(struct core *core, uint32_t tenant);

static void got_socket(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		       const int *fds)
{
	const struct wanted *w = ctx;

	core->socket_turns[w->tenant].taken = false;
	if (c)
		tell(c, w, m, fds);
	next_socket(core, w->tenant);
}

static bool begin_socket(struct conn *c, const struct wanted *w, struct pp_nic_xsk *m)
{
	if (ask(c->core, c, m, got_socket, w, sizeof(*w)) < 0) {
		nic_refuse(c, w->done, &w->res, ENOMEM, "out of memory");
		return false;
	}
	c->core->socket_turns[w->tenant].taken = true;
	return true;
}

static void next_socket(struct core *core, uint32_t tenant)
{
	struct socket_turn *turn = &core->socket_turns[tenant];

	while (turn->waiting && !turn->taken) {
		struct socket_wait *wait = turn->waiting;
		struct conn *c = wait->conn;

		turn->waiting = wait->next;
		c->busy = false;
		if (!begin_socket(c, &wait->wanted, &wait->request))
			conn_go_on(c);
		free(wait);
	}
}

static void wait_for_turn(struct conn *c, const struct wanted *w, const struct pp_nic_xsk *m)
{
	struct socket_wait **end = &c->core->socket_turns[w->tenant].waiting;
	struct socket_wait *wait = malloc(sizeof(*wait));

	if (!wait) {
		nic_refuse(c, w->done, &w->res, ENOMEM, "out of memory");
		return;
	}
	while (*end)
		end = &(*end)->next;
	*wait = (struct socket_wait){ .conn = c, .wanted = *w, .request = *m };
	*end = wait;
	c->busy = true;
}

void nic_open_socket(struct conn *c, const struct lease *lease, const struct nic_socket_want *want,
		     nic_done *done)
{
	struct wanted w = { .done = done, .res = lease->res, .tenant = c->tenant };
	struct pp_nic_xsk m = { .head.type = PP_NIC_XSK,
				.ifindex = lease->res.scope,
				.owner = owner_of(lease->instance),
				.queue = (uint32_t)lease->res.id,
				.frames = want->frames,
				.frame_size = want->frame_size,
				.rx = want->ring,
				.tx = want->ring,
				.fill = want->ring,
				.comp = want->ring };

	if (c->core->socket_turns[c->tenant].taken)
		wait_for_turn(c, &w, &m);
	else
		begin_socket(c, &w, &m);
}

void nic_forget_socket(struct conn *c)
{
	struct socket_wait **at = &c->core->socket_turns[c->tenant].waiting;

	while (*at && (*at)->conn != c)
		at = &(*at)->next;
	if (*at) {
		struct socket_wait *wait = *at;

		*at = wait->next;
		free(wait);
	}
}
