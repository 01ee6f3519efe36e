/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the stack. A frame comes in at input.c, which knows all layers below UDP;
 * flow.c has what is between: the life of a flow. Everything goes out by output.c.
 */
#ifndef REEVE_STACK_IMPL_H
#define REEVE_STACK_IMPL_H

#include "base/clock.h"
#include "base/rate.h"
#include "stack/stack.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/udp.h"

/* A packet that is kept: not acknowledged yet, or ahead of one that is missing. */
struct seg {
	struct seg *next;
	uint64_t first_ns, sent_ns; /* the first time, the last */
	uint32_t seq;		    /* of one that came */
	uint16_t len;
	uint8_t flags;
	uint8_t tries;
	uint8_t data[MACHNET_MSS];
};

struct seg_pool {
	struct seg *all, *free;
	uint32_t n, nfree;
};

enum {
	SYN_FIRST_MS = 200,
	HURRIES = 6, /* times that one goes again before its time */
};

enum flow_state {
	FLOW_FREE,
	FLOW_SYN_SENT,
	FLOW_SYN_RECEIVED, /* nobody knows of it yet */
	FLOW_ESTABLISHED,
	FLOW_CLOSING,	/* its user has gone; what was put is still to be acknowledged */
	FLOW_RESETTING, /* is over here; the peer is told some times */
	FLOW_DEAD,	/* until the poll is over */
};

struct flow {
	struct stack *stack;
	struct flow *hash_next;
	struct flow *next; /* free, or dead */
	struct flow_name name;
	struct ipaddr hop; /* whose MAC frames go to */
	struct mac hint;   /* where the SYN came from: until the hop's own is known */
	bool has_hint;
	void *user;
	enum flow_state state;
	uint16_t mss;

	/* What we send: acknowledged up to una, sent up to nxt, the rest is queued. */
	uint32_t una, nxt;
	struct seg *first, *unsent, *last; /* from una on; from nxt on */
	uint32_t nsegs;
	uint32_t window, threshold, grown; /* packets; grown: acknowledged since it grew */
	uint32_t dups;			   /* acknowledgements in a row that brought nothing */
	uint32_t recover;		   /* until it is acknowledged, losses are one loss */
	bool recovering, in_message, wants_room, active;
	uint8_t hurries;		      /* times that the first went again before its time */
	uint32_t kept_window, kept_threshold; /* before the last loss */
	bool doubtful;			      /* it may have been none */
	uint8_t again;			      /* times that what timed out went again */
	uint8_t echoes;			      /* answers to those that are to come yet */

	/* What comes: all before rcv was delivered. */
	uint32_t rcv;
	struct seg *held;
	uint32_t nheld;
	bool in_peers_message, stuck;
	bool owes_ack, in_owe_ack;
	uint8_t old_acks; /* sent for this rcv, beyond the first */
	uint8_t probes;
	uint64_t probed_ns, greeted_ns;
	struct flow *owe_next;

	struct share *share;
	uint32_t counted; /* what the share knows to be under way */
	bool presses;	  /* has more to send than may be under way */
	bool waits;	  /* for its turn */
	struct flow *wait_next;

	uint64_t rtt_ns, rtt_var_ns, rto_ns;
	uint8_t misfits; /* answers in a row that came when none was to come */
	uint64_t
		perhaps_ns; /* if what was answered is the first of those that went; 0: it is not */
	uint64_t heard_ns, since_ns;
	uint64_t silent_ns;	     /* the first timeout since it was heard of; 0: none */
	uint64_t deadline, timer_ns; /* when it is due; what the heap has it under */
	uint32_t heap_at;	     /* plus 1; 0: not in it */
	uint8_t tries;		     /* SYNs, SYN-ACKs, resets */
	uint64_t resent;
};

/* Its peer is there, as far as anybody knows. */
static inline bool flow_is_up(const struct flow *f)
{
	return f->state == FLOW_ESTABLISHED || f->state == FLOW_CLOSING;
}

