/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection that speaks the MTL protocol.
 *
 * Every request is answered, in order, and the next one is looked at only when
 * the answer is on its way: a client that does not read costs one answer and
 * what one read returned, and waits alone. All of that is in its record: see
 * kept.h.
 *
 * A refused XSK_MAP_FD is answered with a descriptor of /dev/null: of all
 * answers to that request it is the only one that an unmodified libmtl lives
 * through (it then fails cleanly when it uses the map).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "core.h"
#include "journal.h"
#include "mtl.h"
#include "nic.h"
#include "record.h"
#include "session.h"
#include "txn.h"

/* Reads of one turn, each of up to two requests. */
enum { READS = 16, MEANINGS_MAX = LCORE_MAP_MAX };

/* Ids below this may be leased even when the host has no such CPU: RTE_MAX_LCORE. */
enum { BARE_LCORES = 128 };

#define LOOK_AGAIN_NS NS_PER_S

/* --- answers ------------------------------------------------------------- */

static void drop_fd(struct mtl_state *m)
{
	if (m->reply_fd >= 0)
		close(m->reply_fd);
	m->reply_fd = -1;
}

void mtl_closed(struct conn *c)
{
	drop_fd(&c->mtl);
}

/* What goes with an answer can't be kept: its request is done again. */
void mtl_resumed(struct conn *c)
{
	struct kept *k = c->kept;

	if (!k->out_fds)
		return;
	kept_change(c->core, k);
	k->out_at = k->out_len = 0;
	k->out_fds = 0;
}

static ssize_t send_reply(struct conn *c)
{
	const struct kept *k = c->kept;
	const int *fd = c->mtl.reply_fd < 0 ? &c->core->null_fd : &c->mtl.reply_fd;

	return journal_send(c, k->mtl.reply + k->out_at, k->out_len - k->out_at, fd, k->out_fds);
}

static void flush_reply(struct conn *c)
{
	ssize_t n;

	if (c->dead || c->busy || !conn_answer_waits(c))
		return;
	n = send_reply(c);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n < 0)
		conn_hung_up(c);
	else
		drop_fd(&c->mtl);
}

/* Sent when the connection is not busy any more; until then it may be told already. */
static void answer(struct conn *c, uint32_t len, bool with_fd)
{
	struct kept *k = c->kept;

	kept_change(c->core, k);
	k->out_at = 0;
	k->out_len = len;
	k->out_fds = with_fd;
	if (!with_fd)
		kept_take_request(c->core, k);
}

void mtl_answer_fd(struct conn *c, int fd)
{
	if (!conn_may_pass_fd(c)) {
		conn_close(c, "it leaves descriptors unread");
		return;
	}
	c->mtl.reply_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	c->kept->mtl.reply[0] = MTL_FD_BYTE;
	answer(c, 1, true);
}

void mtl_answer(struct conn *c, enum mtl_reply_kind kind, int32_t value)
{
	if (kind == MTL_REPLY_FD) {
		mtl_answer_fd(c, -1);
		return;
	}
	mtl_encode(c->kept->mtl.reply, kind, value);
	answer(c, MTL_FRAME, false);
}

void mtl_refuse(struct conn *c, enum mtl_reply_kind kind, const struct res *res, int error,
		const char *why)
{
	record_refusal(c, res, error, why);
	mtl_answer(c, kind, -1);
}

/* --- lcore ids ---------------------------------------------------------- */

static const struct meaning *meaning_find(const struct meanings *m, uint16_t lcore)
{
	for (uint16_t i = 0; i < m->n; i++)
		if (m->all[i].lcore == lcore)
			return &m->all[i];
	return NULL;
}

/* Those of the connection, which outlive the core. */
static struct meanings own_meanings(const struct conn *c)
{
	const struct kept_mtl *m = &c->kept->mtl;

	return (struct meanings){ .n = m->nmeanings,
				  .all = heap_at(&c->core->journal.heap, &m->meanings) };
}

static bool own_meaning_add(struct conn *c, uint16_t lcore, uint16_t cpu)
{
	struct kept_mtl *m = &c->kept->mtl;
	const size_t bytes = (m->nmeanings + 1U) * sizeof(struct meaning);
	struct meanings own;

	if (m->nmeanings == MEANINGS_MAX)
		return false;
	if (bytes > extent_bytes(&m->meanings) &&
	    !kept_grow(c->core, c->kept, &m->meanings, 2 * bytes))
		return false;
	own = own_meanings(c);
	own.all[m->nmeanings] = (struct meaning){ .lcore = lcore, .cpu = cpu };
	undo_keep_object(c->core->journal.undo, &m->nmeanings);
	m->nmeanings++;
	return true;
}

