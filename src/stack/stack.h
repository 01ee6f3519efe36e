/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message stack of one engine: from the frames of a port to messages of flows, and
 * back. Machnet's protocol towards Machnet's daemons, over a stack of our own: ARP and
 * NDP, IPv4 and IPv6, echo, UDP.
 *
 * One thread has an engine and everything of it. It makes no system call and reads no
 * clock: time comes in with stack_poll(). Nothing is allocated after stack_new().
 * Engines of one interface share a struct steering, through which frames find the
 * engine whose port they are for; see steer.h.
 */
#ifndef REEVE_STACK_STACK_H
#define REEVE_STACK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ipaddr.h"
#include "port/port.h"
#include "wire/ether.h"
#include "wire/machnet.h"

enum { STACK_ADDRS = 8, STACK_ENGINES = 16 };

struct stack;
struct flow;
struct steering;

struct stack_addr {
	struct ipaddr ip;
	uint8_t prefix; /* bits; 0: everything is on the link */
	/* The kernel has it, too: no answer to ARP, NDP or echo from here. */
	bool ports_only;
};

struct stack_echo {
	struct ipaddr from;
	uint16_t id, seq;
	uint8_t ttl;
	const uint8_t *data;
	uint32_t len;
};

/* UDP that is no flow's. */
struct stack_datagram {
	struct ipaddr local, remote;
	uint16_t local_port, remote_port;
	/* Whom the frame came from; or goes to. NULL: the way there is looked for. */
	const struct mac *via;
	const uint8_t *data;
	uint32_t len;
};

/*
 * What happens, told from within stack_poll() or from the call that leads to it. Any
 * function of this header may be called from there, about the same flow, too. Of who
 * neither connects nor listens those about flows may be NULL.
 */
struct stack_user {
	/* The end of stack_connect(); after an error (positive errno) the flow is no more. */
	void (*connected)(void *arg, struct flow *f, int error);
	/* Who connected to that listener. false: no, and the peer is told. */
	bool (*accepted)(void *arg, struct flow *f, void *listener);
	/*
	 * The next piece of a message; MACHNET_FIRST and _LAST in `flags`. false: there is
	 * no room for it now; it is kept, the peer waits, and flow_resume() brings it again.
	 */
	bool (*received)(void *arg, struct flow *f, uint8_t flags, const uint8_t *data,
			 uint32_t len);
	/* flow_put() took less than it was given, and has room now. */
	void (*sendable)(void *arg, struct flow *f);
	/* The peer or the network ended it: ECONNRESET, ETIMEDOUT, EPROTO. It is no more. */
	void (*closed)(void *arg, struct flow *f, int error);
	/* An answer to stack_ping(). May be NULL. */
	void (*echoed)(void *arg, const struct stack_echo *echo);
	/*
	 * It came for an address of ours, and a port that neither flow nor listener has.
	 * false: it is none of the user's, and the stack does with it what it does
	 * without. May be NULL.
	 */
	bool (*datagram)(void *arg, const struct stack_datagram *d);
	/*
	 * Who has this address on the link? Asked where the kernel has our address too, and
	 * the answers; it is told by stack_neighbour(), which may be called from here; no
	 * other function may. May be NULL where it has none.
	 */
	void (*resolve)(void *arg, const struct ipaddr *ip);
	/* A sentence for an administrator, seldom; calls nothing of this. May be NULL. */
	void (*notice)(void *arg, const char *text);
};

struct stack_conf {
	struct port *port; /* the caller's still */
	struct stack_addr addrs[STACK_ADDRS];
	uint32_t naddrs;
	struct ipaddr gateways[2]; /* IPv4, IPv6; zero: none */
	uint32_t flows;		   /* established at most; as many may be on their way to it */
	uint32_t segments; /* packets that are kept, to be sent again or to be put in order */
	uint32_t shares;   /* at most */
	uint32_t listeners;
	uint32_t neighbours;
	uint64_t seed;		   /* for hashes that strangers can't foresee */
	struct steering *steering; /* NULL: it is the only engine */
	uint32_t engine;	   /* its number there */
	const struct stack_user *user;
	/*
	 * From now on (not any more) the stack wants what comes to that UDP port, on addresses
	 * with ports_only. false: it can't have it, so nobody listens there, and no flow
	 * begins there. Called from within stack_connect(), stack_listen(), and wherever a
	 * flow ends. NULL: it gets them all.
	 */
	bool (*own_port)(void *arg, uint16_t port, bool on);
	void *arg; /* of it, and of `user` */
};

/* -ENOMEM, -EINVAL. */
int stack_new(const struct stack_conf *conf, uint64_t now_ns, struct stack **ret);
/* Without a word to anybody. */
void stack_free(struct stack *s);

/*
 * Takes what has come and what is due. Whether there was anything: call again soon.
 * Between two calls time stands still: who has slept calls this first, and connects or
 * puts after it, or what is new looks as old as the sleep was long.
 */
