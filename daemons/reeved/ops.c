/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core may ask for. Each request is checked against the config alone:
 * the core parses what strangers write, so its word counts for nothing here.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/str.h"
#include "reeved.h"

enum { COMPLAINTS_BURST = 20 }; /* about the core; it may be anybody's by then */

void ops_answer(struct reeved *d, const struct pp_head *to, int error, uint32_t value,
		const struct err *e)
{
	struct pp_result m = {
		.head = { .type = PP_RESULT, .serial = to->serial },
		.error = -error,
		.value = value,
	};

	str_copy(m.why, sizeof(m.why), e->text);
	FAULT_HERE(REEVED_ANSWER);
	core_send(d, &m, NULL, 0);
}

void ops_refused(const char *what, const struct err *e)
{
	static struct rate limit;

	if (!rate_take(&limit, clock_boot_ns(), COMPLAINTS_BURST, 1, NULL))
		return;
	log_say(LOG_WARN, "the core asked for what the config does not allow", "%s: %s", what,
		e->text);
}

static void on_cpuset(struct reeved *d, const struct pp_cpuset *m)
{
	enum enforce now = ENFORCE_ADVISORY;
	struct err e = { 0 };
	int r;

	if (m->conf_serial != d->conf_serial) {
		fail(&e, ESTALE, "the config has just changed");
		ops_answer(d, &m->head, -ESTALE, 0, &e);
		return;
	}
	r = pp_allow_cpuset(&d->conf, m, &e);
	if (r < 0)
		ops_refused("cpuset", &e);
	else
		r = FAULT(REEVED_CPUSET);
	if (r == 0)
		r = cgroups_apply(d, m, &now, &e);
	ops_answer(d, &m->head, r, now, &e);
}

static uint32_t planes_wanted(const struct reeved *d)
{
	uint32_t wanted = d->opt.planes ? d->opt.planes : d->conf.planes;

	return (wanted | d->held_planes) & ~d->conf.closed;
}

int planes_adjust(struct reeved *d, struct err *e)
{
	uint32_t wanted = planes_wanted(d);
	struct door *door = &d->doors[PP_DOOR_MTL];

	netd_adjust(d, wanted & 1U << PLANE_STACK);
	if (!(wanted & 1U << PLANE_MTL)) {
		door_close(d, PP_DOOR_MTL);
		return 0;
	}
	if (door->fd >= 0 && !strcmp(door->path, d->conf.mtl_path))
		return 0;
	return door_open(d, PP_DOOR_MTL, d->conf.mtl_path, e);
}

static void on_plane(struct reeved *d, const struct pp_plane *m)
{
	uint32_t held = d->held_planes, before = planes_wanted(d), bit;
	struct err e = { 0 };
	int r;

	r = pp_allow_plane(&d->conf, m, &e);
	if (r < 0) {
		ops_refused("plane", &e);
		ops_answer(d, &m->head, r, 0, &e);
		return;
	}
	bit = 1U << m->plane;
	d->held_planes = m->on ? held | bit : held & ~bit;
	d->old_planes &= ~bit;
	r = planes_adjust(d, &e);
	if (r < 0)
		d->held_planes = held;
	ops_answer(d, &m->head, r, !!(before & bit), &e);
}

/* What no request of this core named is nobody's any more. */
static void on_synced(struct reeved *d, const struct pp_simple *m)
{
	struct err e = { 0 };

	FAULT_HERE(REEVED_SWEEP);
	nics_sweep(d);
	d->held_planes &= ~d->old_planes;
	d->old_planes = 0;
	cgroups_restore(d, false);
	planes_adjust(d, &e);
	ops_answer(d, &m->head, 0, 0, &e);
}

static void on_unknown(struct reeved *d, const struct pp_unknown *m)
{
	enum pp_door door;
	int fd = clients_find(&d->clients, m->conn, &door);

	if (fd >= 0)
		door_hand_over(d, door, m->conn, fd);
}

/* What is answered with yes ends this core, in the order of messages: the asker is told before. */
static void on_admin(struct reeved *d, const struct pp_admin *m)
{
	struct err e = { 0 };
	int r = 0;

	if (m->op == PP_ADMIN_UPGRADE) {
		r = upgrade(d, &e);
		if (r < 0)
			ops_answer(d, &m->head, r, 0, &e);
		return;
	}
	ops_answer(d, &m->head, 0, 0, &e);
	reeved_stop(d, m->op == PP_ADMIN_STOP_KEEP);
}

static void on_close(struct reeved *d, const struct pp_close *m)
{
	static struct rate limit;

	FAULT_HERE(REEVED_CLOSE);
	if (!clients_drop(&d->clients, m->conn) &&
	    rate_take(&limit, clock_boot_ns(), COMPLAINTS_BURST, 1, NULL))
		log_say(LOG_WARN, "the core closed a connection that is not there", "slot %u",
			m->conn.slot);
	doors_adjust(d);
}

void ops_handle(struct reeved *d, const union pp_msg *m)
{
	switch (m->head.type) {
	case PP_READY:
		reeved_core_ready(d, &m->ready);
		break;
	case PP_CLOSE:
		on_close(d, &m->close);
		break;
	case PP_SYNCED:
		on_synced(d, &m->simple);
		break;
	case PP_UNKNOWN:
		on_unknown(d, &m->unknown);
		break;
	case PP_ADMIN:
		on_admin(d, &m->admin);
		break;
	case PP_CPUSET:
		on_cpuset(d, &m->cpuset);
		break;
	case PP_PLANE:
		on_plane(d, &m->plane);
		break;
	default:
		nic_ops_handle(d, m);
	}
}
