/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/layout.h"
#include "mech/bpfmap.h"

_Static_assert(LOADER_SLOTS + 0 == REEVE_SLOTS, "a request can name each slot");

/* What stands under a slot. */
struct place {
	uint32_t slot;
	const int *maps;
	int table, xskmap;
};

static int put_table(const struct place *p)
{
	return bpfmap_set(p->maps[LOADER_FD_TABLES], &p->slot, &p->table);
}

static int put_xskmap(const struct place *p)
{
	return bpfmap_set(p->maps[LOADER_FD_XSKMAPS], &p->slot, &p->xskmap);
}

static bool is_fresh(const struct place *p)
{
	uint32_t id;

	return bpfmap_get(p->maps[LOADER_FD_TABLES], &p->slot, &id) == -ENOENT;
}

/* Each write waits for the kernel's readers: let both wait at the same time. */
static int put_at_once(const struct place *p)
{
	pid_t child = fork();
	int r, status;

	if (child == 0)
		_exit(-put_xskmap(p));
	r = put_table(p);
	if (child < 0)
		return r < 0 ? r : put_xskmap(p);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -EIO;
	return r < 0 ? r : -WEXITSTATUS(status);
}

/*
 * In a slot that had an owner the table comes first, in which no port is on: see
 * bpf/layout.h. A fresh one no frame can be on its way to.
 */
static int put_under(const struct place *p)
{
	int r;

	if (is_fresh(p))
		return put_at_once(p);
	r = put_table(p);
	return r < 0 ? r : put_xskmap(p);
}

int owner_make(const struct loader_request *q, const int *maps, struct attached *ret, struct err *e)
{
	_cleanup_fd_ int table = bpfmap_new_table(q->owner), xskmap = -1;
	int r;

	if (table < 0)
		return fail(e, -table, "can't make a port table: %s", strerror(-table));
	xskmap = bpfmap_new_xskmap(q->owner);
	if (xskmap < 0)
		return fail(e, -xskmap, "can't make a map of sockets: %s", strerror(-xskmap));
	r = put_under(
		&(struct place){ .slot = q->slot, .maps = maps, .table = table, .xskmap = xskmap });
	if (r < 0)
		return fail(e, -r, "can't put an owner's maps into theirs: %s", strerror(-r));
	ret->fds[LOADER_FD_OWN_TABLE] = take_fd(&table);
	ret->fds[LOADER_FD_OWN_XSKMAP] = take_fd(&xskmap);
	ret->nfds = LOADER_FD_OWN_XSKMAP + 1;
	return 0;
}
