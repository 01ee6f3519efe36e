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

#include "base/fault.h"
#include "base/fd.h"
#include "call.h"
#include "core.h"
#include "journal.h"
#include "record.h"
#include "session.h"
#include "wire/native.h"
#include "wire/varlink.h"

enum {
	READ_STEP = 2048,  /* a multiple of HEAP_UNIT */
	STREAM_BATCH = 16, /* events of one stream before others get their turn */
	CALL_BATCH = 1,	   /* calls of one client, likewise: one may list the whole host */
};

static void close_out_fds(struct native_state *n)
{
	while (n->out_nfds)
		close(n->out_fds[--n->out_nfds]);
}

static struct kept_native *kept_of(const struct conn *c)
{
	return &c->kept->native;
}

static char *input(const struct conn *c)
{
	return heap_at(&c->core->journal.heap, &kept_of(c)->in);
}

static void link_stream(struct conn *c)
{
	struct native_state *n = &c->native;
	struct core *core = c->core;

	n->next_stream = core->streams;
	n->prev_stream = &core->streams;
	if (core->streams)
		core->streams->native.prev_stream = &n->next_stream;
	core->streams = c;
}

void native_closed(struct conn *c)
{
	struct native_state *n = &c->native;

	call_forget(c);
	if (kept_of(c)->streaming) {
		*n->prev_stream = n->next_stream;
		if (n->next_stream)
			n->next_stream->native.prev_stream = n->prev_stream;
	}
	share_refund(c, extent_bytes(&kept_of(c)->in) + extent_bytes(&kept_of(c)->out));
	close_out_fds(n);
}

static uint32_t stream_tenant(const struct conn *c)
{
	return c->admin ? LEDGER_ALL_TENANTS : c->tenant;
}

static void drop_answer(struct conn *c)
{
	struct kept *k = c->kept;

	kept_change_extents(c->core, k);
	share_refund(c, extent_bytes(&k->native.out));
	kept_give(c->core, &k->native.out);
	k->out_at = k->out_len = 0;
	k->out_fds = 0;
}

/* What goes with an answer can't be kept: its request is done again. */
void native_resumed(struct conn *c)
{
	const struct kept_native *n = kept_of(c);

	share_charge_kept(c, extent_bytes(&n->in) + extent_bytes(&n->out));
	if (c->kept->out_fds)
		drop_answer(c);
	for (uint32_t plane = 0; plane < PLANE_MAX; plane++)
		c->core->plane_holders[plane] += n->hold[plane];
	if (n->streaming) {
		c->native.stream_tenant = stream_tenant(c);
		link_stream(c);
	}
}

/* --- out -------------------------------------------------------------------- */

static ssize_t send_some(struct conn *c)
{
	const struct kept *k = c->kept;
	const char *out = heap_at(&c->core->journal.heap, &k->native.out);

	return journal_send(c, out + k->out_at, k->out_len - k->out_at, c->native.out_fds,
			    c->native.out_nfds);
}

