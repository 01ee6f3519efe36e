/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections, from accept to the end.
 *
 * Memory of a closed connection stays until the batch of events is over, since
 * the code that closed it may still stand in one of its functions.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "core.h"
#include "journal.h"
#include "link.h"
#include "mech/peer.h"
#include "nic.h"
#include "orphan.h"
#include "policy/policy.h"
#include "record.h"
#include "session.h"
#include "txn.h"

/* Answers with descriptors that one client may have unread. */
enum { FDS_IN_FLIGHT = 8 };

static void tell_closed(struct core *core, struct pp_conn id)
{
	struct pp_close m = { .head.type = PP_CLOSE, .conn = id };

	link_send(core, &m);
}

static void turn_away(struct core *core, const struct pp_accept *m, int fd, int pidfd,
		      const char *why)
{
	static struct rate limit;
	struct log_line line;
	uint32_t held;

	if (rate_take(&limit, clock_boot_ns(), 10, 1, &held)) {
		log_begin(&line, LOG_WARN, "client turned away");
		log_u64(&line, "uid", m->peer.uid);
		log_u64(&line, "pid", m->peer.pid);
		log_str(&line, "why", why);
		log_u64(&line, "clients", core->nconns);
		if (held)
			log_u64(&line, "held_back", held);
		log_end(&line);
	}
	shutdown(fd, SHUT_RDWR);
	close(fd);
	if (pidfd >= 0)
		close(pidfd);
	tell_closed(core, m->conn);
}

static void on_events(struct watch *w, uint32_t events)
{
	struct conn *c = watch_owner(w, struct conn, watch);

	journal_between_steps(c->core);
	/* The peer is gone whole: nobody is left to answer. */
	if (events & (EPOLLHUP | EPOLLERR))
		conn_hung_up(c);
	else if (c->door == PP_DOOR_MTL)
		mtl_events(c, events);
	else
		native_events(c, events);
}

static void match_tenant(struct conn *c)
{
	struct core *core = c->core;

	c->tenant = core->slots[policy_tenant(&core->conf, c->who)];
}

/* Whoever acts for an administrator is none. */
static bool is_admin(const struct conn *c)
{
	return !conn_acts(c) && policy_admin(&c->core->conf, c->peer);
}

/* The instance stays the tenant's that its leases are counted for. */
static void match_instance(struct conn *c)
{
	struct instance in;

	if (ledger_instance(c->core->ledger, c->kept->instance, &in) < 0)
		return;
	c->instance = in.id;
	c->tenant = in.tenant;
}

/* Takes the descriptor; NULL: no memory, or more than its share. */
static struct conn *conn_new(struct core *core, const struct pp_conn *id, struct kept *k, int fd,
			     const char **ret_why)
{
	struct conn *c = calloc(1, sizeof(*c));

	*ret_why = "out of memory";
	if (!c)
		return NULL;
	c->core = core;
	c->id = *id;
	c->kept = k;
	c->door = k->door;
	c->peer = &k->peer;
	c->who = k->door == PP_DOOR_NATIVE && k->native.acts ? &k->native.whom : c->peer;
	match_tenant(c);
	match_instance(c);
	c->admin = is_admin(c);
	c->busy = !core->synced;
	if (c->door == PP_DOOR_MTL)
		c->mtl.reply_fd = -1;
	if (share_take(c)) {
		if (loop_add(core->loop, &c->watch, fd, c->busy ? 0 : EPOLLIN, on_events) == 0)
			return c;
		share_give_back(c);
	} else {
		*ret_why = "its uid or tenant holds its share of the connections";
	}
	free(c);
	return NULL;
}

static void conn_begin(struct conn *c)
{
	c->core->conns[c->id.slot] = c;
	c->core->nconns++;
}

