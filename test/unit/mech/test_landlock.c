/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* An exit status says which step was not as it should be; 0: all were. */
static int give_up_files(void)
{
	int ruleset = landlock_begin();

	if (ruleset < 0 || landlock_allow(ruleset, "/proc", LANDLOCK_READ) < 0)
		return 1;
	if (landlock_allow(ruleset, "/no/such/place", LANDLOCK_READ) != -ENOENT)
		return 2;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter(ruleset) < 0)
		return 3;
	if (open("/proc/self/status", O_RDONLY) < 0)
		return 4;
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		return 5;
	if (open("/proc/self/comm", O_WRONLY) >= 0 || errno != EACCES)
		return 6;
	return execl("/bin/true", "true", NULL) == 0 || errno != EACCES ? 7 : 0;
}

static void test_only_what_is_allowed(void **state)
{
	int ruleset = landlock_begin(), status;
	pid_t child;

	(void)state;
	if (ruleset == -EOPNOTSUPP)
		skip();
	close(ruleset);
	child = fork();
	if (child == 0)
		_exit(give_up_files());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_only_what_is_allowed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
