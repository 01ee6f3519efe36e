/* SPDX-License-Identifier: BSD-3-Clause */
#include "xsk_port.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

enum { FRAMES = 1024, FRAME_SIZE = 2048, RING = FRAMES };

static int set(int sock, int option, const void *value, socklen_t size)
{
	return setsockopt(sock, SOL_XDP, option, value, size) < 0 ? -errno : 0;
}

static int map_ring(struct ring *ring, int sock, const struct xdp_ring_offset *at, size_t entry,
		    off_t place)
{
	uint8_t *base = mmap(NULL, at->desc + RING * entry, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE, sock, place);

	if (base == MAP_FAILED)
		return -errno;
	ring->producer = (uint32_t *)(void *)(base + at->producer);
	ring->consumer = (uint32_t *)(void *)(base + at->consumer);
	ring->entries = base + at->desc;
	return 0;
}

/* The completion ring is not used, but without one the socket can't be bound. */
static int make_memory(struct xsk_port *port)
{
	struct xdp_umem_reg reg = { .len = FRAMES * FRAME_SIZE, .chunk_size = FRAME_SIZE };
	uint32_t size = RING;
	int r;

	port->memory = mmap(NULL, reg.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			    0);
	if (port->memory == MAP_FAILED)
		return -errno;
	reg.addr = (uintptr_t)port->memory;
	r = set(port->sock, XDP_UMEM_REG, &reg, sizeof(reg));
	if (r == 0)
		r = set(port->sock, XDP_UMEM_FILL_RING, &size, sizeof(size));
	if (r == 0)
		r = set(port->sock, XDP_UMEM_COMPLETION_RING, &size, sizeof(size));
	return r;
}

static void give_all(struct ring *fill)
{
	uint64_t *entries = fill->entries;

	for (uint32_t i = 0; i < FRAMES; i++)
		entries[i] = (uint64_t)i * FRAME_SIZE;
	__atomic_store_n(fill->producer, FRAMES, __ATOMIC_RELEASE);
}

static int make_rings(struct xsk_port *port, struct xsk_port *shared)
{
	struct xdp_mmap_offsets at;
	socklen_t size = sizeof(at);
	uint32_t entries = RING;
	int r = set(port->sock, XDP_RX_RING, &entries, sizeof(entries));

	if (r < 0)
		return r;
	if (getsockopt(port->sock, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size) < 0)
		return -errno;
	r = map_ring(&port->rx, port->sock, &at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	if (r < 0)
		return r;
	port->fill = shared ? shared->fill : &port->own_fill;
	if (shared)
		return 0;
	r = map_ring(port->fill, port->sock, &at.fr, sizeof(uint64_t),
		     (off_t)XDP_UMEM_PGOFF_FILL_RING);
	if (r == 0)
		give_all(port->fill);
	return r;
}

static int bind_it(const struct xsk_port *port, const struct xsk_port *shared)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = shared ? XDP_SHARED_UMEM : XDP_COPY,
		.sxdp_ifindex = port->ifindex,
		.sxdp_queue_id = port->queue,
		.sxdp_shared_umem_fd = shared ? (uint32_t)shared->sock : 0,
	};

	if (bind(port->sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

int xsk_port_open(struct xsk_port *port, uint32_t ifindex, uint32_t queue, struct xsk_port *shared)
{
	int r = 0;

	*port = (struct xsk_port){ .sock = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0),
				   .ifindex = ifindex,
				   .queue = queue };
	if (port->sock < 0)
		return -errno;
	if (shared)
		port->memory = shared->memory;
	else
		r = make_memory(port);
	if (r == 0)
		r = make_rings(port, shared);
	if (r == 0)
		r = bind_it(port, shared);
	if (r < 0)
		xsk_port_close(port);
	return r;
}

void xsk_port_close(struct xsk_port *port)
{
	/* What it mapped goes with the process: others may use the memory. */
	if (port->sock >= 0)
		close(port->sock);
	port->sock = -1;
}

static const struct xdp_desc *next_desc(const struct xsk_port *port)
{
	const struct xdp_desc *entries = port->rx.entries;
	uint32_t at = *port->rx.consumer;

	if (at == __atomic_load_n(port->rx.producer, __ATOMIC_ACQUIRE))
		return NULL;
	return &entries[at % RING];
}

const uint8_t *xsk_port_peek(struct xsk_port *port, uint32_t *ret_len)
{
	const struct xdp_desc *desc = next_desc(port);

	if (!desc)
		return NULL;
	*ret_len = desc->len;
	return port->memory + desc->addr;
}

void xsk_port_next(struct xsk_port *port)
{
	uint64_t *entries = port->fill->entries;
	uint32_t at = *port->fill->producer;

	entries[at % RING] = next_desc(port)->addr & ~(uint64_t)(FRAME_SIZE - 1);
	__atomic_store_n(port->fill->producer, at + 1, __ATOMIC_RELEASE);
	__atomic_store_n(port->rx.consumer, *port->rx.consumer + 1, __ATOMIC_RELEASE);
}

static int map_call(int command, int map, const uint32_t *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	return syscall(SYS_bpf, command, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int xskmap_insert(int map, uint32_t slot, int sock)
{
	return map_call(BPF_MAP_UPDATE_ELEM, map, &slot, &sock);
}

int xskmap_delete(int map, uint32_t slot)
{
	return map_call(BPF_MAP_DELETE_ELEM, map, &slot, NULL);
}
