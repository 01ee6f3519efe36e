/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traces under way: a pipe, and a tap on each engine that is traced. The write end is
 * netd's, the read end goes to who asked. A reader that closes it ends the trace, and so
 * does the interface when it goes.
 */
#ifndef REEVE_NETD_TRACER_H
#define REEVE_NETD_TRACER_H

#include "engine.h"
#include "loop/loop.h"
#include "net_conf.h"
#include "port/trace.h"
#include "status.h"

enum { TRACERS_MAX = 16 };

struct iface;

struct tracer {
	struct watch watch; /* of the write end; watch.loop NULL: this one is free */
	struct iface *iface;
	struct trace *taps[NET_THREADS_MAX]; /* by engine */
};

/* Trace(). */
void tracer_call(struct netd *d, struct params *p, struct answer *a);
bool tracer_has(const struct netd *d, const struct engine *e);
/* Before the interface is closed; NULL: all. */
void tracers_end(struct netd *d, const struct iface *f);

#endif
