/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libreeve: lease cores from a running reeved, and watch what happens.
 *
 * One struct reeve is one connection. It must be used by one thread at a time;
 * different connections are independent. Leases end with the connection or
 * with the process, whichever is first. All functions return 0 or a negative
 * errno unless they say otherwise; reeve_error() then has a sentence.
 *
 * Errors common to all: -EPIPE the daemon closed the connection, -EPROTO it said
 * something this library does not understand, -ETIMEDOUT no answer within the
 * limit set by reeve_set_timeout(). After one of these the connection can only be
 * closed, though until then it goes on holding its leases: every call is -ENOTCONN,
 * and reeve_error() still says what was wrong first. -EINVAL the daemon or this
 * library takes the request for malformed, -EACCES it is not allowed, -EOPNOTSUPP
 * the daemon has no such thing, -EAGAIN it is too busy, -ENOMEM.
 */
#ifndef REEVE_H
#define REEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REEVE_SOCKET "/run/reeve/reeve.sock"

struct reeve;

/*
 * Connects and agrees on a version. `path`: NULL for REEVE_SOCKET. -ENOENT and
 * -ECONNREFUSED: no daemon; -EPROTONOSUPPORT: it speaks no version of ours.
 * *ret is set on every return but -ENOMEM, so that reeve_error() can tell; it
 * must be closed either way.
 */
int reeve_open(const char *path, struct reeve **ret);
void reeve_close(struct reeve *r); /* gives everything back; accepts NULL */

/* Sentence for the last failure on this connection, "" when there was none. */
const char *reeve_error(const struct reeve *r);
/* The stable name of the refusal ("io.reeve.QuotaExceeded"), "" when it was none. */
const char *reeve_error_name(const struct reeve *r);

/*
 * For poll(2): readable when an event or the end of the connection is there.
 * Several events may have been received at once: take them until -EAGAIN
 * before polling again.
 */
int reeve_fd(const struct reeve *r);

/* Milliseconds to wait for an answer; 10000 at first, negative: for ever. */
void reeve_set_timeout(struct reeve *r, int ms);

/* Zero it, set `size` to sizeof(struct reeve_want), and fill in what is wanted. */
struct reeve_want {
	size_t size;
	unsigned count;	  /* any so many CPUs ... */
	const char *cpus; /* ... or exactly these: "4-7,12" */
	const char *near; /* only CPUs of this NIC's NUMA node; NULL: any */
	int node;	  /* only CPUs of this node; has_node says whether */
	bool has_node;
	bool whole_core;  /* share no core with anybody */
	uint64_t ttl_ms;  /* end by itself after this time; 0: never */
	const char *name; /* for lists, at most 63 bytes; NULL: none */
};

struct reeve_lease {
	uint64_t id;
	unsigned cpu;
};

/*
 * All or nothing. Up to `max` leases are stored, and *ret_n is how many there
 * are. -EDQUOT quota; -EBUSY taken; -ENOSPC not enough free; -ENOENT no such
 * CPU, node or NIC; -EACCES not for this tenant; -EINVAL bad request.
 * A grant of more than `max` is given back and is -E2BIG.
 */
int reeve_acquire(struct reeve *r, const struct reeve_want *want, struct reeve_lease *leases,
		  size_t max, size_t *ret_n);

/*
 * What reeve_acquire() would do now: 0 it would grant `cpus`, or the error it
 * would fail with; `why` is a sentence either way. Both may be NULL.
 */
int reeve_explain(struct reeve *r, const struct reeve_want *want, char *cpus, size_t cpus_size,
		  char *why, size_t why_size);

/* -ENOENT no such lease; -EPERM it is another's. */
int reeve_release(struct reeve *r, uint64_t lease);

struct reeve_event {
	uint64_t seq;		  /* above every earlier one */
	uint64_t lost;		  /* older events overwritten before this one could be sent */
	uint64_t instance, lease; /* 0: none */
	unsigned uid, pid;
	char time[32];
	char type[24]; /* "grant", "refuse", "release", "expire", "instance-end", "orphan", ... */
	char tenant[32];
	char resource[64]; /* "lcore 5", "" for none */
	char error[24];	   /* "quota", "taken", ...; "" when nothing was refused */
	char why[192];
};

/* Starts the stream after event `since`. From then on only reeve_next_event() may be used. */
int reeve_events(struct reeve *r, uint64_t since);
/*
 * Waits up to timeout_ms (negative: for ever; 0: not at all); -EAGAIN: none came;
 * -ENODATA: the daemon ended the stream.
 */
int reeve_next_event(struct reeve *r, int timeout_ms, struct reeve_event *ret);

/*
 * Any method of io.reeve ("Status", or a full name such as
 * "org.varlink.service.GetInfo"), for tools: parameters and reply as JSON text;
 * NULL for no parameters. *ret is malloc'ed. `more` opens a stream: after 0 or
 * -ETIMEDOUT read on with reeve_call_next().
 */
int reeve_call(struct reeve *r, const char *method, const char *parameters, bool more, char **ret);
/* As reeve_next_event(). */
int reeve_call_next(struct reeve *r, int timeout_ms, char **ret);

#ifdef __cplusplus
}
#endif

#endif
