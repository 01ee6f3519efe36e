/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything here is the kernel's word. What is read under the pid's name in
 * /proc counts only when the process behind the pidfd still lives afterwards:
 * then the pid was not somebody else's meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "mech/peer.h"
#include "model/peer.h"

/* Linux 6.13; its first form. */
struct pidfd_info_v0 {
	uint64_t mask, cgroup_id;
	uint32_t ids[11];
	int32_t exit_code;
};
_Static_assert(sizeof(struct pidfd_info_v0) == 64, "PIDFD_INFO_SIZE_VER0");
#define PIDFD_GET_INFO_V0    _IOWR(0xff, 11, struct pidfd_info_v0)
#define PIDFD_INFO_CGROUP_ID UINT64_C(4)

enum { GROUPS_MOST = 65536 }; /* the kernel's NGROUPS_MAX */

/* All or nothing is what the kernel gives, so a long list takes a detour. */
static void stamp_groups(int sock, struct peer *p)
{
	socklen_t len = sizeof(p->groups);
	static uint32_t all[GROUPS_MOST];

	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, p->groups, &len) == 0) {
		p->ngroups = len / sizeof(p->groups[0]);
		return;
	}
	if (errno != ERANGE)
		return;
	len = sizeof(all);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, all, &len) < 0)
		return;
	p->ngroups = PEER_GROUPS_MAX;
	memcpy(p->groups, all, sizeof(p->groups));
}

static int stamp_ids(int sock, struct peer *p)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	p->pid = (uint32_t)cred.pid;
	p->uid = cred.uid;
	p->gid = cred.gid;
	stamp_groups(sock, p);
	return 0;
}

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/* The cgroup's number alone, without a look at /proc. */
static uint64_t cgroup_number(int pidfd)
{
	struct pidfd_info_v0 info = { .mask = PIDFD_INFO_CGROUP_ID };

	if (ioctl(pidfd, PIDFD_GET_INFO_V0, &info) < 0 || !(info.mask & PIDFD_INFO_CGROUP_ID))
		return 0;
	return info.cgroup_id;
}

/* A path without a cgroup that we can see is as good as none. */
static void stamp_cgroup(int cgroup_fd, struct peer *p)
{
	char file[32], text[4096], path[PEER_CGROUP_MAX];
	struct stat st;

	snprintf(file, sizeof(file), "/proc/%u/cgroup", p->pid);
	if (fd_read_file(AT_FDCWD, file, text, sizeof(text)) < 0 ||
	    peer_parse_cgroup(text, path, sizeof(path)) < 0 ||
	    fstatat(cgroup_fd, path[1] ? path + 1 : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	str_copy(p->cgroup, sizeof(p->cgroup), path);
	p->cgroup_id = st.st_ino;
}

/* 0, or -ESRCH when the process ended before all was read. */
static int stamp_process(struct peer *p, int pidfd, int cgroup_fd, bool want_path)
{
	p->start_time = peer_number(pidfd); /* 0: the core looks at the start time */
	p->cgroup_id = cgroup_number(pidfd);
	if (!p->pid || cgroup_fd < 0 || (p->cgroup_id && !want_path))
		return 0;
	stamp_cgroup(cgroup_fd, p);
	return has_ended(pidfd) ? -ESRCH : 0;
}

int peer_stamp(int sock, int cgroup_fd, bool want_path, struct peer *ret, int *ret_pidfd)
{
	struct peer p = { 0 };
	int pidfd, r;

	r = stamp_ids(sock, &p);
	if (r < 0)
		return r;
	pidfd = peer_pidfd(sock, p.pid);
	if (pidfd == -ESRCH)
		return -ESRCH;
	r = pidfd < 0 ? 0 : stamp_process(&p, pidfd, cgroup_fd, want_path);
	if (r < 0) {
		close(pidfd);
		return r;
	}
	*ret = p;
	*ret_pidfd = pidfd;
	return 0;
}