static void flush(struct conn *c)
{
	while (!c->dead && !c->busy && conn_answer_waits(c)) {
		ssize_t sent = send_some(c);

		if (sent == -EAGAIN || sent == -EINTR)
			return;
		if (sent < 0) {
			conn_hung_up(c);
			return;
		}
		close_out_fds(&c->native);
	}
	if (!c->dead && !c->busy && kept_of(c)->out.units)
		drop_answer(c);
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

/* Into the record; a call is answered by it unless descriptors have to go first. */
static const char *keep_answer(struct conn *c, const char *text, size_t len, unsigned nfds)
{
	struct kept *k = c->kept;
	struct kept_native *n = kept_of(c);
	struct extent none = { 0 };

	if (!kept_grow(c->core, k, &none, len))
		return "out of memory";
	if (!share_charge(c, extent_bytes(&none))) {
		kept_give(c->core, &none);
		return "its uid leaves too many answers unread";
	}
	memcpy(heap_at(&c->core->journal.heap, &none), text, len);
	kept_change(c->core, k);
	n->out = none;
	k->out_at = 0;
	k->out_len = (uint32_t)len;
	k->out_fds = nfds != 0;
	if (!nfds && !n->streaming)
		kept_take_request(c->core, k);
	return NULL;
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
	else
		why = keep_answer(c, text, len, nfds);
	free(text);
	if (why)
		conn_close(c, why);
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

/* The event and the place in the history that it stands for are one step. */
static void stream_next(struct conn *c, const struct event *ev, uint64_t lost)
{
	struct kept_native *n = kept_of(c);

	undo_keep_object(c->core->journal.undo, &n->since);
	n->since = ev->seq;
	FAULT_HERE(CORE_EVENT);
	send_event(c, ev, lost);
	flush(c);
}

static void stream_push(struct conn *c)
{
	struct event ev;
	uint64_t lost;

	for (int i = 0; i < STREAM_BATCH && !c->dead && !c->busy && !conn_answer_waits(c); i++) {
		if (ledger_next_event(c->core->ledger, c->native.stream_tenant, kept_of(c)->since,
				      &ev, &lost) < 0) {
			conn_want(c, 0);
			return;
		}
		stream_next(c, &ev, lost);
	}
	if (!c->dead && !c->busy)
		conn_want(c, EPOLLOUT);
}

void native_stream(struct conn *c, uint64_t since)
{
	struct kept_native *n = kept_of(c);

	kept_take_request(c->core, c->kept);
	undo_keep_object(c->core->journal.undo, n);
	n->streaming = true;
	n->since = since;
	c->native.stream_tenant = stream_tenant(c);
	link_stream(c);
	stream_push(c);
}

/* Who has an instance keeps it, and its leases: its stream is narrowed instead. */
void native_match_stream(struct conn *c, bool changed)
{
	if (!kept_of(c)->streaming || !changed)
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

		if (!conn_answer_waits(c))
			stream_push(c);
		c = next;
	}
}

/* --- in --------------------------------------------------------------------- */

static bool may_go_on(const struct conn *c)
{
	return !c->dead && !c->busy && !conn_answer_waits(c) && !kept_of(c)->streaming;
}

static char *next_call(const struct conn *c)
{
	const struct kept *k = c->kept;

	return k->in_at < k->in_len ? memchr(input(c) + k->in_at, '\0', k->in_len - k->in_at)
				    : NULL;
}

/* A call to which there is no answer, yet or ever. */
static void call_taken(struct conn *c, uint32_t from)
{
	if (!c->dead && !c->busy && !conn_answer_waits(c) && c->kept->in_at == from &&
	    c->kept->in_len)
		kept_take_request(c->core, c->kept);
}

static void take_calls(struct conn *c)
{
	for (int i = 0; i < CALL_BATCH && may_go_on(c); i++) {
		const char *end = next_call(c);
		uint32_t from = c->kept->in_at;

		if (!end)
			return;
		journal_at_work(c);
		call_run(c, input(c) + from, (size_t)(end - (input(c) + from)));
		call_taken(c, from);
		flush(c);
	}
}

/* What was answered makes room; what is left of it moves to the front of a new piece. */
static bool make_room(struct conn *c)
{
	struct kept *k = c->kept;
	struct kept_native *n = kept_of(c);
	size_t had = extent_bytes(&n->in), left = k->in_len - k->in_at;
	size_t size = left >= had ? had * 2 : had;
	struct extent next = { 0 };

	if (k->in_len < had)
		return true;
	size = size ? size : READ_STEP;
	if (left >= VARLINK_CALL_MAX || !share_charge(c, size))
		return false;
	if (!kept_grow(c->core, k, &next, size)) {
		share_refund(c, size);
		return false;
	}
	if (left)
		memcpy(heap_at(&c->core->journal.heap, &next), input(c) + k->in_at, left);
	share_refund(c, had);
	kept_give(c->core, &n->in);
	n->in = next;
	k->in_at = 0;
	k->in_len = (uint32_t)left;
	return true;
}

/* An idle client costs no buffer. */
static void drop_room(struct conn *c)
{
	struct kept_native *n = kept_of(c);

	if (c->kept->in_len || !n->in.units)
		return;
	share_refund(c, extent_bytes(&n->in));
	undo_keep_object(c->core->journal.undo, &n->in);
	kept_give(c->core, &n->in);
}

static void read_more(struct conn *c)
{
	const struct kept *k = c->kept;
	ssize_t got;

	if (!make_room(c)) {
		record_refusal(c, NULL, EBADMSG, "a call too long to be kept");
		conn_close(c, "its call is too long");
		return;
	}
	got = conn_read(c, input(c) + k->in_len, extent_bytes(&kept_of(c)->in) - k->in_len);
	if (got > 0)
		take_calls(c);
	else if (got == -EBADMSG)
		conn_close(c, "it passed a descriptor");
	else if (got != -EAGAIN && got != -EINTR)
		conn_hung_up(c);
}

/* A call that waits for its turn has it as soon as the socket takes an answer. */
static uint32_t wanted(const struct conn *c)
{
	if (c->busy)
		return 0;
	if (conn_answer_waits(c))
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
	if (!kept_of(c)->streaming)
		conn_want(c, wanted(c));
}

void native_resume(struct conn *c)
{
	flush(c);
	if (!c->dead && kept_of(c)->streaming) {
		stream_push(c);
		return;
	}
	take_calls(c);
	wait_for_more(c);
}

void native_events(struct conn *c, uint32_t events)
{
	flush(c);
	if (c->dead)
		return;
	if (kept_of(c)->streaming) {
		if (!conn_answer_waits(c))
			stream_push(c);
		return;
	}
	take_calls(c);
	if (may_go_on(c) && events & EPOLLIN && !next_call(c))
		read_more(c);
	wait_for_more(c);
}
