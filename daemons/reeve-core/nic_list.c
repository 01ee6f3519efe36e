/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of io.reeve that only look at network interfaces. */
#include <stdlib.h>

#include "base/str.h"
#include "call.h"
#include "nic.h"
#include "page.h"
#include "record.h"

/* --- interfaces ---------------------------------------------------------------- */

static void free_queues(struct core *core, const struct nic *nic, struct cpuset *set)
{
	struct lease l;
	unsigned queue;

	cpuset_for_each(queue, set) {
		const struct res res = res_queue(nic->link.ifindex, queue);

		if (ledger_holder(core->ledger, &res, &l) == 0)
			cpuset_del(set, queue);
	}
}

static int32_t node_of(const struct host *h, uint32_t ifindex)
{
	for (uint32_t i = 0; i < h->nnics; i++)
		if (h->nics[i].ifindex == ifindex)
			return h->nics[i].node;
	return NODE_NONE;
}

static const char *flows_by(const struct core *core, const struct nic *nic)
{
	if (nic->ntuple)
		return "nic";
	if (nic_conf_of(core, nic)->soft_flows && nic->form != NIC_FORM_DISPATCHER)
		return "software";
	return "none";
}

static json_t *nic_json(struct conn *c, const struct nic *nic)
{
	struct core *core = c->core;
	struct cpuset leasable, unleased;
	struct native_nic n = {
		.name = nic->link.name,
		.kind = nic->link.kind,
		.ifindex = nic->link.ifindex,
		.node = node_of(&core->host, nic->link.ifindex),
		.up = nic->link.up,
		.foreign = nic->state == NIC_IDLE && nic->link.xdp_prog_id,
		.queues = nic->queues,
		.users = nic->users,
		.program = nic->link.xdp_prog_id,
		.leasable = &leasable,
		.free = &unleased,
		.form = nic->state == NIC_OPEN ? nic->form : NIC_FORM_NONE,
		.mode = nic->state == NIC_OPEN ? nic->mode : nic->link.xdp_mode,
		.flows = flows_by(core, nic),
	};

	n.usable = nic_check(c, nic, &n.why) == 0;
	nic_leasable(core, nic, &leasable);
	unleased = leasable;
	free_queues(core, nic, &unleased);
	return native_nic_json(&n);
}

json_t *nics_json(struct conn *c)
{
	json_t *list = json_array();

	nics_refresh(c->core);
	for (const struct nic *nic = c->core->nics; nic; nic = nic->next)
		if (!nic->link.loopback)
			json_array_append_new(list, nic_json(c, nic));
	return list;
}

void on_list_nics(struct conn *c, const struct native_request *q)
{
	(void)q;
	call_reply(c, json_pack("{s:o}", "nics", nics_json(c)));
}

static const char *nic_name(struct core *core, uint32_t ifindex)
{
	const struct nic *nic = nic_by_index(core, ifindex);

	return nic ? nic->link.name : "";
}

/* --- flows ---------------------------------------------------------------------- */

static json_t *flow_json(struct core *core, const struct lease *l, const struct flow *flow)
{
	char tenant[TENANT_NAME_MAX];
	const struct native_flow n = {
		.lease = l->id,
		.instance = l->instance,
		.nic = nic_name(core, l->res.scope),
		.tenant = tenant_name(core, l->tenant, tenant),
		.ifindex = l->res.scope,
		.rule = (uint32_t)l->res.id,
		.soft = l->res.id & RES_FLOW_SOFT,
		.flow = flow,
	};

	return native_flow_json(&n);
}

void on_list_flows(struct conn *c, const struct native_request *q)
{
	struct page p = { .rows = json_array(),
			  .tenant = q->list.tenant,
			  .kind = RES_FLOW,
			  .at = q->list.after };
	struct lease l = { 0 };

	while (page_next_lease(c, &p, &l)) {
		struct flow flow;

		if (ledger_flow(c->core->ledger, l.id, &flow) == 0)
			json_array_append_new(p.rows, flow_json(c->core, &l, &flow));
	}
	page_reply(c, &p, "flows");
}

/* --- ports ------------------------------------------------------------------------ */

/*
 * Only reeved can read what a port counted, some at a time and all of one owner
 * on one interface: a page is made of several answers.
 */
