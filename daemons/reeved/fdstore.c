/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets in the service manager's keeping (sd_notify(3), FDSTORE=1): when this process
 * is killed the next one gets them back, and clients stay connected. The manager knows
 * them by one name only, so a table says which is which, by the sockets' inodes. It
 * drops a socket by itself when that is shut down, as it is at every connection's end.
 *
 * Only where $FDSTORE says that there is such a store: whoever else is told of our
 * states might hold the descriptors and never look at them. And only where clients can't
 * pass descriptors: else the manager could be the last closer of a socket that lingers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/str.h"
#include "reeved.h"

enum { FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

static const char *const door_names[PP_DOOR_MAX] = {
	[PP_DOOR_NATIVE] = "native", [PP_DOOR_MTL] = "mtl"
};

/* --- giving -------------------------------------------------------------------------- */

int fdstore_open(struct reeved *d, struct err *e)
{
	void *table;
	int r;

	if (!getenv("FDSTORE"))
		return 0;
	r = state_map(d, "clients", PP_CLIENTS_MAX * sizeof(struct stored_client), &table, e);
	if (r == 0)
		d->clients.stored = table;
	return r;
}

void fdstore_door(struct reeved *d, enum pp_door kind)
{
	char state[64];

	if (!d->clients.stored || d->clients.foreign_fds)
		return;
	snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", door_names[kind]);
	notify_send_fds(state, &d->doors[kind].fd, 1);
}

/* One message for all that came in one turn of the loop. */
void fdstore_flush(struct reeved *d)
{
	struct clients *c = &d->clients;
	int fds[FD_PASS_MAX];
	unsigned n = 0;

	for (uint32_t i = 0; i < c->nunstored; i++)
		if (c->kept[c->unstored[i]].fd >= 0)
			fds[n++] = c->kept[c->unstored[i]].fd;
	c->nunstored = 0;
	if (n && notify_send_fds("FDSTORE=1\nFDNAME=client", fds, n) < 0)
		log_say(LOG_WARN, "clients are not in the service manager's keeping", "%u of them",
			n);
}

void fdstore_client(struct reeved *d, struct pp_conn conn)
{
	struct clients *c = &d->clients;
	struct stored_client *s;

	if (!c->stored || c->foreign_fds)
		return;
	s = &c->stored[conn.slot];
	s->conn = conn;
	s->door = c->kept[conn.slot].door;
	s->ino = handover_inode(c->kept[conn.slot].fd);
	c->unstored[c->nunstored++] = conn.slot;
	if (c->nunstored == FD_PASS_MAX)
		fdstore_flush(d);
}

/* --- getting back ---------------------------------------------------------------------- */

static const struct stored_client *find(const struct clients *c, uint64_t ino)
{
	for (uint32_t slot = 0; ino && c->stored && slot < PP_CLIENTS_MAX; slot++)
		if (c->stored[slot].ino == ino && c->stored[slot].conn.slot == slot)
			return &c->stored[slot];
	return NULL;
}

void fdstore_clean(struct reeved *d)
{
	const struct clients *c = &d->clients;

	for (uint32_t slot = 0; c->stored && slot < PP_CLIENTS_MAX; slot++)
		if (slot >= c->high || c->kept[slot].fd < 0)
			c->stored[slot].ino = 0;
}

static bool take_client(const struct reeved *d, struct handover *h, int fd)
{
	const struct stored_client *s = find(&d->clients, handover_inode(fd));

	if (!s)
		return false;
	h->clients[h->nclients++] = (struct handover_client){
		.conn = s->conn, .door = s->door, .fd = fd, .ino = s->ino
	};
	return true;
}

static bool take_door(const struct reeved *d, struct handover *h, int kind, int fd)
{
	struct handover_door *door = &h->doors[kind];

	if (door->fd >= 0 || door_path(d, (enum pp_door)kind, door->path) < 0)
		return false;
	door->fd = fd;
	return true;
}

static void take(const struct reeved *d, struct handover *h, const char *name, size_t len, int fd)
{
	bool taken = false;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	for (int kind = 0; kind < PP_DOOR_MAX && !taken; kind++)
		if (strlen(door_names[kind]) == len && !memcmp(door_names[kind], name, len))
			taken = take_door(d, h, kind, fd);
	if (!taken && !take_client(d, h, fd))
		close(fd);
}

/* How many came, if they are for us. */
static uint32_t count_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t who, n;

	if (!pid || !fds || str_u64(pid, INT32_MAX, &who) < 0 || who != (uint64_t)getpid() ||
	    str_u64(fds, FDS_PASSED_MAX, &n) < 0)
		return 0;
	return (uint32_t)n;
}

void fdstore_take(struct reeved *d)
{
	const char *names = getenv("LISTEN_FDNAMES") ?: "";
	uint32_t n = count_passed();

	if (n && d->clients.stored && !d->handover)
		d->handover = handover_new(n);
	for (uint32_t i = 0; i < n && d->handover; i++) {
		size_t len = strcspn(names, ":");

		take(d, d->handover, names, len, FIRST_FD + (int)i);
		names += len + (names[len] == ':');
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}
