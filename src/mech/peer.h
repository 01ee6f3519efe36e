/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What /proc says of a peer's process. A name in it is the process's own
 * choice: any bytes are decoded, and none is believed to be more than a name.
 */
#ifndef REEVE_MECH_PEER_H
#define REEVE_MECH_PEER_H

#include <stddef.h>
#include <stdint.h>

/* /proc/<pid>/stat, field 22: clock ticks from boot to the start. -EINVAL. */
int peer_parse_stat(const char *text, uint64_t *ret);

/*
 * /proc/<pid>/cgroup: the cgroup v2 path, from "/". -ENOENT: there is none, or
 * it leads out of our cgroup namespace ("/../..."); -ENAMETOOLONG.
 */
int peer_parse_cgroup(const char *text, char *ret, size_t size);

/* Below `proc_root` ("/proc"); 0: not to be found out. */
uint64_t peer_start_time(const char *proc_root, uint32_t pid);

#endif
