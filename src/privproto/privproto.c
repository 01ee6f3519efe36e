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
	       h->ledger_bytes > 0 && h->max_clients > 0 && h->max_clients <= PP_CLIENTS_MAX &&
	       h->log_format <= LOG_FORMAT_MAX && h->log_level <= LOG_LEVEL_MAX &&
	       text_sound(h->version_text, sizeof(h->version_text));
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

	return r->error >= 0 && r->error <= ERRNO_MAX && r->value < ENFORCE_MAX &&
	       text_sound(r->why, sizeof(r->why));
}

static bool ready_sound(const union pp_msg *m)
{
	const struct pp_ready *r = &m->ready;

	return r->error >= 0 && r->error <= ERRNO_MAX && text_sound(r->why, sizeof(r->why));
}

struct row {
	size_t size;
	enum pp_side from;
	unsigned nfds;			      /* PP_ACCEPT: and one more with has_pidfd */
	bool (*sound)(const union pp_msg *m); /* NULL: there is nothing but the head */
};

static const struct row rows[PP_TYPE_MAX] = {
	[PP_HELLO] = { sizeof(struct pp_hello), PP_REEVED, 2, hello_sound },
	[PP_CONF] = { sizeof(struct pp_conf), PP_REEVED, 1, NULL },
	[PP_ACCEPT] = { sizeof(struct pp_accept), PP_REEVED, 1, accept_sound },
	[PP_RESULT] = { sizeof(struct pp_result), PP_REEVED, 0, result_sound },
	[PP_STOP] = { sizeof(struct pp_simple), PP_REEVED, 0, NULL },
	[PP_READY] = { sizeof(struct pp_ready), PP_CORE, 0, ready_sound },
	[PP_CLOSE] = { sizeof(struct pp_close), PP_CORE, 0, close_sound },
	[PP_CPUSET] = { sizeof(struct pp_cpuset), PP_CORE, 0, cpuset_sound },
	[PP_PLANE] = { sizeof(struct pp_plane), PP_CORE, 0, plane_sound },
};

size_t pp_size(uint32_t type)
{
	return type < PP_TYPE_MAX ? rows[type].size : 0;
}

int pp_check(const union pp_msg *m, size_t len, unsigned nfds, enum pp_side from)
{
	const struct row *row;
	unsigned expected;

	if (len < sizeof(m->head) || !pp_size(m->head.type))
		return -EBADMSG;
	row = &rows[m->head.type];
	if (len != row->size || from != row->from || (row->sound && !row->sound(m)))
		return -EBADMSG;
	expected = row->nfds;
	if (m->head.type == PP_ACCEPT && m->accept.has_pidfd)
		expected++;
	return nfds == expected ? 0 : -EBADMSG;
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
