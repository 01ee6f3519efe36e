/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What netd tells of itself: io.reeve.net over its socket. All of it is the control
 * thread's, which waits for no client: a connection has one call under way and one answer that
 * goes; who leaves it unread makes room when all connections are taken.
 */
#ifndef REEVE_NETD_STATUS_H
#define REEVE_NETD_STATUS_H

#include <jansson.h>

#include "door.h"
#include "loop/loop.h"
#include "wire/params.h"

enum { STATUS_CONNS = 16 };

struct netd;

struct status_conn {
	struct watch watch; /* watch.loop: NULL: there is no connection here */
	struct netd *netd;
	char *in;
	size_t in_len, in_size;
	char *out;
	size_t out_at, out_len;
	int out_fd; /* goes with the answer; -1: none */
	bool waits; /* until it can be sent to: with an answer, or a call for which there will be
		       one */
	uint64_t answered_ns;
};

struct status {
	struct door door;
	struct watch door_watch;
	struct status_conn conns[STATUS_CONNS];
};

/*
 * A socket in `dir`, or `fd`, which listens already. status_close() afterwards, whatever this
 * returned.
 */
int status_open(struct netd *d, const char *dir, int fd, struct err *e);
void status_close(struct netd *d);

/* --- the methods: status_list.c, status_chan.c, tracer.c --------------------------------- */

/* What a call is answered with; an `error` has `parameters`, too. NULL: out of memory. */
struct answer {
	const char *error; /* "io.reeve.net.Busy"; NULL: none */
	json_t *parameters;
	int fd; /* -1: none */
};

void status_report(struct netd *d, struct params *p, struct answer *a);
void status_flows(struct netd *d, struct params *p, struct answer *a);
void status_neighbours(struct netd *d, struct params *p, struct answer *a);
void status_channels(struct netd *d, struct params *p, struct answer *a);

/* --- status_json.c: new references, or NULL ---------------------------------------------- */

struct af_xdp_stats;
struct engine;
struct flow_info;
struct iface;
struct neighbour_info;
struct port_stats;
struct stack_stats;

struct engine_seen {
	struct stack_stats *stack;
	struct port_stats *port;
	struct af_xdp_stats *socket;
	bool traced;
};

json_t *json_engine(uint32_t number, const struct engine_seen *seen);
/* Takes `engines`. */
json_t *json_iface(const struct iface *f, json_t *engines);
/* `channel`: of its application; NULL: it has none (any more). */
json_t *json_flow(const char *iface, uint32_t engine, const struct flow_info *f,
		  const char *channel);
json_t *json_neighbour(const char *iface, uint32_t engine, const struct neighbour_info *n);

#endif
