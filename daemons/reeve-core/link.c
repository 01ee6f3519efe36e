/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socketpair to reeved. The core lives only as long as it: without reeved
 * there is nobody to accept, and nobody to hold the core to the config.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"
#include "core.h"
#include "journal.h"
#include "link.h"
#include "nic.h"
#include "orphan.h"
#include "record.h"

enum { LINK_FD = 3, START_MS = 5000 };

_Noreturn void link_lost(const char *why)
{
	log_say(LOG_ERR, "the core ends", "%s", why);
	log_flush();
	_exit(1);
}

static void on_writable(struct core *core)
{
	int r = pp_queue_flush(&core->queue, core->sock);

	if (r == -EAGAIN)
		return;
	if (r < 0)
		link_lost(strerror(-r));
	loop_mod(&core->sock_watch, EPOLLIN);
}

void link_send(struct core *core, const void *msg)
{
	bool waits;
	int r = pp_queue_send(&core->queue, core->sock, msg, NULL, 0, &waits);

	if (r < 0)
		link_lost(strerror(-r));
	if (waits)
		loop_mod(&core->sock_watch, EPOLLIN | EPOLLOUT);
}

/* Before anything that is asked under this config: then reeved has it in force too. */
void link_ready(struct core *core, uint32_t serial, int r, const struct err *e)
{
	struct pp_ready m = { .head = { .type = PP_READY, .serial = serial }, .error = -r };

	if (r < 0)
		str_copy(m.why, sizeof(m.why), e->text);
	link_send(core, &m);
}

static int map_conf(int fd, struct conf *ret, struct err *e)
{
	ssize_t n = pread(fd, ret, sizeof(*ret), 0);

	close(fd);
	if (n != (ssize_t)sizeof(*ret))
		return fail(e, EBADMSG, "the config from reeved has the wrong size");
	return conf_check(ret, e);
}

static void on_conf(struct core *core, uint32_t serial, int fd)
{
	struct conf *c = malloc(sizeof(*c));
	struct err e = { 0 };
	int r;

	if (!c)
		link_lost("out of memory");
	if (map_conf(fd, c, &e) < 0)
		link_lost(e.text);
	r = policy_apply(core, c, serial, &e);
	free(c);
	link_ready(core, serial, r, &e);
	if (r == 0)
		enforce_all(core);
}

static void on_stop(struct core *core, bool keep)
{
	if (!keep)
		conns_close_all(core, "reeved stops");
	journal_settle(core);
	pp_queue_flush(&core->queue, core->sock);
	loop_exit(core->loop, 0);
}

static void handle(struct core *core, const union pp_msg *m, const int *fds, unsigned nfds)
{
	switch (m->head.type) {
	case PP_ACCEPT:
		conn_accept(core, &m->accept, fds[0], nfds > 1 ? fds[1] : -1);
		break;
	case PP_CONF:
		on_conf(core, m->head.serial, fds[0]);
		break;
	case PP_RESULT:
		if (!enforce_result(core, &m->result))
			ask_answered(core, m, fds, nfds);
		break;
	case PP_NIC_FDS:
	case PP_NIC_COUNTS:
		ask_answered(core, m, fds, nfds);
		break;
	case PP_STOP:
		on_stop(core, m->head.serial);
		break;
	default:
		link_lost("reeved sent a message out of order");
	}
}

/* New clients take turns with those already served. */
enum { BATCH = 32 };

static void on_message(struct watch *w, uint32_t events)
{
	struct core *core = watch_owner(w, struct core, sock_watch);

	if (events & EPOLLOUT)
		on_writable(core);
	for (int i = 0; i < BATCH; i++) {
		int fds[FD_PASS_MAX];
		union pp_msg m;
		unsigned nfds;
		int r = pp_recv(core->sock, PP_REEVED, &m, fds, &nfds);

		if (r == -EAGAIN)
			return;
		if (r < 0)
			link_lost(r == -EPIPE ? "reeved is gone" : "reeved is of another version");
		journal_between_steps(core);
		handle(core, &m, fds, nfds);
	}
}

static int wait_message(struct core *core, uint32_t type, union pp_msg *m, int *fds, struct err *e)
{
	struct pollfd p = { .fd = core->sock, .events = POLLIN };
	unsigned nfds;
	int r;

	if (poll(&p, 1, START_MS) <= 0)
		return fail(e, ETIMEDOUT, "no word from reeved on descriptor %d", LINK_FD);
	r = pp_recv(core->sock, PP_REEVED, m, fds, &nfds);
	if (r < 0)
		return fail(e, -r, "the first messages from reeved are not understood");
	if (m->head.type != type)
		return fail(e, EPROTO, "reeved sent message %u where %u was due", m->head.type,
			    type);
	return 0;
}

static int take_hello(struct core *core, const struct pp_hello *m, const int *fds, struct err *e)
{
	size_t bytes = (size_t)m->journal_bytes;
	void *mem;

	core->null_fd = fds[1];
	if (m->version != PP_VERSION || m->conf_size != sizeof(struct conf) ||
	    strcmp(m->version_text, REEVE_VERSION))
		return fail(e, EPROTO, "reeved is of version %s, reeve-core of %s", m->version_text,
			    REEVE_VERSION);
	FAULT_MAP(fds[0], bytes);
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	close(fds[0]);
	if (mem == MAP_FAILED)
		return fail(e, errno, "can't map the journal: %m");
	core->hello = *m;
	core->rtnl_watch.fd = fds[2];
	core->ethnl_watch.fd = fds[3];
	return journal_open(core, mem, bytes, e);
}

/* When the others have come: what reeved answers is no PP_RESUME. */
static void ask_who(struct core *core)
{
	while (core->nunknown) {
		struct pp_unknown m = { .head.type = PP_UNKNOWN,
					.conn = core->unknown[--core->nunknown] };

		link_send(core, &m);
	}
}

/* All that reeved kept of an earlier core's clients. */
static int take_clients(struct core *core, struct err *e)
{
	uint32_t n = 0;

	while (n < core->hello.nresumed) {
		int fds[FD_PASS_MAX];
		union pp_msg m = { .resume.n = 0 };
		int r = wait_message(core, PP_RESUME, &m, fds, e);

		if (r < 0)
			return r;
		for (uint32_t i = 0; i < m.resume.n; i++)
			conn_resume(core, &m.resume.conns[i], fds[i]);
		n += m.resume.n;
	}
	journal_settle(core);
	ask_who(core);
	return 0;
}

int link_open(struct core *core, struct err *e)
{
	_cleanup_free_ struct conf *c = malloc(sizeof(*c));
	int fds[FD_PASS_MAX];
	union pp_msg m;
	int r;

	core->sock = LINK_FD;
	pp_queue_init(&core->queue);
	if (!c)
		return fail(e, ENOMEM, "out of memory");
	r = wait_message(core, PP_HELLO, &m, fds, e);
	if (r == 0)
		r = take_hello(core, &m.hello, fds, e);
	if (r == 0)
		r = wait_message(core, PP_CONF, &m, fds, e);
	if (r == 0)
		r = map_conf(fds[0], c, e);
	if (r == 0)
		r = loop_add(core->loop, &core->sock_watch, core->sock, EPOLLIN, on_message);
	if (r == 0)
		r = policy_apply(core, c, m.head.serial, e);
	/* Their transactions ended with the core that made them. */
	if (r == 0) {
		ledger_undo_reserved(core->ledger);
		r = take_clients(core, e);
	}
	if (r == 0)
		orphans_find(core);
	return r < 0 ? r : nics_open(core, core->rtnl_watch.fd, core->ethnl_watch.fd, e);
}
