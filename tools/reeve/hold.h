/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases last as long as the connection that got them: a subcommand that gets
 * some holds them by staying alive, with or without a command. The command is a
 * child, so that the leases end when it does whatever it did to its descriptors,
 * and it gets SIGTERM when this process is killed: it must not go on using what
 * was given back.
 */
#ifndef REEVE_TOOLS_HOLD_H
#define REEVE_TOOLS_HOLD_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cpuset.h"
#include "cli.h"

struct hold {
	struct cli *cli;
	struct reeve *daemon;
	json_t *leases;	    /* objects as in the daemon's answers */
	struct cpuset cpus; /* the command runs on these; empty: where it likes */
	int64_t expires;    /* seconds since 1970, the first of them; negative: never */
	int signals;	    /* signalfd */
	sigset_t before;    /* the mask that the command shall have */
	pid_t child;	    /* 0: none */
	bool lost;	    /* it was said that the leases are gone */
};

#define HOLD_INIT(c)                                     \
	{                                                \
		.cli = (c), .expires = -1, .signals = -1 \
	}

/* Connects. From here on signals wait, so that none ends us between grant and hold. */
int hold_begin(struct hold *h);
/* What a method granted: `leases`, an array, or one of them. Not understood: EXIT_FAILURE. */
int hold_add(struct hold *h, const json_t *leases);
/*
 * Says what is held (`reply` with --json, a line for each lease without a command)
 * and holds it until `command` ends, or without one (NULL) until a signal.
 */
int hold_until(struct hold *h, const json_t *reply, const char *what, char **command);
/* Gives back what is still held. */
void hold_end(struct hold *h);

/* The arguments of a subcommand that holds: [NIC] [-- COMMAND [ARG...]]. */
struct hold_args {
	struct cli *cli;
	bool of_nic; /* the first names a network interface */
	const char *nic;
	char **command;
};

/* What such a parser does with a key that is no option of its own; `child` as for cli_parse_rest().
 */
error_t hold_parse_rest(int key, char *arg, struct argp_state *state, struct hold_args *args,
			void *child);

#endif
