/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is on the other end of a local socket, as the kernel says. Stamped once,
 * in reeved at accept; nothing a client writes ever changes it.
 */
#ifndef REEVE_MODEL_PEER_H
#define REEVE_MODEL_PEER_H

#include <stdint.h>

enum {
	PEER_GROUPS_MAX = 64, /* supplementary groups beyond these are not looked at */
	PEER_CGROUP_MAX = 256,
};

struct peer {
	uint32_t pid; /* 0: another pid namespace, nothing under /proc to look at */
	uint32_t uid;
	uint32_t gid;
	uint32_t ngroups;
	uint32_t groups[PEER_GROUPS_MAX];
	/*
	 * Tells this use of the pid from the next one: the inode of its pidfd where
	 * the kernel gives each process one (6.9), else the start time; 0 unknown.
	 */
	uint64_t start_time;
	uint64_t cgroup_id; /* 0 unknown */
	/* cgroup v2 path as seen by reeved, from "/"; empty when unknown or too long */
	char cgroup[PEER_CGROUP_MAX];
};

#endif
