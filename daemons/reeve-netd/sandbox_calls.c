/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls of netd once it has started: those of both kinds of threads, since one
 * filter is for all of them, and of taking an interface again. What only an intruder would
 * call kills the process, the rest fails with EPERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox.h"

static const int allowed[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(bpf),
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(connect),
	SCMP_SYS(dup),
	SCMP_SYS(dup3),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(fallocate),
	SCMP_SYS(fstat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getdents64),
	SCMP_SYS(getpeername),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(listen),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(membarrier),
	SCMP_SYS(memfd_create),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(prlimit64),
	SCMP_SYS(read),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(uname),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

/* Nothing here calls these, so who does is not us. */
static const int fatal[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(finit_module),
	SCMP_SYS(fork),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(open_by_handle_at),
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

/* Of the process that closes sockets, closer.c. */
static const int closers[] = {
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(nanosleep),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(sigaltstack), /* of sanitizers, before what does not return */
	SCMP_SYS(wait4),
	SCMP_SYS(write),
};

/* One of these values is what an argument must be. */
struct choice {
	int call;
	unsigned argument;
	int values[10]; /* up to the first 0 */
};

static const struct choice choices[] = {
	{ SCMP_SYS(socket), 0, { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_XDP } },
	{ SCMP_SYS(prctl), 0, { PR_SET_TIMERSLACK } },
	{ SCMP_SYS(socketpair), 0, { AF_UNIX } },
	/* What an interface is like, and what a reader has not read. */
	{ SCMP_SYS(ioctl),
	  1,
	  { SIOCETHTOOL, SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR,
	    FIONREAD, SIOCOUTQ } },
	{ SCMP_SYS(fcntl),
	  1,
	  { F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETPIPE_SZ, F_SETPIPE_SZ,
	    F_ADD_SEALS, F_GET_SEALS } },
};

static int allow_if(scmp_filter_ctx ctx, int call, struct scmp_arg_cmp is)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, is);
}

static int add_list(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add(ctx, action, calls[i], 0);
	return r;
}

#define ADD_LIST(ctx, action, list) add_list(ctx, action, list, sizeof(list) / sizeof((list)[0]))

static int add_choice(scmp_filter_ctx ctx, const struct choice *c)
{
	int r = 0;

	for (const int *v = c->values; *v && r == 0; v++)
		r = allow_if(ctx, c->call, SCMP_CMP(c->argument, SCMP_CMP_EQ, (scmp_datum_t)*v));
	return r;
}

/*
 * Threads, no processes. What clone3() is to make stands in memory, where no filter looks: as
 * if the kernel had not got it, libc falls back to clone().
 */
static int add_threads(scmp_filter_ctx ctx)
{
	int r = allow_if(ctx, SCMP_SYS(clone),
			 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Files to read only, memory never executable, and signals to itself alone (abort). */
static int add_limited_calls(scmp_filter_ctx ctx)
{
	const unsigned writing = O_ACCMODE | O_CREAT | O_TRUNC, executable = 4; /* PROT_EXEC */
	int r = allow_if(ctx, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));

	if (r == 0)
		r = allow_if(ctx, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, executable, 0));
	if (r == 0)
		r = allow_if(ctx, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, executable, 0));
	if (r == 0)
		r = allow_if(ctx, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]) && r == 0; i++)
		r = add_choice(ctx, &choices[i]);
	return r < 0 ? r : add_threads(ctx);
}

static int add_all(scmp_filter_ctx ctx)
{
	int r = ADD_LIST(ctx, SCMP_ACT_ALLOW, allowed);

	if (r == 0)
		r = ADD_LIST(ctx, SCMP_ACT_KILL_PROCESS, fatal);
	return r < 0 ? r : add_limited_calls(ctx);
}

/* To make children one after another, which take descriptors and end. */
static int add_closer(scmp_filter_ctx ctx)
{
	const unsigned fork_flags = CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD;
	int r = ADD_LIST(ctx, SCMP_ACT_ALLOW, closers);

	if (r == 0)
		r = ADD_LIST(ctx, SCMP_ACT_KILL_PROCESS, fatal);
	return r < 0 ? r : allow_if(ctx, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_EQ, fork_flags));
}

static int load(int (*add)(scmp_filter_ctx ctx), struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = -ENOMEM;

	if (ctx) {
		/* A tree instead of a list: the filter runs on every system call. */
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
		seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
		r = add(ctx);
		if (r == 0)
			r = seccomp_load(ctx);
		seccomp_release(ctx);
	}
	return r < 0 ? fail(e, -r, "can't load the seccomp filter: %s", strerror(-r)) : 0;
}

int sandbox_limit_calls(struct err *e)
{
	return load(add_all, e);
}

int sandbox_limit_closer(struct err *e)
{
	return load(add_closer, e);
}
