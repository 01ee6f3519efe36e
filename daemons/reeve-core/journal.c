/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A system call is written down before it is made. recvmmsg(2) and sendmmsg(2) store
 * the length of each message themselves, here into the file, before a signal can
 * end the process: so whether it happened is known afterwards, and how much of it.
 */
#include "journal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/fd.h"
#include "core.h"
#include "journal/barrier.h"
#include "journal/head.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum { PAGE = 4096, KEPT_STEP = 64, HEAP_STEP = 1024 /* in units */ };

enum call_kind { CALL_NONE, CALL_RECV, CALL_SEND };

struct call {
	uint32_t kind; /* written last, and cleared first */
	uint32_t slot;
	uint32_t base; /* in_len or out_at before */
	struct mmsghdr msg;
	struct iovec iov;
};

struct front {
	struct journal_head head;
	struct call call;
	struct pp_conn at_work; /* its slot plus 1; 0: nobody */
	uint64_t logged;	/* as core::logged */
	uint32_t kept_ready;	/* so many records have been used */
};

struct journal_file {
	union {
		struct front front;
		uint8_t page[PAGE];
	};
	struct undo undo;
};

static size_t round_up(size_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static size_t ledger_at(void)
{
	return round_up(sizeof(struct journal_file));
}

static size_t kept_at(void)
{
	return ledger_at() + round_up(ledger_bytes());
}

static size_t heap_begins(void)
{
	return kept_at() + round_up(PP_CLIENTS_MAX * sizeof(struct kept));
}

/* All behind the front, of a file of so many. */
static size_t logged_bytes(size_t bytes)
{
	return bytes - offsetof(struct journal_file, undo);
}

/* --- pages ----------------------------------------------------------------------- */

static bool make_pages(void *at, size_t bytes)
{
	uint8_t *page = (uint8_t *)((uintptr_t)at / PAGE * PAGE);

	return madvise(page, (size_t)((uint8_t *)at - page) + bytes, MADV_POPULATE_WRITE) == 0;
}

bool journal_ready_kept(struct journal *j, uint32_t slot)
{
	while (j->kept_ready <= slot) {
		if (!make_pages(&j->kept[j->kept_ready], KEPT_STEP * sizeof(*j->kept)))
			return false;
		j->kept_ready += KEPT_STEP;
		j->file->front.kept_ready = j->kept_ready;
	}
	return true;
}

bool journal_ready_heap(struct journal *j, const struct extent *e)
{
	while (j->heap_ready < e->at + e->units) {
		struct extent step = { j->heap_ready, HEAP_STEP };

		if (!make_pages(heap_at(&j->heap, &step), extent_bytes(&step)))
			return false;
		j->heap_ready += HEAP_STEP;
	}
	return true;
}

/* --- settling -------------------------------------------------------------------- */

void journal_settle(struct core *core)
{
	struct journal *j = &core->journal;

	FAULT_HERE(CORE_SETTLE);
	undo_settle(j->undo);
	FAULT_HERE(CORE_SETTLED);
	j->file->front.at_work.slot = 0;
	while (j->ngifts)
		heap_give(&j->heap, &j->gifts[--j->ngifts]);
}

void journal_between_steps(struct core *core)
{
	if (core->journal.ngifts > JOURNAL_GIFTS / 2)
		journal_settle(core);
}

void journal_logged(struct core *core)
{
	core->journal.file->front.logged = core->logged;
}

void journal_at_work(struct conn *c)
{
	struct pp_conn *at_work = &c->core->journal.file->front.at_work;

	at_work->use = c->id.use;
	store_barrier();
	at_work->slot = c->id.slot + 1;
	FAULT_HERE(CORE_AT_WORK);
}

/* --- calls ------------------------------------------------------------------------ */

static void begin_call(struct conn *c, enum call_kind kind, const void *at, size_t size)
{
	struct call *call = &c->core->journal.file->front.call;

	journal_settle(c->core);
	call->slot = c->id.slot;
	call->base = kind == CALL_RECV ? c->kept->in_len : c->kept->out_at;
	call->iov = (struct iovec){ .iov_base = (void *)at, .iov_len = size };
	call->msg = (struct mmsghdr){ .msg_hdr = { .msg_iov = &call->iov, .msg_iovlen = 1 } };
	store_barrier();
	call->kind = kind;
	store_barrier();
	FAULT_HERE(CORE_CALL);
}

/* May be done again from its beginning. */
static void end_call(struct core *core)
{
	struct call *call = &core->journal.file->front.call;
	struct kept *k = &core->journal.kept[call->slot];

	if (call->kind == CALL_RECV)
		k->in_len = call->base + call->msg.msg_len;
	if (call->kind == CALL_SEND)
		k->out_at = call->base + call->msg.msg_len;
	if (call->kind == CALL_SEND && k->out_fds && call->msg.msg_len) {
		kept_change(core, k);
		k->out_fds = 0;
		kept_take_request(core, k);
		undo_settle(core->journal.undo);
	}
	store_barrier();
	call->kind = CALL_NONE;
}

static ssize_t end_with(struct core *core, int n)
{
	ssize_t r = n < 0 ? -errno : (ssize_t)core->journal.file->front.call.msg.msg_len;

	FAULT_HERE(CORE_CALLED);
	end_call(core);
	return r;
}

ssize_t journal_recv(struct conn *c, void *at, size_t size)
{
	begin_call(c, CALL_RECV, at, size);
	return end_with(c->core, recvmmsg(c->watch.fd, &c->core->journal.file->front.call.msg, 1,
					  MSG_DONTWAIT, NULL));
}

ssize_t journal_send(struct conn *c, const void *at, size_t size, const int *fds, unsigned nfds)
{
	struct fd_rights rights;
	struct call *call = &c->core->journal.file->front.call;

	begin_call(c, CALL_SEND, at, size);
	if (nfds)
		fd_put_rights(&rights, &call->msg.msg_hdr, fds, nfds);
	return end_with(c->core, sendmmsg(c->watch.fd, &call->msg, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* --- the beginning ----------------------------------------------------------------- */

static int make_new(struct journal *j, void *mem, size_t bytes, const char *boot_id,
		    struct core *core, struct err *e)
{
	undo_init(j->undo, logged_bytes(bytes));
	if (ledger_init((uint8_t *)mem + ledger_at(), ledger_bytes(), j->undo, &core->ledger) < 0)
		return fail(e, EINVAL, "the lease memory can't be used");
	journal_head_write(&j->file->front.head, bytes, boot_id);
	return 0;
}

static void say_loss(const struct ledger_loss *loss)
{
	log_say(LOG_ERR, "the journal was damaged",
		"what is provably held stays held; lost: %u instances, %u leases, %u tenants, "
		"%u histories, %u flows",
		loss->instances, loss->leases, loss->tenants, loss->rings, loss->flows);
}

static int open_ledger(struct core *core, uint8_t *mem, struct err *e)
{
	struct undo *undo = core->journal.undo;
	struct ledger_loss loss;

	if (ledger_open(mem, ledger_bytes(), undo, &core->ledger) == 0)
		return 0;
	if (ledger_salvage(mem, ledger_bytes(), undo, &loss, &core->ledger) < 0)
		return fail(e, EBADMSG, "the ledger in it is none of this version");
	say_loss(&loss);
	return 0;
}

static bool call_is_sound(const struct call *call)
{
	return call->kind <= CALL_SEND && call->slot < PP_CLIENTS_MAX &&
	       call->msg.msg_len <= call->iov.iov_len;
}

/* A log that can't be followed leaves the ledger where it is: then it is checked by itself. */
static int take_over(struct core *core, uint8_t *mem, size_t bytes, struct err *e)
{
	struct journal *j = &core->journal;
	struct front *front = &j->file->front;
	int r;

	FAULT_HERE(CORE_TAKE_OVER);
	if (undo_take_back(j->undo, logged_bytes(bytes)) < 0) {
		log_say(LOG_ERR, "the journal was damaged", "its undo log can't be followed");
		undo_init(j->undo, logged_bytes(bytes));
	}
	r = open_ledger(core, mem + ledger_at(), e);
	if (r < 0)
		return r;
	FAULT_HERE(CORE_TAKEN_BACK);
	if (call_is_sound(&front->call))
		end_call(core);
	front->call.kind = CALL_NONE;
	if (front->at_work.slot)
		j->suspect = (struct pp_conn){ front->at_work.slot - 1, front->at_work.use };
	front->at_work.slot = 0;
	if (front->kept_ready <= PP_CLIENTS_MAX)
		j->kept_ready = front->kept_ready;
	core->logged = front->logged;
	j->taken_over = true;
	return 0;
}

/* Punched out, and made anew: a journal without a ledger is of no use to anybody. */
static int start_anew(struct core *core, void *mem, size_t bytes, const char *boot_id,
		      struct err *e)
{
	struct journal *j = &core->journal;

	if (madvise(mem, bytes, MADV_REMOVE) < 0 || !make_pages(mem, kept_at()))
		return fail(e, errno, "the journal can't be emptied: %m");
	return make_new(j, mem, bytes, boot_id, core, e);
}

int journal_open(struct core *core, void *mem, size_t bytes, struct err *e)
{
	struct journal *j = &core->journal;
	char boot_id[JOURNAL_BOOT_ID];
	int r;

	if (bytes < heap_begins() + HEAP_BYTES)
		return fail(e, EPROTO, "the journal has %zu bytes, %zu are needed", bytes,
			    heap_begins() + HEAP_BYTES);
	j->file = mem;
	j->undo = &j->file->undo;
	j->kept = (struct kept *)((uint8_t *)mem + kept_at());
	heap_init(&j->heap, (uint8_t *)mem + heap_begins());
	r = journal_boot_id(boot_id, e);
	if (r < 0)
		return r;
	r = journal_head_check(&j->file->front.head, bytes, boot_id, e);
	if (r == -ENOENT)
		return make_new(j, mem, bytes, boot_id, core, e);
	if (r == 0)
		r = take_over(core, mem, bytes, e);
	if (r == 0)
		return 0;
	log_say(LOG_ERR, "what was leased before is not known", "the journal: %s", e->text);
	return start_anew(core, mem, bytes, boot_id, e);
}