static bool meaning_add(struct meanings *m, uint16_t lcore, uint16_t cpu)
{
	struct meaning *all;

	if (m->n == MEANINGS_MAX)
		return false;
	all = realloc(m->all, (m->n + 1U) * sizeof(*all));
	if (!all)
		return false;
	all[m->n++] = (struct meaning){ .lcore = lcore, .cpu = cpu };
	m->all = all;
	return true;
}

/* A client gets such lines as often as it connects: they hide no grant. */
static bool log_lcore(struct conn *c, struct log_line *line, const char *event, uint16_t lcore)
{
	uint32_t held;

	if (!share_use(c->core, c->peer->uid, c->tenant, USE_LOG_REFUSAL, &held))
		return false;
	log_begin(line, LOG_INFO, event);
	log_u64(line, "uid", c->peer->uid);
	log_u64(line, "pid", c->peer->pid);
	log_u64(line, "lcore", lcore);
	if (held)
		log_u64(line, "held_back", held);
	return true;
}

static void log_assumed(struct conn *c, uint16_t lcore, uint16_t cpu, enum lcore_how how)
{
	struct log_line line;

	if (!log_lcore(c, &line, "lcore id resolved", lcore))
		return;
	log_u64(&line, "cpu", cpu);
	log_str(&line, "assumed", lcore_how_name(how));
	log_end(&line);
}

static void log_not_looked_up(struct conn *c, uint16_t lcore)
{
	struct log_line line;

	if (log_lcore(c, &line, "lcore id not looked up", lcore))
		log_end(&line);
}

/*
 * What the threads of the process show; looked at anew when the last look is a
 * while ago. A look costs many small reads, so a uid has only so many.
 */
static bool look_at_process(struct conn *c, struct process *p)
{
	uint64_t now = clock_boot_ns();

	if (p->lcores && now - p->lcores_ns < LOOK_AGAIN_NS)
		return true;
	if (!share_use(c->core, c->peer->uid, c->tenant, USE_LOOK, NULL))
		return false;
	if (!p->lcores)
		p->lcores = malloc(sizeof(*p->lcores));
	if (!p->lcores)
		return false;
	lcore_map_read("/proc", p->pid, p->lcores);
	p->lcores_ns = now;
	p->meanings.n = 0;
	return true;
}

static uint16_t resolve_by_process(struct conn *c, struct process *p, uint16_t lcore)
{
	const struct meaning *known = meaning_find(&p->meanings, lcore);
	enum lcore_how how;
	uint16_t cpu;

	if (known)
		return known->cpu;
	cpu = lcore_resolve("/proc", p->pid, &c->core->host, p->lcores, lcore, &how);
	meaning_add(&p->meanings, lcore, cpu);
	if (cpu != lcore || how == LCORE_BY_REMAP)
		log_assumed(c, lcore, cpu, how);
	return cpu;
}

/* The instance holds the CPU of that number, and no other id of its means that CPU. */
static bool holds_by_guess(const struct conn *c, uint16_t lcore)
{
	struct res res = { .kind = RES_LCORE, .id = lcore };
	const struct meanings own = own_meanings(c);
	struct lease lease;

	if (ledger_holder(c->core->ledger, &res, &lease) < 0 || lease.instance != c->instance)
		return false;
	for (uint16_t i = 0; i < own.n; i++)
		if (own.all[i].cpu == lcore)
			return false;
	return true;
}

/*
 * The CPU that the client means, as far as anybody can tell. Found out once for
 * each connection: DPDK fixes its lcores at start, and a lease is found again
 * by the id it was asked with. When there was no look at the process, the number
 * itself is a guess, good for this lease only.
 */
static uint16_t resolve(struct conn *c, uint16_t lcore)
{
	const struct meanings own = own_meanings(c);
	const struct meaning *known = meaning_find(&own, lcore);
	struct process *p = c->process && c->process->pid ? c->process : NULL;
	uint16_t cpu;

	if (known)
		return known->cpu;
	if (holds_by_guess(c, lcore))
		return lcore;
	if (p && !look_at_process(c, p)) {
		log_not_looked_up(c, lcore);
		return lcore;
	}
	cpu = p ? resolve_by_process(c, p, lcore) : lcore;
	return own_meaning_add(c, lcore, cpu) ? cpu : lcore;
}

/* --- requests ------------------------------------------------------------ */

static void on_heartbeat(struct conn *c, const struct mtl_request *q)
{
	(void)q;
	mtl_answer(c, MTL_REPLY_RESPONSE, c->kept->mtl.registered ? 0 : -1);
}

static bool registered(struct conn *c, const struct res *res)
{
	if (c->kept->mtl.registered)
		return true;
	mtl_refuse(c, MTL_REPLY_RESPONSE, res, ENOTCONN, "it did not register");
	return false;
}

static void get_done(struct conn *c, const struct grant *g)
{
	mtl_answer(c, MTL_REPLY_RESPONSE, g->error ? -1 : 0);
}