void conn_accept(struct core *core, const struct pp_accept *m, int fd, int pidfd)
{
	struct peer peer = m->peer;
	const char *why = "out of memory";
	struct kept *k;
	struct conn *c;

	if (m->conn.slot >= PP_CLIENTS_MAX || core->conns[m->conn.slot])
		link_lost("reeved used a connection's slot twice");
	/* The pid is the peer's as long as the pidfd is silent, and its end closes us. */
	if (!peer.start_time && peer.pid && pidfd >= 0)
		peer.start_time = peer_start_time("/proc", peer.pid);
	k = kept_new(core, m->conn.slot, m->conn.use, m->door, &peer);
	c = k && !FAULT(CORE_ACCEPT) ? conn_new(core, &m->conn, k, fd, &why) : NULL;
	if (c) {
		conn_begin(c);
		if (process_join(c, pidfd) < 0)
			conn_close(c, "out of memory");
		return;
	}
	if (k)
		kept_drop(core, k);
	turn_away(core, m, fd, pidfd, why);
}

/* --- clients of an earlier core -------------------------------------------------------- */

/* What can't be gone on with: reeved is told, and its peer sees the end. */
static void give_up(struct core *core, const struct pp_conn *id, struct kept *k, int fd)
{
	shutdown(fd, SHUT_RDWR);
	close(fd);
	orphan_closed(core, k);
	kept_drop(core, k);
	tell_closed(core, *id);
}

static void take_on(struct conn *c)
{
	if (c->door == PP_DOOR_MTL)
		mtl_resumed(c);
	else
		native_resumed(c);
}

/* What the core before was at work on may end this one, too: not for ever. */
static bool is_too_much(struct conn *c)
{
	const struct pp_conn *suspect = &c->core->journal.suspect;

	if (suspect->slot != c->id.slot || suspect->use != c->id.use ||
	    !kept_blame(c->core, c->kept))
		return false;
	log_say(LOG_ERR, "a client is hung up on",
		"the core ended more than once over what uid %u, pid %u sent", c->peer->uid,
		c->peer->pid);
	return true;
}

void conn_resume(struct core *core, const struct pp_conn *id, int fd)
{
	struct kept *k = kept_find(core, id->slot, id->use);
	const char *why = "out of memory";
	struct conn *c;

	if (core->conns[id->slot])
		link_lost("reeved used a connection's slot twice");
	if (!k) {
		close(fd);
		core->unknown[core->nunknown++] = *id;
		return;
	}
	c = FAULT(CORE_RESUME) ? NULL : conn_new(core, id, k, fd, &why);
	if (!c) {
		log_say(LOG_WARN, "a client could not be gone on with", "%s", why);
		give_up(core, id, k, fd);
		return;
	}
	conn_begin(c);
	/* Before anything that may close it: then all of it is there to be taken down. */
	take_on(c);
	if (is_too_much(c))
		conn_close(c, "the core ended more than once over what it sent");
	else if (process_rejoin(c) < 0)
		conn_close(c, "its process ended");
}

void conns_go_on(struct core *core)
{
	for (uint32_t slot = 0; slot < PP_CLIENTS_MAX; slot++) {
		struct conn *c = core->conns[slot];

		if (!c)
			continue;
		c->busy = false;
		conn_go_on(c);
	}
}

/* --- the end --------------------------------------------------------------------------- */

static void set_instance(struct conn *c, ledger_id instance)
{
	kept_change(c->core, c->kept);
	c->kept->instance = instance;
	c->instance = instance;
}

static void end_instance(struct conn *c, const char *why)
{
	if (!c->instance)
		return;
	FAULT_HERE(CORE_END);
	txn_end_instance(c->core, c->instance, why);
	set_instance(c, 0);
	FAULT_HERE(CORE_ENDED);
}

static void forget(struct conn *c, const char *why)
{
	struct core *core = c->core;

	c->dead = true;
	txn_forget(c);
	ask_forget(c);
	nic_forget(c);
	end_instance(c, why);
	if (c->door == PP_DOOR_MTL)
		mtl_closed(c);
	else
		native_closed(c);
	process_leave(c);
	loop_del(&c->watch);
	close(c->watch.fd);
	core->conns[c->id.slot] = NULL;
	core->nconns--;
	share_give_back(c);
	kept_drop(core, c->kept);
	FAULT_HERE(CORE_FORGOTTEN);
	tell_closed(core, c->id);
	c->next = core->graveyard;
	core->graveyard = c;
}

void conn_hung_up(struct conn *c)
{
	if (!c->dead)
		forget(c, "hang-up");
}

