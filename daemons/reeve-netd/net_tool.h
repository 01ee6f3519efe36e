/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that has one interface to itself for as long as it runs, with one stack
 * and no thread: what ping and pktgen have in common. SIGINT and SIGTERM end it, and
 * are let in only by net_tool_turn().
 */
#ifndef REEVE_NETD_NET_TOOL_H
#define REEVE_NETD_NET_TOOL_H

#include "reeve-netd/iface.h"
#include "reeve-netd/net_flags.h"

enum { NET_EXIT_OK = 0, NET_EXIT_FAILED = 1 };

struct net_tool {
	const char *name;  /* in front of every error */
	const char *about; /* the first lines of --help */
	const struct net_flag *flags;

	struct net_conf conf;
	struct iface iface;
	struct port *port;
	struct stack *stack;
	uint64_t now; /* of the last turn, as clock_mono_ns() */
};

/*
 * Flags and the config, which must have one interface. -1: go on; else an exit status,
 * and all is said.
 */
int net_tool_start(struct net_tool *t, int argc, char *const *argv);

/* On failure, too, net_tool_close() afterwards. What `user` is told with is of no use to it. */
int net_tool_open(struct net_tool *t, const struct stack_user *user, struct err *e);
void net_tool_close(struct net_tool *t);

/* An address to speak to, and ours to speak from. */
int net_tool_peer(const struct net_tool *t, const char *text, struct ipaddr *ret_remote,
		  struct ipaddr *ret_local, struct err *e);

/* One turn of the stack; if nothing has come, waits for that until then. false: a signal. */
bool net_tool_turn(struct net_tool *t, uint64_t until_ns);

/* Says it on stderr; NET_EXIT_FAILED. */
int net_tool_fail(const struct net_tool *t, const struct err *e);

#endif
