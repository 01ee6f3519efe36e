/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The methods of io.reeve that decide something: each decodes nothing (the
 * request is a struct already), authorises, decides, applies, and answers.
 */
#include "call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "link.h"
#include "nic.h"
#include "record.h"
#include "session.h"
#include "txn.h"
#include "wire/varlink.h"

/* Each costs time at every event of anybody it may see. */
enum { STREAMS_PER_UID = 8, STREAMS_PER_TENANT = 32 };

/* Takes the text; NULL: there was no memory for it, and the connection ends. */
static void send_or_drop(struct conn *c, char *text, size_t len, const int *fds, unsigned nfds)
{
	if (c->native.oneway && text) {
		free(text);
		kept_take_request(c->core, c->kept);
	} else {
		native_send_fds(c, text, len, fds, nfds);
	}
}

void call_reply_fds(struct conn *c, json_t *parameters, const int *fds, unsigned nfds)
{
	size_t len = 0;
	char *text = parameters ? varlink_reply_encode(parameters, false, &len) : NULL;

	json_decref(parameters);
	send_or_drop(c, text, len, fds, nfds);
}

void call_reply(struct conn *c, json_t *parameters)
{
	call_reply_fds(c, parameters, NULL, 0);
}

void call_fail_with(struct conn *c, const char *error, json_t *parameters)
{
	size_t len = 0;
	char *text = parameters ? varlink_error_encode(error, parameters, &len) : NULL;

	json_decref(parameters);
	send_or_drop(c, text, len, NULL, 0);
}

void call_fail(struct conn *c, const char *name, const char *why)
{
	char error[64];

	snprintf(error, sizeof(error), "io.reeve.%s", name);
	call_fail_with(c, error, json_pack("{s:s}", "why", why));
}

static const char *error_for(int error)
{
	switch (error) {
	case EDQUOT:
		return "QuotaExceeded";
	case EBUSY:
		return "Taken";
	case ENOSPC:
	case ERANGE: /* its cgroup's parent lacks the CPUs */
		return "NotEnough";
	case ENOENT:
	case ENODEV:
		return "NoSuchResource";
	case EACCES:
	case EPERM:
		return "Denied";
	case EINVAL: /* sound in itself, but nothing that can be done */
	case EOPNOTSUPP:
		return "Unsupported";
	default:
		return "Busy";
	}
}

/* --- versions ------------------------------------------------------------- */

static void on_hello(struct conn *c, const struct native_request *q)
{
	int64_t api = q->hello.highest < NATIVE_API ? q->hello.highest : NATIVE_API;

	if (q->hello.lowest > NATIVE_API || q->hello.highest < NATIVE_API_LOWEST)
		call_fail_with(c, "io.reeve.VersionMismatch",
			       json_pack("{s:i, s:i}", "lowest", NATIVE_API_LOWEST, "highest",
					 NATIVE_API));
	else
		call_reply(c, json_pack("{s:I, s:s, s:I}", "api", (json_int_t)api, "version",
					REEVE_VERSION, "pid", (json_int_t)c->core->hello.pid));
}

static void on_get_info(struct conn *c, const struct native_request *q)
{
	(void)q;
	call_reply(c, json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "The reeve authors",
				"product", "reeve", "version", REEVE_VERSION, "url", "",
				"interfaces", "io.reeve", "org.varlink.service"));
}

/* The decoder lets no other interface through. */
static void on_get_interface(struct conn *c, const struct native_request *q)
{
	const char *text = strcmp(q->interface, "io.reeve") ? varlink_org_service
							    : varlink_io_reeve;

	call_reply(c, json_pack("{s:s}", "description", text));
}

/* --- leases ---------------------------------------------------------------- */

/* The node of a NIC; one that belongs to no node leaves the choice free. */
static int find_node(const struct host *h, const char *nic, int32_t *ret)
{
	for (uint32_t i = 0; i < h->nnics; i++) {
		if (strcmp(h->nics[i].name, nic))
			continue;
		*ret = h->nics[i].node;
		return 0;
	}
	return -ENOENT;
}

