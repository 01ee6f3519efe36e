/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One table says what each type of message is; whatever does not fit its row
 * is unsound. The receiver gets a message only after that, so it can use every
 * string and enum in it as it stands.
 */
#include "privproto/privproto.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum { ERRNO_MAX = 4095 }; /* the kernel's own bound */

static bool text_sound(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* What PP_HELLO said may be fewer, but only the caller knows. */
static bool conn_sound(const struct pp_conn *conn)
{
	return conn->slot < PP_CLIENTS_MAX;
}

static bool hello_sound(const union pp_msg *m)
{
	const struct pp_hello *h = &m->hello;

	return h->version == PP_VERSION && h->conf_size == sizeof(struct conf) &&
	       h->journal_bytes > 0 && h->max_clients > 0 && h->max_clients <= PP_CLIENTS_MAX &&
	       h->last_end < PP_END_MAX && h->fresh <= 1 && h->upgraded <= 1 &&
	       h->nresumed <= h->max_clients && h->log_format <= LOG_FORMAT_MAX &&
	       h->log_level <= LOG_LEVEL_MAX &&
	       text_sound(h->version_text, sizeof(h->version_text));
}

static bool resume_sound(const union pp_msg *m)
{
	const struct pp_resume *q = &m->resume;

	if (!q->n || q->n > FD_PASS_MAX)
		return false;
	for (uint32_t i = 0; i < q->n; i++)
		if (!conn_sound(&q->conns[i]))
			return false;
	return true;
}

static bool unknown_sound(const union pp_msg *m)
{
	return conn_sound(&m->unknown.conn);
}

/* Asks for nothing but an answer. */
static bool synced_sound(const union pp_msg *m)
{
	return m->head.serial;
}

static bool admin_sound(const union pp_msg *m)
{
	return m->head.serial && m->admin.op < PP_ADMIN_MAX;
}

static bool accept_sound(const union pp_msg *m)
{
	const struct pp_accept *a = &m->accept;

	return conn_sound(&a->conn) && a->door < PP_DOOR_MAX && a->has_pidfd <= 1 &&
	       a->peer.ngroups <= PEER_GROUPS_MAX &&
	       text_sound(a->peer.cgroup, sizeof(a->peer.cgroup));
}

static bool close_sound(const union pp_msg *m)
{
	return conn_sound(&m->close.conn);
}

static bool cpuset_sound(const union pp_msg *m)
{
	return m->cpuset.tenant < TENANT_MAX && m->cpuset.want < ENFORCE_MAX;
}

static bool plane_sound(const union pp_msg *m)
{
	return m->plane.plane < PLANE_MAX && m->plane.on <= 1;
}

static bool result_sound(const union pp_msg *m)
{
	const struct pp_result *r = &m->result;

	return r->error >= 0 && r->error <= ERRNO_MAX && text_sound(r->why, sizeof(r->why));
}

static bool ready_sound(const union pp_msg *m)
{
	const struct pp_ready *r = &m->ready;

	return r->error >= 0 && r->error <= ERRNO_MAX && text_sound(r->why, sizeof(r->why));
}

static bool ifindex_sound(uint32_t ifindex)
{
	return ifindex >= 1 && ifindex <= INT32_MAX;
}

static bool place_sound(uint32_t ifindex, uint32_t owner)
{
	return ifindex_sound(ifindex) && owner >= 1 && owner <= PP_OWNERS_MAX;
}

static bool power_of_two(uint32_t n, uint32_t most)
{
	return n && n <= most && !(n & (n - 1));
}

static bool nic_open_sound(const union pp_msg *m)
{
	const struct pp_nic_open *o = &m->nic_open;

	return ifindex_sound(o->ifindex) && o->form > NIC_WANT_AUTO && o->form < NIC_WANT_MAX &&
	       text_sound(o->name, sizeof(o->name)) && nic_name_sound(o->name);
}

static bool nic_close_sound(const union pp_msg *m)
{
	return ifindex_sound(m->nic_close.ifindex);
}

static bool nic_owner_sound(const union pp_msg *m)
{
	const struct pp_nic_owner *o = &m->nic_owner;

	return place_sound(o->ifindex, o->owner) && o->on <= 1 &&
	       (!o->on || o->tenant <= TENANT_MAX);
}

static bool nic_queue_sound(const union pp_msg *m)
{
	const struct pp_nic_queue *q = &m->nic_queue;

	return place_sound(q->ifindex, q->owner) && q->queue < NIC_QUEUES_MAX && q->on <= 1;
}

static bool nic_port_sound(const union pp_msg *m)
{
	const struct pp_nic_port *p = &m->nic_port;

	return place_sound(p->ifindex, p->owner) && p->port >= 1 && p->port < NIC_PORTS &&
	       p->on <= 1;
}

static bool ports_sound(const uint16_t ports[static PP_COUNTS_MAX], uint32_t n)
{
	if (!n || n > PP_COUNTS_MAX)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!ports[i])
			return false;
	return true;
}

