/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels, page by page, the latest first. A position (`after`) is the number of the last
 * one that was told: no other ever has it. The name of an application is its own choice,
 * so it is escaped.
 */
#include <stdatomic.h>

#include "base/str.h"
#include "netd.h"
#include "status.h"

enum { PAGE = 500 };

struct seen {
	const struct endpoint *ep;
	uint32_t free, flows, listeners;
	bool stalled, paused;
	struct ep_stats stats;
	struct share_stats share;
};

static void look(struct engine *e, void *arg)
{
	struct seen *seen = arg;
	const struct endpoint *ep = seen->ep;

	(void)e;
	seen->free = shared_ring_count(&ep->ch->free) + ep->ch->nspare;
	seen->flows = ep->nflows;
	seen->listeners = ep->nlisteners;
	seen->stalled = ep->starved_first || ep->waits;
	seen->paused = endpoint_is_held(ep);
	seen->stats = ep->stats;
	if (ep->share)
		share_stats(ep->share, &seen->share);
}

static const char *state_of(const struct chan *c)
{
	if (atomic_load(&c->ep->broken))
		return "broken";
	return c->of ? "open" : "ending";
}

/* What reeved said of it; nothing where there is none. */
static void add_lease(json_t *row, const struct chan *c)
{
	const struct ep_terms *t = &c->ep->terms;

	if (c->app.tenant[0])
		json_object_set_new(row, "tenant", json_string(c->app.tenant));
	if (c->lease)
		json_object_set_new(row, "lease", json_integer((json_int_t)c->lease));
	if (t->rate)
		json_object_set_new(row, "rate", json_integer((json_int_t)t->rate * 8));
	if (t->ports)
		json_object_set_new(row, "ports", json_integer((json_int_t)t->ports));
}

static json_t *describe(const struct chan *c)
{
	char id[CHAN_UUID_TEXT], app[CHAN_UUID_TEXT], name[4 * CHAN_NAME_MAX + 1];

	chan_uuid_format(c->id, id);
	chan_uuid_format(c->app.id, app);
	str_escape(name, sizeof(name), c->app.name, sizeof(c->app.name));
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:b, s:I, s:I}", "channel", id,
			 "application", app, "name", name, "uid", (json_int_t)c->app.uid, "pid",
			 (json_int_t)c->app.pid, "state", state_of(c), "rings", c->ep->rings,
			 "buffers", (json_int_t)c->ep->ch->nbufs - 1, "bytes",
			 (json_int_t)c->bytes);
}

static void add_seen(json_t *row, const struct chan *c)
{
	struct seen seen = { .ep = c->ep };
	json_t *more;

	if (!c->engine)
		return;
	engine_call(c->engine, look, &seen);
	more = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:b}", "interface", c->engine->iface->name,
			 "engine", (json_int_t)c->engine->number, "free", (json_int_t)seen.free,
			 "flows", (json_int_t)seen.flows, "listeners", (json_int_t)seen.listeners,
			 "stalled", seen.stalled, "paused", seen.paused);
	json_object_update(row, more);
	json_decref(more);
	more = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I}", "received", (json_int_t)seen.stats.rx_messages,
		"received_bytes", (json_int_t)seen.stats.rx_bytes, "sent",
		(json_int_t)seen.stats.tx_messages, "sent_bytes", (json_int_t)seen.stats.tx_bytes,
		"dropped", (json_int_t)seen.stats.tx_drops, "aborted",
		(json_int_t)seen.stats.aborted);
	json_object_update(row, more);
	json_decref(more);
	more = json_pack("{s:I, s:I, s:I}", "queued", (json_int_t)seen.share.queued, "held",
			 (json_int_t)seen.share.held, "without_segment",
			 (json_int_t)seen.share.refused);
	json_object_update(row, more);
	json_decref(more);
}

void status_channels(struct netd *d, struct params *p, struct answer *a)
{
	int64_t after = INT64_MAX, last = 0;
	const struct chan *c = d->channels.list;
	json_t *rows;

	take_int(p, "after", OPTIONAL, 0, (INT64_C(1) << 48) - 1, &after);
	if (!params_end(p))
		return;
	rows = json_array();
	for (; c && json_array_size(rows) < PAGE; c = c->next) {
		json_t *row;

		if ((int64_t)c->number >= after)
			continue;
		row = describe(c);
		add_lease(row, c);
		add_seen(row, c);
		json_array_append_new(rows, row);
		last = (int64_t)c->number;
	}
	a->parameters = json_pack("{s:o}", "channels", rows);
	if (c)
		json_object_set_new(a->parameters, "next", json_integer(last));
}