static int want_from(struct conn *c, const struct native_request *q, struct txn_want *ret,
		     struct err *e)
{
	struct txn_want w = {
		.lcores = { .instance = c->instance,
			    .count = q->acquire.count,
			    .exact = q->acquire.exact,
			    .node = q->acquire.node < 0 ? NODE_NONE : q->acquire.node,
			    .whole_core = q->acquire.whole_core },
		.ttl_ns = q->acquire.ttl_ns,
	};

	if (q->acquire.kind != RES_LCORE)
		return fail(e, EOPNOTSUPP, "%s leases come from another method",
			    res_kind_name(q->acquire.kind));
	if (q->acquire.near[0] && find_node(&c->core->host, q->acquire.near, &w.lcores.node) < 0)
		return fail(e, ENOENT, "this host has no NIC of that name");
	*ret = w;
	return 0;
}

void call_fail_errno(struct conn *c, int error, const char *why)
{
	call_fail(c, error_for(error), why);
}

void call_refuse(struct conn *c, int error, const char *why)
{
	record_refusal(c, NULL, error, why);
	call_fail_errno(c, error, why);
}

static void acquired(struct conn *c, const struct grant *g)
{
	struct cpuset cpus = { 0 };
	char text[1024];
	json_t *list;

	if (g->error) {
		call_fail_errno(c, g->error, g->why);
		return;
	}
	list = json_array();
	for (uint32_t i = 0; i < g->n; i++) {
		struct lease l;

		if (ledger_lease(c->core->ledger, g->leases[i], &l) < 0)
			continue;
		cpuset_add(&cpus, (unsigned)l.res.id);
		json_array_append_new(list, lease_json(c->core, &l));
	}
	cpuset_format(&cpus, text, sizeof(text));
	call_reply(c, json_pack("{s:o, s:s}", "leases", list, "cpus", text));
}

/* What would be refused anyway does not make an instance. */
static void on_acquire(struct conn *c, const struct native_request *q)
{
	struct lcore_answer a;
	struct txn_want want;
	struct err e = { 0 };
	int r;

	r = want_from(c, q, &want, &e);
	if (r < 0) {
		call_refuse(c, -r, e.text);
		return;
	}
	r = txn_check(c, &want, &a);
	if (r) {
		call_refuse(c, r, a.why);
		return;
	}
	if (!c->instance || q->acquire.name[0]) {
		r = conn_start_instance(c, INSTANCE_NATIVE, 0, q->acquire.name,
					strlen(q->acquire.name));
		if (r < 0) {
			call_refuse(c, EAGAIN, "no room for another instance");
			return;
		}
		want.lcores.instance = c->instance;
	}
	txn_acquire(c, &want, acquired);
}

static void on_explain(struct conn *c, const struct native_request *q)
{
	struct lcore_answer a = { 0 };
	struct txn_want want;
	struct err e = { 0 };
	char cpus[1024] = "";
	json_t *reply;
	int r;

	r = -want_from(c, q, &want, &e);
	if (r) {
		call_fail_errno(c, r, e.text);
		return;
	}
	r = txn_check(c, &want, &a);
	if (!r)
		cpuset_format(&a.cpus, cpus, sizeof(cpus));
	reply = json_pack("{s:b, s:s, s:s, s:o}", "granted", r == 0, "cpus", cpus, "why", a.why,
			  "candidates", cpus_json(c, &want.lcores));
	if (reply && r)
		json_object_set_new(reply, "error", json_string(event_error_name(r)));
	call_reply(c, reply);
}

/* Whether another tenant has such a lease is not the caller's to know. */
static int find_lease(struct conn *c, ledger_id id, struct lease *ret)
{
	if (ledger_lease(c->core->ledger, id, ret) < 0 || !may_see(c, ret->tenant))
		return -ENOENT;
	return 0;
}

