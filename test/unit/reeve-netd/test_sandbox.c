/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What netd can no longer do behind sandbox_enter(), and what it still can. Each attempt is
 * made in a child, since there is no way back; its errno is the child's exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

/* Last: it has a macro named fail. */
#include <cmocka.h>

enum { NO_SANDBOX = 255, WRONG = 254, BLOCK = 200 << 20 };

static int enter_netds(struct err *e)
{
	return sandbox_enter(NULL, NULL, true, e);
}

/* The wait status of a child that enters that sandbox and makes the attempt. */
static int attempt_in(int (*enter)(struct err *e), int (*what)(void))
{
	struct err e = { 0 };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (enter(&e) < 0)
			_exit(NO_SANDBOX);
		/* Not _exit(): sanitizers prepare for that with calls that are forbidden now. */
		syscall(SYS_exit_group, what());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int attempt(int (*what)(void))
{
	return attempt_in(enter_netds, what);
}

static void assert_errno(int (*what)(void), int error)
{
	int status = attempt(what);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), error);
}

static void assert_killed(int (*what)(void))
{
	int status = attempt(what);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* --- what fails --------------------------------------------------------------------------- */

static int write_proc(void)
{
	return open("/proc/self/comm", O_WRONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return WRONG;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int signal_parent(void)
{
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static int kill_itself(void)
{
	return kill(getpid(), SIGKILL) < 0 ? errno : 0;
}

static int signal_parents_thread(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0) < 0 ? errno : 0;
}

static int other_family(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int set_interface(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	if (sock < 0)
		return WRONG;
	return ioctl(sock, SIOCSIFFLAGS, &ifr) < 0 ? errno : 0;
}

static int own_pipe(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return WRONG;
	return fcntl(p[0], F_SETOWN, getppid()) < 0 ? errno : 0;
}

/* Not fork(): sanitizers have their own. */
static int make_process(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		syscall(SYS_exit_group, 0);
	return pid < 0 ? errno : 0;
}

static int make_process_as_libc(void)
{
	const unsigned flags = CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD;
	pid_t tid;
	long pid = syscall(SYS_clone, flags, NULL, NULL, &tid, 0);

	if (pid == 0)
		syscall(SYS_exit_group, 0);
	return pid < 0 ? errno : 0;
}

static int make_process_by_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0) < 0 ? errno : 0;
}

static void test_what_is_not_ours_fails(void **state)
{
	(void)state;
	assert_errno(write_proc, EPERM);
	assert_errno(map_code, EPERM);
	assert_errno(make_code, EPERM);
	assert_errno(signal_parent, EPERM);
	assert_errno(kill_itself, EPERM);
	assert_errno(signal_parents_thread, EPERM);
	assert_errno(other_family, EPERM);
	assert_errno(set_interface, EPERM);
	assert_errno(own_pipe, EPERM);
	assert_errno(make_process, EPERM);
	assert_errno(make_process_as_libc, EPERM);
	assert_errno(make_process_by_clone3, ENOSYS);
}

/* --- what kills ------------------------------------------------------------------------------ */

static int run_program(void)
{
	char *argv[] = { "true", NULL };

	execve("/bin/true", argv, argv + 1);
	return errno;
}

static int trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? errno : 0;
}

static int leave_namespace(void)
{
	return syscall(SYS_unshare, 0) < 0 ? errno : 0;
}

static int make_ring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) < 0 ? errno : 0;
}

static void *run_in_thread(void *arg)
{
	(void)arg;
	syscall(SYS_execve, NULL, NULL, NULL);
	return NULL;
}

/* The process, not the thread alone. */
static int thread_runs_program(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_in_thread, NULL) != 0)
		return WRONG;
	pthread_join(thread, NULL);
	return 0;
}

static void test_what_only_an_intruder_calls_kills(void **state)
{
	(void)state;
	assert_killed(run_program);
	assert_killed(trace_parent);
	assert_killed(leave_namespace);
	assert_killed(make_ring);
	assert_killed(thread_runs_program);
}

/* Calls by the numbers of another architecture: 20 is getpid there. */
static int call_as_i386(void)
{
#ifdef __x86_64__
	int pid = 20;

	__asm__ volatile("int $0x80" : "+a"(pid) : : "memory", "r8", "r9", "r10", "r11");
#endif
	return 0;
}

