/* SPDX-License-Identifier: BSD-3-Clause */
#include "orphan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "core.h"
#include "mech/peer.h"
#include "txn.h"

struct orphan {
	struct orphan *next;
	struct core *core;
	struct watch watch; /* the process's pidfd */
	ledger_id instance;
};

static void drop(struct orphan *o)
{
	struct orphan **at = &o->core->orphans;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	loop_del(&o->watch);
	close(o->watch.fd);
	free(o);
}

static void on_end(struct watch *w, uint32_t events)
{
	struct orphan *o = watch_owner(w, struct orphan, watch);

	(void)events;
	txn_end_instance(o->core, o->instance, "its process ended");
	drop(o);
}

/* --- given back before the process ends ------------------------------------------------ */

static void end(struct core *core, ledger_id instance)
{
	for (struct orphan *o = core->orphans; o; o = o->next)
		if (o->instance == instance) {
			drop(o);
			break;
		}
	txn_end_instance(core, instance, "the message stack has connected anew");
}

static bool acted(const struct instance *in, const struct peer *process)
{
	return in->orphan && in->kind == INSTANCE_STACK && in->pid == process->pid &&
	       in->start_time == process->start_time;
}

void orphans_give_back_one(struct core *core, const struct peer *process, const struct res *res)
{
	struct instance in;
	struct lease l;

	if (ledger_holder(core->ledger, res, &l) < 0 ||
	    ledger_instance(core->ledger, l.instance, &in) < 0 || !acted(&in, process))
		return;
	if (in.leases == 1)
		end(core, in.id);
	else
		ledger_release(core->ledger, in.id, l.id, clock_wall_ns(), "it is leased anew");
}

uint32_t orphans_give_back(struct core *core, const struct peer *process)
{
	struct instance in = { 0 };
	uint32_t n = 0;

	while (ledger_next_instance(core->ledger, in.id, &in) == 0)
		if (acted(&in, process)) {
			end(core, in.id);
			n++;
		}
	return n;
}

void orphans_forget(struct core *core)
{
	while (core->orphans)
		drop(core->orphans);
}

/* -ESRCH: the process has ended, or can't be told from another one. */
static int process_of(const struct instance *in)
{
	const struct peer peer = { .pid = in->pid, .start_time = in->start_time };
	int pidfd = in->pid && in->start_time ? pidfd_open((pid_t)in->pid, 0) : -1;

	if (pidfd < 0)
		return -ESRCH;
	if (peer_is_process(pidfd, &peer))
		return pidfd;
	close(pidfd);
	return -ESRCH;
}

static int watch(struct core *core, const struct instance *in)
{
	struct orphan *o = calloc(1, sizeof(*o));
	int pidfd, r;

	if (!o)
		return -ENOMEM;
	pidfd = process_of(in);
	r = pidfd < 0 ? pidfd : loop_add(core->loop, &o->watch, pidfd, EPOLLIN, on_end);
	if (r < 0) {
		if (pidfd >= 0)
			close(pidfd);
		free(o);
		return r;
	}
	o->core = core;
	o->instance = in->id;
	o->next = core->orphans;
	core->orphans = o;
	return 0;
}

/* Its resources are nobody else's as long as it may use them. */
static bool keep_or_end(struct core *core, const struct instance *in)
{
	if (watch(core, in) < 0) {
		txn_end_instance(core, in->id, "its process ended");
		return false;
	}
	if (!in->orphan)
		ledger_instance_orphan(core->ledger, in->id, clock_wall_ns(),
				       "its connection is lost, its process lives");
	return true;
}

static void say_kept(uint32_t orphans, uint32_t leases)
{
	if (orphans)
		log_say(LOG_WARN, "connections are lost",
			"%u leases of %u clients are held until their processes end", leases,
			orphans);
}

void orphan_closed(struct core *core, const struct kept *k)
{
	struct instance in;

	if (k->instance && ledger_instance(core->ledger, k->instance, &in) == 0 &&
	    in.pid == k->peer.pid && in.start_time == k->peer.start_time)
		txn_end_instance(core, in.id, "hang-up");
}

/* What is left of connections that did not come back. */
static void drop_records(struct core *core)
{
	for (uint32_t slot = 0; slot < core->journal.kept_ready; slot++) {
		struct kept *k = &core->journal.kept[slot];

		if (core->conns[slot] || !k->use)
			continue;
		/* reeved had closed it when the core was killed. */
		if (!core->hello.fresh)
			orphan_closed(core, k);
		kept_forget(core, k);
	}
}

/* Which instances, by their number. */
static void mark_connected(const struct core *core, bool connected[static LEDGER_INSTANCES + 1])
{
	memset(connected, 0, LEDGER_INSTANCES + 1);
	for (uint32_t slot = 0; slot < PP_CLIENTS_MAX; slot++)
		if (core->conns[slot] && core->conns[slot]->instance)
			connected[ledger_instance_number(core->conns[slot]->instance)] = true;
}

void orphans_find(struct core *core)
{
	static bool connected[LEDGER_INSTANCES + 1];
	uint32_t orphans = 0, leases = 0;
	struct instance in = { 0 };

	FAULT_HERE(CORE_ORPHANS);
	drop_records(core);
	mark_connected(core, connected);
	while (ledger_next_instance(core->ledger, in.id, &in) == 0) {
		if (connected[ledger_instance_number(in.id)] || !keep_or_end(core, &in))
			continue;
		orphans++;
		leases += in.leases;
	}
	say_kept(orphans, leases);
}
