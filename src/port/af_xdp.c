/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every frame is at one place. To receive: in the fill ring, with the kernel, in the rx
 * ring; those that the caller has are still in the rx ring, whose places are given up
 * by the next rx(). To send: on the stack `unused`, being written to (`room`), in the tx
 * ring, with the kernel, in the completion ring. No ring has fewer places than there are frames of
 * its kind, so none is ever asked whether it has room.
 */
#include "port/af_xdp.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "mech/netdev.h"
#include "mech/ring.h"
#include "mech/xsk.h"

enum {
	FRAMES = 4096,
	RING = 2048,
	SMALL = 2048, /* bytes of a frame */
	LARGE = 4096,
	SMALL_MTU = 1500,
	HEADROOM = 256, /* the kernel's, in front of each frame that comes */
	SEND_BUFFER = 4 << 20,
	KERNEL_BATCH = 32, /* what a kernel that copies sends at a time */
};

struct af_xdp {
	struct port port;
	struct rings rings;
	uint8_t *memory;
	size_t memory_len;
	uint32_t frame_size;
	uint32_t lent;	  /* received, and the caller's until the next rx() */
	uint32_t written; /* to be sent, and not shown to the kernel yet */
	uint8_t *room;	  /* what tx_room() returned and send_room() has not used yet */
	bool left;	  /* the kernel did not take all at the last flush */
	bool down, gone;
	uint64_t dropped;
	uint8_t nowhere[LARGE]; /* to write what can't be sent */
	uint32_t nunused;
	uint64_t unused[];
};

static struct af_xdp *of(struct port *p)
{
	return (struct af_xdp *)p; /* its first member */
}

/* --- receive ------------------------------------------------------------------- */

/* What the caller had goes back to the kernel. */
static void refill(struct af_xdp *x)
{
	const uint64_t whole = ~(uint64_t)(x->frame_size - 1);

	if (!x->lent)
		return;
	for (uint32_t i = 0; i < x->lent; i++)
		*ring_address(&x->rings.fill, i) = ring_desc(&x->rings.rx, i)->addr & whole;
	ring_put(&x->rings.fill, x->lent);
	ring_taken(&x->rings.rx, x->lent);
	x->lent = 0;
}

static void kick(struct af_xdp *x, uint32_t frames);

