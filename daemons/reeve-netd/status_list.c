/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engines know, page by page. An engine copies a page of plain structs between
 * two of its turns; they become JSON here, so that no frame waits for that.
 *
 * A position (`after`) is an engine of an interface and a place in that engine's table.
 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "netd.h"
#include "port/af_xdp.h"
#include "status.h"

enum { PAGE = 500, ENGINE_SHIFT = 32 };
enum { ENGINES_MAX = NET_IFACES_MAX * NET_THREADS_MAX };

/* --- Status -------------------------------------------------------------------------------- */

static void look(struct engine *e, void *arg)
{
	struct engine_seen *seen = arg;

	stack_stats(e->stack, seen->stack);
	*seen->port = e->port->stats;
	af_xdp_stats(e->port, seen->socket);
}

static json_t *report_engines(struct netd *d, struct iface *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->nengines; i++) {
		struct stack_stats stack;
		struct port_stats port;
		struct af_xdp_stats socket;
		struct engine_seen seen = { .stack = &stack, .port = &port, .socket = &socket };

		seen.traced = tracer_has(d, &f->engines[i]);
		engine_call(&f->engines[i], look, &seen);
		json_array_append_new(list, json_engine(i, &seen));
	}
	return list;
}

void status_report(struct netd *d, struct params *p, struct answer *a)
{
	json_t *list;

	if (!params_end(p))
		return;
	list = json_array();
	for (uint32_t i = 0; i < d->nifaces; i++)
		json_array_append_new(list,
				      json_iface(&d->ifaces[i], report_engines(d, &d->ifaces[i])));
	a->parameters = json_pack(
		"{s:s, s:i, s:I, s:o}", "version", REEVE_VERSION, "pid", (int)getpid(), "uptime_ms",
		(json_int_t)((clock_boot_ns() - d->since_ns) / NS_PER_MS), "interfaces", list);
}

/* --- pages -------------------------------------------------------------------------------- */

struct page {
	const char *name; /* of the member */
	engine_fn *fill;
	json_t *(*row)(const struct page *page, const struct iface *f, uint32_t engine, uint32_t i);
	json_t *rows;
	uint32_t want, at; /* in one engine */
	uint32_t n;
	union {
		struct flow_info flows[PAGE];
		struct neighbour_info neighbours[PAGE];
	};
};

static void fill_flows(struct engine *e, void *arg)
{
	struct page *page = arg;

	while (page->n < page->want && stack_next_flow(e->stack, &page->at, &page->flows[page->n]))
		page->n++;
}

static void fill_neighbours(struct engine *e, void *arg)
{
	struct page *page = arg;

	while (page->n < page->want &&
	       stack_next_neighbour(e->stack, &page->at, &page->neighbours[page->n]))
		page->n++;
}

static json_t *flow_row(const struct page *page, const struct iface *f, uint32_t engine, uint32_t i)
{
	const struct ep_flow *user = page->flows[i].user;
	const struct chan *c = user ? user->ep->user : NULL;
	char id[CHAN_UUID_TEXT];

	if (c)
		chan_uuid_format(c->id, id);
	return json_flow(f->name, engine, &page->flows[i], c ? id : NULL);
}

static json_t *neighbour_row(const struct page *page, const struct iface *f, uint32_t engine,
			     uint32_t i)
{
	return json_neighbour(f->name, engine, &page->neighbours[i]);
}

/* Whether the page is full. */
static bool take_engine(struct page *page, struct iface *f, uint32_t engine)
{
	page->want = PAGE - (uint32_t)json_array_size(page->rows);
	page->n = 0;
	engine_call(&f->engines[engine], page->fill, page);
	for (uint32_t i = 0; i < page->n; i++)
		json_array_append_new(page->rows, page->row(page, f, engine, i));
	return page->n == page->want;
}

static void fill_page(struct netd *d, struct page *page, const char *only, uint64_t *at,
		      bool *ret_more)
{
	for (uint32_t e = (uint32_t)(*at >> ENGINE_SHIFT); e < ENGINES_MAX; e++) {
		struct iface *f = &d->ifaces[e / NET_THREADS_MAX];
		bool full;

		page->at = (uint32_t)*at;
		*at = (uint64_t)(e + 1) << ENGINE_SHIFT;
		if (e / NET_THREADS_MAX >= d->nifaces || e % NET_THREADS_MAX >= f->nengines ||
		    (only[0] && strcmp(only, f->name) != 0))
			continue;
		full = take_engine(page, f, e % NET_THREADS_MAX);
		if (full) {
			*at = (uint64_t)e << ENGINE_SHIFT | page->at;
			*ret_more = true;
			return;
		}
	}
}

static bool has_iface(const struct netd *d, const char *name)
{
	for (uint32_t i = 0; i < d->nifaces; i++)
		if (!strcmp(d->ifaces[i].name, name))
			return true;
	return false;
}

static void list_some(struct netd *d, struct params *p, struct page *page, struct answer *a)
{
	char only[NIC_NAME_MAX] = "";
	int64_t after = 0;
	bool more = false;
	uint64_t at;

	take_word(p, "interface", OPTIONAL, only, sizeof(only));
	take_int(p, "after", OPTIONAL, 0, (INT64_C(1) << 48) - 1, &after);
	if (!params_end(p))
		return;
	if (only[0] && !has_iface(d, only)) {
		a->error = "io.reeve.net.NoSuchInterface";
		a->parameters = json_pack("{s:s}", "interface", only);
		return;
	}
	at = (uint64_t)after;
	page->rows = json_array();
	fill_page(d, page, only, &at, &more);
	a->parameters = json_pack("{s:o}", page->name, page->rows);
	if (more)
		json_object_set_new(a->parameters, "next", json_integer((json_int_t)at));
}

void status_flows(struct netd *d, struct params *p, struct answer *a)
{
	struct page *page = calloc(1, sizeof(*page));

	if (!page)
		return;
	page->name = "flows";
	page->fill = fill_flows;
	page->row = flow_row;
	list_some(d, p, page, a);
	free(page);
}

void status_neighbours(struct netd *d, struct params *p, struct answer *a)
{
	struct page *page = calloc(1, sizeof(*page));

	if (!page)
		return;
	page->name = "neighbours";
	page->fill = fill_neighbours;
	page->row = neighbour_row;
	list_some(d, p, page, a);
	free(page);
}