static void test_numbers_of_another_architecture_kill(void **state)
{
	(void)state;
#ifdef __x86_64__
	assert_killed(call_as_i386);
#else
	assert_errno(call_as_i386, 0);
#endif
}

/* --- what goes ----------------------------------------------------------------------------------
 */

static void *touch(void *arg)
{
	char *small = malloc(100), *large = malloc(BLOCK);

	(void)arg;
	if (!small || !large)
		return NULL;
	memset(small, 1, 100);
	large[0] = large[BLOCK - 1] = 1;
	large = realloc(large, 2 * (size_t)BLOCK);
	if (!large)
		return NULL;
	large[2 * (size_t)BLOCK - 1] = 1;
	free(large);
	free(small);
	return small;
}

/* By brk() and by mmap(), and in an arena of a thread's own. */
static int use_memory_and_threads(void)
{
	pthread_t threads[4];
	void *done;

	if (!touch(NULL))
		return WRONG;
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, touch, NULL) != 0)
			return WRONG;
	for (int i = 0; i < 4; i++)
		if (pthread_join(threads[i], &done) != 0 || !done)
			return WRONG;
	return 0;
}

static int open_sockets(void)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_NETLINK };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0)
			return errno;
	return 0;
}

static int make_sealed_memory(void)
{
	int fd = memfd_create("channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0 || ftruncate(fd, 8192) < 0)
		return errno;
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return errno;
	return munmap(p, 8192) < 0 ? errno : 0;
}

/* Of prctl() that alone: naps that are as short as an engine asks for. */
static int nap_shortly(void)
{
	if (prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0) < 0)
		return errno;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 && errno == EPERM ? 0 : WRONG;
}

static int read_proc(void)
{
	return open("/proc/self/status", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int end_by_abort(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void test_what_netd_does_still_goes(void **state)
{
	int status;

	(void)state;
	assert_errno(use_memory_and_threads, 0);
	assert_errno(open_sockets, 0);
	assert_errno(make_sealed_memory, 0);
	assert_errno(nap_shortly, 0);
	assert_errno(read_proc, 0);
	status = attempt(end_by_abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* --- the process that closes sockets -----------------------------------------------------------
 */

static int open_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int map_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int open_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 ? errno : 0;
}

static int make_thread(void)
{
	long tid = syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL, NULL, NULL, 0);

	return tid < 0 ? errno : 0;
}

static int have_a_child_end(void)
{
	pid_t pid = _Fork();
	int status;

	if (pid == 0)
		syscall(SYS_exit_group, 7);
	if (pid < 0)
		return errno;
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7 ? 0 : WRONG;
}

static void assert_closers_errno(int (*what)(void), int error)
{
	int status = attempt_in(sandbox_enter_closer, what);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), error);
}

static void test_the_closer_can_do_less(void **state)
{
	int status;

	(void)state;
	assert_closers_errno(have_a_child_end, 0);
	assert_closers_errno(open_directory, EPERM);
	assert_closers_errno(open_netlink, EPERM);
	assert_closers_errno(map_memory, EPERM);
	assert_closers_errno(make_thread, EPERM);
	assert_closers_errno(signal_parent, EPERM);
	assert_closers_errno(kill_itself, EPERM);
	status = attempt_in(sandbox_enter_closer, run_program);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* --- threads that are there already --------------------------------------------------------------
 */

static int ends[2];

static void *wait_and_call(void *arg)
{
	char byte;

	if (read(ends[0], &byte, 1) == 1)
		*(int *)arg = other_family();
	return NULL;
}

static void test_threads_that_were_there_are_held_to_it(void **state)
{
	struct err e = { 0 };
	pthread_t thread;
	int status, error = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (pipe2(ends, O_CLOEXEC) < 0 ||
		    pthread_create(&thread, NULL, wait_and_call, &error) != 0)
			syscall(SYS_exit_group, WRONG);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_limit_calls(&e) < 0 || write(ends[1], "", 1) != 1 ||
		    pthread_join(thread, NULL) != 0)
			syscall(SYS_exit_group, NO_SANDBOX);
		syscall(SYS_exit_group, error);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_ours_fails),
		cmocka_unit_test(test_what_only_an_intruder_calls_kills),
		cmocka_unit_test(test_numbers_of_another_architecture_kill),
		cmocka_unit_test(test_what_netd_does_still_goes),
		cmocka_unit_test(test_the_closer_can_do_less),
		cmocka_unit_test(test_threads_that_were_there_are_held_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
