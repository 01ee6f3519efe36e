/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channels of one engine. In each turn some of them are served, all of them in turn;
 * before it sleeps the engine looks at every one, having said so where applications ring a
 * bell. Those of the reference's library ring none: while there is one, sleep is short,
 * ever longer up to a millisecond as nothing happens.
 *
 * The engine's thread has it.
 */
#ifndef REEVE_NETD_EXCHANGE_H
#define REEVE_NETD_EXCHANGE_H

#include "endpoint.h"

struct exchange {
	struct stack *stack;
	struct endpoint *at; /* the next to be served; they are a circle */
	uint32_t n;
	int bells; /* an epoll set of those that ring; -1: none */
	uint64_t nap_ns;
	/* From the engine's thread: one of its channels is to be taken away. */
	void (*broken)(void *arg);
	void *arg;
};

/* -EMFILE and the like. */
int exchange_open(struct exchange *x, struct stack *s);
/* All channels leave. */
void exchange_close(struct exchange *x);

void exchange_add(struct exchange *x, struct endpoint *ep);
void exchange_remove(struct exchange *x, struct endpoint *ep);

/* Its bell is about to be closed. */
void exchange_silence(struct exchange *x, struct endpoint *ep);

/* Whether anything was done. */
bool exchange_turn(struct exchange *x, uint64_t now_ns);
/*
 * Before sleep: whether there is nothing to be done for any channel. exchange_awake()
 * afterwards, whatever this returned.
 */
bool exchange_sleep(struct exchange *x, uint64_t now_ns);
/* When to look again at the latest; UINT64_MAX: when a bell rings. */
uint64_t exchange_deadline(struct exchange *x, uint64_t now_ns);
void exchange_awake(struct exchange *x);
/* Something has been done: what comes next may come soon. */
static inline void exchange_busy(struct exchange *x)
{
	x->nap_ns = 0;
}

#endif