bool stack_poll(struct stack *s, uint64_t now_ns);
/* What was sent outside of stack_poll() is on its way after it. */
void stack_flush(struct stack *s);
/* Nobody polls for a while: what waits for company goes now. */
void stack_rest(struct stack *s);
/* Tells the link that our addresses are here: port->mac is another now, or the link came up. */
void stack_announce(struct stack *s);
/* When to call it at the latest, if nothing comes; UINT64_MAX: never. */
uint64_t stack_deadline(const struct stack *s);

/*
 * Whoever connects to that address and port is accepted, and told with `listener`.
 * -EADDRNOTAVAIL: no address of ours; -EADDRINUSE: here or at another engine; -ENOSPC.
 */
int stack_listen(struct stack *s, const struct ipaddr *ip, uint16_t port, void *listener);
/* Its flows stay. -ENOENT. */
int stack_unlisten(struct stack *s, const struct ipaddr *ip, uint16_t port);

/*
 * connected() is called later, never from within. -EADDRNOTAVAIL; -EADDRINUSE: no
 * source port is free; -ENETUNREACH; -ENOMEM: there are as many flows as may be.
 */
int stack_connect(struct stack *s, const struct ipaddr *local, const struct ipaddr *remote,
		  uint16_t port, void *user, struct flow **ret);

struct flow_name {
	struct ipaddr local, remote;
	uint16_t local_port, remote_port;
};

const struct flow_name *flow_name(const struct flow *f);
void flow_set_user(struct flow *f, void *user);
void *flow_user(const struct flow *f);

/*
 * The next piece of a message; `last`: with it the message is whole. Copies as much as
 * there is room for and returns how much; after less than all of it sendable() tells
 * when to go on behind it. An empty message can't be sent: 0.
 */
size_t flow_put(struct flow *f, const void *data, size_t len, bool last);
/* Whether it would take anything: sendable() waits until that is worth a call. */
bool flow_has_room(const struct flow *f);
/* There is room again for what received() refused. */
void flow_resume(struct flow *f);
/* What was put is still sent, for some seconds at most; nothing is told of it any more. */
void flow_close(struct flow *f);
/* At once. */
void flow_abort(struct flow *f);

/* --- shares ----------------------------------------------------------------------- */

/*
 * Flows that have one part together of what the engine has, such as those of one
 * application, however many they are; see share.c. Those that are given none have one, too.
 */
struct share;

/* NULL: there are as many as may be. */
struct share *share_new(struct stack *s);
/* Its flows have it until they are no more, but no new ones. Accepts NULL. */
void share_free(struct share *sh);
/* Of a flow that was just accepted, or begins to connect. NULL: as it is. */
void flow_set_share(struct flow *f, struct share *sh);

struct share_stats {
	uint32_t flows;
	uint32_t queued, held; /* segments: to be sent or acknowledged; out of order */
	uint32_t under_way;    /* packets */
	uint64_t refused;      /* times that it got no segment */
};

void share_stats(const struct share *sh, struct share_stats *ret);

/* -ENETUNREACH, -EMSGSIZE, -EAGAIN: no room, or the way there is being looked for. */
int stack_ping(struct stack *s, const struct ipaddr *to, uint16_t id, uint16_t seq,
	       const void *data, uint32_t len);

/*
 * Goes with stack_flush(), or the poll's end. -EADDRNOTAVAIL: `local` is not ours;
 * -ENETUNREACH, -EMSGSIZE; -EHOSTUNREACH: the way there is being looked for; -EAGAIN: no room.
 */
int stack_send_udp(struct stack *s, const struct stack_datagram *d);
/* The address of ours from which to speak to it. -ENETUNREACH. */
int stack_source(const struct stack *s, const struct ipaddr *to, struct ipaddr *ret);

/* --- what there is ---------------------------------------------------------------- */

struct stack_stats {
	uint64_t frames, not_ours, damaged, unsupported;
	uint64_t data, duplicate, reordered, too_far, refused, ended;
	uint64_t sent, resent, timeouts, no_room;
	uint64_t syn_dropped, resets_sent, echoes, arp_answers, steered;
	/* half_open: on their way, and over but still telling their peers. */
	uint32_t flows, half_open, listeners, neighbours, segments_free;
};

void stack_stats(const struct stack *s, struct stack_stats *ret);

struct flow_info {
	struct flow_name name;
	const char *state;
	uint32_t snd_una, snd_nxt, rcv_nxt;
	uint32_t window, queued, held;
	uint64_t rtt_ns, resent;
	void *user; /* NULL: it has none (any more) */
};

/* Each in turn: *at is 0 at first. false: there are no more. */
bool stack_next_flow(const struct stack *s, uint32_t *at, struct flow_info *ret);

struct neighbour_info {
	struct ipaddr ip;
	struct mac mac;
	const char *state;
	uint64_t age_ns; /* since it was heard of last */
};

/* What somebody else found out. */
void stack_neighbour(struct stack *s, const struct ipaddr *ip, const struct mac *mac);
bool stack_next_neighbour(const struct stack *s, uint32_t *at, struct neighbour_info *ret);

#endif