struct port_list {
	struct port_list *next, **prev;
	uint32_t uid_of, tenant_of; /* the caller's */
	struct core *core;
	struct page page;
	char tenant[TENANT_NAME_MAX]; /* the one that is asked for, or "" */
	struct lease asked[PP_COUNTS_MAX];
	uint32_t n;
};

/* Rows are kept while reeved is asked for more: so many lists at once, and no more. */
enum { LISTS_PER_UID = 2, LISTS_PER_TENANT = 8 };

static struct port_list *under_way;

static bool has_its_share(const struct conn *c)
{
	uint32_t of_uid = 0, of_tenant = 0;

	for (const struct port_list *p = under_way; p; p = p->next) {
		of_uid += p->uid_of == c->peer->uid;
		of_tenant += p->tenant_of == c->tenant;
	}
	return of_uid >= LISTS_PER_UID || of_tenant >= LISTS_PER_TENANT;
}

static struct port_list *port_list_new(struct conn *c, const struct native_request *q)
{
	struct port_list *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->core = c->core;
	p->uid_of = c->peer->uid;
	p->tenant_of = c->tenant;
	str_copy(p->tenant, sizeof(p->tenant), q->list.tenant);
	p->page = (struct page){
		.rows = json_array(), .tenant = p->tenant, .kind = RES_UDP_PORT, .at = q->list.after
	};
	p->next = under_way;
	p->prev = &under_way;
	if (under_way)
		under_way->prev = &p->next;
	under_way = p;
	return p;
}

static void port_list_free(struct port_list *p)
{
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	json_decref(p->page.rows);
	free(p);
}

static bool of_same_owner(const struct port_list *p, const struct lease *l)
{
	return !p->n ||
	       (p->asked[0].res.scope == l->res.scope && p->asked[0].instance == l->instance);
}

/* The next that can be asked for at once; none: the page is complete. */
static void choose_ports(struct conn *c, struct port_list *p)
{
	struct page before = p->page;
	struct lease l;

	p->n = 0;
	while (p->n < PP_COUNTS_MAX && page_next_lease(c, &p->page, &l)) {
		if (!of_same_owner(p, &l)) {
			p->page = before;
			return;
		}
		p->asked[p->n++] = l;
		before = p->page;
	}
}

static json_t *port_json(struct core *core, const struct lease *l, const struct pp_count *count)
{
	char tenant[TENANT_NAME_MAX];
	struct native_port n = {
		.lease = l->id,
		.instance = l->instance,
		.nic = nic_name(core, l->res.scope),
		.tenant = tenant_name(core, l->tenant, tenant),
		.ifindex = l->res.scope,
		.port = (uint16_t)l->res.id,
		.uses = l->uses,
		.counted = count,
	};

	if (count) {
		n.packets = count->packets;
		n.bytes = count->bytes;
	}
	return native_port_json(&n);
}

/* NULL: nobody can tell what they counted. */
static void add_ports(struct port_list *p, const struct pp_nic_counts *counts)
{
	for (uint32_t i = 0; i < p->n; i++) {
		bool known = counts && i < counts->n;

		json_array_append_new(p->page.rows, port_json(p->core, &p->asked[i],
							      known ? &counts->counts[i] : NULL));
	}
}

static void list_ports(struct conn *c, struct port_list *p);

static void ports_counted(struct conn *c, void *arg, const struct pp_nic_counts *counts)
{
	struct port_list *p = arg;

	if (!c) {
		port_list_free(p);
		return;
	}
	add_ports(p, counts);
	list_ports(c, p);
}

static int ask_ports(struct conn *c, struct port_list *p)
{
	const struct lease *first = p->asked;
	uint16_t ports[PP_COUNTS_MAX];

	for (uint32_t i = 0; i < p->n; i++)
		ports[i] = (uint16_t)p->asked[i].res.id;
	return nic_count(c, first->res.scope, owner_of(first->instance), ports, p->n, ports_counted,
			 p);
}

static void list_ports(struct conn *c, struct port_list *p)
{
	for (choose_ports(c, p); p->n; choose_ports(c, p)) {
		if (ask_ports(c, p) == 0)
			return;
		add_ports(p, NULL);
	}
	page_reply(c, &p->page, "ports");
	port_list_free(p);
}

void on_list_ports(struct conn *c, const struct native_request *q)
{
	struct port_list *p = has_its_share(c) ? NULL : port_list_new(c, q);

	if (p)
		list_ports(c, p);
	else
		call_fail(c, "Busy", "other lists of ports are still being made");
}
