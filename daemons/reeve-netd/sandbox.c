/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What netd gives up before it meets a frame, in this order:
 *   1. core dumps and tracing by others, and the way to get anything back
 *   2. capabilities but those that taking an interface needs, also when it comes back
 *   3. files: Landlock leaves /proc and /sys to read and the own socket to make and to
 *      remove, nothing to write, nothing to execute; no TCP, no signals outside
 *   4. system calls: those listed in sandbox_calls.c
 * Threads that are started later inherit all of it. Alone it stays uid 0, which without
 * capabilities and files is a name; reeved starts it as another, and it keeps no capability.
 */
#include "sandbox.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "mech/landlock.h"

/* AF_XDP sockets, programs and maps, the memory that is locked for them; channels. */
static const int kept[] = { CAP_NET_ADMIN, CAP_NET_RAW,	 CAP_BPF,
			    CAP_PERFMON,   CAP_IPC_LOCK, CAP_SYS_RESOURCE };

static uint64_t kept_bits(void)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		bits |= UINT64_C(1) << kept[i];
	return bits;
}

/* Before Linux 5.8 programs needed CAP_SYS_ADMIN; nothing here runs there. */
static int drop_capabilities(bool all)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t keep = all ? 0 : kept_bits();

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(keep >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* A socket file of ours: it is removed in the end. */
static int allow_socket(int ruleset, const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	str_copy(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (slash)
		*(slash == dir ? slash + 1 : slash) = '\0';
	return landlock_allow(ruleset, slash ? dir : ".",
			      LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

static int allow_files(int ruleset, const char *runtime_dir, const char *ctrl_socket)
{
	int r = landlock_allow(ruleset, "/proc", LANDLOCK_READ);

	if (r == 0)
		r = landlock_allow(ruleset, "/sys", LANDLOCK_READ);
	if (r == 0 && runtime_dir)
		r = landlock_allow(ruleset, runtime_dir,
				   LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE);
	if (r == 0 && ctrl_socket)
		r = allow_socket(ruleset, ctrl_socket);
	return r;
}

static int enter_landlock(const char *runtime_dir, const char *ctrl_socket, struct err *e)
{
	_cleanup_fd_ int fd = landlock_begin();
	int r;

	if (fd == -EOPNOTSUPP) {
		log_say(LOG_WARN, "no Landlock on this kernel", "files stay within reach");
		return 0;
	}
	r = fd < 0 ? fd : allow_files(fd, runtime_dir, ctrl_socket);
	if (r == 0)
		r = landlock_enter(fd);
	return r < 0 ? fail(e, -r, "can't enter Landlock: %s", strerror(-r)) : 0;
}

static int give_up_rights(bool all, struct err *e)
{
	int r;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(e, errno, "can't give up privileges: %m");
	r = drop_capabilities(all);
	return r < 0 ? fail(e, -r, "can't give up capabilities: %s", strerror(-r)) : 0;
}

int sandbox_enter(const char *runtime_dir, const char *ctrl_socket, bool alone, struct err *e)
{
	int r = give_up_rights(!alone, e);

	if (r == 0)
		r = enter_landlock(runtime_dir, ctrl_socket, e);
	return r < 0 ? r : sandbox_limit_calls(e);
}

int sandbox_enter_closer(struct err *e)
{
	int r = give_up_rights(true, e);

	return r < 0 ? r : sandbox_limit_closer(e);
}
