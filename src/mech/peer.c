/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/peer.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "model/peer.h"

#define PID_FS_MAGIC 0x50494446 /* Linux 6.9: a pidfd's inode names the process */

enum { START_TIME_FIELD = 22, NAME_FIELD = 2 };

/* The name may hold spaces and brackets, the numbers after it do not. */
int peer_parse_stat(const char *text, uint64_t *ret)
{
	const char *p = strrchr(text, ')');
	unsigned long long value;
	char *end;

	for (int field = NAME_FIELD; p && field < START_TIME_FIELD; field++)
		p = strchr(p + 1, ' ');
	if (!p || !isdigit((unsigned char)p[1]))
		return -EINVAL;
	errno = 0;
	value = strtoull(p + 1, &end, 10);
	if (errno || (*end != ' ' && *end != '\n' && *end != '\0'))
		return -EINVAL;
	*ret = value;
	return 0;
}

/* The kernel lets no newline into a cgroup's name, so a line start is a line start. */
int peer_parse_cgroup(const char *text, char *ret, size_t size)
{
	static const char key[] = "0::";
	size_t len;

	while (text && strncmp(text, key, sizeof(key) - 1) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	if (!text)
		return -ENOENT;
	text += sizeof(key) - 1;
	len = strcspn(text, "\n");
	if (text[0] != '/' || !strncmp(text, "/..", 3))
		return -ENOENT;
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}

uint64_t peer_start_time(const char *proc_root, uint32_t pid)
{
	char path[256], text[1024];
	uint64_t ticks;

	if (snprintf(path, sizeof(path), "%s/%u/stat", proc_root, pid) >= (int)sizeof(path) ||
	    fd_read_file(AT_FDCWD, path, text, sizeof(text)) < 0 ||
	    peer_parse_stat(text, &ticks) < 0)
		return 0;
	return ticks;
}

int peer_pidfd(int sock, uint32_t pid)
{
	int fd;
	socklen_t len = sizeof(fd);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
		return fd;
	if (errno != ENOPROTOOPT)
		return -ESRCH;
	if (!pid)
		return -1;
	fd = pidfd_open((pid_t)pid, 0);
	return fd < 0 ? -ESRCH : fd;
}

uint64_t peer_number(int pidfd)
{
	static int has_pidfs = -1;
	struct statfs fs;
	struct stat st;

	if (has_pidfs < 0)
		has_pidfs = fstatfs(pidfd, &fs) == 0 && fs.f_type == PID_FS_MAGIC;
	return has_pidfs && fstat(pidfd, &st) == 0 ? st.st_ino : 0;
}

/* What /proc says counts only if the process behind the pidfd lives on afterwards. */
bool peer_is_process(int pidfd, const struct peer *p)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	uint64_t use = peer_number(pidfd);

	if (!use && p->pid)
		use = peer_start_time("/proc", p->pid);
	return use == p->start_time && poll(&ended, 1, 0) == 0;
}