/* Whose it may be is the config's to say. */
static bool nic_address_sound(const union pp_msg *m)
{
	const struct pp_nic_address *a = &m->nic_address;

	return place_sound(a->ifindex, a->owner) && a->on <= 1 && ipaddr_is_unicast(&a->address);
}

/* A rule that ends is named by its location. */
static bool nic_flow_sound(const union pp_msg *m)
{
	const struct pp_nic_flow *f = &m->nic_flow;

	return place_sound(f->ifindex, f->owner) && f->on <= 1 && f->soft <= 1 &&
	       (!f->on || flow_check(&f->flow) == 0);
}

/* Asks for nothing but an answer. */
static bool nic_map_sound(const union pp_msg *m)
{
	return m->head.serial && place_sound(m->nic_map.ifindex, m->nic_map.owner);
}

/* Without tx there is nothing to complete. */
static bool rings_sound(const struct pp_nic_xsk *x)
{
	bool sends = power_of_two(x->tx, PP_XSK_RING_MAX) && power_of_two(x->comp, PP_XSK_RING_MAX);

	return power_of_two(x->rx, PP_XSK_RING_MAX) && power_of_two(x->fill, PP_XSK_RING_MAX) &&
	       (sends || (!x->tx && !x->comp));
}

static bool nic_xsk_sound(const union pp_msg *m)
{
	const struct pp_nic_xsk *x = &m->nic_xsk;

	return m->head.serial && place_sound(x->ifindex, x->owner) && x->queue < NIC_QUEUES_MAX &&
	       power_of_two(x->frames, PP_XSK_FRAMES_MAX) &&
	       (x->frame_size == 2048 || x->frame_size == 4096) && rings_sound(x);
}

static bool nic_fds_sound(const union pp_msg *m)
{
	const struct pp_nic_fds *f = &m->nic_fds;

	return f->error >= 0 && f->error <= ERRNO_MAX && f->value <= 1 &&
	       text_sound(f->why, sizeof(f->why));
}

static bool nic_ports_sound(const union pp_msg *m)
{
	const struct pp_nic_ports *p = &m->nic_ports;

	return m->head.serial && place_sound(p->ifindex, p->owner) && ports_sound(p->ports, p->n);
}

static bool nic_count_sound(const union pp_msg *m)
{
	const struct pp_nic_count *c = &m->nic_count;

	return m->head.serial && place_sound(c->ifindex, c->owner) && ports_sound(c->ports, c->n);
}

static bool nic_counts_sound(const union pp_msg *m)
{
	return m->nic_counts.n <= PP_COUNTS_MAX;
}

struct row {
	size_t size;
	enum pp_side from;
	unsigned nfds;			      /* at least; see nfds_fit() */
	bool (*sound)(const union pp_msg *m); /* NULL: there is nothing but the head */
};

