/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for channels, made ahead: its pages take tens of milliseconds to come and some to
 * go, which a thread of its own spends on both, and nobody else. One of the usual size lies
 * ready; what isn't of it is made by whoever asks.
 *
 * Calls are the control thread's.
 */
#ifndef REEVE_NETD_STOCK_H
#define REEVE_NETD_STOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel/channel.h"

struct endpoint;

enum { STOCK_BIN = 64 };

struct stock {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool running, stop, idle;
	bool no_memory; /* it is not tried again before somebody wants one */
	struct channel *ready; /* where there is none, the thread makes one */
	int ready_fd;
	struct channel parked; /* a copy of what was taken last, while it is; no base: of none */
	struct endpoint *bin[STOCK_BIN]; /* that nobody has any more */
	uint32_t nbin;
};

/* 0 or -errno. All is zero before; without it the calls below do everything themselves. */
int stock_open(struct stock *s);
void stock_close(struct stock *s);

/* As channel_new(). */
int stock_take(struct stock *s, uint32_t buffers, struct channel **ret, int *ret_fd);
/* As endpoint_free(). */
void stock_drop(struct stock *s, struct endpoint *ep);
/* Waits until all is ready and nothing is left in the bin. */
void stock_settle(struct stock *s);

#endif
