/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon as an application of Machnet's sees the reference's: the same sizes whatever is
 * asked for, replies full of leftovers, no doorbell, control requests only now and then,
 * and no word about a flow that can't be ended. The network is a loop: a message goes to
 * who listens on its port, or back to who connected. Any address will do.
 *
 * usage: machnet_original SOCKET      prints "ready"; ends with stdin
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "machnet_layout.h"

enum { BUFFERS = 4096, SLOTS = 256, BUF_BYTES = 2048, MSS = 1418, CHANNELS = 32, SOCKS = 64 };
enum { TURNS = 64, FIRST_PORT = 1024 };

/* A flow or a listener: whose messages from `flow` seen by the other end are. */
struct route {
	struct lay_flow flow; /* of a listener: its address as source */
	uint8_t *ctx;
	bool listens;
};

static uint8_t *channels[CHANNELS];
static struct route routes[256];
static unsigned nchannels, nroutes;
static uint16_t next_port = FIRST_PORT;

/* --- memory --------------------------------------------------------------------------------- */

static uint64_t make_ring(uint8_t *ctx, unsigned which, uint64_t at, uint32_t slots, uint32_t esize)
{
	uint8_t *r = ctx + at;

	put64(ctx + which, at);
	put32(r + RING_SIZE, slots);
	put32(r + RING_MASK, slots - 1);
	put32(r + RING_CAPACITY, slots - 1);
	put32(r + RING_ESIZE, esize);
	return (at + RING_BYTES + (uint64_t)slots * esize + 63) / 64 * 64;
}

static void make_bufs(uint8_t *ctx)
{
	for (uint32_t i = 0; i < BUFFERS; i++) {
		uint8_t *b = lay_buf(ctx, i);

		put32(b + BUF_MAGIC, MAGIC_BUF);
		put32(b + BUF_INDEX, i);
		put32(b + BUF_SIZE, MSS + BUF_HEADROOM);
		if (i < BUFFERS - 1)
			lay_put(lay_ring(ctx, CTX_FREE), &i);
	}
}

static uint8_t *make_channel(int *ret_fd)
{
	uint64_t at = CTX_BYTES + 64, pool = 40960, bytes = pool + (uint64_t)BUFFERS * BUF_BYTES;
	uint8_t *ctx;

	*ret_fd = memfd_create("channel", MFD_CLOEXEC);
	if (*ret_fd < 0 || ftruncate(*ret_fd, (off_t)bytes) < 0)
		abort();
	ctx = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	if (ctx == MAP_FAILED)
		abort();
	ctx[CTX_VERSION] = 1;
	put64(ctx + CTX_SIZE, bytes);
	put64(ctx + CTX_STATS, CTX_BYTES);
	at = make_ring(ctx, CTX_SQ, at, 2, CTRL_BYTES);
	at = make_ring(ctx, CTX_CQ, at, 2, CTRL_BYTES);
	at = make_ring(ctx, CTX_TO_APP, at, SLOTS, 4);
	at = make_ring(ctx, CTX_FROM_APP, at, SLOTS, 4);
	at = make_ring(ctx, CTX_FREE, at, BUFFERS, 4);
	put64(ctx + CTX_TABLE, at);
	put64(ctx + CTX_POOL, pool);
	put64(ctx + CTX_POOL_MASK, BUFFERS - 1);
	put32(ctx + CTX_BUF_SIZE, BUF_BYTES);
	put32(ctx + CTX_MSS, MSS);
	make_bufs(ctx);
	put32(ctx + CTX_MAGIC, MAGIC_CTX);
	return ctx;
}

/* --- the control socket --------------------------------------------------------------------- */