struct share {
	struct stack *stack; /* NULL: there is none */
	bool open;	     /* not given up by its user */
	bool waits;	     /* in the list of those that wait for their turn */
	struct share *next;
	struct flow *flows, **flows_end; /* that wait */
	uint32_t nwaiting;
	uint32_t nflows;
	uint32_t queued, held; /* segments: to be sent or acknowledged, out of order */
	uint32_t under_way;    /* packets */
	uint32_t pressing;     /* flows */
	uint64_t rtt_least_ns; /* 0: none was seen yet */
	uint64_t refused;
};

struct listener {
	struct ipaddr ip;
	uint16_t port;
	bool used;
	void *user;
};

enum neigh_state { NEIGH_FREE, NEIGH_ASKED, NEIGH_KNOWN, NEIGH_DOUBTED };

struct neigh {
	struct ipaddr ip;
	struct mac mac;
	enum neigh_state state;
	uint8_t tries;
	uint64_t heard_ns, used_ns, due_ns;
};

struct stack {
	struct stack_conf conf;
	struct port *port;
	uint64_t now;
	uint64_t key[2];
	struct stack_stats stats;

	struct seg_pool segs;
	struct flow *flows, *free_flows, *dead;
	uint32_t nflows, max_flows; /* so many were ever in use; so many there are */
	struct flow **table;
	uint32_t table_mask;
	struct flow **heap;
	uint32_t nheap;
	struct flow *owe_ack;
	uint32_t owed;	  /* packets that are to be acknowledged */
	uint64_t owed_ns; /* when, at the latest, if there are any */
	bool sending;	  /* something goes with the next flush */
	uint32_t half_open_at;

	struct share common; /* of flows that were given none */
	struct share *shares;
	uint32_t nshares;	    /* that are open */
	uint32_t reserve, reserved; /* segments: of each; of all, and not used */
	uint32_t npressing;	    /* shares */
	struct share *waiting, **waiting_end;
	uint32_t nwaiting;
	bool full; /* the port had no room */

	struct listener *listeners;
	uint32_t *port_users;	/* by port: listeners and flows */
	uint32_t *shared_users; /* those on addresses with ports_only; NULL: there is none */
	uint16_t next_port;

	struct neigh *neighs;
	uint64_t neigh_due;
	struct mac announced;		   /* the MAC that the link knows us by */
	uint64_t defended_ns[STACK_ADDRS]; /* 0: never */
	struct rate reset_rate, answer_rate, arp_rate, notice_rate;
};

/* --- input.c ----------------------------------------------------------------------- */

