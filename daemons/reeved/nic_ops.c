/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core's requests about interfaces. An owner and a queue are what this
 * process gave out, a tenant and a name are held against the config; what an
 * interface is told is only ever about what the owner has there.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "reeved.h"

/* Whose request it is. */
struct place {
	struct iface *f;
	struct owner *o;
};

static int find_open(struct reeved *d, uint32_t ifindex, struct iface **ret, struct err *e)
{
	struct iface *f = iface_find(&d->nics, ifindex);

	if (f && f->state == IFACE_OPENING)
		return fail(e, EAGAIN, "the interface is just being opened");
	if (!f || f->state != IFACE_OPEN)
		return fail(e, ENODEV, "interface %" PRIu32 " is not open", ifindex);
	*ret = f;
	return 0;
}

static int find_place(struct reeved *d, uint32_t ifindex, uint32_t owner, struct place *ret,
		      struct err *e)
{
	int r = find_open(d, ifindex, &ret->f, e);

	if (r < 0)
		return r;
	ret->o = owner_find(ret->f, owner);
	return ret->o ? 0 : fail(e, ENOENT, "owner %" PRIu32 " is not on the interface", owner);
}

/* One that is there already, so that it can be asked something. */
static int find_owner(struct reeved *d, uint32_t ifindex, uint32_t owner, struct place *ret,
		      struct err *e)
{
	int r = find_place(d, ifindex, owner, ret, e);

	if (r == 0 && ret->o->state == OWNER_MAKING)
		return fail(e, EAGAIN, "the owner's maps are just being made");
	return r;
}

void nic_answer(struct reeved *d, uint32_t serial, int error, uint32_t value, const struct err *e)
{
	if (serial)
		ops_answer(d, &(struct pp_head){ .serial = serial }, error, value, e);
}

/*
 * The config's word, told in the log when it is no. What is left of an earlier core
 * was allowed when it was made, and what is leased stays leased: its claim is held
 * against nothing.
 */
static int held_against_config(const char *what, int r, const struct err *e)
{
	if (r == -EPERM)
		ops_refused(what, e);
	return r;
}

static int check_conf(const struct reeved *d, uint32_t serial, struct err *e)
{
	return serial == d->conf_serial ? 0 : fail(e, ESTALE, "the config has just changed");
}

static void on_open(struct reeved *d, const struct pp_nic_open *m)
{
	struct err e = { 0 };
	int r = check_conf(d, m->conf_serial, &e);

	if (r < 0)
		nic_answer(d, m->head.serial, r, 0, &e);
	else
		iface_open(d, m);
}

static void on_close(struct reeved *d, const struct pp_nic_close *m)
{
	struct iface *f = iface_find(&d->nics, m->ifindex);

	if (f)
		iface_close(d, f);
}

static int begin_owner(struct reeved *d, const struct pp_nic_owner *m, struct err *e)
{
	char name[NIC_NAME_MAX];
	struct iface *f = NULL;
	int r = check_conf(d, m->conf_serial, e);

	if (r == 0)
		r = find_open(d, m->ifindex, &f, e);
	if (r == 0)
		r = iface_name(m->ifindex, name, e);
	if (r == 0 && !owner_is_left(f, m->owner))
		r = held_against_config("interface", pp_allow_nic_owner(&d->conf, m, name, e), e);
	return r < 0 ? r : owner_begin(d, f, m, e);
}

static void on_owner(struct reeved *d, const struct pp_nic_owner *m)
{
	struct place p;
	struct err e = { 0 };
	int r;

	if (m->on) {
		r = begin_owner(d, m, &e);
		if (r == 0)
			return; /* answered by itself */
	} else {
		r = find_place(d, m->ifindex, m->owner, &p, &e);
		if (r == 0)
			owner_end(d, p.o);
	}
	nic_answer(d, m->head.serial, r, 0, &e);
}

static int take_queue(struct reeved *d, const struct place *p, const struct pp_nic_queue *m,
		      struct err *e)
{
	char name[NIC_NAME_MAX];
	int r = iface_name(m->ifindex, name, e);

	if (r == 0 && !queue_is_left(p->f, p->o, m->queue))
		r = held_against_config("queue", pp_allow_nic_queue(&d->conf, m, name, e), e);
	return r < 0 ? r : owner_take_queue(p->f, p->o, m->queue, e);
}

static void on_queue(struct reeved *d, const struct pp_nic_queue *m)
{
	struct place p;
	struct err e = { 0 };
	int r = find_owner(d, m->ifindex, m->owner, &p, &e);

	if (r == 0 && m->on)
		r = take_queue(d, &p, m, &e);
	else if (r == 0 && p.f->queues[m->queue] != p.o)
		r = fail(&e, ENOENT, "queue %" PRIu32 " is not this owner's", m->queue);
	else if (r == 0)
		owner_drop_queue(&d->nics, p.f, m->queue);
	nic_answer(d, m->head.serial, r, 0, &e);
}

static void on_port(struct reeved *d, const struct pp_nic_port *m)
{
	uint16_t port = (uint16_t)m->port;
	struct place p;
	struct err e = { 0 };
	int r = find_owner(d, m->ifindex, m->owner, &p, &e);

	if (r == 0 && m->on)
		r = owner_add_port(p.f, p.o, port, &e);
	else if (r == 0 && !owner_has_port(p.o, port))
		r = fail(&e, ENOENT, "port %u is not on", port);
	else if (r == 0)
		owner_drop_port(p.f, p.o, port);
	nic_answer(d, m->head.serial, r, 0, &e);
}

