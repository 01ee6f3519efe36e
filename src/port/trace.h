/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What passes a port, as pcap-ng, into a pipe: tapped while the port is in use, and let
 * go of again. The port's user notices nothing; who does not read loses frames, which
 * are counted, and never holds the port up.
 *
 * Blocks go into the pipe whole or not at all, so several ports may write into one: each
 * is an interface of its own there. Of frames that went lost the next one tells
 * (epb_dropcount), and the last block of all (isb_ifdrop).
 *
 * A port has one tap at a time. All but trace_header() is called by the thread that has the port.
 */
#ifndef REEVE_PORT_TRACE_H
#define REEVE_PORT_TRACE_H

#include "port/port.h"

/* The most that a block has: one write(2) of it into a pipe is atomic. */
enum { TRACE_BLOCK_MAX = 4096, TRACE_NAME_MAX = 64 };

struct trace;

/*
 * The beginning of what is in the pipe: a section of `n` interfaces with these names.
 * The pipe is new, and non-blocking. -errno: nothing of use was written.
 */
int trace_header(int pipe, const char *const *names, unsigned n);

struct trace_conf {
	int pipe;		   /* non-blocking; the caller's still. SIGPIPE is ignored */
	uint32_t interface;	   /* its place among the names */
	uint64_t (*wall_ns)(void); /* NULL: CLOCK_REALTIME */
};

struct trace_stats {
	uint64_t frames; /* seen: written or dropped */
	uint64_t dropped;
	bool ended; /* nobody reads any more */
};

/* -EBUSY: the port has a tap; -ENOMEM. */
int trace_start(const struct trace_conf *conf, struct port *port, struct trace **ret);
/* Takes the tap away, writes what is left, and frees it. Accepts NULL. */
void trace_stop(struct trace *t);
void trace_stats(const struct trace *t, struct trace_stats *ret);

#endif
