/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel as an engine serves it: what the application asks for and sends becomes calls of
 * the stack, what the stack tells becomes completions and messages. The engine's thread
 * has it, from endpoint_join() to endpoint_leave(); it allocates nothing there.
 *
 * An application that reads nothing stops its own peers; one that writes nonsense into
 * its channel gets nonsense, or loses the channel, and nobody else notices:
 *  - a flow is used by the channel that it belongs to, which has a table of its own;
 *  - a message's payload is copied once, and its chain is followed as it goes. A first buffer
 *    that makes no sense is a message less; where the chain turns out wrong midway, what
 *    was sent can't be taken back, so the flow ends with it;
 *  - a ring whose other end makes no sense is the end of the channel.
 *
 * What is over its rate stays in its ring until it is paid for; it costs the others no wait.
 */
#ifndef REEVE_NETD_ENDPOINT_H
#define REEVE_NETD_ENDPOINT_H

#include "channel/channel.h"
#include "stack/stack.h"

enum {
	EP_CONNECTS = 8, /* under way at once */
	EP_DONE = EP_CONNECTS + 1,
	EP_LISTENERS = 16,
	EP_FLOWS_DEFAULT = 1024,
};

struct endpoint;

struct ep_listener {
	struct endpoint *ep;
	uint32_t ip;
	uint16_t port;
	bool used;
};

/* Chains of messages, by their first buffers. */
struct ep_queue {
	uint32_t first, last; /* CHAN_NONE: there is none */
};

/* The message that is on its way out of the memory. */
struct ep_out {
	uint32_t buf; /* CHAN_NONE: none is */
	struct chan_buf head;
	const uint8_t *data; /* of it */
	uint32_t at;	     /* in it */
	uint32_t left;	     /* of the message */
	uint32_t count;	     /* of its buffers so far */
};

struct ep_flow {
	struct endpoint *ep;
	struct flow *flow;    /* NULL: this one is free */
	struct chan_flow key; /* as the application names it when it sends */
	struct ep_flow *hash_next, *next_free;
	bool known;   /* in the table */
	bool own;     /* it was asked for here: a port is in use for it */
	bool closing; /* the application is done with it: what it sent still goes */

	uint64_t id; /* of the request to connect */
	bool connecting;
	uint64_t deadline_ns; /* of that, or of the closing */

	struct ep_queue queue;
	struct ep_out out;
	bool sending, full; /* on the list; the stack has no room for now */
	struct ep_flow *send_next;

	/* What has come of a message. */
	uint32_t first, last, parts, bytes;
	uint64_t came_ns; /* the last of it */
	bool starved;	  /* on the list: no buffer, or no room in the ring */
	struct ep_flow *starved_next;
};

/* What it may have; 0: no limit but those above. */
struct ep_terms {
	uint64_t rate;	/* bytes of payload that it may send in a second */
	uint32_t ports; /* that it listens on, and that its flows begin from */
};

struct ep_stats {
	uint64_t rx_messages, rx_bytes, tx_messages, tx_bytes, tx_drops;
	uint64_t aborted; /* flows that the channel could not go on with */
};

struct endpoint {
	struct channel *ch;
	struct stack *stack; /* NULL: no engine has it */
	struct share *share; /* of that; NULL: none was left */
	uint64_t seed;
	bool rings;  /* CHAN_RINGS */
	int bell;    /* the connection for it; -1: none */
	bool polled; /* its bell is not heard */
	void *user;  /* the owner's */

	struct endpoint *next, *prev; /* of its engine */

	struct ep_flow *flows, *free_flows;
	uint32_t nflows, used_flows, max_flows; /* now; ever; at most */
	struct ep_flow **table;
	uint32_t table_mask;
	struct ep_listener listeners[EP_LISTENERS];
	uint32_t nlisteners, nconnects, nclosing;
	uint32_t nown; /* flows that were asked for here */
	struct ep_terms terms;
	uint64_t paid_ns; /* when what was sent is paid for, at its rate */

	struct chan_ctrl done[EP_DONE]; /* completions that have no room yet */
	uint32_t ndone;

	uint32_t *queued; /* by buffer: the message behind it; EP_NOT_QUEUED */
	uint32_t *chain;  /* by buffer: what follows in a message that came */
	struct ep_queue trash;
	struct ep_out trash_out;
	struct ep_flow *send_first, **send_end;
	uint32_t soon_at; /* the next flow to be asked for room */
	struct ep_flow *starved_first, **starved_end;

	uint32_t parts;	     /* buffers with parts of messages */
	struct ep_flow *big; /* the one whose message may be long */
	uint64_t big_ns;     /* since when */
	uint64_t now_ns;     /* of this turn, or the last one */
	bool choked;	     /* there was no buffer */
	bool told;	     /* something was put into a ring */
	bool waits;	     /* a thread of the application is in the way */
	bool lingers;
	uint64_t linger_ns;
	_Atomic bool broken; /* it is to be taken away */
	bool break_told;     /* its owner knows */
	struct ep_stats stats;
};

/* Takes the channel; it is the caller's still when this fails. -ENOMEM. */
int endpoint_new(struct channel *ch, bool rings, uint32_t flows, uint64_t seed,
		 struct endpoint **ret);
/* No engine has it, or this one. What it has beyond that it keeps. */
void endpoint_set_terms(struct endpoint *ep, const struct ep_terms *terms);
/* With its channel. No engine has it. */
void endpoint_free(struct endpoint *ep);

/* Its listeners of an earlier time listen again, if they may. */
void endpoint_join(struct endpoint *ep, struct stack *s);
/* Its flows end, and what is being connected is answered: ENETDOWN. */
void endpoint_leave(struct endpoint *ep);
/* The application has gone: what it sent is still sent, until that time at most. */
void endpoint_linger(struct endpoint *ep, uint64_t until_ns);

/*
 * Takes what the application has put there, up to a limit, and gives it what there is
 * room for now. Whether anything was done.
 */
bool endpoint_turn(struct endpoint *ep, uint64_t now_ns);
/* Whether it wants to be looked at though the application rings no bell. */
bool endpoint_wants_polls(const struct endpoint *ep);
/* Whether it has sent more than is paid for yet. */
static inline bool endpoint_is_held(const struct endpoint *ep)
{
	return ep->terms.rate && ep->paid_ns > ep->now_ns;
}
/* When it has to be looked at, if nothing comes. */
uint64_t endpoint_deadline(const struct endpoint *ep);

/* What the stack tells; the flow's user is one of ours. For struct stack_user. */
void endpoint_connected(void *arg, struct flow *f, int error);
bool endpoint_accepted(void *arg, struct flow *f, void *listener);
bool endpoint_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len);
void endpoint_sendable(void *arg, struct flow *f);
void endpoint_closed(void *arg, struct flow *f, int error);

#endif
