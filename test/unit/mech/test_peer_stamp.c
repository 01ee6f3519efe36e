/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "mech/cgroup.h"
#include "model/peer.h"

#include <cmocka.h>

static void assert_ours(const struct peer *p)
{
	char text[4096], path[PEER_CGROUP_MAX];
	gid_t groups[PEER_GROUPS_MAX];
	int n = getgroups(PEER_GROUPS_MAX, groups);

	assert_int_equal(p->pid, getpid());
	assert_int_equal(p->uid, geteuid());
	assert_int_equal(p->gid, getegid());
	assert_true(n >= 0);
	assert_int_equal(p->ngroups, n);
	assert_memory_equal(p->groups, groups, (size_t)n * sizeof(groups[0]));
	assert_true(fd_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) >= 0);
	if (p->cgroup[0]) {
		assert_int_equal(peer_parse_cgroup(text, path, sizeof(path)), 0);
		assert_string_equal(p->cgroup, path);
	}
}

static void test_ourselves(void **state)
{
	int cgroup_fd = cgroup_root("/"), pair[2], pidfd = -1;
	struct peer p = { 0 };

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(peer_stamp(pair[0], cgroup_fd, true, &p, &pidfd), 0);
	assert_ours(&p);
	assert_int_equal(p.cgroup[0] == '/', cgroup_fd >= 0 && p.cgroup_id != 0);
	assert_true(pidfd >= 0);
	close(pidfd);
	assert_int_equal(peer_stamp(pair[0], -1, true, &p, &pidfd), 0);
	assert_string_equal(p.cgroup, "");
	close(pidfd);
}

/* An abstract name of the kernel's choice; its length in *ret_len. */
static int listen_somewhere(struct sockaddr_un *a, socklen_t *ret_len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof(sa_family_t)), 0);
	*ret_len = sizeof(*a);
	assert_int_equal(getsockname(fd, (struct sockaddr *)a, ret_len), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* Who connected has ended, whoever may have the socket by now. */
static void test_who_has_ended(void **state)
{
	struct peer p = { .uid = 77 };
	struct sockaddr_un a;
	socklen_t len;
	int fd = listen_somewhere(&a, &len), pidfd = -1, status, sock;
	pid_t child;

	(void)state;
	fflush(stdout);
	child = fork();
	if (child == 0) {
		sock = socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(connect(sock, (struct sockaddr *)&a, len) < 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	sock = accept(fd, NULL, NULL);
	assert_true(sock >= 0);
	assert_int_equal(peer_stamp(sock, cgroup_root("/"), true, &p, &pidfd), -ESRCH);
	assert_int_equal(p.uid, 77);
	assert_int_equal(pidfd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ourselves),
		cmocka_unit_test(test_who_has_ended),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
