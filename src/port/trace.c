/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tap is in the place of the port's functions: those of the backend are called from
 * here, with the port as they know it. Blocks are gathered up to what a pipe takes as a whole,
 * and written at the end of a burst: a system call for each burst, not for each frame.
 *
 * pcap-ng: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html. Numbers are in the
 * byte order of this machine; who reads sees it by the magic.
 */
#include "port/trace.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINK_ETHERNET = 1,
	SNAP = TRACE_BLOCK_MAX - 96,
};

enum {
	OPT_END = 0,
	OPT_SECTION_APPLICATION = 4,
	OPT_IF_NAME = 2,
	OPT_IF_RESOLUTION = 9,
	OPT_PACKET_FLAGS = 2,
	OPT_PACKET_DROPPED = 4,
	OPT_STATS_RECEIVED = 4,
	OPT_STATS_DROPPED = 5,
};

enum { INBOUND = 1, OUTBOUND = 2, NANOSECONDS = 9 };

struct buffer {
	uint32_t len;
	uint8_t bytes[TRACE_BLOCK_MAX];
};

struct trace {
	struct port_ops ops; /* the first member: how the tap is found from the port */
	const struct port_ops *inner;
	struct port *port;
	struct trace_conf conf;
	struct trace_stats stats;
	uint64_t lost;	   /* since the last block that told of it */
	uint32_t gathered; /* frames in the buffer */
	uint64_t told;	   /* lost frames that a block in the buffer tells of */
	struct buffer buf;
};

/* --- blocks ----------------------------------------------------------------------------- */

static void put(struct buffer *b, const void *data, uint32_t len)
{
	memcpy(b->bytes + b->len, data, len);
	b->len += len;
	while (b->len % 4)
		b->bytes[b->len++] = 0;
}

static void put16(struct buffer *b, uint16_t first, uint16_t second)
{
	const uint16_t both[2] = { first, second };

	put(b, both, sizeof(both));
}

