/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeved.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "orphan.h"

/* Two nodes of two cores of two threads. */
static void make_host(struct host *h)
{
	memset(h, 0, sizeof(*h));
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		cpuset_add(&h->present, cpu);
		h->node[cpu] = (int16_t)(cpu / 4);
		h->core[cpu] = (uint16_t)(cpu & ~1U);
	}
	h->online = h->usable = h->present;
}

static bool start_on(struct fake_reeved *f, void *journal, const struct conf *conf)
{
	struct core *core = &f->core;
	struct conf *c;
	int pair[2];

	log_setup(-1, LOG_TEXT, LOG_ERR);
	f->journal = journal;
	if (journal_open(core, journal, PP_JOURNAL_BYTES, &(struct err){ 0 }) < 0)
		return false;
	c = malloc(sizeof(*c));
	assert(c && fd_socketpair(pair) == 0);
	assert(loop_new(&core->loop) == 0);
	core->expiry_watch.fd = loop_timer();
	core->sock = pair[0];
	core->ethnl.sock = -1;
	core->null_fd = f->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	core->fd_budget = 1000;
	f->sock = pair[1];
	f->form = NIC_FORM_SINGLE;
	pp_queue_init(&core->queue);
	assert(loop_add(core->loop, &core->sock_watch, core->sock, EPOLLIN, NULL) == 0);
	if (conf)
		*c = *conf;
	else
		conf_defaults(c);
	assert(policy_apply(core, c, 1, &(struct err){ 0 }) == 0);
	make_host(&core->host);
	policy_work_out_rights(core);
	free(c);
	return true;
}

void fake_start(struct fake_reeved *f, const struct conf *conf)
{
	void *mem;

	f->journal_fd = memfd_create("journal", MFD_CLOEXEC);
	assert(f->journal_fd >= 0 && ftruncate(f->journal_fd, PP_JOURNAL_BYTES) == 0);
	mem = mmap(NULL, PP_JOURNAL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->journal_fd, 0);
	assert(mem != MAP_FAILED);
	f->core.synced = start_on(f, mem, conf);
	assert(f->core.synced);
}

bool fake_take_over_copy(struct fake_reeved *f, struct fake_reeved *before, void *journal)
{
	f->before = before;
	f->hardware = before->hardware;
	f->open = f->open_old = before->open;
	f->location = before->location;
	f->nheld = before->nheld;
	memcpy(f->held, before->held, sizeof(f->held));
	for (uint32_t i = 0; i < f->nheld; i++)
		f->held[i].old = true;
	if (!start_on(f, journal, &before->core.conf))
		return false;
	ledger_undo_reserved(f->core.ledger);
	return true;
}

void fake_take_over(struct fake_reeved *f, struct fake_reeved *before, enum pp_end end)
{
	bool sound;

	f->core.hello.last_end = end;
	sound = fake_take_over_copy(f, before, before->journal);
	assert(sound);
}

struct conn *fake_resume(struct fake_reeved *f, struct fake_reeved *before, uint32_t slot)
{
	const struct conn *c = before->core.conns[slot];
	int fd = dup(c->watch.fd);

	assert(fd >= 0);
	conn_resume(&f->core, &c->id, fd);
	journal_settle(&f->core);
	return f->core.conns[slot];
}

void fake_resync(struct fake_reeved *f)
{
	orphans_find(&f->core);
	resync_start(&f->core);
	fake_answer(f);
	assert(f->ready && f->core.synced);
}

void fake_end(struct fake_reeved *f)
{
	struct core *core = &f->core;

	conns_close_all(core, "the end");
	fake_answer(f);
	conns_bury(core);
	orphans_forget(core);
	processes_forget_idle(core);
	while (core->nics) {
		struct nic *nic = core->nics;

		core->nics = nic->next;
		free(nic);
	}
	pp_queue_clear(&core->queue);
	close(core->expiry_watch.fd);
	close(f->sock);
	close(core->sock);
	close(f->null_fd);
	loop_free(core->loop);
}

void fake_add_nic(struct fake_reeved *f, uint32_t ifindex, const char *name)
{
	struct nic *nic = calloc(1, sizeof(*nic));

	assert(nic && !f->core.nics);
	nic->link.ifindex = ifindex;
	nic->link.up = true;
	nic->queues = FAKE_QUEUES;
	nic->ntuple = f->hardware;
	str_copy(nic->link.name, sizeof(nic->link.name), name);
	f->core.nics = nic;
}

