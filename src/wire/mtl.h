/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MTL Manager protocol: bytes to struct and back. Pure.
 *
 * One fixed message of 118 bytes each way over a stream socket, integers big
 * endian (facts: message layout of libmtl's mt_instance.c as recorded from the
 * running original). body_len is host order in some requests of libmtl and is
 * never looked at. Bytes a message does not use are uninitialised in requests
 * (ignored) and zero in our replies.
 */
#ifndef REEVE_WIRE_MTL_H
#define REEVE_WIRE_MTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MTL_FRAME = 118,
	MTL_MAGIC = 0x494D544C,
	MTL_HOSTNAME = 64,
	MTL_IF_MAX = 8,
	MTL_FD_BYTE = 0x20, /* the one byte that carries a descriptor */
};

enum mtl_type {
	MTL_REGISTER = 101,
	MTL_HEARTBEAT = 102,
	MTL_GET_LCORE = 103,
	MTL_PUT_LCORE = 104,
	MTL_ADD_UDP_FILTER = 105,
	MTL_DEL_UDP_FILTER = 106,
	MTL_XSK_MAP_FD = 107,
	MTL_GET_QUEUE = 108,
	MTL_PUT_QUEUE = 109,
	MTL_ADD_FLOW = 110,
	MTL_DEL_FLOW = 111,
	MTL_RESPONSE = 201,
	MTL_QUEUE_ID = 202,
	MTL_FLOW_ID = 203,
};

struct mtl_request {
	uint32_t type; /* any value: unknown types are decoded too */
	union {
		struct {
			uint32_t pid, uid;		 /* what the client claims */
			char hostname[MTL_HOSTNAME + 1]; /* NUL-terminated; bytes as sent */
			uint16_t num_if; /* as sent; only MTL_IF_MAX of them exist */
			uint32_t ifindex[MTL_IF_MAX];
		} reg;
		uint32_t heartbeat;
		uint16_t lcore;
		struct {
			uint32_t ifindex;
			uint16_t port; /* host order */
		} udp;
		struct {
			uint32_t ifindex;
			uint16_t queue;
			uint32_t flow_id, flow_type;
			uint32_t src_ip, dst_ip;     /* as a __be32 in memory: ready for ethtool */
			uint16_t src_port, dst_port; /* host order */
		} intf;
	};
};

/* How a request is answered; see mtl_reply_kind(). */
enum mtl_reply_kind {
	MTL_REPLY_NONE,	    /* not a request in any version: nobody waits */
	MTL_REPLY_RESPONSE, /* 201 */
	MTL_REPLY_QUEUE,    /* 202 */
	MTL_REPLY_FLOW,	    /* 203 */
	MTL_REPLY_FD,	    /* one byte and a descriptor */
};

/* Decodes one frame whose magic was checked by mtl_frame_next(). Total: never fails. */
void mtl_decode(const uint8_t frame[static MTL_FRAME], struct mtl_request *ret);

/*
 * Values that no version sends as a request - those a C enum holds as zero or
 * negative, the range markers 100 and 200, and the replies 201 to 203 - get no
 * answer; answering a reply could go round for ever. Every other value does.
 */
enum mtl_reply_kind mtl_reply_kind(uint32_t type);

/* "GET_LCORE" ...; "unknown" */
const char *mtl_type_name(uint32_t type);

/* kind: RESPONSE, QUEUE or FLOW. */
void mtl_encode(uint8_t frame[static MTL_FRAME], enum mtl_reply_kind kind, int32_t value);

/*
 * Reassembly. A connection keeps the bytes of at most one unfinished frame.
 * Bytes that can't begin a frame are skipped up to the next magic. When a read
 * begins with a magic and a known request type while an unfinished frame is
 * held, the held part was given up by the sender and is skipped: the original
 * manager's clients can count on that.
 */
struct mtl_framer {
	uint8_t held[MTL_FRAME];
	uint32_t nheld;
};

/*
 * Takes the next frame out of what was held and of the *len bytes at *data,
 * which are moved past what was used. true: *frame is whole. false: all bytes
 * are used. `fresh` says that *data is the beginning of what one read
 * returned; pass false when calling again for the same read. *skipped grows by
 * the bytes thrown away.
 */
bool mtl_frame_next(struct mtl_framer *f, const uint8_t **data, size_t *len, bool fresh,
		    uint8_t frame[static MTL_FRAME], size_t *skipped);

#endif
