/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two hosts on a simulated network, each with a stack, an exchange and channels; and the
 * application's side of a channel, as the reference's library does it.
 */
#ifndef TEST_NETD_PAIR_H
#define TEST_NETD_PAIR_H

#include "port/simnet.h"
#include "reeve-netd/exchange.h"

enum { PAIR_CHANNELS = 16 };

struct pair_host {
	uint32_t ip;
	struct port *port;
	struct stack *stack;
	struct exchange exchange;
	struct endpoint *eps[PAIR_CHANNELS];
	uint32_t neps, broken;
};

struct pair {
	struct simnet *net;
	struct pair_host hosts[2];
};

void pair_open(struct pair *p, uint64_t seed, const struct simnet_link *link);
void pair_close(struct pair *p);
struct endpoint *pair_channel(struct pair_host *h, uint32_t buffers, bool rings);
/* Once, and up to 10 us of the network's time. */
void pair_step(struct pair *p);
void pair_run(struct pair *p, uint64_t ns);
uint64_t pair_now(const struct pair *p);

/* --- an application ----------------------------------------------------------------------- */

bool app_take(struct channel *c, uint32_t *ret);
void app_give(struct channel *c, uint32_t buf);
/* false: no room, or no buffers. */
bool app_put(struct channel *c, uint32_t buf);
bool app_ask(struct channel *c, const struct chan_ctrl *request);
bool app_answer(struct channel *c, struct chan_ctrl *ret);
/* Bytes that follow from `seed`. */
bool app_send(struct channel *c, const struct chan_flow *flow, uint32_t len, uint32_t seed);
/* -1: none; -2: not those bytes; else its length. */
int64_t app_recv(struct channel *c, uint32_t seed, struct chan_flow *ret_from);
uint8_t app_byte(uint32_t seed, uint32_t at);

/* Asks, and waits for the answer's status. */
int pair_ask(struct pair *p, struct endpoint *ep, const struct chan_ctrl *request,
	     struct chan_ctrl *ret_answer);
/* One listens on `port`, the other connects. */
int pair_connect(struct pair *p, struct endpoint *from, struct endpoint *to, uint16_t port,
		 struct chan_flow *ret);

#endif
