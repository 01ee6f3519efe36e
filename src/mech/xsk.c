/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/xsk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <linux/memfd.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "model/nic.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3 */
#endif

enum {
	LOOPBACK = 1, /* its number, in every network namespace */
	NO_COMP = 2,  /* the kernel wants a completion ring even if nothing is sent */
	PROBE_RING = 4,
	BUSY_TRIES = 40, /* a fifth of a second */
	BUSY_MS = 5,
};

static bool power_of_two(uint32_t n, uint32_t max)
{
	return n && n <= max && !(n & (n - 1));
}

static int check_want(const struct xsk_want *w, struct err *e)
{
	bool sends = w->tx || w->comp;

	if (!w->ifindex || w->ifindex > INT32_MAX || w->queue >= NIC_QUEUES_MAX)
		return fail(e, EINVAL, "no such queue");
	if (w->frame_size != 2048 && w->frame_size != 4096)
		return fail(e, EINVAL, "frames have 2048 or 4096 bytes, not %u", w->frame_size);
	if (!power_of_two(w->frames, XSK_FRAMES_MAX))
		return fail(e, EINVAL, "the number of frames is a power of two up to %d",
			    XSK_FRAMES_MAX);
	if (!power_of_two(w->rx, XSK_RING_MAX) || !power_of_two(w->fill, XSK_RING_MAX) ||
	    (sends && (!power_of_two(w->tx, XSK_RING_MAX) || !power_of_two(w->comp, XSK_RING_MAX))))
		return fail(e, EINVAL, "the size of a ring is a power of two up to %d",
			    XSK_RING_MAX);
	return 0;
}

/* Nobody can make it smaller under the kernel, nor larger than it was counted for. */
static int make_memory(size_t size)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	_cleanup_fd_ int fd = memfd_create("reeve-xsk", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("reeve-xsk", flags);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The kernel keeps hold of the pages, so the mapping can go again. */
static int register_memory(int sock, int memory, size_t size, uint32_t frame_size)
{
	struct xdp_umem_reg reg = { .len = size, .chunk_size = frame_size };
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	int r;

	if (map == MAP_FAILED)
		return -errno;
	reg.addr = (uintptr_t)map;
	r = setsockopt(sock, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0 ? -errno : 0;
	munmap(map, size);
	return r;
}

static int make_rings(int sock, const struct xsk_want *w)
{
	const struct {
		int option;
		uint32_t entries;
	} rings[] = {
		{ XDP_UMEM_FILL_RING, w->fill },
		{ XDP_UMEM_COMPLETION_RING, w->comp ? w->comp : NO_COMP },
		{ XDP_RX_RING, w->rx },
		{ XDP_TX_RING, w->tx },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++)
		if (rings[i].entries && setsockopt(sock, SOL_XDP, rings[i].option,
						   &rings[i].entries, sizeof(uint32_t)) < 0)
			return -errno;
	return 0;
}

/* By name, since the kernel checks that one; the number tells whether it is still the one meant. */
static int tie(int sock, const struct xsk_want *w)
{
	socklen_t len = sizeof(int);
	int ifindex;

	if (setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, w->ifname, (socklen_t)strlen(w->ifname)) <
		    0 ||
	    getsockopt(sock, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, &len) < 0)
		return -errno;
	return (uint32_t)ifindex == w->ifindex ? 0 : -ENODEV;
}

static int bind_to(int sock, uint32_t ifindex, uint32_t queue)
{
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
				     .sxdp_flags = XDP_USE_NEED_WAKEUP,
				     .sxdp_ifindex = ifindex,
				     .sxdp_queue_id = queue };

	return bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

/* Everything but the binding. */
static int build(const struct xsk_want *w, struct xsk *ret)
{
	size_t size = (size_t)w->frames * w->frame_size;
	_cleanup_fd_ int sock = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	_cleanup_fd_ int memory = -1;
	int r;

	if (sock < 0)
		return -errno;
	memory = make_memory(size);
	if (memory < 0)
		return memory;
	r = tie(sock, w);
	if (r == 0)
		r = register_memory(sock, memory, size, w->frame_size);
	if (r == 0)
		r = make_rings(sock, w);
	if (r == 0)
		*ret = (struct xsk){ .sock = take_fd(&sock), .memory = take_fd(&memory) };
	return r;
}

static bool by_version(void)
{
	unsigned long major, minor;
	struct utsname u;
	char *end;

	if (uname(&u) < 0)
		return false;
	major = strtoul(u.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return major > 6 || (major == 6 && minor >= 4);
}

/*
 * Tried on a socket that nobody else uses: one that turned out not to be mappable
 * would keep its queue for a moment after it is closed. 1, 0, or -errno: not found out.
 */
static int probe_late_mapping(void)
{
	const struct xsk_want w = { .ifindex = LOOPBACK,
				    .ifname = "lo",
				    .frames = PROBE_RING,
				    .frame_size = 4096,
				    .rx = PROBE_RING,
				    .fill = PROBE_RING };
	struct xsk x = { .sock = -1, .memory = -1 };
	int r = build(&w, &x);

	if (r == 0)
		r = bind_to(x.sock, LOOPBACK, 0);
	if (r == 0) {
		const size_t size = 4096;
		void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, x.sock,
				 XDP_PGOFF_RX_RING);

		r = map != MAP_FAILED;
		if (r)
			munmap(map, size);
	}
	cleanup_fd_p(&x.sock);
	cleanup_fd_p(&x.memory);
	return r;
}

/* Whether rings can be mapped once the socket is bound. */
static bool late_mapping(void)
{
	static int known = -1;

	if (known < 0)
		known = probe_late_mapping();
	return known < 0 ? by_version() : known;
}

static int fail_bind(const struct xsk_want *w, int code, struct err *e)
{
	if (code == EBUSY)
		return fail(e, code, "queue %u of %s has an AF_XDP socket already", w->queue,
			    w->ifname);
	if (code == EINVAL)
		return fail(e, code, "%s has no queue %u for an AF_XDP socket", w->ifname,
			    w->queue);
	return fail(e, code, "can't bind a socket to queue %u of %s: %s", w->queue, w->ifname,
		    strerror(code));
}

/*
 * A socket that was closed keeps its queue for a moment. So may one that was made for
 * this very request, if the core that asked for it was killed.
 */
static int bind_patiently(int sock, const struct xsk_want *w)
{
	int r = bind_to(sock, w->ifindex, w->queue);

	for (int i = 0; i < BUSY_TRIES && r == -EBUSY; i++) {
		poll(NULL, 0, BUSY_MS);
		r = bind_to(sock, w->ifindex, w->queue);
	}
	return r;
}

int xsk_bind(int sock, const struct xsk_want *want, struct err *e)
{
	int r = bind_patiently(sock, want);

	return r < 0 ? fail_bind(want, -r, e) : 0;
}

int xsk_make(const struct xsk_want *want, struct xsk *ret, struct err *e)
{
	struct xsk x = { .sock = -1, .memory = -1 };
	int r = check_want(want, e);

	if (r < 0)
		return r;
	r = build(want, &x);
	if (r < 0)
		return fail(e, -r, "can't make an AF_XDP socket for %s: %s", want->ifname,
			    strerror(-r));
	if (!want->leave_unbound && late_mapping()) {
		r = xsk_bind(x.sock, want, e);
		x.bound = r == 0;
	}
	if (r < 0) {
		cleanup_fd_p(&x.sock);
		cleanup_fd_p(&x.memory);
		return r;
	}
	*ret = x;
	return 0;
}
