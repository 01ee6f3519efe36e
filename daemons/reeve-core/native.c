/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection that speaks Varlink. One call at a time: the next is looked at
 * when the answer of the last is gone, so what a client that does not read can
 * pile up here is one answer.
 *
 * A stream keeps no queue: it remembers the last event it sent, and the ledger
 * has the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "call.h"
#include "core.h"
#include "record.h"
#include "session.h"
#include "wire/native.h"
#include "wire/varlink.h"

enum {
	READ_STEP = 2048,
	STREAM_BATCH = 16, /* events of one stream before others get their turn */
	CALL_BATCH = 1,	   /* calls of one client, likewise: one may list the whole host */
};

static void close_out_fds(struct native_state *n)
{
	while (n->out_nfds)
		close(n->out_fds[--n->out_nfds]);
}

void native_closed(struct conn *c)
{
	struct native_state *n = &c->native;

	call_forget(c);
	if (n->streaming) {
		*n->prev_stream = n->next_stream;
		if (n->next_stream)
			n->next_stream->native.prev_stream = n->prev_stream;
		n->streaming = false;
	}
	share_refund(c, n->in_size + (n->out ? n->out_len : 0));
	free(n->in);
	free(n->out);
	n->in = n->out = NULL;
	close_out_fds(n);
}

/* --- out -------------------------------------------------------------------- */

static bool output_waits(const struct conn *c)
{
	return c->native.out;
}

static void flush(struct conn *c)
{
	struct native_state *n = &c->native;

	while (n->out) {
		ssize_t sent = fd_send(c->watch.fd, n->out + n->out_at, n->out_len - n->out_at,
				       n->out_fds, n->out_nfds);

		if (sent == -EAGAIN)
			return;
		if (sent < 0) {
			conn_hung_up(c);
			return;
		}
		close_out_fds(n);
		n->out_at += (size_t)sent;
		if (n->out_at == n->out_len) {
			share_refund(c, n->out_len);
			free(n->out);
			n->out = NULL;
		}
	}
}

void native_send(struct conn *c, char *text, size_t len)
{
	native_send_fds(c, text, len, NULL, 0);
}

/* All or none. */
static bool keep_fds(struct native_state *n, const int *fds, unsigned nfds)
{
	while (n->out_nfds < nfds) {
		int fd = fcntl(fds[n->out_nfds], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			close_out_fds(n);
			return false;
		}
		n->out_fds[n->out_nfds++] = fd;
	}
	return true;
}

void native_send_fds(struct conn *c, char *text, size_t len, const int *fds, unsigned nfds)
{
	struct native_state *n = &c->native;
	const char *why = NULL;

	if (c->dead) {
		free(text);
		return;
	}
	if (nfds && !conn_may_pass_fd(c))
		why = "it leaves descriptors unread";
	else if (!text || !keep_fds(n, fds, nfds))
		why = "out of memory";
	else if (!share_charge(c, len))
		why = "its uid leaves too many answers unread";
	if (why) {
		conn_close(c, why);
		free(text);
		return;
	}
	n->out = text;
	n->out_len = len;
	n->out_at = 0;
	flush(c);
}

/* --- streams ------------------------------------------------------------------ */

static void send_event(struct conn *c, const struct event *ev, uint64_t lost)
{
	char name[TENANT_NAME_MAX];
	json_t *event = native_event_json(ev, tenant_name(c->core, ev->tenant, name));
	json_t *reply = event ? json_pack("{s:o, s:I}", "event", event, "lost", (json_int_t)lost)
			      : NULL;
	size_t len = 0;
	char *text = reply ? varlink_reply_encode(reply, true, &len) : NULL;

	json_decref(reply);
	native_send(c, text, len);
}

static void stream_push(struct conn *c)
{
	struct native_state *n = &c->native;
	struct event ev;
	uint64_t lost;

	for (int i = 0; i < STREAM_BATCH && !c->dead && !output_waits(c); i++) {
		if (ledger_next_event(c->core->ledger, n->stream_tenant, n->since, &ev, &lost) <
		    0) {
			conn_want(c, 0);
			return;
		}
		n->since = ev.seq;
		send_event(c, &ev, lost);
	}
	if (!c->dead)
		conn_want(c, EPOLLOUT);
}

