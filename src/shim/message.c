/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/message.h"

#include "shim/bufs.h"

static_assert(sizeof(MachnetFlow_t) == sizeof(struct chan_flow), "one layout");
static_assert(offsetof(MachnetFlow_t, dst_port) == offsetof(struct chan_flow, dst_port), "");
static_assert((int)MACHNET_MSG_MAX == (int)CHAN_MESSAGE_MAX, "one limit");

/* Where in the caller's segments the next byte is. */
struct cursor {
	const MachnetIovec_t *iov, *end;
	size_t at;
};

static struct cursor cursor_at(const MachnetMsgHdr_t *m)
{
	return (struct cursor){ m->msg_iov, m->msg_iov + m->msg_iovlen, 0 };
}

/* How many bytes lie here in one piece, up to `most`; 0: it is the end. */
static size_t cursor_piece(struct cursor *at, size_t most, uint8_t **ret)
{
	size_t left;

	while (at->iov < at->end && at->at == at->iov->len) {
		at->iov++;
		at->at = 0;
	}
	if (at->iov == at->end)
		return 0;
	left = at->iov->len - at->at;
	*ret = (uint8_t *)at->iov->base + at->at;
	if (left > most)
		left = most;
	at->at += left;
	return left;
}

/* --- to send -------------------------------------------------------------------------------- */

static int check_size(const struct channel *c, const MachnetMsgHdr_t *m)
{
	uint64_t sum = 0;

	if (!m->msg_size || (m->msg_iovlen && !m->msg_iov))
		return -EINVAL;
	for (size_t i = 0; i < m->msg_iovlen; i++) {
		if (m->msg_iov[i].len > MACHNET_MSG_MAX)
			return -EMSGSIZE;
		if (m->msg_iov[i].len && !m->msg_iov[i].base)
			return -EINVAL;
		sum += m->msg_iov[i].len;
	}
	if (m->msg_size > MACHNET_MSG_MAX ||
	    m->msg_size > (uint64_t)(c->view.bufs - 1) * c->view.mss)
		return -EMSGSIZE;
	return sum == m->msg_size ? 0 : -EINVAL;
}

static void fill(struct cursor *from, uint8_t *to, uint32_t len)
{
	uint8_t *piece = NULL;
	size_t n;

	while (len && (n = cursor_piece(from, len, &piece)) > 0) {
		memcpy(to, piece, n);
		len -= (uint32_t)n;
		to += n;
	}
}

/* The i-th of n. All that the daemon reads is written: the memory may have had other owners. */
static void write_buf(struct channel *c, const MachnetMsgHdr_t *m, uint32_t i, uint32_t n,
		      struct cursor *from)
{
	const struct view *v = &c->view;
	struct chan_buf *b = view_buf(v, c->chain[i]);
	bool last = i == n - 1;

	b->magic = CHAN_BUF_MAGIC;
	b->index = c->chain[i];
	b->size = v->mss + CHAN_HEADROOM;
	b->flags = (i ? 0 : CHAN_FIRST | (m->flags & CHAN_NOTIFY)) | (last ? CHAN_LAST : CHAN_MORE);
	memcpy(&b->flow, &m->flow_info, sizeof(b->flow));
	b->msg_len = i ? 0 : m->msg_size;
	b->data_len = last ? m->msg_size - i * v->mss : v->mss;
	b->data_ofs = CHAN_HEADROOM;
	b->next = last ? CHAN_NONE : c->chain[i + 1];
	b->last = i ? CHAN_NONE : c->chain[n - 1];
	fill(from, (uint8_t *)(b + 1) + CHAN_HEADROOM, last ? m->msg_size - i * v->mss : v->mss);
}