/* `copy`: another engine has it, too, and answers. */
void input(struct stack *s, uint8_t *frame, uint32_t len, bool copy);
const struct stack_addr *stack_own(const struct stack *s, const struct ipaddr *ip);
void stack_notice(struct stack *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- output.c ---------------------------------------------------------------------- */

/* The address that frames to `to` are handed to. -ENETUNREACH. */
int route(const struct stack *s, const struct ipaddr *to, struct ipaddr *ret);
/* The address of ours from which to speak to `to`; NULL: none of its kind. */
const struct stack_addr *source_for(const struct stack *s, const struct ipaddr *to);
/* Where what is behind the headers of such a packet is to be written; NULL: no room. */
uint8_t *output_room(struct stack *s, const struct ip *ip);
/* The packet goes; ip->len bytes were written there. */
void output(struct stack *s, const struct mac *to, const struct ip *ip);
void output_arp(struct stack *s, const struct mac *to, const struct arp *a);
/* The rest of *ip is filled in. false: no room. */
bool output_icmp(struct stack *s, const struct mac *to, struct ip *ip, const struct icmp *m);
/* false: no room, or nobody knows the way. */
bool output_flow(struct flow *f, const struct machnet *m, const void *data, uint32_t len);
/* About no flow of ours: the answer to such a packet. */
void output_reset(struct stack *s, const struct mac *to, const struct flow_name *name, uint32_t seq,
		  uint32_t ack);

/* --- datagram.c -------------------------------------------------------------------- */

/* Whether its user took it. */
bool datagram_input(struct stack *s, const struct flow_name *name, const struct mac *from,
		    const struct udp *u);

/* --- neigh.c ----------------------------------------------------------------------- */

/* NULL: it is being asked for. */
const struct mac *neigh_resolve(struct stack *s, const struct ipaddr *ip);
/* `copy`: another engine answers. */
void neigh_arp(struct stack *s, const struct arp *a, bool copy);
void neigh_nd(struct stack *s, const struct ip *ip, const struct icmp *m, bool copy);
void neigh_timers(struct stack *s);
/* Tells the link that our addresses are here. */
void neigh_announce(struct stack *s);

/* --- flow.c ------------------------------------------------------------------------- */

void flow_input(struct stack *s, const struct flow_name *name, const struct mac *from,
		const uint8_t *data, uint32_t len);
void flow_due(struct flow *f);
/* There is a sign of life. */
void flow_heard(struct flow *f);

/* --- flow_life.c ---------------------------------------------------------------------- */

/* NULL: there are as many as may be, or the port is another engine's. */
struct flow *flow_new(struct stack *s, const struct flow_name *name);
/* Its memory stays as it is until the poll is over: who called may still look at it. */
void flow_bury(struct flow *f);
/* It is no more, and its user is told. */
void flow_end(struct flow *f, int error);
/* Of one that is up: the same, and the peer is told. */
void flow_reset(struct flow *f, int error);
/* The peer alone is told, now and some times more. */
void flow_begin_reset(struct flow *f);
void flow_reset_due(struct flow *f);
void flow_send_resets(struct flow *f);
/* Whether there is room for one more; those that are nobody's go for it. */
bool flow_make_way(struct stack *s);
void flow_set_timer(struct flow *f, uint64_t after_ns);
/* Doubled for each try so far. */
uint64_t flow_backoff_ns(uint32_t first_ms, uint8_t tries, uint32_t most_ms);

/* --- flow_open.c ----------------------------------------------------------------------- */

void open_syn(struct stack *s, const struct flow_name *name, const struct mac *from);
void open_due(struct flow *f);
/* The third packet has come; the second one has. */
void open_accepted(struct flow *f);
void open_connected(struct flow *f);
struct listener *stack_listener(const struct stack *s, const struct ipaddr *ip, uint16_t port);
/* Somebody's MAC is known now. */
void flows_resolved(struct stack *s, const struct ipaddr *ip);

/* --- flow_loss.c ------------------------------------------------------------------------- */

void loss_rtt(struct flow *f, uint64_t took_ns);
/* How long the first may be under way. */
uint64_t loss_wait_ns(struct flow *f);
/* An acknowledgement brought nothing. Whether the first is to go again. */
bool loss_by_number(struct flow *f);
/* The first is late, and goes again. For how long to wait then; 0: it was so often enough. */
uint64_t loss_hurry(struct flow *f);
uint64_t loss_timeout(struct flow *f);

/* Of what was acknowledged at once: the first one's times and tries, when the last was sent. */
struct loss_sample {
	uint64_t first_ns, last_ns;
	uint8_t tries;
};

/* What to send next: whatever may go, the first again, or something new in any case. */
enum loss_next { LOSS_NOTHING, LOSS_AGAIN, LOSS_TRY };

/* n have arrived, and una is behind them. */
enum loss_next loss_acked(struct flow *f, uint32_t n, const struct loss_sample *s);

/* --- flow_send.c, flow_recv.c ------------------------------------------------------------ */

void send_ready(struct flow *f);
/* For what waits, if nothing else has the timer. */
void send_timer(struct flow *f);
/* Packets that no acknowledgement has told of. */
static inline uint32_t send_under_way(const struct flow *f)
{
	uint32_t n = f->nxt - f->una;

	return n > f->dups ? n - f->dups : 0;
}

/* Whether the window lets it. What is too far ahead of a loss the peer would throw away. */
static inline bool send_may(const struct flow *f)
{
	return f->unsent && send_under_way(f) < f->window && f->nxt - f->una < MACHNET_REORDER - 1;
}

/* And out with it. false: the port has no room. */
bool send_next(struct flow *f);
void send_ack(struct flow *f);
void send_old_ack(struct flow *f);
void send_acked(struct flow *f, uint32_t ack);
void send_timeout(struct flow *f);
void send_drop(struct flow *f);

void recv_data(struct flow *f, const struct machnet *m, const uint8_t *data, uint32_t len);
void recv_drop(struct flow *f);
void recv_owed(struct stack *s);

/* --- share.c ------------------------------------------------------------------------------ */

int shares_init(struct stack *s);
/* Whether there is a segment for it: to be sent, to be put in order. */
bool share_may_queue(const struct flow *f);
bool share_may_hold(const struct share *sh);
/* While others have more to send than may be under way. */
bool share_has_room(const struct flow *f);
void share_wait(struct flow *f);
void share_turns(struct stack *s);
void share_enter(struct flow *f, struct share *sh);
void share_leave(struct flow *f);

static inline uint32_t share_unused(const struct share *sh)
{
	uint32_t reserve = sh->open ? sh->stack->reserve : 0;

	return sh->queued < reserve ? reserve - sh->queued : 0;
}

/* It has so many more to be sent. */
static inline void share_queued(struct share *sh, int32_t n)
{
	sh->stack->reserved -= share_unused(sh);
	sh->queued += (uint32_t)n;
	sh->stack->reserved += share_unused(sh);
}

static inline void share_press(struct flow *f, bool presses)
{
	struct share *sh = f->share;

	if (presses == f->presses)
		return;
	sh->stack->npressing -= sh->pressing > 0;
	sh->pressing += presses ? 1 : UINT32_MAX;
	sh->stack->npressing += sh->pressing > 0;
	f->presses = presses;
}

/*
 * Something of the flow went, or was acknowledged, or is given up. What went again and
 * again without an answer is not in any queue.
 */
static inline void share_count(struct flow *f)
{
	bool may_be = f->first && f->hurries < HURRIES;
	uint32_t n = may_be ? send_under_way(f) : 0;

	f->share->under_way += n - f->counted;
	f->counted = n;
	share_press(f, may_be && f->unsent);
}

static inline void share_rtt(struct share *sh, uint64_t took_ns)
{
	if (!sh->rtt_least_ns || took_ns < sh->rtt_least_ns)
		sh->rtt_least_ns = took_ns;
}

static inline bool share_lets(const struct flow *f)
{
	bool others_press = f->stack->npressing > (f->share->pressing > 0);

	return !others_press || share_has_room(f);
}

/* It may send by its window: whether it is to wait for its turn. */
static inline bool share_must_wait(const struct flow *f)
{
	return f->stack->full || f->share->flows || !share_lets(f);
}

/* --- table.c, timer.c, seg.c --------------------------------------------------------- */

struct flow *table_find(const struct stack *s, const struct flow_name *name);
void table_add(struct flow *f);
void table_remove(struct flow *f);

void timer_set(struct flow *f, uint64_t at_ns);
void timer_clear(struct flow *f);
/* The next that is due; NULL: none. */
struct flow *timer_next(struct stack *s);

int segs_init(struct seg_pool *p, uint32_t n);
struct seg *seg_take(struct seg_pool *p);
void seg_give(struct seg_pool *p, struct seg *seg);

/* --- steer.c ------------------------------------------------------------------------- */

/* Whether that port is another engine's, which then has the frame. */
bool steer_away(struct stack *s, uint16_t port, const uint8_t *frame, uint32_t len);
/* What others have got and is ours. */
bool steer_drain(struct stack *s);
void steer_to_all(struct stack *s, const uint8_t *frame, uint32_t len);
/* Whether it has an engine of that number. */
bool steer_has(const struct steering *t, uint32_t engine);
/* One user more; false: it is another engine's. */
bool port_take(struct stack *s, const struct ipaddr *ip, uint16_t port);
void port_give(struct stack *s, const struct ipaddr *ip, uint16_t port);
/* Takes one that nobody uses. */
bool port_find(struct stack *s, const struct ipaddr *ip, uint16_t *ret);

#endif