/* reeved has the socket too, so closing ours alone would tell the peer nothing. */
void conn_close(struct conn *c, const char *why)
{
	if (c->dead)
		return;
	shutdown(c->watch.fd, SHUT_RDWR);
	forget(c, why);
}

void conns_close_all(struct core *core, const char *why)
{
	for (uint32_t slot = 0; slot < PP_CLIENTS_MAX; slot++)
		if (core->conns[slot])
			conn_close(core->conns[slot], why);
}

void conns_bury(struct core *core)
{
	while (core->graveyard) {
		struct conn *c = core->graveyard;

		core->graveyard = c->next;
		free(c);
	}
}

/* Who has an instance stays the tenant that its leases are counted for. */
void conns_match_tenants(struct core *core)
{
	for (uint32_t slot = 0; slot < PP_CLIENTS_MAX; slot++) {
		struct conn *c = core->conns[slot];
		uint32_t tenant;
		bool admin;

		if (!c)
			continue;
		tenant = c->tenant;
		admin = c->admin;
		core->tenants[tenant].conns--;
		c->admin = is_admin(c);
		if (!c->instance)
			match_tenant(c);
		core->tenants[c->tenant].conns++;
		if (c->door == PP_DOOR_NATIVE)
			native_match_stream(c, c->tenant != tenant || c->admin != admin ||
						       core->tenants[tenant].fresh);
	}
}

/* How much of what comes next has no descriptor in it; -EBADMSG: it has one. */
static ssize_t look_ahead(struct conn *c, void *buf, size_t size)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_PEEK);

	if (n < 0)
		return -errno;
	return (msg.msg_flags & MSG_CTRUNC) ? -EBADMSG : n;
}

/*
 * Where clients can pass descriptors, nothing is read that has one: it would be
 * closed here, and a foreign socket can make its last closer wait.
 */
ssize_t conn_read(struct conn *c, void *buf, size_t size)
{
	ssize_t n;

	if (c->core->hello.foreign_fds) {
		n = look_ahead(c, buf, size);
		if (n <= 0)
			return n;
		size = (size_t)n;
	}
	return journal_recv(c, buf, size);
}

bool conn_may_pass_fd(struct conn *c)
{
	int unread = 0;

	if (ioctl(c->watch.fd, SIOCOUTQ, &unread) < 0 || !unread)
		c->fds_passed = 0;
	return c->fds_passed++ < FDS_IN_FLIGHT;
}

int conn_want(struct conn *c, uint32_t events)
{
	return loop_mod(&c->watch, events);
}

void conn_go_on(struct conn *c)
{
	if (c->dead || c->busy)
		return;
	if (c->door == PP_DOOR_MTL)
		mtl_events(c, 0);
	else
		native_resume(c);
}

bool conn_act(struct conn *c, const struct peer *whom)
{
	struct core *core = c->core;
	uint32_t tenant = core->slots[policy_tenant(&core->conf, whom)];
	const struct kept_native *n = &c->kept->native;

	if (!share_move(c, whom->uid, tenant, extent_bytes(&n->in) + extent_bytes(&n->out)))
		return false;
	kept_act(core, c->kept, whom);
	c->who = &n->whom;
	c->tenant = tenant;
	c->admin = false;
	return true;
}

int conn_start_instance(struct conn *c, enum instance_kind kind, uint32_t claimed_pid,
			const char *name, size_t len)
{
	struct instance in = {
		.kind = kind,
		.tenant = c->tenant,
		.pid = c->peer->pid,
		.uid = c->who->uid,
		.gid = c->who->gid,
		.claimed_pid = claimed_pid,
		.start_time = c->peer->start_time,
		.cgroup_id = c->who->cgroup_id,
		.since = clock_wall_ns(),
	};
	ledger_id started;
	int r;

	memcpy(in.name, name, len < sizeof(in.name) ? len : sizeof(in.name) - 1);
	if (c->instance)
		return ledger_instance_claim(c->core->ledger, c->instance, claimed_pid, in.name);
	r = ledger_instance_start(c->core->ledger, &in, &started);
	if (r == 0)
		set_instance(c, started);
	return r;
}
