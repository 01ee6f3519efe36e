/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the log goes: to stderr, or to a new file with the name that glog gives it,
 * <program>.<host>.<user>.log.INFO.<date>-<time>.<pid>, by default in /tmp. The lines are
 * those of base/log.h.
 */
#ifndef REEVE_NETD_NET_LOG_H
#define REEVE_NETD_NET_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "reeve-netd/net_flags.h"

#define NET_LOG_DIR "/tmp"

struct net_log_name {
	const char *program, *host, *user;
	uint64_t wall_ns;
	pid_t pid;
};

/*
 * A descriptor of the new file, for its owner only. Nothing that exists is opened or
 * replaced but the link <program>.INFO to the latest log, if it is a link of ours; that
 * there is none is no error. The directory may be one where anybody makes files, if it is
 * sticky.
 */
int net_log_create(const char *dir, const struct net_log_name *name, struct err *e);

enum log_level net_log_level(const struct net_std_flags *f);

/*
 * Sets up base/log. If the file can't be made the log goes to stderr, and the sentence
 * why is to be its first line: the return value is negative then.
 */
int net_log_start(const char *program, const struct net_std_flags *f, struct err *e);

#endif
