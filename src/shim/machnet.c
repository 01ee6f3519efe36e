/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs call: <machnet.h> says what it does. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <machnet.h>
#include <unistd.h>

#include "shim/app.h"
#include "shim/bufs.h"
#include "shim/control.h"
#include "shim/message.h"
#include "shim/wait.h"

/* What the reference's headers, compiled, have. */
static_assert(sizeof(MachnetFlow_t) == 12 && sizeof(MachnetIovec_t) == 16, "as the reference");
static_assert(sizeof(MachnetMsgHdr_t) == 40, "as the reference");
static_assert(offsetof(MachnetMsgHdr_t, flow_info) == 4, "as the reference");
static_assert(offsetof(MachnetMsgHdr_t, msg_iov) == 16, "as the reference");
static_assert(offsetof(MachnetMsgHdr_t, msg_iovlen) == 24, "as the reference");
static_assert(offsetof(MachnetMsgHdr_t, flags) == 32, "as the reference");

static int told(int r)
{
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

/* --- channels ------------------------------------------------------------------------------- */

int machnet_init(void)
{
	return told(app_register());
}

void *machnet_attach_with(const struct machnet_attach_opts *opts)
{
	struct machnet_attach_opts o = { 0 };
	struct channel *c = NULL;
	int r = 0;

	if (opts && opts->size)
		memcpy(&o, opts, opts->size < sizeof(o) ? opts->size : sizeof(o));
	if (!o.buffers)
		o.buffers = CHAN_BUFS_MAX;
	if (o.buffers < CHAN_BUFS_MIN || o.buffers > CHAN_BUFS_MAX || o.buffers & (o.buffers - 1))
		r = -EINVAL;
	if (r == 0)
		r = app_attach(o.buffers, &c);
	return told(r) < 0 ? NULL : channel_ctx(c);
}

void *machnet_attach(void)
{
	return machnet_attach_with(NULL);
}

MachnetChannelCtx_t *machnet_bind(int fd, size_t *size)
{
	struct channel *c = NULL;
	int r = channel_map(fd, -1, &c);

	if (r < 0) {
		if (fd > 0 && r != -EBADF)
			close(fd);
		told(r);
		return NULL;
	}
	if (size)
		*size = c->size;
	return channel_ctx(c);
}

void machnet_detach(const void *ctx)
{
	channel_unmap(channel_of(ctx));
}

int machnet_stats(const void *ctx, struct machnet_stats *stats)
{
	struct channel *c = channel_of(ctx);
	struct machnet_stats s;
	size_t size;

	if (!c || !stats || stats->size < sizeof(stats->size))
		return told(-EINVAL);
	size = stats->size;
	s = c->counts;
	s.size = size;
	s.buffers = c->view.bufs - 1;
	s.buffers_free = ring_count(&c->view.free) + c->cached;
	memset(stats, 0, size);
	memcpy(stats, &s, size < sizeof(s) ? size : sizeof(s));
	return 0;
}

/* --- listeners and flows ---------------------------------------------------------------------- */

/* In all forms of inet_aton(3), as the reference. */
static int parse(const char *text, uint32_t *ret)
{
	struct in_addr addr;

	if (!text || !inet_aton(text, &addr))
		return -EINVAL;
	*ret = ntohl(addr.s_addr);
	return 0;
}

static int ask_of_listener(struct channel *c, uint32_t op, const char *ip, uint16_t port)
{
	struct chan_ctrl request = { .op = op, .listener = { .port = port } };
	uint32_t addr;
	int r = c ? parse(ip, &addr) : -EINVAL;

	if (r < 0)
		return r;
	request.listener.ip = addr;
	return control_ask(c, &request, NULL);
}

int machnet_listen(const void *ctx, const char *ip, uint16_t port)
{
	int r = ask_of_listener(channel_of(ctx), CHAN_LISTEN, ip, port);

	told(r);
	return r == -EINVAL ? r : r < 0 ? -1 : 0;
}

int machnet_unlisten(const void *ctx, const char *ip, uint16_t port)
{
	struct channel *c = channel_of(ctx);

	if (c && !c->view.stats)
		return told(-EOPNOTSUPP);
	return told(ask_of_listener(c, CHAN_UNLISTEN, ip, port));
}

int machnet_connect(const void *ctx, const char *local_ip, const char *remote_ip,
		    uint16_t remote_port, MachnetFlow_t *flow)
{
	struct chan_ctrl request = { .op = CHAN_CONNECT }, end;
	struct channel *c = channel_of(ctx);
	uint32_t local, remote;
	int r = c && flow ? parse(local_ip, &local) : -EINVAL;

	if (r == 0)
		r = parse(remote_ip, &remote);
	if (r == 0 && (local == INADDR_NONE || remote == INADDR_ANY))
		r = -EINVAL;
	if (r < 0)
		return told(r);
	request.flow = (struct chan_flow){ .src_ip = local,
					   .dst_ip = remote,
					   .dst_port = remote_port };
	r = control_ask(c, &request, &end);
	if (r == 0)
		memcpy(flow, &end.flow, sizeof(*flow));
	return told(r);
}

int machnet_close(const void *ctx, MachnetFlow_t flow)
{
	struct chan_ctrl request = { .op = CHAN_DISCONNECT };
	struct channel *c = channel_of(ctx);

	if (!c)
		return told(-EINVAL);
	if (!c->view.stats)
		return told(-EOPNOTSUPP);
	memcpy(&request.flow, &flow, sizeof(flow));
	return told(control_ask(c, &request, NULL));
}

/* --- messages ------------------------------------------------------------------------------- */

int machnet_sendmsg(const void *ctx, const MachnetMsgHdr_t *msg)
{
	struct channel *c = channel_of(ctx);

	return told(c && msg ? message_send(c, msg) : -EINVAL);
}

int machnet_sendmmsg(const void *ctx, const MachnetMsgHdr_t *msgs, int vlen)
{
	int n = 0;

	while (n < vlen && machnet_sendmsg(ctx, &msgs[n]) == 0)
		n++;
	return n;
}

int machnet_send(const void *ctx, MachnetFlow_t flow, const void *buf, size_t len)
{
	MachnetIovec_t iov = { .base = (void *)(uintptr_t)buf, .len = len };
	MachnetMsgHdr_t msg = {
		.msg_size = (uint32_t)len, .flow_info = flow, .msg_iov = &iov, .msg_iovlen = 1
	};

	return len > MACHNET_MSG_MAX ? told(-EMSGSIZE) : machnet_sendmsg(ctx, &msg);
}

int machnet_recvmsg(const void *ctx, MachnetMsgHdr_t *msg)
{
	struct channel *c = channel_of(ctx);

	return told(c && msg ? message_recv(c, msg) : -EINVAL);
}

/* 0 means that there is none, so an empty message is passed over. */
ssize_t machnet_recv(const void *ctx, void *buf, size_t len, MachnetFlow_t *flow)
{
	MachnetIovec_t iov = { .base = buf, .len = len };
	MachnetMsgHdr_t msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int r;

	if (len && !buf)
		return told(-EINVAL);
	do
		r = machnet_recvmsg(ctx, &msg);
	while (r > 0 && !msg.msg_size);
	if (r <= 0)
		return r;
	if (flow)
		*flow = msg.flow_info;
	return (ssize_t)msg.msg_size;
}

/* --- waiting --------------------------------------------------------------------------------- */

int machnet_send_wait(const void *ctx, MachnetFlow_t flow, const void *buf, size_t len,
		      int timeout_ms)
{
	struct channel *c = channel_of(ctx);
	uint64_t deadline = wait_deadline(timeout_ms);
	int r;

	while ((r = machnet_send(ctx, flow, buf, len)) < 0 && errno == EAGAIN) {
		r = wait_until(c, &wait_room, deadline);
		if (r < 0)
			return told(r == -ETIMEDOUT ? -EAGAIN : r);
	}
	return r;
}

ssize_t machnet_recv_wait(const void *ctx, void *buf, size_t len, MachnetFlow_t *flow,
			  int timeout_ms)
{
	struct channel *c = channel_of(ctx);
	uint64_t deadline = timeout_ms > 0 ? wait_deadline(timeout_ms) : WAIT_FOR_EVER;
	ssize_t n;

	while ((n = machnet_recv(ctx, buf, len, flow)) == 0 && timeout_ms) {
		int r = wait_until(c, &wait_message, deadline);

		if (r < 0)
			return r == -ETIMEDOUT ? 0 : told(r);
	}
	return n;
}

int machnet_poll_fd(const void *ctx)
{
	struct channel *c = channel_of(ctx);

	if (!c)
		return told(-EINVAL);
	return channel_rings(c) ? c->sock : told(-EOPNOTSUPP);
}

int machnet_poll_arm(const void *ctx)
{
	struct channel *c = channel_of(ctx);
	int r;

	if (!c || !channel_rings(c))
		return told(c ? -EOPNOTSUPP : -EINVAL);
	r = channel_arm(c);
	if (r == 0 && ring_count(&c->view.rx)) {
		channel_disarm(c);
		return 1;
	}
	return told(r);
}
