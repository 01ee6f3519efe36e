/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What /proc says of a peer's process. A name in it is the process's own
 * choice: any bytes are decoded, and none is believed to be more than a name.
 */
#ifndef REEVE_MECH_PEER_H
#define REEVE_MECH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* /proc/<pid>/stat, field 22: clock ticks from boot to the start. -EINVAL. */
int peer_parse_stat(const char *text, uint64_t *ret);

/*
 * /proc/<pid>/cgroup: the cgroup v2 path, from "/". -ENOENT: there is none, or
 * it leads out of our cgroup namespace ("/../..."); -ENAMETOOLONG.
 */
int peer_parse_cgroup(const char *text, char *ret, size_t size);

/*
 * A pidfd of whoever connected this socket. -1: there is no way to get one (another
 * pid namespace on a kernel before 6.5); -ESRCH: the process has ended. Before 6.5
 * it is of the process that has the pid now, see peer_is_process().
 */
int peer_pidfd(int sock, uint32_t pid);
/* The inode of a pidfd where it tells the process from all others (6.9); else 0. */
uint64_t peer_number(int pidfd);
/* Whether the pidfd is of the process that was stamped as this peer. */
struct peer;
bool peer_is_process(int pidfd, const struct peer *p);

/*
 * Who is at the other end of a socket that was accepted. `cgroup_fd`: of cgroup_root(), or
 * -1; `want_path`: the cgroup's path too, not just its number. *ret_pidfd may be -1 on
 * success. -ESRCH: the peer has ended.
 */
int peer_stamp(int sock, int cgroup_fd, bool want_path, struct peer *ret, int *ret_pidfd);

/* Below `proc_root` ("/proc"); 0: not to be found out. */
uint64_t peer_start_time(const char *proc_root, uint32_t pid);

#endif