static void release_failed(struct conn *c, ledger_id lease, int r)
{
	record_refusal(c, NULL, -r, "release of a lease it does not hold");
	call_fail_with(c, r == -EPERM ? "io.reeve.NotYours" : "io.reeve.NoSuchLease",
		       json_pack("{s:I}", "lease", (json_int_t)lease));
}

static void released(struct conn *c, const struct nic_grant *g)
{
	if (g->error)
		call_fail_errno(c, g->error, g->why);
	else
		call_reply(c, json_object());
}

static void on_release(struct conn *c, const struct native_request *q)
{
	struct lease lease;
	const char *why;
	int r = find_lease(c, q->lease, &lease);

	if (r == 0 && lease.instance != c->instance && !c->admin)
		r = -EPERM;
	if (r < 0) {
		release_failed(c, q->lease, r);
		return;
	}
	why = lease.instance == c->instance ? "released" : "released by an administrator";
	if (lease.res.kind == RES_CHANNEL) {
		channel_release(c, &lease);
		return;
	}
	if (lease.res.kind != RES_LCORE) {
		nic_release(c, &lease, why, released);
		return;
	}
	r = txn_release(c, &lease, why);
	if (r < 0)
		release_failed(c, q->lease, r);
	else
		call_reply(c, json_object());
}

/* --- events ---------------------------------------------------------------- */

static void start_stream(struct conn *c, uint64_t since)
{
	uint32_t of_uid = 0, of_tenant = 0;

	for (const struct conn *s = c->core->streams; s; s = s->native.next_stream) {
		of_uid += s->peer->uid == c->peer->uid;
		of_tenant += s->tenant == c->tenant;
	}
	if (of_uid >= STREAMS_PER_UID)
		call_fail(c, "Busy", "this uid has as many event streams as it may");
	else if (of_tenant >= STREAMS_PER_TENANT)
		call_fail(c, "Busy", "this tenant has as many event streams as it may");
	else
		native_stream(c, since);
}

static void on_events(struct conn *c, const struct native_request *q)
{
	uint32_t tenant = c->admin ? LEDGER_ALL_TENANTS : c->tenant;
	char name[TENANT_NAME_MAX];
	struct event ev;
	uint64_t lost;

	/* Nobody would read it. */
	if (q->oneway)
		return;
	if (q->more) {
		start_stream(c, q->since);
		return;
	}
	if (ledger_next_event(c->core->ledger, tenant, q->since, &ev, &lost) < 0) {
		call_fail_with(c, "io.reeve.NoEvent", json_object());
		return;
	}
	call_reply(c, json_pack("{s:o, s:I}", "event",
				native_event_json(&ev, tenant_name(c->core, ev.tenant, name)),
				"lost", (json_int_t)lost));
}

/* --- planes ---------------------------------------------------------------- */

static void send_plane_off(struct core *core, uint32_t plane)
{
	struct pp_plane m = { .head = { .type = PP_PLANE }, .plane = plane };

	link_send(core, &m);
}

static void hold(struct conn *c, uint32_t plane, bool already)
{
	bool *held = &c->kept->native.hold[plane];

	if (!*held) {
		undo_keep_object(c->core->journal.undo, held);
		*held = true;
		c->core->plane_holders[plane]++;
	}
	call_reply(c, json_pack("{s:b}", "already", already));
}

static void plane_done(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		       const int *fds)
{
	uint32_t plane = *(uint32_t *)ctx;
	const char *why;
	int error = answer_error(m, &why);

	(void)fds;
	if (!c && !error && !core->plane_holders[plane])
		send_plane_off(core, plane);
	if (!c)
		return;
	if (error)
		call_fail(c, error == EPERM ? "Denied" : "Busy", why);
	else
		hold(c, plane, m->result.value);
}

static void ask_plane(struct conn *c, uint32_t plane)
{
	struct pp_plane m = { .head = { .type = PP_PLANE }, .plane = plane, .on = true };

	if (ask(c->core, c, &m, plane_done, &plane, sizeof(plane)) < 0)
		call_fail(c, "Busy", "out of memory");
}

