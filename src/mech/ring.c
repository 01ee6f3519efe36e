/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int map_one(int sock, off_t at, const struct xdp_ring_offset *off, size_t entries,
		   struct ring *ret)
{
	size_t len = off->desc + entries;
	char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, sock, at);

	if (map == MAP_FAILED)
		return -errno;
	*ret = (struct ring){ .producer = (uint32_t *)(map + off->producer),
			      .consumer = (uint32_t *)(map + off->consumer),
			      .flags = (uint32_t *)(map + off->flags),
			      .entries = map + off->desc,
			      .map = map,
			      .map_len = len };
	return 0;
}

static int map_all(int sock, uint32_t n, const struct xdp_mmap_offsets *off, struct rings *r)
{
	const struct {
		off_t at;
		const struct xdp_ring_offset *off;
		size_t size;
		struct ring *ring;
		bool reads;
	} all[] = {
		{ XDP_PGOFF_RX_RING, &off->rx, sizeof(struct xdp_desc), &r->rx, true },
		{ XDP_PGOFF_TX_RING, &off->tx, sizeof(struct xdp_desc), &r->tx, false },
		{ (off_t)XDP_UMEM_PGOFF_FILL_RING, &off->fr, sizeof(uint64_t), &r->fill, false },
		{ (off_t)XDP_UMEM_PGOFF_COMPLETION_RING, &off->cr, sizeof(uint64_t), &r->comp,
		  true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct ring *ring = all[i].ring;
		int err = map_one(sock, all[i].at, all[i].off, n * all[i].size, ring);

		if (err < 0)
			return err;
		ring->mask = n - 1;
		ring->own = __atomic_load_n(all[i].reads ? ring->consumer : ring->producer,
					    __ATOMIC_RELAXED);
	}
	return 0;
}

int rings_map(int sock, uint32_t n, struct rings *ret, struct err *e)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	struct rings r = { 0 };
	int err;

	if (getsockopt(sock, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0)
		return fail(e, errno, "the socket has no rings: %s", strerror(errno));
	if (len != sizeof(off))
		return fail(e, EPROTO, "the kernel tells other things of rings than are known");
	err = map_all(sock, n, &off, &r);
	if (err < 0) {
		rings_unmap(&r);
		return fail(e, -err, "the socket's rings can't be mapped: %s", strerror(-err));
	}
	*ret = r;
	return 0;
}

void rings_unmap(struct rings *r)
{
	struct ring *const all[] = { &r->rx, &r->tx, &r->fill, &r->comp };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i]->map)
			munmap(all[i]->map, all[i]->map_len);
	*r = (struct rings){ 0 };
}