static void on_get_lcore(struct conn *c, const struct mtl_request *q)
{
	struct res res = { .kind = RES_LCORE, .id = q->lcore };
	uint16_t cpu;

	if (!registered(c, &res))
		return;
	cpu = resolve(c, q->lcore);
	if (cpu >= CPU_MAX)
		mtl_refuse(c, MTL_REPLY_RESPONSE, &res, ENOENT, "this host has no such CPU");
	else
		txn_acquire_one(c, cpu,
				cpu < BARE_LCORES && !cpuset_has(&c->core->host.present, cpu),
				get_done);
}

static void on_put_lcore(struct conn *c, const struct mtl_request *q)
{
	const struct meanings own = own_meanings(c);
	const struct meaning *known = meaning_find(&own, q->lcore);
	struct res res = { .kind = RES_LCORE, .id = known ? known->cpu : q->lcore };
	struct lease lease;

	if (!registered(c, &res))
		return;
	if (ledger_holder(c->core->ledger, &res, &lease) < 0)
		mtl_refuse(c, MTL_REPLY_RESPONSE, &res, ENOENT, "nobody holds it");
	else if (txn_release(c, &lease, "put") < 0)
		mtl_refuse(c, MTL_REPLY_RESPONSE, &res, EPERM, "another instance holds it");
	else
		mtl_answer(c, MTL_REPLY_RESPONSE, 0);
}

static void on_unknown(struct conn *c, const struct mtl_request *q)
{
	enum mtl_reply_kind kind = mtl_reply_kind(q->type);

	char why[64];

	snprintf(why, sizeof(why), "a request of the unknown type %" PRIu32, q->type);
	record_refusal(c, NULL, EOPNOTSUPP, why);
	if (kind != MTL_REPLY_NONE)
		mtl_answer(c, kind, -1);
	else
		kept_take_request(c->core, c->kept);
}

static void handle(struct conn *c, const uint8_t frame[static MTL_FRAME])
{
	struct mtl_request q;

	mtl_decode(frame, &q);
	switch (q.type) {
	case MTL_REGISTER:
		mtl_nic_register(c, &q);
		break;
	case MTL_HEARTBEAT:
		on_heartbeat(c, &q);
		break;
	case MTL_GET_LCORE:
		on_get_lcore(c, &q);
		break;
	case MTL_PUT_LCORE:
		on_put_lcore(c, &q);
		break;
	case MTL_ADD_UDP_FILTER:
	case MTL_DEL_UDP_FILTER:
	case MTL_XSK_MAP_FD:
	case MTL_GET_QUEUE:
	case MTL_PUT_QUEUE:
	case MTL_ADD_FLOW:
	case MTL_DEL_FLOW:
		mtl_nic_request(c, &q);
		break;
	default:
		on_unknown(c, &q);
	}
}

/* --- bytes --------------------------------------------------------------- */

static void log_skipped(struct conn *c, size_t skipped)
{
	char why[64];

	if (!skipped)
		return;
	snprintf(why, sizeof(why), "%zu bytes that begin no message were skipped", skipped);
	record_refusal(c, NULL, EBADMSG, why);
}

static bool may_go_on(const struct conn *c)
{
	return !c->dead && !c->busy && !conn_answer_waits(c);
}

/* What begins no request and no part of one is skipped; a part waits for the rest. */
static bool next_request(struct conn *c, uint8_t frame[static MTL_FRAME])
{
	size_t skipped;
	bool whole;

	if (!may_go_on(c) || c->kept->in_at == c->kept->in_len)
		return false;
	journal_at_work(c);
	whole = kept_peek_mtl(c->kept, frame, &skipped);
	if (!whole)
		kept_take_request(c->core, c->kept);
	log_skipped(c, skipped);
	return whole;
}

static void take_requests(struct conn *c)
{
	uint8_t frame[MTL_FRAME];

	while (next_request(c, frame)) {
		handle(c, frame);
		flush_reply(c);
	}
}

/* false: there is no more for now. */
static bool read_more(struct conn *c)
{
	struct kept_mtl *m = &c->kept->mtl;
	ssize_t n = conn_read(c, m->in, sizeof(m->in));

	if (n == -EBADMSG)
		conn_close(c, "it passed a descriptor");
	else if (n <= 0 && n != -EAGAIN && n != -EINTR)
		conn_hung_up(c);
	return n == (ssize_t)sizeof(m->in);
}

/* As fast as a client may send, it gets turns: the others have theirs in between. */
void mtl_events(struct conn *c, uint32_t events)
{
	bool more = events & EPOLLIN;

	flush_reply(c);
	take_requests(c);
	for (int i = 0; i < READS && more && may_go_on(c); i++) {
		more = read_more(c);
		take_requests(c);
	}
	if (!c->dead)
		conn_want(c, c->busy ? 0 : conn_answer_waits(c) ? EPOLLOUT : EPOLLIN);
}
