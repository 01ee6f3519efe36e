/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process can no longer do behind sandbox_enter(). Each attempt is made
 * in a child, since there is no way back; its errno is the child's exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

enum { NO_SANDBOX = 255 };

static int try_open(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC) < 0 ? errno : 0;
}

static int read_proc(void)
{
	return try_open("/proc/self/status", O_RDONLY);
}

static int read_sys(void)
{
	return try_open("/sys/devices/system/cpu/present", O_RDONLY);
}

static int read_etc(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int write_proc(void)
{
	return try_open("/proc/self/comm", O_WRONLY);
}

static int make_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int signal_parent(void)
{
	return kill(getppid(), 0) < 0 ? errno : 0;
}

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

/* The wait status of a child that enters the sandbox and makes the attempt. */
static int attempt(int (*what)(void))
{
	struct err e = { 0 };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_enter(&e) < 0)
			_exit(NO_SANDBOX);
		/* Not _exit(): sanitizers prepare for that with calls that are forbidden now. */
		syscall(SYS_exit_group, what());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
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

static void test_the_host_can_be_read(void **state)
{
	(void)state;
	assert_errno(read_proc, 0);
	assert_errno(read_sys, 0);
}

static void test_other_files_can_not(void **state)
{
	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 0)
		skip();
	assert_errno(read_etc, EACCES);
}

static void test_nothing_is_opened_to_write(void **state)
{
	(void)state;
	assert_errno(write_proc, EPERM);
}

static void test_calls_that_are_not_listed_fail(void **state)
{
	(void)state;
	assert_errno(make_socket, EPERM);
	assert_errno(map_code, EPERM);
	assert_errno(signal_parent, EPERM);
}

static void test_what_only_an_intruder_calls_kills(void **state)
{
	(void)state;
	assert_killed(run_program);
	assert_killed(trace_parent);
}

/* Started by hand it would keep the rights of whoever did. */
static void test_refused_where_rights_can_come_back(void **state)
{
	struct err e = { 0 };
	pid_t pid;
	int status;

	(void)state;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		skip();
	pid = fork();
	if (pid == 0)
		syscall(SYS_exit_group, -sandbox_enter(&e));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_host_can_be_read),
		cmocka_unit_test(test_other_files_can_not),
		cmocka_unit_test(test_nothing_is_opened_to_write),
		cmocka_unit_test(test_calls_that_are_not_listed_fail),
		cmocka_unit_test(test_what_only_an_intruder_calls_kills),
		cmocka_unit_test(test_refused_where_rights_can_come_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