static void on_hold_plane(struct conn *c, const struct native_request *q)
{
	int plane = plane_parse(q->plane);

	if (!c->admin)
		call_refuse(c, EACCES, "only root and the admin group may open a plane");
	else if (plane < 0)
		call_fail(c, "NoSuchResource", "there is no such plane");
	else if (c->core->plane_holders[plane])
		hold(c, (uint32_t)plane, true);
	else
		ask_plane(c, (uint32_t)plane);
}

void call_forget(struct conn *c)
{
	for (uint32_t plane = 0; plane < PLANE_MAX; plane++)
		if (c->kept->native.hold[plane] && --c->core->plane_holders[plane] == 0)
			send_plane_off(c->core, plane);
}

/* --- the table ------------------------------------------------------------- */

static call_fn *const methods[] = {
	[NATIVE_HELLO] = on_hello,
	[NATIVE_DESCRIBE_HOST] = on_describe_host,
	[NATIVE_ACQUIRE] = on_acquire,
	[NATIVE_EXPLAIN] = on_explain,
	[NATIVE_RELEASE] = on_release,
	[NATIVE_LIST_NICS] = on_list_nics,
	[NATIVE_ACQUIRE_QUEUES] = on_acquire_queues,
	[NATIVE_ADD_PORT] = on_add_port,
	[NATIVE_REMOVE_PORT] = on_remove_port,
	[NATIVE_ACQUIRE_ADDRESS] = on_acquire_address,
	[NATIVE_ADD_FLOW] = on_add_flow,
	[NATIVE_OPEN_SOCKET] = on_open_socket,
	[NATIVE_ACT_FOR] = on_act_for,
	[NATIVE_ACQUIRE_CHANNEL] = on_acquire_channel,
	[NATIVE_RELEASE_LOST] = on_release_lost,
	[NATIVE_LIST_PORTS] = on_list_ports,
	[NATIVE_LIST_FLOWS] = on_list_flows,
	[NATIVE_LIST_LEASES] = on_list_leases,
	[NATIVE_LIST_INSTANCES] = on_list_instances,
	[NATIVE_LIST_TENANTS] = on_list_tenants,
	[NATIVE_STATUS] = on_status,
	[NATIVE_EVENTS] = on_events,
	[NATIVE_HOLD_PLANE] = on_hold_plane,
	[NATIVE_UPGRADE] = on_upgrade,
	[NATIVE_STOP] = on_stop,
	[NATIVE_GET_INFO] = on_get_info,
	[NATIVE_GET_INTERFACE] = on_get_interface,
};
_Static_assert(ARRAY_SIZE(methods) == NATIVE_METHOD_MAX, "every method has a row");

/* All that whoever acts for somebody may do. */
static bool may_for_others(enum native_method method)
{
	switch (method) {
	case NATIVE_HELLO:
	case NATIVE_RELEASE:
	case NATIVE_ACT_FOR: /* which says why not */
	case NATIVE_ACQUIRE_CHANNEL:
	case NATIVE_LIST_LEASES:
	case NATIVE_LIST_INSTANCES:
	case NATIVE_LIST_TENANTS:
	case NATIVE_STATUS:
	case NATIVE_GET_INFO:
	case NATIVE_GET_INTERFACE:
		return true;
	default:
		return false;
	}
}

void call_run(struct conn *c, const char *text, size_t len)
{
	struct native_fault fault;
	struct native_request q;
	struct err e = { 0 };
	int r = native_decode(text, len, &q, &fault, &e);

	if (r == -EINVAL && fault.oneway)
		return;
	if (r == -EINVAL) {
		size_t n = 0;
		char *reply = native_fault_encode(&fault, &n);

		native_send(c, reply, n);
		return;
	}
	if (r < 0) {
		record_refusal(c, NULL, EBADMSG, e.text);
		conn_close(c, "it does not speak Varlink");
		return;
	}
	c->native.oneway = q.oneway;
	if (conn_acts(c) && !may_for_others(q.method))
		call_refuse(c, EACCES,
			    "a connection that acts for an application has channels only");
	else
		methods[q.method](c, &q);
}
