/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <errno.h>
#include <string.h>

#include "bpf/layout.h"
#include "mech/bpfmap.h"

_Static_assert(LOADER_SLOTS + 0 == REEVE_SLOTS, "a request can name each slot");

/* The table first, in which no port is on: see bpf/layout.h. */
static int put_under(uint32_t slot, const int *maps, int table, int xskmap)
{
	int r = bpfmap_set(maps[LOADER_FD_TABLES], &slot, &table);

	return r < 0 ? r : bpfmap_set(maps[LOADER_FD_XSKMAPS], &slot, &xskmap);
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
	r = put_under(q->slot, maps, table, xskmap);
	if (r < 0)
		return fail(e, -r, "can't put an owner's maps into theirs: %s", strerror(-r));
	ret->fds[LOADER_FD_OWN_TABLE] = take_fd(&table);
	ret->fds[LOADER_FD_OWN_XSKMAP] = take_fd(&xskmap);
	ret->nfds = LOADER_FD_OWN_XSKMAP + 1;
	return 0;
}