/* Nothing came: has the kernel all it needs? */
static void rx_idle(struct af_xdp *x)
{
	if (ring_sleeps(&x->rings.fill))
		recvfrom(x->port.wait_fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static unsigned rx(struct port *p, struct frame *ret, unsigned max)
{
	struct af_xdp *x = of(p);
	uint32_t n;

	refill(x);
	if (x->left)
		kick(x, 0);
	n = ring_filled(&x->rings.rx);
	if (n > max)
		n = max;
	if (!n)
		rx_idle(x);
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = ring_desc(&x->rings.rx, i);

		ret[i] = (struct frame){ .data = x->memory + d->addr, .len = d->len };
		p->stats.rx_bytes += d->len;
	}
	p->stats.rx_frames += n;
	x->lent = n;
	return n;
}

/* --- send ---------------------------------------------------------------------- */

static void reap(struct af_xdp *x)
{
	uint32_t n = ring_filled(&x->rings.comp);

	for (uint32_t i = 0; i < n; i++)
		x->unused[x->nunused++] = *ring_address(&x->rings.comp, i);
	if (n)
		ring_taken(&x->rings.comp, n);
}

static uint32_t unsent(const struct af_xdp *x)
{
	const struct ring *tx = &x->rings.tx;

	return tx->own - __atomic_load_n(tx->consumer, __ATOMIC_ACQUIRE);
}

/* 0 or -errno; says whether there is an interface. */
static int wake(struct af_xdp *x)
{
	int r = sendto(x->port.wait_fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? -errno : 0;

	x->gone = r == -ENXIO || r == -ENODEV;
	x->down = x->gone || r == -ENETDOWN;
	return r;
}

/*
 * A kernel that copies takes 32 frames a call and says EAGAIN when there are more; but
 * also when it can't take any. Linux 6.1 does not tell the two apart by the ring,
 * whose index only moves when all is taken: so it is called as often as `frames`
 * need, and not until they are gone.
 */
static void kick(struct af_xdp *x, uint32_t frames)
{
	uint32_t calls = frames / KERNEL_BATCH + 1;
	int r = -EAGAIN;

	while (r == -EAGAIN && calls-- && (unsent(x) || x->down) &&
	       (x->down || ring_sleeps(&x->rings.tx)))
		r = wake(x);
	x->left = unsent(x) && !x->gone && ring_sleeps(&x->rings.tx);
	reap(x);
}

static void flush(struct port *p)
{
	struct af_xdp *x = of(p);
	const uint32_t n = x->written;

	if (n)
		ring_put(&x->rings.tx, n);
	x->written = 0;
	if (!x->gone)
		kick(x, n);
}

static uint8_t *tx_room(struct port *p)
{
	struct af_xdp *x = of(p);

	if (x->room)
		return x->room;
	if (!x->nunused)
		flush(p);
	if (x->down)
		x->room = x->nowhere;
	else if (x->nunused)
		x->room = x->memory + x->unused[--x->nunused];
	else
		p->stats.tx_full++;
	return x->room;
}

static void send_room(struct port *p, uint32_t len)
{
	struct af_xdp *x = of(p);

	if (x->room == x->nowhere) {
		x->dropped++;
	} else {
		*ring_desc(&x->rings.tx, x->written++) = (struct xdp_desc){
			.addr = (uint64_t)(x->room - x->memory), .len = len
		};
		p->stats.tx_frames++;
		p->stats.tx_bytes += len;
	}
	x->room = NULL;
}

/* --- open and close ------------------------------------------------------------- */

static void close_port(struct port *p)
{
	struct af_xdp *x = of(p);

	rings_unmap(&x->rings);
	if (x->memory)
		munmap(x->memory, x->memory_len);
	if (p->wait_fd >= 0)
		close(p->wait_fd);
	free(x);
}

static const struct port_ops ops = {
	.rx = rx,
	.tx_room = tx_room,
	.tx = send_room,
	.flush = flush,
	.close = close_port,
};

static bool power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

uint32_t af_xdp_frame_size(uint32_t mtu)
{
	return mtu <= SMALL_MTU ? SMALL : LARGE;
}

/* What is wanted, with nothing left open. */
static int settle(struct af_xdp_want *w, const struct netdev *d, struct err *e)
{
	uint32_t mtu = d->mtu < PORT_MTU_MAX ? d->mtu : PORT_MTU_MAX;

	if (!w->frames)
		w->frames = FRAMES;
	if (!w->ring)
		w->ring = RING;
	if (!w->frame_size)
		w->frame_size = af_xdp_frame_size(mtu);
	if (mtu < PORT_MTU_MIN)
		return fail(e, EINVAL, "the MTU of %s is %u, and less than %d", w->ifname, mtu,
			    PORT_MTU_MIN);
	if (!power_of_two(w->frames) || w->frames < 2 || !power_of_two(w->ring))
		return fail(e, EINVAL, "frames and entries of rings are powers of two");
	if (w->frame_size != SMALL && w->frame_size != LARGE)
		return fail(e, EINVAL, "frames have 2048 or 4096 bytes, not %u", w->frame_size);
	if (HEADROOM + PORT_ETHER_HEADER + mtu > w->frame_size)
		return fail(e, EINVAL, "the MTU of %s is %u: too much for frames of %u bytes",
			    w->ifname, mtu, w->frame_size);
	return 0;
}

static int map_memory(struct af_xdp *x, int fd, uint32_t frames, struct err *e)
{
	size_t len = (size_t)frames * x->frame_size;
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < len)
		return fail(e, EINVAL, "the frames' memory is too small");
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return fail(e, errno, "the frames' memory can't be mapped: %s", strerror(errno));
	x->memory = map;
	x->memory_len = len;
	return 0;
}

/* The first half to receive, the other to send: as many as the rings have room for. */
static void share_out(struct af_xdp *x, uint32_t each, uint32_t frames)
{
	for (uint32_t i = 0; i < each; i++) {
		*ring_address(&x->rings.fill, i) = (uint64_t)i * x->frame_size;
		x->unused[i] = (uint64_t)(frames / 2 + i) * x->frame_size;
	}
	ring_put(&x->rings.fill, each);
	x->nunused = each;
}

/* The kernel's default is as little as a hundred frames under way. */
static void allow_many(int sock)
{
	const int size = SEND_BUFFER;

	if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int make(const struct af_xdp_want *w, const struct xsk_want *q, struct xsk *ret,
		struct err *e)
{
	if (w->sock < 0)
		return xsk_make(q, ret, e);
	*ret = (struct xsk){ .sock = w->sock, .memory = w->memory, .bound = w->bound };
	return 0;
}

/* Rings can't be mapped once the socket is bound, before Linux 6.4. */
static int set_up(struct af_xdp *x, const struct xsk_want *q, const struct xsk *s, struct err *e)
{
	int r = map_memory(x, s->memory, q->frames, e);

	if (r == 0)
		r = rings_map(s->sock, q->rx, &x->rings, e);
	if (r == 0 && !s->bound)
		r = xsk_bind(s->sock, q, e);
	return r;
}

static struct af_xdp *new_port(const struct netdev *d, uint32_t frame_size, uint32_t each)
{
	struct af_xdp *x = calloc(1, sizeof(*x) + each * sizeof(x->unused[0]));

	if (!x)
		return NULL;
	x->frame_size = frame_size;
	x->port.ops = &ops;
	x->port.wait_fd = -1;
	x->port.mtu = (uint16_t)(d->mtu < PORT_MTU_MAX ? d->mtu : PORT_MTU_MAX);
	x->port.partial_sums = d->is_virtual;
	memcpy(x->port.mac, d->mac, sizeof(x->port.mac));
	return x;
}

static int open_with(struct af_xdp *x, const struct af_xdp_want *w, const struct xsk_want *q,
		     struct err *e)
{
	struct xsk s;
	int r = make(w, q, &s, e);

	if (r < 0)
		return r;
	r = set_up(x, q, &s, e);
	if (r < 0) {
		if (w->sock < 0) {
			close(s.sock);
			close(s.memory);
		}
		return r;
	}
	close(s.memory);
	x->port.wait_fd = s.sock;
	allow_many(s.sock);
	return 0;
}

static struct xsk_want socket_of(const struct af_xdp_want *w, uint32_t ifindex)
{
	return (struct xsk_want){ .ifindex = ifindex,
				  .queue = w->queue,
				  .ifname = w->ifname,
				  .frames = w->frames,
				  .frame_size = w->frame_size,
				  .rx = w->ring,
				  .tx = w->ring,
				  .fill = w->ring,
				  .comp = w->ring };
}

int af_xdp_open(const struct af_xdp_want *want, struct port **ret, struct err *e)
{
	struct af_xdp_want w = *want;
	struct xsk_want q;
	struct netdev d;
	struct af_xdp *x;
	uint32_t each;
	int r = netdev_read(w.ifname, &d, e);

	if (r == 0)
		r = settle(&w, &d, e);
	if (r < 0)
		return r;
	each = w.frames / 2 < w.ring ? w.frames / 2 : w.ring;
	x = new_port(&d, w.frame_size, each);
	if (!x)
		return fail(e, ENOMEM, "out of memory");
	q = socket_of(&w, d.ifindex);
	r = open_with(x, &w, &q, e);
	if (r < 0) {
		close_port(&x->port);
		return r;
	}
	share_out(x, each, w.frames);
	*ret = &x->port;
	return 0;
}

/* Who sends finds out by itself; the kernel keeps it for others, once. */
static void look_for_end(struct af_xdp *x)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(x->port.wait_fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    error == ENETDOWN)
		x->gone = x->down = true;
}

void af_xdp_stats(struct port *p, struct af_xdp_stats *ret)
{
	struct xdp_statistics s = { 0 };
	struct xdp_options o = { 0 };
	socklen_t slen = sizeof(s), olen = sizeof(o);
	struct af_xdp *x = of(p);

	look_for_end(x);
	getsockopt(p->wait_fd, SOL_XDP, XDP_STATISTICS, &s, &slen);
	getsockopt(p->wait_fd, SOL_XDP, XDP_OPTIONS, &o, &olen);
	*ret = (struct af_xdp_stats){ .rx_dropped = s.rx_dropped,
				      .rx_ring_full = s.rx_ring_full,
				      .rx_fill_empty = s.rx_fill_ring_empty_descs,
				      .tx_invalid = s.tx_invalid_descs,
				      .tx_down = x->dropped,
				      .zero_copy = o.flags & XDP_OPTIONS_ZEROCOPY,
				      .gone = x->gone };
}
