/* SPDX-License-Identifier: BSD-3-Clause */
/* The path of frames: no allocation, and no system call but to wake the kernel. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "client/xsk.h"

static void push(struct frame_stack *s, uint64_t address)
{
	if (s->n < s->size)
		s->addresses[s->n++] = address;
}

static int stack_init(struct frame_stack *s, uint32_t first, uint32_t n, uint32_t frame_size)
{
	s->addresses = malloc(n * sizeof(*s->addresses));
	if (!s->addresses)
		return -ENOMEM;
	s->size = n;
	while (n--)
		push(s, (uint64_t)(first + n) * frame_size);
	return 0;
}

/* From the spare frames to the kernel. */
static void refill(struct reeve_xsk *x)
{
	struct ring *fill = &x->rings.fill;
	uint32_t room = ring_room(fill), n = 0;

	while (n < room && x->spare.n)
		*ring_address(fill, n++) = x->spare.addresses[--x->spare.n];
	if (n)
		ring_put(fill, n);
}

int xsk_frames_init(struct reeve_xsk *x, uint32_t frames)
{
	uint32_t send = frames / 4, receive = frames - send;

	if (stack_init(&x->spare, 0, receive, x->frame_size) < 0 ||
	    stack_init(&x->to_send, receive, send, x->frame_size) < 0)
		return -ENOMEM;
	refill(x);
	return 0;
}

static void wake_fill(const struct reeve_xsk *x)
{
	if (ring_sleeps(&x->rings.fill))
		recvfrom(x->sock, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

size_t reeve_xsk_recv(struct reeve_xsk *x, struct reeve_frame *frames, size_t max)
{
	struct ring *rx = &x->rings.rx;
	uint32_t n = ring_filled(rx);

	if (n > max)
		n = (uint32_t)max;
	if (!n) {
		wake_fill(x);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = ring_desc(rx, i);

		frames[i] = (struct reeve_frame){ .data = x->memory + d->addr, .len = d->len };
	}
	ring_taken(rx, n);
	refill(x);
	return n;
}

void reeve_xsk_give_back(struct reeve_xsk *x, const struct reeve_frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at = (uint64_t)((char *)frames[i].data - x->memory);

		push(&x->spare, at & ~(uint64_t)(x->frame_size - 1));
	}
	refill(x);
	wake_fill(x);
}

/* What the kernel has sent can be used again. */
static void reap(struct reeve_xsk *x)
{
	struct ring *comp = &x->rings.comp;
	uint32_t n = ring_filled(comp);

	for (uint32_t i = 0; i < n; i++)
		push(&x->to_send, *ring_address(comp, i));
	if (n)
		ring_taken(comp, n);
}

/* A kernel that is too busy right now goes on by itself, or at the next frame. */
static int wake_tx(const struct reeve_xsk *x)
{
	if (!ring_sleeps(&x->rings.tx) || sendto(x->sock, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return 0;
	return errno == EAGAIN || errno == EBUSY || errno == ENOBUFS || errno == EINTR ? 0 : -errno;
}

int reeve_xsk_send(struct reeve_xsk *x, const void *frame, unsigned len)
{
	struct ring *tx = &x->rings.tx;
	uint64_t address;

	if (len > x->frame_size)
		return -EMSGSIZE;
	reap(x);
	if (!x->to_send.n || !ring_room(tx)) {
		int r = wake_tx(x);

		return r < 0 ? r : -EAGAIN;
	}
	address = x->to_send.addresses[--x->to_send.n];
	memcpy(x->memory + address, frame, len);
	*ring_desc(tx, 0) = (struct xdp_desc){ .addr = address, .len = len };
	ring_put(tx, 1);
	return wake_tx(x);
}
