/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/mtl.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/cleanup.h"

#define _packed_ __attribute__((packed))

/* A frame as it travels, both ways. Every integer is big endian but body_len. */
struct mtl_wire {
	uint32_t magic, type;
	uint32_t body_len; /* of either byte order in requests */
	union {
		struct {
			uint32_t pid, uid;
			char hostname[MTL_HOSTNAME]; /* older clients fill it without a NUL */
			uint16_t num_if;
			uint32_t ifindex[MTL_IF_MAX];
		} _packed_ reg;
		uint32_t heartbeat;
		uint16_t lcore;
		struct {
			uint32_t ifindex;
			uint16_t port;
		} _packed_ udp;
		struct {
			uint32_t ifindex;
			uint16_t queue;
			uint32_t flow_id, flow_type;
			uint32_t src_ip, dst_ip;
			uint16_t src_port, dst_port;
		} _packed_ intf;
		int32_t response;
	} _packed_;
} _packed_;

#define AT(member, offset) \
	_Static_assert(offsetof(struct mtl_wire, member) == (offset), #member " is at " #offset)
AT(type, 4);
AT(body_len, 8);
AT(reg.pid, 12);
AT(reg.uid, 16);
AT(reg.hostname, 20);
AT(reg.num_if, 84);
AT(reg.ifindex, 86);
AT(heartbeat, 12);
AT(lcore, 12);
AT(udp.ifindex, 12);
AT(udp.port, 16);
AT(intf.ifindex, 12);
AT(intf.queue, 16);
AT(intf.flow_id, 18);
AT(intf.flow_type, 22);
AT(intf.src_ip, 26);
AT(intf.dst_ip, 30);
AT(intf.src_port, 34);
AT(intf.dst_port, 36);
AT(response, 12);
static_assert(sizeof(struct mtl_wire) == MTL_FRAME, "a frame is 118 bytes");
#undef AT

static const uint8_t magic_bytes[] = { 'I', 'M', 'T', 'L' };

static const char *const type_names[] = {
	[MTL_REGISTER] = "REGISTER",
	[MTL_HEARTBEAT] = "HEARTBEAT",
	[MTL_GET_LCORE] = "GET_LCORE",
	[MTL_PUT_LCORE] = "PUT_LCORE",
	[MTL_ADD_UDP_FILTER] = "ADD_UDP_FILTER",
	[MTL_DEL_UDP_FILTER] = "DEL_UDP_FILTER",
	[MTL_XSK_MAP_FD] = "XSK_MAP_FD",
	[MTL_GET_QUEUE] = "GET_QUEUE",
	[MTL_PUT_QUEUE] = "PUT_QUEUE",
	[MTL_ADD_FLOW] = "ADD_FLOW",
	[MTL_DEL_FLOW] = "DEL_FLOW",
	[MTL_RESPONSE] = "RESPONSE",
	[MTL_QUEUE_ID] = "QUEUE_ID",
	[MTL_FLOW_ID] = "FLOW_ID",
};

const char *mtl_type_name(uint32_t type)
{
	const char *name = type < ARRAY_SIZE(type_names) ? type_names[type] : NULL;

	return name ? name : "unknown";
}

static void decode_reg(const struct mtl_wire *w, struct mtl_request *q)
{
	q->reg.pid = be32toh(w->reg.pid);
	q->reg.uid = be32toh(w->reg.uid);
	memcpy(q->reg.hostname, w->reg.hostname, MTL_HOSTNAME);
	q->reg.num_if = be16toh(w->reg.num_if);
	for (unsigned i = 0; i < MTL_IF_MAX; i++)
		q->reg.ifindex[i] = be32toh(w->reg.ifindex[i]);
}

/*
 * A client holds an address in network order and swaps it like any number, so
 * that it travels reversed; swapping it back gives the network order again.
 */
static void decode_intf(const struct mtl_wire *w, struct mtl_request *q)
{
	q->intf.ifindex = be32toh(w->intf.ifindex);
	q->intf.queue = be16toh(w->intf.queue);
	q->intf.flow_id = be32toh(w->intf.flow_id);
	q->intf.flow_type = be32toh(w->intf.flow_type);
	q->intf.src_ip = be32toh(w->intf.src_ip);
	q->intf.dst_ip = be32toh(w->intf.dst_ip);
	q->intf.src_port = be16toh(w->intf.src_port);
	q->intf.dst_port = be16toh(w->intf.dst_port);
}

void mtl_decode(const uint8_t frame[static MTL_FRAME], struct mtl_request *ret)
{
	struct mtl_wire w;

	memcpy(&w, frame, sizeof(w));
	memset(ret, 0, sizeof(*ret));
	ret->type = be32toh(w.type);
	switch (ret->type) {
	case MTL_REGISTER:
		decode_reg(&w, ret);
		break;
	case MTL_HEARTBEAT:
		ret->heartbeat = be32toh(w.heartbeat);
		break;
	case MTL_GET_LCORE:
	case MTL_PUT_LCORE:
		ret->lcore = be16toh(w.lcore);
		break;
	case MTL_ADD_UDP_FILTER:
	case MTL_DEL_UDP_FILTER:
		ret->udp.ifindex = be32toh(w.udp.ifindex);
		ret->udp.port = be16toh(w.udp.port);
		break;
	case MTL_XSK_MAP_FD:
	case MTL_GET_QUEUE:
	case MTL_PUT_QUEUE:
	case MTL_ADD_FLOW:
	case MTL_DEL_FLOW:
		decode_intf(&w, ret);
		break;
	default:
		break;
	}
}

enum mtl_reply_kind mtl_reply_kind(uint32_t type)
{
	if (type > INT32_MAX)
		return MTL_REPLY_NONE;
	switch (type) {
	case 0:
	case 100:
	case 200:
	case MTL_RESPONSE:
	case MTL_QUEUE_ID:
	case MTL_FLOW_ID:
		return MTL_REPLY_NONE;
	case MTL_XSK_MAP_FD:
		return MTL_REPLY_FD;
	case MTL_GET_QUEUE:
		return MTL_REPLY_QUEUE;
	case MTL_ADD_FLOW:
		return MTL_REPLY_FLOW;
	default:
		return MTL_REPLY_RESPONSE;
	}
}

static uint32_t reply_type(enum mtl_reply_kind kind)
{
	switch (kind) {
	case MTL_REPLY_QUEUE:
		return MTL_QUEUE_ID;
	case MTL_REPLY_FLOW:
		return MTL_FLOW_ID;
	default:
		return MTL_RESPONSE;
	}
}

/* The rest is cleared first: what a union or a struct leaves undefined must not travel. */
void mtl_encode(uint8_t frame[static MTL_FRAME], enum mtl_reply_kind kind, int32_t value)
{
	const uint32_t words[] = {
		htobe32(MTL_MAGIC),
		htobe32(reply_type(kind)),
		htobe32(sizeof(value)),
		htobe32((uint32_t)value),
	};

	memset(frame, 0, MTL_FRAME);
	memcpy(frame, words, sizeof(words));
}

static bool begins_request(const uint8_t *data, size_t len)
{
	uint32_t type;

	if (len < sizeof(magic_bytes) + sizeof(type) ||
	    memcmp(data, magic_bytes, sizeof(magic_bytes)) != 0)
		return false;
	memcpy(&type, data + sizeof(magic_bytes), sizeof(type));
	type = be32toh(type);
	return type >= MTL_REGISTER && type <= MTL_DEL_FLOW;
}

/* Where the magic begins, whole or cut off by the end; `len` when nowhere. */
static size_t find_magic(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t n = len - i < sizeof(magic_bytes) ? len - i : sizeof(magic_bytes);

		if (memcmp(data + i, magic_bytes, n) == 0)
			return i;
	}
	return len;
}

static void drop_front(struct mtl_framer *f, size_t n, size_t *skipped)
{
	f->nheld -= (uint32_t)n;
	memmove(f->held, f->held + n, f->nheld);
	*skipped += n;
}

/* Between two calls the held bytes begin with the magic, as far as they go. */
bool mtl_frame_next(struct mtl_framer *f, const uint8_t **data, size_t *len, bool fresh,
		    uint8_t frame[static MTL_FRAME], size_t *skipped)
{
	if (fresh && begins_request(*data, *len))
		drop_front(f, f->nheld, skipped);
	while (*len > 0) {
		size_t room = sizeof(f->held) - f->nheld;
		size_t n = *len < room ? *len : room;

		memcpy(f->held + f->nheld, *data, n);
		f->nheld += (uint32_t)n;
		*data += n;
		*len -= n;
		drop_front(f, find_magic(f->held, f->nheld), skipped);
		if (f->nheld == sizeof(f->held)) {
			memcpy(frame, f->held, sizeof(f->held));
			f->nheld = 0;
			return true;
		}
	}
	return false;
}