static void reply(int sock, const uint8_t *request, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	uint8_t m[MSG_BYTES];
	struct iovec iov = { m, sizeof(m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(m, 0xcd, sizeof(m));
	memcpy(m + MSG_TYPE, &(uint16_t){ TYPE_RESPONSE }, 2);
	memcpy(m + MSG_ID, request + MSG_ID, 4);
	memset(m + MSG_STATUS, 0, 4);
	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	sendmsg(sock, &msg, MSG_NOSIGNAL);
}

/* false: that connection is over. */
static bool serve(int sock)
{
	uint8_t m[MSG_BYTES];
	ssize_t n = recv(sock, m, sizeof(m), 0);
	int fd = -1;

	if (n <= 0)
		return false;
	if (n != MSG_BYTES)
		return true; /* not a word, as the reference */
	if (m[MSG_TYPE] == TYPE_CHANNEL && nchannels < CHANNELS)
		channels[nchannels++] = make_channel(&fd);
	reply(sock, m, fd);
	if (fd >= 0)
		close(fd);
	return true;
}

/* --- requests and messages ------------------------------------------------------------------- */

static void handle_request(uint8_t *ctx)
{
	_Alignas(8) uint8_t m[CTRL_BYTES];
	struct route *r = &routes[nroutes];

	if (!lay_take(lay_ring(ctx, CTX_SQ), m) || nroutes + 2 > 256)
		return;
	r->ctx = ctx;
	if (get32(m + CTRL_OP) == OP_LISTEN) {
		r->listens = true;
		r->flow.src_ip = get32(m + CTRL_LISTEN_IP);
		memcpy(&r->flow.src_port, m + CTRL_LISTEN_PORT, 2);
	} else if (get32(m + CTRL_OP) == OP_CREATE_FLOW) {
		memcpy(&r->flow, m + CTRL_FLOW, sizeof(r->flow));
		r->flow.src_port = next_port++;
		memcpy(m + CTRL_FLOW, &r->flow, sizeof(r->flow));
	} else {
		return;
	}
	nroutes++;
	put32(m + CTRL_OP, OP_STATUS);
	memset(m + CTRL_STATUS, 0, 2);
	memset(m + 28, 0xcd, 4);
	lay_put(lay_ring(ctx, CTX_CQ), m);
}

static uint8_t *receiver(const struct lay_flow *f)
{
	for (unsigned i = 0; i < nroutes; i++) {
		const struct route *r = &routes[i];

		if (r->flow.src_ip != f->dst_ip || r->flow.src_port != f->dst_port)
			continue;
		if (r->listens || (r->flow.dst_ip == f->src_ip && r->flow.dst_port == f->src_port))
			return r->ctx;
	}
	return NULL;
}

static void give_back(uint8_t *ctx, uint32_t i)
{
	lay_put(lay_ring(ctx, CTX_FREE), &i);
}

/* false: `to` has no buffer for it. */
static bool copy_buf(uint8_t *to, const uint8_t *b, struct lay_flow f, uint32_t *ret)
{
	uint8_t *copy;

	if (!lay_take(lay_ring(to, CTX_FREE), ret))
		return false;
	copy = lay_buf(to, *ret);
	memcpy(copy + BUF_FLAGS, b + BUF_FLAGS, BUF_BYTES - BUF_FLAGS);
	memcpy(copy + BUF_FLOW, &f, sizeof(f));
	put32(copy + BUF_MSG_LEN, 0);
	put32(copy + BUF_NEXT, UINT32_MAX);
	put32(copy + BUF_LAST, UINT32_MAX);
	return true;
}

static bool copy_message(uint8_t *from, uint32_t at, uint8_t *to)
{
	uint32_t first = UINT32_MAX, last = UINT32_MAX, copy, next;
	struct lay_flow f;
	bool more = true;

	memcpy(&f, lay_buf(from, at) + BUF_FLOW, sizeof(f));
	for (; more; at = next) {
		uint8_t *b = lay_buf(from, at);

		while (!copy_buf(to, b, f, &copy))
			sched_yield();
		if (first == UINT32_MAX)
			first = copy;
		else
			put32(lay_buf(to, last) + BUF_NEXT, copy);
		last = copy;
		more = b[BUF_FLAGS] & FLAG_SG;
		next = get32(b + BUF_NEXT);
		give_back(from, at);
	}
	return lay_put(lay_ring(to, CTX_TO_APP), &first);
}

/* To nobody: its buffers are lost, as they are there. */
static bool handle_message(uint8_t *ctx)
{
	struct lay_flow f;
	uint8_t *to;
	uint32_t at;

	if (!lay_take(lay_ring(ctx, CTX_FROM_APP), &at))
		return false;
	memcpy(&f, lay_buf(ctx, at) + BUF_FLOW, sizeof(f));
	to = receiver(&f);
	if (to && !copy_message(ctx, at, to))
		fprintf(stderr, "SHM channel full\n");
	return true;
}

/* --- both, in turn --------------------------------------------------------------------------- */

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(sock, 5) < 0) {
		perror(path);
		exit(1);
	}
	return sock;
}

/* p[0]: stdin, p[1]: the listener. */
static void look_at_sockets(struct pollfd *p, unsigned *n, int timeout)
{
	if (poll(p, *n, timeout) <= 0)
		return;
	for (unsigned i = *n - 1; i >= 2; i--)
		if (p[i].revents && !serve(p[i].fd)) {
			close(p[i].fd);
			p[i] = p[--*n];
		}
	if (p[1].revents && *n < SOCKS)
		p[(*n)++] = (struct pollfd){ .fd = accept(p[1].fd, NULL, NULL), .events = POLLIN };
	if (p[0].revents)
		exit(0);
}

int main(int argc, char **argv)
{
	struct pollfd p[SOCKS] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	unsigned n = 2, idle = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: machnet_original SOCKET\n");
		return 2;
	}
	p[1].fd = listen_at(argv[1]);
	puts("ready");
	fflush(stdout);
	for (unsigned turn = 0;; turn++) {
		for (unsigned i = 0; i < nchannels; i++)
			while (handle_message(channels[i]))
				idle = 0;
		if (turn % TURNS && idle++ < TURNS) {
			sched_yield();
			continue;
		}
		look_at_sockets(p, &n, idle > TURNS);
		for (unsigned i = 0; i < nchannels; i++)
			handle_request(channels[i]);
	}
}