static uint32_t stream_tenant(const struct conn *c)
{
	return c->admin ? LEDGER_ALL_TENANTS : c->tenant;
}

void native_stream(struct conn *c, uint64_t since)
{
	struct native_state *n = &c->native;
	struct core *core = c->core;

	n->streaming = true;
	n->stream_tenant = stream_tenant(c);
	n->since = since;
	n->next_stream = core->streams;
	n->prev_stream = &core->streams;
	if (core->streams)
		core->streams->native.prev_stream = &n->next_stream;
	core->streams = c;
	stream_push(c);
}

/* Who has an instance keeps it, and its leases: its stream is narrowed instead. */
void native_match_stream(struct conn *c, bool changed)
{
	if (!c->native.streaming || !changed)
		return;
	if (c->instance)
		c->native.stream_tenant = stream_tenant(c);
	else
		conn_close(c, "its rights changed");
}

void native_streams_push(struct core *core)
{
	struct conn *c = core->streams;

	while (c) {
		struct conn *next = c->native.next_stream;

		if (!output_waits(c))
			stream_push(c);
		c = next;
	}
}

/* --- in --------------------------------------------------------------------- */

static bool may_go_on(const struct conn *c)
{
	return !c->dead && !c->busy && !output_waits(c) && !c->native.streaming;
}

static char *next_call(const struct conn *c)
{
	const struct native_state *n = &c->native;

	return n->in_len ? memchr(n->in, '\0', n->in_len) : NULL;
}

static void take_calls(struct conn *c)
{
	struct native_state *n = &c->native;

	for (int i = 0; i < CALL_BATCH && may_go_on(c); i++) {
		char *end = next_call(c);
		size_t len;

		if (!end)
			return;
		len = (size_t)(end - n->in);
		call_run(c, n->in, len);
		if (c->dead)
			return;
		n->in_len -= len + 1;
		memmove(n->in, end + 1, n->in_len);
	}
}

static bool make_room(struct conn *c)
{
	struct native_state *n = &c->native;
	size_t size = n->in_size ? n->in_size * 2 : READ_STEP;
	char *in;

	if (n->in_len < n->in_size)
		return true;
	if (n->in_size >= VARLINK_CALL_MAX || !share_charge(c, size - n->in_size))
		return false;
	in = realloc(n->in, size);
	if (!in) {
		share_refund(c, size - n->in_size);
		return false;
	}
	n->in = in;
	n->in_size = size;
	return true;
}

/* An idle client costs no buffer. */
static void drop_room(struct conn *c)
{
	struct native_state *n = &c->native;

	if (n->in_len || !n->in)
		return;
	share_refund(c, n->in_size);
	free(n->in);
	n->in = NULL;
	n->in_size = 0;
}

static void read_more(struct conn *c)
{
	struct native_state *n = &c->native;
	ssize_t got;

	if (!make_room(c)) {
		record_refusal(c, NULL, EBADMSG, "a call too long to be kept");
		conn_close(c, "its call is too long");
		return;
	}
	got = conn_read(c, n->in + n->in_len, n->in_size - n->in_len);
	if (got > 0) {
		n->in_len += (size_t)got;
		take_calls(c);
	} else if (got == -EBADMSG) {
		conn_close(c, "it passed a descriptor");
	} else if (got != -EAGAIN && got != -EINTR) {
		conn_hung_up(c);
	}
}

/* A call that waits for its turn has it as soon as the socket takes an answer. */
static uint32_t wanted(const struct conn *c)
{
	if (output_waits(c))
		return EPOLLOUT;
	if (!may_go_on(c))
		return 0;
	return next_call(c) ? EPOLLOUT : EPOLLIN;
}

static void wait_for_more(struct conn *c)
{
	if (c->dead)
		return;
	drop_room(c);
	if (!c->native.streaming)
		conn_want(c, wanted(c));
}

void native_resume(struct conn *c)
{
	take_calls(c);
	wait_for_more(c);
}

void native_events(struct conn *c, uint32_t events)
{
	if (output_waits(c) && events & EPOLLOUT)
		flush(c);
	if (c->dead)
		return;
	if (c->native.streaming) {
		if (!output_waits(c))
			stream_push(c);
		return;
	}
	take_calls(c);
	if (may_go_on(c) && events & EPOLLIN && !next_call(c))
		read_more(c);
	wait_for_more(c);
}
