/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger records every decision as an event; the log and the streams are
 * two readers of those. A uid that makes many is logged at a limited rate of its
 * own: what was held back is counted, and nobody else's lines suffer.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "core.h"
#include "journal.h"
#include "record.h"
#include "session.h"

const char *tenant_name(const struct core *core, uint32_t tenant, char buf[static TENANT_NAME_MAX])
{
	struct tenant t;

	if (ledger_tenant(core->ledger, tenant, &t) < 0)
		str_copy(buf, TENANT_NAME_MAX, "?");
	else
		str_copy(buf, TENANT_NAME_MAX, t.name);
	return buf;
}

static void log_new(struct core *core, uint64_t last);

void record_refusal(struct conn *c, const struct res *res, int error, const char *why)
{
	record_refusal_address(c, res, NULL, error, why);
}

void record_refusal_address(struct conn *c, const struct res *res, const struct ipaddr *address,
			    int error, const char *why)
{
	struct event ev = {
		.wall_ns = clock_wall_ns(),
		.type = EVENT_REFUSE,
		.tenant = c->tenant,
		.instance = c->instance,
		.res = res ? *res : (struct res){ .kind = RES_KIND_MAX },
		.uid = c->who->uid,
		.pid = c->who->pid,
		.error = error,
	};

	if (address)
		ev.address = *address;
	str_copy(ev.why, sizeof(ev.why), why);
	ledger_event(c->core->ledger, &ev);
	/* One batch can make more of them than the ledger keeps, and push out a grant. */
	if (ev.seq > c->core->logged + LEDGER_EVENTS / 2)
		log_new(c->core, ev.seq);
}

void record_event(struct core *core, enum event_type type, uint32_t tenant, const char *fmt, ...)
{
	struct event ev = {
		.wall_ns = clock_wall_ns(),
		.type = type,
		.tenant = tenant,
		.res.kind = RES_KIND_MAX,
	};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ev.why, sizeof(ev.why), fmt, ap);
	va_end(ap);
	ledger_event(core->ledger, &ev);
}

/* What a client says of itself stands in the log once, when it comes. */
static void log_claims(struct core *core, struct log_line *line, ledger_id id)
{
	struct instance in;

	if (ledger_instance(core->ledger, id, &in) < 0)
		return;
	log_str(line, "kind", instance_kind_name(in.kind));
	if (in.name[0])
		log_bytes(line, "name", in.name, sizeof(in.name));
	if (in.claimed_pid && in.claimed_pid != in.pid)
		log_u64(line, "claimed_pid", in.claimed_pid);
}

static void log_event(struct core *core, const struct event *ev, uint32_t held)
{
	char name[TENANT_NAME_MAX], res[RES_TEXT];
	const char *error = event_error_name(ev->error);
	struct log_line line;

	log_begin(&line, LOG_INFO, event_type_name(ev->type));
	log_str(&line, "tenant", tenant_name(core, ev->tenant, name));
	if (ev->instance) {
		log_u64(&line, "instance", ev->instance);
		log_u64(&line, "uid", ev->uid);
		log_u64(&line, "pid", ev->pid);
	} else if (ev->type == EVENT_REFUSE) {
		log_u64(&line, "uid", ev->uid);
		log_u64(&line, "pid", ev->pid);
	}
	if (ev->res.kind != RES_KIND_MAX) {
		res_format_address(&ev->res, &ev->address, res, sizeof(res));
		log_str(&line, "resource", res);
	}
	if (ev->lease)
		log_u64(&line, "lease", ev->lease);
	if (error)
		log_str(&line, "error", error);
	if (ev->type == EVENT_INSTANCE_START)
		log_claims(core, &line, ev->instance);
	if (ev->why[0] && ev->type != EVENT_GRANT) /* the fields say it all */
		log_str(&line, "why", ev->why);
	log_u64(&line, "seq", ev->seq);
	if (held)
		log_u64(&line, "held_back", held);
	log_end(&line);
}

static bool may_log(struct core *core, const struct event *ev, uint32_t *ret_held)
{
	enum use use = ev->type == EVENT_REFUSE ? USE_LOG_REFUSAL : USE_LOG_CHANGE;

	return share_use(core, ev->uid, ev->tenant % TENANT_MAX, use, ret_held);
}

static void log_new(struct core *core, uint64_t last)
{
	struct event ev;
	uint64_t lost;

	while (core->logged < last &&
	       ledger_next_event(core->ledger, LEDGER_ALL_TENANTS, core->logged, &ev, &lost) == 0) {
		uint32_t held = 0;

		core->logged = ev.seq;
		if (lost)
			log_say(LOG_WARN, "decisions went by unlogged", "%llu of a busy tenant",
				(unsigned long long)lost);
		if (may_log(core, &ev, &held))
			log_event(core, &ev, held);
	}
}

void record_publish(void *arg)
{
	struct core *core = arg;
	struct ledger_totals totals;

	ledger_totals(core->ledger, &totals);
	if (totals.last_seq != core->logged) {
		/* Nobody is told what may be taken back, nor is a line noted that is not out. */
		journal_settle(core);
		log_new(core, totals.last_seq);
		log_flush();
		FAULT_HERE(CORE_LOGGED);
		journal_logged(core);
		FAULT_HERE(CORE_TOLD);
		native_streams_push(core);
	}
	log_flush();
	conns_bury(core);
	journal_settle(core);
}
