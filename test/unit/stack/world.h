/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hosts with real stacks on a network that lies, under its clock. Each flow of a host
 * sends messages whose every byte follows from their number, and checks that what it
 * gets is the other's messages, each once, in order, whole.
 */
#ifndef TEST_STACK_WORLD_H
#define TEST_STACK_WORLD_H

#include "base/clock.h"
#include "port/simnet.h"
#include "stack/stack.h"

enum { HOSTS_MAX = 8, SIDES_MAX = 128 };

struct world;

/* One end of a flow. */
struct side {
	struct host *host;
	struct flow *flow; /* NULL: not yet, or no more */
	uint64_t out_seed, in_seed;
	uint32_t to_send, to_get; /* messages */
	uint32_t sent, got;
	uint32_t size_max;
	size_t at_out, at_in; /* within the message under way */
	bool connected, deaf; /* deaf: takes nothing */
	int error;	      /* how it ended; 0: it has not */
	bool close_when_done;
};

struct host {
	struct world *world;
	struct port *port;
	struct stack *stack;
	struct ipaddr ip;
	uint32_t echoes;
	char notice[200]; /* the last of */
	uint32_t notices;
	/* The next one to connect to `port` becomes this side. */
	struct side *awaited;
	uint32_t accepts, refuses;
};

struct world {
	struct simnet *net;
	struct host hosts[HOSTS_MAX];
	uint32_t nhosts;
	/* Hosts hand frames to each other, so all are polled at each step. */
	bool steered;
	struct side sides[SIDES_MAX];
	uint32_t nsides;
};

void world_open(struct world *w, uint64_t seed);
void world_close(struct world *w);
/* `text`: its address, with everything on the link. */
struct host *world_host(struct world *w, const char *text, const struct simnet_link *link);
/* conf->user is world.c's own if it is NULL. */
struct host *world_host_conf(struct world *w, const struct simnet_link *link, uint32_t segment,
			     struct stack_conf *conf);
void host_conf(struct stack_conf *ret, const char *text);

/* Two sides that will talk: `a` connects to `b`, which listens on `port`. */
void world_flow(struct world *w, struct host *a, struct host *b, uint16_t port, struct side **ret_a,
		struct side **ret_b);
void side_talk(struct side *from, struct side *to, uint32_t messages, uint32_t size_max);

/* Until nothing is left to do, or that long. */
void world_run(struct world *w, uint64_t ns);
/* Whether every side has sent and got all. */
bool world_done(const struct world *w);
bool world_run_until_done(struct world *w, uint64_t ns);

#endif
