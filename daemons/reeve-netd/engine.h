/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine: a thread with a queue of an interface and a stack of its own. It sleeps
 * when nothing comes, after it has looked for some tens of microseconds, giving way to
 * others meanwhile. The control thread makes it, asks it, ends it.
 */
#ifndef REEVE_NETD_ENGINE_H
#define REEVE_NETD_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/cpuset.h"
#include "base/err.h"
#include "exchange.h"

struct engine;
struct iface;

typedef void engine_fn(struct engine *e, void *arg);

struct engine {
	uint32_t number; /* on its interface; also its queue */
	struct iface *iface;
	struct port *port;
	struct stack *stack;
	struct exchange exchange; /* the channels that it serves */
	pthread_t thread;
	bool running;
	int wake_fd; /* eventfd */
	_Atomic bool asleep, stop, called;
	/* The thread's own: until then it gives way to nobody; for so long the next time. */
	uint64_t crowded_until, crowded_ns;
	uint32_t short_turns;

	pthread_mutex_t lock;
	pthread_cond_t answered;
	engine_fn *fn;
	void *arg;
};

/* Port and stack are there, and become the engine's on success. `cpus`: empty for any. */
int engine_start(struct engine *e, const struct cpuset *cpus, struct err *err);
/* Closes both; channels leave. */
void engine_stop(struct engine *e);
/* Has it run `fn` between two turns, and waits for that. */
void engine_call(struct engine *e, engine_fn *fn, void *arg);
/* From any thread: there is something for it. */
void engine_wake(struct engine *e);

#endif