static const struct row rows[PP_TYPE_MAX] = {
	[PP_HELLO] = { sizeof(struct pp_hello), PP_REEVED, 4, hello_sound },
	[PP_CONF] = { sizeof(struct pp_conf), PP_REEVED, 1, NULL },
	[PP_RESUME] = { sizeof(struct pp_resume), PP_REEVED, 1, resume_sound },
	[PP_ACCEPT] = { sizeof(struct pp_accept), PP_REEVED, 1, accept_sound },
	[PP_RESULT] = { sizeof(struct pp_result), PP_REEVED, 0, result_sound },
	[PP_STOP] = { sizeof(struct pp_simple), PP_REEVED, 0, NULL },
	[PP_READY] = { sizeof(struct pp_ready), PP_CORE, 0, ready_sound },
	[PP_SYNCED] = { sizeof(struct pp_simple), PP_CORE, 0, synced_sound },
	[PP_UNKNOWN] = { sizeof(struct pp_unknown), PP_CORE, 0, unknown_sound },
	[PP_ADMIN] = { sizeof(struct pp_admin), PP_CORE, 0, admin_sound },
	[PP_CLOSE] = { sizeof(struct pp_close), PP_CORE, 0, close_sound },
	[PP_CPUSET] = { sizeof(struct pp_cpuset), PP_CORE, 0, cpuset_sound },
	[PP_PLANE] = { sizeof(struct pp_plane), PP_CORE, 0, plane_sound },
	[PP_NIC_OPEN] = { sizeof(struct pp_nic_open), PP_CORE, 0, nic_open_sound },
	[PP_NIC_CLOSE] = { sizeof(struct pp_nic_close), PP_CORE, 0, nic_close_sound },
	[PP_NIC_OWNER] = { sizeof(struct pp_nic_owner), PP_CORE, 0, nic_owner_sound },
	[PP_NIC_QUEUE] = { sizeof(struct pp_nic_queue), PP_CORE, 0, nic_queue_sound },
	[PP_NIC_PORT] = { sizeof(struct pp_nic_port), PP_CORE, 0, nic_port_sound },
	[PP_NIC_PORTS] = { sizeof(struct pp_nic_ports), PP_CORE, 0, nic_ports_sound },
	[PP_NIC_ADDRESS] = { sizeof(struct pp_nic_address), PP_CORE, 0, nic_address_sound },
	[PP_NIC_FLOW] = { sizeof(struct pp_nic_flow), PP_CORE, 0, nic_flow_sound },
	[PP_NIC_MAP] = { sizeof(struct pp_nic_map), PP_CORE, 0, nic_map_sound },
	[PP_NIC_XSK] = { sizeof(struct pp_nic_xsk), PP_CORE, 0, nic_xsk_sound },
	[PP_NIC_FDS] = { sizeof(struct pp_nic_fds), PP_REEVED, 0, nic_fds_sound },
	[PP_NIC_COUNT] = { sizeof(struct pp_nic_count), PP_CORE, 0, nic_count_sound },
	[PP_NIC_COUNTS] = { sizeof(struct pp_nic_counts), PP_REEVED, 0, nic_counts_sound },
};

/* What only the rest of a message can tell. */
static bool nfds_fit(const union pp_msg *m, const struct row *row, unsigned nfds)
{
	switch (m->head.type) {
	case PP_ACCEPT:
		return nfds == row->nfds + (m->accept.has_pidfd ? 1 : 0);
	case PP_RESUME:
		return nfds == m->resume.n;
	case PP_NIC_FDS:
		return m->nic_fds.error ? nfds == 0 : nfds == 1 || nfds == 2;
	default:
		return nfds == row->nfds;
	}
}

size_t pp_size(uint32_t type)
{
	return type < PP_TYPE_MAX ? rows[type].size : 0;
}

int pp_check(const union pp_msg *m, size_t len, unsigned nfds, enum pp_side from)
{
	const struct row *row;

	if (len < sizeof(m->head) || !pp_size(m->head.type))
		return -EBADMSG;
	row = &rows[m->head.type];
	if (len != row->size || from != row->from || (row->sound && !row->sound(m)))
		return -EBADMSG;
	return nfds_fit(m, row, nfds) ? 0 : -EBADMSG;
}

/* What can happen to a seqpacket in the terms of our contract. */
static int pp_error(ssize_t error)
{
	switch (error) {
	case -ECONNRESET: /* closed with messages unread: as gone as one that read them */
		return -EPIPE;
	case -EMSGSIZE: /* longer than any message */
		return -EBADMSG;
	default:
		return (int)error;
	}
}

int pp_send(int sock, const void *msg, const int *fds, unsigned nfds)
{
	struct pp_head head;
	size_t size;
	ssize_t n;

	memcpy(&head, msg, sizeof(head));
	size = pp_size(head.type);
	if (!size)
		return -EINVAL;
	n = fd_send(sock, msg, size, fds, nfds);
	if (n < 0)
		return pp_error(n);
	return (size_t)n == size ? 0 : -EIO;
}

static void close_all(const int *fds, unsigned nfds)
{
	for (unsigned i = 0; i < nfds; i++)
		close(fds[i]);
}

int pp_recv(int sock, enum pp_side from, union pp_msg *ret, int *fds, unsigned *ret_nfds)
{
	int got[FD_PASS_MAX];
	unsigned nfds = 0;
	union pp_msg in;
	ssize_t n;
	int r;

	n = fd_recv(sock, &in, sizeof(in), got, FD_PASS_MAX, &nfds);
	if (n < 0)
		return pp_error(n);
	r = n == 0 ? -EPIPE : pp_check(&in, (size_t)n, nfds, from);
	if (r < 0) {
		close_all(got, nfds);
		return r;
	}
	memcpy(ret, &in, (size_t)n);
	memcpy(fds, got, nfds * sizeof(*got));
	*ret_nfds = nfds;
	return 0;
}