int fake_connect(struct fake_reeved *f, uint32_t slot, enum pp_door door, uint32_t uid,
		 struct conn **ret)
{
	struct pp_accept m = {
		.head.type = PP_ACCEPT,
		.conn = { .slot = slot, .use = 1 },
		.door = door,
		.peer = { .pid = 1 + slot, .uid = uid },
	};
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	conn_accept(&f->core, &m, pair[0], -1);
	*ret = f->core.conns[slot];
	assert(*ret);
	return pair[1];
}

/* --- the kernel's side ------------------------------------------------------------- */

static struct fake_held *find(struct fake_reeved *f, uint32_t owner, const struct res *res)
{
	for (uint32_t i = 0; i < f->nheld; i++)
		if (f->held[i].owner == owner && !memcmp(&f->held[i].res, res, sizeof(*res)))
			return &f->held[i];
	return NULL;
}

static void put(struct fake_reeved *f, uint32_t owner, struct res res, bool on)
{
	struct fake_held *h = find(f, owner, &res);

	if (on && h && h->old) {
		h->old = false;
		return;
	}
	assert(!on == !!h);
	if (on) {
		assert(f->nheld < FAKE_HELD);
		f->held[f->nheld++] = (struct fake_held){ .owner = owner, .res = res };
	} else {
		*h = f->held[--f->nheld];
	}
}

/* Rules of a NIC go with the queue they lead to. */
static void drop_rules_of(struct fake_reeved *f, uint32_t owner, uint32_t queue)
{
	for (uint32_t i = f->nheld; i--;)
		if (f->held[i].owner == owner && f->held[i].res.kind == RES_FLOW &&
		    !(f->held[i].res.id & RES_FLOW_SOFT) && f->held[i].queue == queue)
			f->held[i] = f->held[--f->nheld];
}

static void drop_owner(struct fake_reeved *f, uint32_t owner)
{
	for (uint32_t i = f->nheld; i--;)
		if (!owner || f->held[i].owner == owner)
			f->held[i] = f->held[--f->nheld];
}

static uint64_t flow_id(struct fake_reeved *f, const struct pp_nic_flow *m)
{
	struct res there = res_flow(m->ifindex, m->location);
	const struct fake_held *h = find(f, m->owner, &there);

	if (m->soft)
		return RES_FLOW_SOFT | m->location;
	return m->on && !(h && h->old) ? ++f->location : m->location;
}

static uint32_t apply_flow(struct fake_reeved *f, const struct pp_nic_flow *m)
{
	uint64_t id = flow_id(f, m);

	put(f, m->owner, res_flow(m->ifindex, id), m->on);
	if (m->on)
		find(f, m->owner, &(struct res){ RES_FLOW, m->ifindex, id })->queue = m->flow.queue;
	return (uint32_t)id;
}

static void sweep(struct fake_reeved *f)
{
	for (uint32_t i = f->nheld; i--;)
		if (f->held[i].old)
			f->held[i] = f->held[--f->nheld];
	if (f->open_old)
		f->open = f->open_old = false;
}

/* What the request does; the value of its answer. */
static uint32_t apply(struct fake_reeved *f, const union pp_msg *m)
{
	switch (m->head.type) {
	case PP_NIC_OPEN:
		assert(!f->open || f->open_old);
		f->opened += !f->open;
		f->open = true;
		f->open_old = false;
		return f->form | NIC_MODE_NATIVE << 8;
	case PP_NIC_CLOSE:
		assert(f->open);
		f->open = false;
		drop_owner(f, 0);
		return 0;
	case PP_NIC_OWNER:
		if (m->nic_owner.on)
			put(f, m->nic_owner.owner, res_xdp(FAKE_IF, m->nic_owner.owner), true);
		else
			drop_owner(f, m->nic_owner.owner);
		return 0;
	case PP_NIC_QUEUE:
		if (!m->nic_queue.on)
			drop_rules_of(f, m->nic_queue.owner, m->nic_queue.queue);
		put(f, m->nic_queue.owner, res_queue(FAKE_IF, m->nic_queue.queue), m->nic_queue.on);
		return 0;
	case PP_NIC_PORT:
		put(f, m->nic_port.owner,
		    res_udp_port(FAKE_IF, m->nic_port.owner, (uint16_t)m->nic_port.port),
		    m->nic_port.on);
		return 0;
	case PP_NIC_ADDRESS:
		put(f, m->nic_address.owner, res_address(FAKE_IF, &m->nic_address.address),
		    m->nic_address.on);
		return 0;
	case PP_NIC_PORTS:
		for (uint32_t i = 0; i < m->nic_ports.n; i++)
			put(f, m->nic_ports.owner,
			    res_udp_port(FAKE_IF, m->nic_ports.owner, m->nic_ports.ports[i]), true);
		return 0;
	case PP_NIC_FLOW:
		return apply_flow(f, &m->nic_flow);
	case PP_SYNCED:
		sweep(f);
		return 0;
	case PP_READY:
		f->ready = true;
		return 0;
	default:
		return 0;
	}
}