/* As far as they go; the others are asked for again. */
static void on_ports(struct reeved *d, const struct pp_nic_ports *m)
{
	struct place p;
	struct err e = { 0 };
	int r = find_owner(d, m->ifindex, m->owner, &p, &e);
	uint32_t i = 0;

	while (r == 0 && i < m->n) {
		r = owner_add_port(p.f, p.o, m->ports[i], &e);
		i += r == 0;
	}
	nic_answer(d, m->head.serial, r, i, &e);
}

static int add_address(struct reeved *d, const struct place *p, const struct pp_nic_address *m,
		       struct err *e)
{
	int r = 0;

	if (!address_is_left(p->o, &m->address))
		r = held_against_config("address",
					pp_allow_nic_address(&d->conf, m, p->o->tenant, e), e);
	return r < 0 ? r : address_add(p->f, p->o, &m->address, e);
}

static void on_address(struct reeved *d, const struct pp_nic_address *m)
{
	struct place p;
	struct err e = { 0 };
	int r = find_owner(d, m->ifindex, m->owner, &p, &e);

	if (r == 0 && m->on)
		r = add_address(d, &p, m, &e);
	else if (r == 0)
		r = address_remove(p.f, p.o, &m->address, &e);
	nic_answer(d, m->head.serial, r, 0, &e);
}

static int add_flow(struct reeved *d, const struct place *p, const struct pp_nic_flow *m,
		    uint32_t *ret, struct err *e)
{
	char name[NIC_NAME_MAX];
	int r = iface_name(m->ifindex, name, e);

	if (r == 0 && !flow_is_left(&d->nics, p->f, p->o, m))
		r = held_against_config("flow", pp_allow_nic_flow(&d->conf, m, name, e), e);
	return r < 0 ? r : flow_add(&d->nics, p->f, p->o, m, ret, e);
}

static void on_flow(struct reeved *d, const struct pp_nic_flow *m)
{
	uint32_t value = 0;
	struct place p;
	struct err e = { 0 };
	int r = find_owner(d, m->ifindex, m->owner, &p, &e);

	if (r == 0 && m->on)
		r = add_flow(d, &p, m, &value, &e);
	else if (r == 0)
		r = flow_remove(&d->nics, p.f, p.o, m, &e);
	nic_answer(d, m->head.serial, r, value, &e);
}

void nic_answer_fds(struct reeved *d, uint32_t serial, const int *fds, unsigned nfds,
		    uint32_t value)
{
	struct pp_nic_fds m = { .head = { .type = PP_NIC_FDS, .serial = serial }, .value = value };

	core_send(d, &m, fds, nfds);
}

void nic_refuse_fds(struct reeved *d, uint32_t serial, int error, const struct err *e)
{
	struct pp_nic_fds m = { .head = { .type = PP_NIC_FDS, .serial = serial }, .error = -error };

	str_copy(m.why, sizeof(m.why), e->text);
	core_send(d, &m, NULL, 0);
}

static void on_map(struct reeved *d, const struct pp_nic_map *m)
{
	struct place p;
	struct err e = { 0 };
	int r = find_owner(d, m->ifindex, m->owner, &p, &e), map;

	if (r < 0) {
		nic_refuse_fds(d, m->head.serial, r, &e);
		return;
	}
	map = owner_xskmap(p.f, p.o);
	nic_answer_fds(d, m->head.serial, &map, 1, 0);
}

static void on_xsk(struct reeved *d, const struct pp_nic_xsk *m)
{
	struct place p;
	struct err e = { 0 };
	int r = find_owner(d, m->ifindex, m->owner, &p, &e);

	if (r == 0)
		r = xsk_begin(d, p.o, m, &e);
	if (r < 0)
		nic_refuse_fds(d, m->head.serial, r, &e);
}

/* Who has nothing there counted nothing. */
static void on_count(struct reeved *d, const struct pp_nic_count *m)
{
	struct pp_nic_counts ret = { .head = { .type = PP_NIC_COUNTS, .serial = m->head.serial },
				     .n = m->n };
	struct place p;

	if (find_owner(d, m->ifindex, m->owner, &p, NULL) == 0)
		owner_count(p.f, p.o, m, &ret);
	core_send(d, &ret, NULL, 0);
}

void nic_ops_handle(struct reeved *d, const union pp_msg *m)
{
	switch (m->head.type) {
	case PP_NIC_OPEN:
		on_open(d, &m->nic_open);
		break;
	case PP_NIC_CLOSE:
		on_close(d, &m->nic_close);
		break;
	case PP_NIC_OWNER:
		on_owner(d, &m->nic_owner);
		break;
	case PP_NIC_QUEUE:
		on_queue(d, &m->nic_queue);
		break;
	case PP_NIC_PORT:
		on_port(d, &m->nic_port);
		break;
	case PP_NIC_PORTS:
		on_ports(d, &m->nic_ports);
		break;
	case PP_NIC_ADDRESS:
		on_address(d, &m->nic_address);
		break;
	case PP_NIC_FLOW:
		on_flow(d, &m->nic_flow);
		break;
	case PP_NIC_MAP:
		on_map(d, &m->nic_map);
		break;
	case PP_NIC_XSK:
		on_xsk(d, &m->nic_xsk);
		break;
	case PP_NIC_COUNT:
		on_count(d, &m->nic_count);
		break;
	}
}
