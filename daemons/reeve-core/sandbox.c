/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core gives up before it meets a client, in this order:
 *   1. core dumps and tracing by others
 *   2. files: Landlock leaves /proc and /sys to read, nothing else; no TCP, no
 *      signals and no abstract sockets outside, where the kernel knows those
 *   3. system calls: those listed here; what only an intruder would call kills
 *      the process, the rest fails with EPERM
 * User, capabilities and no_new_privs were settled by reeved before the exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"
#include "mech/landlock.h"
#include "mech/peer.h"
#include "sandbox.h"

static int enter_landlock(struct err *e)
{
	_cleanup_fd_ int fd = landlock_begin();
	int r;

	if (fd == -EOPNOTSUPP) {
		log_say(LOG_WARN, "no Landlock on this kernel",
			"user, capabilities and seccomp alone confine the core");
		return 0;
	}
	if (fd < 0)
		return fail(e, -fd, "can't make a Landlock ruleset: %s", strerror(-fd));
	r = landlock_allow(fd, "/proc", LANDLOCK_READ);
	if (r == 0)
		r = landlock_allow(fd, "/sys", LANDLOCK_READ);
	if (r < 0)
		return fail(e, -r, "can't allow /proc and /sys: %s", strerror(-r));
	r = landlock_enter(fd);
	return r < 0 ? fail(e, -r, "can't enter Landlock: %s", strerror(-r)) : 0;
}

static const int allowed[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(futex),
	SCMP_SYS(getdents64),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(gettid),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(newfstatat),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(poll),
	SCMP_SYS(pread64),
	SCMP_SYS(read),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(shutdown),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

/* Nothing here calls these, so who does is not us. */
static const int fatal[] = {
	SCMP_SYS(bpf),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(connect),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(setns),
	SCMP_SYS(setuid),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(vfork),
};

static int add_calls(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(fatal) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
	return r;
}

/* No flag of a description that reeved or a client has too: a log that is only appended to. */
static int add_fcntl(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_DUPFD_CLOEXEC, F_GETFL, F_GETFD, F_SETFD };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
	return r;
}

/* Files to read only, memory never executable, and signals to itself alone (abort). */
static int add_limited_calls(scmp_filter_ctx ctx)
{
	const unsigned writing = O_ACCMODE | O_CREAT | O_TRUNC;
	int r;

	r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			     SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	/* How much a client has not read. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, SIOCOUTQ));
	/* Groups of netlink; no option of a client's socket. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 1,
				     SCMP_A1(SCMP_CMP_EQ, SOL_NETLINK));
	/* The process behind a client that an earlier core had. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt), 2,
				     SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
				     SCMP_A2(SCMP_CMP_EQ, SO_PEERPIDFD));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return r;
}

static int enter_seccomp(struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = -ENOMEM;

	if (ctx) {
		/* A tree instead of a list: the filter runs on every system call. */
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		r = add_calls(ctx);
		if (r == 0)
			r = add_limited_calls(ctx);
		if (r == 0)
			r = add_fcntl(ctx);
		if (r == 0)
			r = seccomp_load(ctx);
		seccomp_release(ctx);
	}
	return r < 0 ? fail(e, -r, "can't load the seccomp filter: %s", strerror(-r)) : 0;
}

int sandbox_enter(struct err *e)
{
	int r;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(e, errno, "can't forbid core dumps: %m");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return fail(e, EPERM, "reeve-core is started by reeved, not by hand");
	r = enter_landlock(e);
	return r < 0 ? r : enter_seccomp(e);
}