static bool is_there(struct fake_reeved *f, uint32_t owner)
{
	struct res res = res_xdp(FAKE_IF, owner);
	const struct fake_held *h = find(f, owner, &res);

	return f->open && !f->open_old && h && !h->old;
}

/* What a request stands on has to be there, and to be this core's. */
static int refuse(struct fake_reeved *f, const union pp_msg *m)
{
	switch (m->head.type) {
	case PP_NIC_OWNER:
		return !m->nic_owner.on || (f->open && !f->open_old) ? 0 : ENODEV;
	case PP_NIC_QUEUE:
		return !m->nic_queue.on || is_there(f, m->nic_queue.owner) ? 0 : ENOENT;
	case PP_NIC_PORT:
		return !m->nic_port.on || is_there(f, m->nic_port.owner) ? 0 : ENOENT;
	case PP_NIC_PORTS:
		return is_there(f, m->nic_ports.owner) ? 0 : ENOENT;
	case PP_NIC_ADDRESS:
		return !m->nic_address.on || is_there(f, m->nic_address.owner) ? 0 : ENOENT;
	case PP_NIC_FLOW:
		return !m->nic_flow.on || is_there(f, m->nic_flow.owner) ? 0 : ENOENT;
	default:
		return 0;
	}
}

static void answer_fds(struct fake_reeved *f, const struct pp_head *to, int error, unsigned nfds)
{
	union pp_msg m = { .nic_fds = { .head = { PP_NIC_FDS, to->serial }, .error = error } };
	int fds[2];

	if (error)
		nfds = 0;
	for (unsigned i = 0; i < nfds; i++)
		fds[i] = dup(f->null_fd);
	ask_answered(&f->core, &m, fds, nfds);
}

static void answer(struct fake_reeved *f, const struct pp_head *to, int error, uint32_t value)
{
	union pp_msg m = {
		.result = { .head = { PP_RESULT, to->serial }, .error = error, .value = value }
	};

	str_copy(m.result.why, sizeof(m.result.why), error ? "as the test says" : "");
	ask_answered(&f->core, &m, NULL, 0);
}

bool fake_answer_one(struct fake_reeved *f)
{
	int fds[FD_PASS_MAX], error = 0;
	uint32_t value = 0;
	union pp_msg m;
	unsigned nfds;

	pp_queue_flush(&f->core.queue, f->core.sock);
	if (pp_recv(f->sock, PP_CORE, &m, fds, &nfds) < 0)
		return false;
	if (m.head.serial && ++f->requests == f->fail_at)
		error = f->error;
	else
		error = refuse(f, &m);
	if (!error)
		value = apply(f, &m);
	if (!m.head.serial)
		return true;
	if (m.head.type == PP_NIC_MAP || m.head.type == PP_NIC_XSK)
		answer_fds(f, &m.head, error, m.head.type == PP_NIC_MAP ? 1 : 2);
	else
		answer(f, &m.head, error, value);
	return true;
}

void fake_answer(struct fake_reeved *f)
{
	while (fake_answer_one(f))
		;
}

bool fake_agrees(const struct fake_reeved *f)
{
	uint32_t held = 0;
	struct lease l = { 0 };

	while (ledger_next_lease(f->core.ledger, l.id, &l) == 0) {
		if (l.res.kind == RES_LCORE || l.res.kind == RES_CHANNEL)
			continue;
		if (l.state != LEASE_HELD ||
		    !find((struct fake_reeved *)f, owner_of(l.instance), &l.res))
			return false;
		held++;
	}
	return held == f->nheld && (f->open || !held);
}
