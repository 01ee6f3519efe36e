/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer without a stack: a port of the simulated network, and frames built byte by
 * byte after the tables in the description of the protocol, on purpose without src/wire:
 * what both sides share can't test itself. It plays a daemon of the reference, or who
 * pretends to be one.
 */
#ifndef TEST_STACK_RAW_H
#define TEST_STACK_RAW_H

#include "world.h"

enum { RAW_FRAME = 3600, RAW_MACHNET = 96 };

struct raw {
	struct world *world;
	struct port *port;
	uint8_t ip[4];
};

struct raw_frame {
	uint32_t len;
	uint8_t b[RAW_FRAME];
};

/* What stands in a Machnet header, and between which ports. */
struct raw_packet {
	uint16_t from, to;
	uint8_t kind, flags;
	uint32_t seq, ack;
};

void raw_open(struct raw *r, struct world *w, const char *ip);
/* As it is, and to where it is going at once. */
void raw_send(struct raw *r, const struct raw_frame *f);
/* The next that came; false: none. */
bool raw_next(struct raw *r, struct raw_frame *ret);
/* Reads all that came; how many Machnet packets of that kind. *last (may be NULL): the last. */
uint32_t raw_count(struct raw *r, uint8_t kind, struct raw_packet *last);
void raw_forget(struct raw *r);

/* Frames from this peer to a host; `data` may be NULL. */
void raw_machnet(const struct raw *r, const struct host *to, const struct raw_packet *p,
		 const void *data, uint32_t len, struct raw_frame *ret);
void raw_say(struct raw *r, const struct host *to, const struct raw_packet *p);
void raw_say_data(struct raw *r, const struct host *to, const struct raw_packet *p,
		  const void *data, uint32_t len);
/* Of ARP: op, the sender as it says, and whom it is about. `to`: a MAC. */
void raw_arp(struct raw *r, const uint8_t to[6], uint16_t op, const uint8_t ip[4],
	     const uint8_t about[4]);
/* IPv4 with this protocol; the checksum of the header is made. */
void raw_ip4(const struct raw *r, const struct host *to, uint8_t proto, const void *data,
	     uint32_t len, struct raw_frame *ret);
uint16_t raw_sum(const void *at, uint32_t len);
bool raw_is_machnet(const struct raw_frame *f, struct raw_packet *ret);
/* Tells the host where this peer is, as by answering it. */
void raw_introduce(struct raw *r, const struct host *to);
/* A handshake from here to a listener of the host: 1024 to `port`. */
void raw_connect(struct raw *r, const struct host *to, uint16_t port);
/* A world with a host, and a peer that is connected to its port 888: who is behind that. */
struct side *raw_meet(struct raw *r, struct world *w, struct host **ret);

extern const uint8_t raw_everybody[6];

#endif
