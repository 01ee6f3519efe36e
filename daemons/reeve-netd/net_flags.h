/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command line as gflags reads one: --flag=value, --flag value, -flag, --noflag for
 * a truth value, '-' in a name as good as '_', `--` ends it. What is no flag is ignored, as
 * the original does. Each program has a table of its own; the config's place, help and the
 * flags of glog are every program's.
 *
 * An error is one sentence, and exit status NET_EXIT_FLAGS.
 */
#ifndef REEVE_NETD_NET_FLAGS_H
#define REEVE_NETD_NET_FLAGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum { NET_EXIT_FLAGS = 1 };

/* Not where the example is installed: nobody's NIC is taken by accident. */
#define NET_CONFIG_DEFAULT "/etc/reeve/machnet.json"

/*
 * One of the three pointers says what the flag is and where its value goes; what is
 * there before is the default. A table ends with a NULL name.
 */
struct net_flag {
	const char *name;
	const char **text; /* into argv or the environment */
	bool *on;
	uint64_t *number;
	uint64_t max; /* of the number */
	const char *help;
};

/* minloglevel: 0 info, 1 warning, 2 error; v: above 0, more than info. */
struct net_std_flags {
	const char *config;
	bool logtostderr, alsologtostderr, log_json;
	const char *log_dir;
	uint64_t minloglevel, v;
	bool help, version;
};

/*
 * Sets *ret to its defaults, then by GLOG_logtostderr, GLOG_alsologtostderr, GLOG_log_dir,
 * GLOG_minloglevel and GLOG_v, then by the command line, where the last one of a kind
 * counts. On failure values may have been set up to there.
 */
int net_flags_parse(const struct net_flag *own, int argc, char *const *argv,
		    struct net_std_flags *ret, struct err *e);

/* The lines of --help that are about flags: about a program's own, or about all. */
void net_flags_print_own(FILE *f, const struct net_flag *flags);
void net_flags_print(FILE *f, const struct net_flag *own);

#endif