/* The slot before the buffers, so that a full ring costs none. */
static int put(struct channel *c, const MachnetMsgHdr_t *m)
{
	uint32_t n = (m->msg_size + c->view.mss - 1) / c->view.mss;
	struct cursor from = cursor_at(m);
	int r = ring_room(&c->view.tx);

	c->wanted = n;
	if (r <= 0)
		return r < 0 ? channel_break(c, r) : -EAGAIN;
	r = bufs_take(c, n);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++)
		write_buf(c, m, i, n, &from);
	r = ring_put_one(&c->view.tx, &c->chain[0]);
	if (r < 0)
		bufs_give(c, c->chain, n);
	return r;
}

int message_send(struct channel *c, const MachnetMsgHdr_t *m)
{
	int r = check_size(c, m);

	if (r == 0)
		r = channel_look(c);
	if (r == 0)
		r = put(c, m);
	if (r == -EAGAIN)
		c->counts.tx_no_room++;
	if (r < 0)
		return r;
	channel_wake(c);
	c->counts.tx_messages++;
	c->counts.tx_bytes += m->msg_size;
	return 0;
}

/* --- received ------------------------------------------------------------------------------- */

struct received {
	struct cursor to;
	uint32_t n;    /* buffers, in c->chain */
	uint32_t size; /* bytes */
	bool too_long;
};

/* Of a buffer's header, what is looked at: each once. */
struct header {
	uint32_t magic, data_len, data_ofs, next;
	uint8_t flags;
};

static void read_header(const struct chan_buf *b, struct header *ret)
{
	const volatile struct chan_buf *v = b;

	*ret = (struct header){ v->magic, v->data_len, v->data_ofs, v->next, v->flags };
}

static void copy_out(struct received *r, const uint8_t *from, uint32_t len)
{
	uint8_t *piece = NULL;
	size_t n;

	r->size += len;
	while (len && (n = cursor_piece(&r->to, len, &piece)) > 0) {
		memcpy(piece, from, n);
		len -= (uint32_t)n;
		from += n;
	}
	r->too_long = r->too_long || len;
}

/* 1: another one follows, 0: that was the last. */
static int read_buf(struct channel *c, struct received *r, uint32_t index, uint32_t *ret_next)
{
	struct chan_buf *b;
	struct header h;

	if (index >= c->view.bufs || r->n == c->view.bufs)
		return -EBADMSG;
	c->chain[r->n++] = index;
	b = view_buf(&c->view, index);
	read_header(b, &h);
	if (h.magic != CHAN_BUF_MAGIC || h.data_ofs > view_room(&c->view) ||
	    h.data_len > view_room(&c->view) - h.data_ofs)
		return -EBADMSG;
	copy_out(r, (uint8_t *)(b + 1) + h.data_ofs, h.data_len);
	*ret_next = h.next;
	return h.flags & CHAN_MORE ? 1 : 0;
}

static int read_message(struct channel *c, uint32_t first, MachnetMsgHdr_t *m)
{
	struct received got = { .to = cursor_at(m) };
	uint32_t next = first;
	int r;

	do
		r = read_buf(c, &got, next, &next);
	while (r > 0);
	if (r == 0) {
		m->msg_size = got.size;
		memcpy(&m->flow_info, &view_buf(&c->view, first)->flow, sizeof(m->flow_info));
	}
	bufs_give(c, c->chain, got.n);
	return r == 0 && got.too_long ? -EMSGSIZE : r;
}

static void count(struct channel *c, int r, uint32_t size)
{
	if (r < 0) {
		c->counts.rx_discarded++;
	} else {
		c->counts.rx_messages++;
		c->counts.rx_bytes += size;
	}
}

/* What has come is still read when the daemon is gone. */
int message_recv(struct channel *c, MachnetMsgHdr_t *m)
{
	uint32_t first;
	int r;

	if (m->msg_iovlen && !m->msg_iov)
		return -EINVAL;
	channel_disarm(c);
	if (c->broken == -EPROTO)
		return c->broken;
	r = ring_take_one(&c->view.rx, &first);
	if (r == -EAGAIN)
		return channel_look(c);
	if (r < 0)
		return channel_break(c, r);
	r = read_message(c, first, m);
	count(c, r, m->msg_size);
	return r < 0 ? r : 1;
}