static void put32(struct buffer *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

/* A time is two words, the high one first, whatever the byte order. */
static void put_time(struct buffer *b, uint64_t ns)
{
	put32(b, (uint32_t)(ns >> 32));
	put32(b, (uint32_t)ns);
}

static void put_option(struct buffer *b, uint16_t code, const void *data, uint16_t len)
{
	put16(b, code, len);
	put(b, data, len);
}

static uint32_t begin(struct buffer *b, uint32_t type)
{
	uint32_t at = b->len;

	put32(b, type);
	put32(b, 0);
	return at;
}

static void end(struct buffer *b, uint32_t at)
{
	uint32_t len;

	put16(b, OPT_END, 0);
	len = b->len - at + 4;
	put32(b, len);
	memcpy(b->bytes + at + 4, &len, sizeof(len));
}

static void put_section(struct buffer *b)
{
	static const char program[] = "reeve " REEVE_VERSION;
	const uint64_t unknown = UINT64_MAX; /* its length */
	uint32_t at = begin(b, BLOCK_SECTION);

	put32(b, BYTE_ORDER_MAGIC);
	put16(b, 1, 0);
	put(b, &unknown, sizeof(unknown));
	put_option(b, OPT_SECTION_APPLICATION, program, sizeof(program) - 1);
	end(b, at);
}

static void put_interface(struct buffer *b, const char *name)
{
	const uint8_t resolution = NANOSECONDS;
	uint32_t at = begin(b, BLOCK_INTERFACE);

	put16(b, LINK_ETHERNET, 0);
	put32(b, SNAP);
	put_option(b, OPT_IF_NAME, name, (uint16_t)strnlen(name, TRACE_NAME_MAX));
	put_option(b, OPT_IF_RESOLUTION, &resolution, sizeof(resolution));
	end(b, at);
}

static void put_packet(struct trace *t, const struct frame *f, uint32_t direction)
{
	uint32_t kept = f->len < SNAP ? f->len : SNAP;
	struct buffer *b = &t->buf;
	uint32_t at = begin(b, BLOCK_PACKET);

	put32(b, t->conf.interface);
	put_time(b, t->conf.wall_ns());
	put32(b, kept);
	put32(b, f->len);
	put(b, f->data, kept);
	put_option(b, OPT_PACKET_FLAGS, &direction, sizeof(direction));
	if (t->lost)
		put_option(b, OPT_PACKET_DROPPED, &t->lost, sizeof(t->lost));
	end(b, at);
	t->told += t->lost;
	t->lost = 0;
	t->gathered++;
}

static void put_statistics(struct trace *t)
{
	uint32_t at = begin(&t->buf, BLOCK_STATISTICS);

	put32(&t->buf, t->conf.interface);
	put_time(&t->buf, t->conf.wall_ns());
	put_option(&t->buf, OPT_STATS_RECEIVED, &t->stats.frames, sizeof(t->stats.frames));
	put_option(&t->buf, OPT_STATS_DROPPED, &t->stats.dropped, sizeof(t->stats.dropped));
	end(&t->buf, at);
}

int trace_header(int pipe, const char *const *names, unsigned n)
{
	_cleanup_free_ struct buffer *b = calloc(1, sizeof(*b));
	ssize_t done;

	if (!b)
		return -ENOMEM;
	put_section(b);
	for (unsigned i = 0; i < n; i++) {
		if (b->len + TRACE_NAME_MAX + 64 > sizeof(b->bytes))
			return -E2BIG;
		put_interface(b, names[i]);
	}
	done = write(pipe, b->bytes, b->len);
	return done == (ssize_t)b->len ? 0 : done < 0 ? -errno : -EIO;
}

/* --- into the pipe ------------------------------------------------------------------------ */

static void write_out(struct trace *t)
{
	ssize_t n;

	if (!t->buf.len)
		return;
	do {
		n = write(t->conf.pipe, t->buf.bytes, t->buf.len);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		t->stats.ended |= errno != EAGAIN;
		t->stats.dropped += t->gathered;
		t->lost += t->told + t->gathered;
	}
	t->buf.len = t->gathered = 0;
	t->told = 0;
}

static uint32_t bytes_of(const struct frame *f)
{
	return (f->len < SNAP ? f->len : SNAP) + 64;
}

static void tap(struct trace *t, const struct frame *f, uint32_t direction)
{
	if (t->stats.ended)
		return;
	if (t->buf.len + bytes_of(f) > sizeof(t->buf.bytes))
		write_out(t);
	t->stats.frames++;
	put_packet(t, f, direction);
}

/* --- in the place of the port's own ---------------------------------------------------------- */

static struct trace *of(const struct port *p)
{
	return (struct trace *)p->ops;
}

static unsigned rx(struct port *p, struct frame *ret, unsigned max)
{
	struct trace *t = of(p);
	unsigned n = t->inner->rx(p, ret, max);

	for (unsigned i = 0; i < n; i++)
		tap(t, &ret[i], INBOUND);
	write_out(t);
	return n;
}

static uint8_t *tx_room(struct port *p)
{
	return of(p)->inner->tx_room(p);
}

/* The room is the same until it is used. */
static void tx(struct port *p, uint32_t len)
{
	struct trace *t = of(p);
	struct frame f = { .data = t->inner->tx_room(p), .len = len };

	if (f.data)
		tap(t, &f, OUTBOUND);
	t->inner->tx(p, len);
}

static void flush(struct port *p)
{
	struct trace *t = of(p);

	t->inner->flush(p);
	write_out(t);
}

static void close_port(struct port *p)
{
	struct trace *t = of(p);

	p->ops = t->inner;
	t->port = NULL;
	port_close(p);
}

/* --- start and end --------------------------------------------------------------------------- */

int trace_start(const struct trace_conf *conf, struct port *port, struct trace **ret)
{
	struct trace *t;

	if (port->ops->rx == rx)
		return -EBUSY;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->ops = (struct port_ops){
		.rx = rx, .tx_room = tx_room, .tx = tx, .flush = flush, .close = close_port
	};
	t->conf = *conf;
	if (!t->conf.wall_ns)
		t->conf.wall_ns = clock_wall_ns;
	t->inner = port->ops;
	t->port = port;
	port->ops = &t->ops;
	*ret = t;
	return 0;
}

void trace_stop(struct trace *t)
{
	if (!t)
		return;
	if (t->port)
		t->port->ops = t->inner;
	write_out(t);
	if (!t->stats.ended) {
		put_statistics(t);
		write_out(t);
	}
	free(t);
}

void trace_stats(const struct trace *t, struct trace_stats *ret)
{
	*ret = t->stats;
}
