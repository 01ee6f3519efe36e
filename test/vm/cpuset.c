/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mech/cgroup.c and mech/cpu.c against a kernel: what a tenant's cgroup is given
 * is where its tasks run, and only they where it is isolated. Needs root, cgroup
 * v2 with the cpuset controller, and a guest of 2 sockets x 2 cores x 2 threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "mech/cgroup.h"
#include "mech/cpu.h"

#include <cmocka.h> /* last: its fail() is a macro */

#define MOUNT	 "/sys/fs/cgroup"
#define TOP	 "/media"	  /* its parent, the root, is a partition */
#define NESTED	 "/tenants/media" /* its parent is none */
#define UNGIVEN	 "/media/child"	  /* no controller is given to it */
#define ALL_CPUS "0-7"

static struct cgroup_saved saved;
static struct err e;
static int root_fd;

static void make(const char *cgroup)
{
	char path[256];

	snprintf(path, sizeof(path), MOUNT "%s", cgroup);
	assert_return_code(mkdir(path, 0755), errno);
}

static int remove_cgroup(const char *cgroup)
{
	char path[256];

	snprintf(path, sizeof(path), MOUNT "%s", cgroup);
	return rmdir(path);
}

static void put(const char *cgroup, const char *file, const char *text)
{
	char path[256];
	int r;

	snprintf(path, sizeof(path), MOUNT "%s/%s", cgroup, file);
	r = fd_write_file(AT_FDCWD, path, text);
	assert_return_code(r, -r);
}

static void assert_file(const char *cgroup, const char *file, const char *want)
{
	char path[256], text[4096];
	ssize_t n;

	snprintf(path, sizeof(path), MOUNT "%s/%s", cgroup, file);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text));
	assert_return_code(n, -n);
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, want);
}

static void assert_set(const struct cpuset *set, const char *list)
{
	char text[256];

	cpuset_format(set, text, sizeof(text));
	assert_string_equal(text, list);
}

/* Goes to each CPU in turn; *ret is where that was possible. */
static void go_everywhere(struct cpuset *ret)
{
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		struct cpuset one = { 0 };

		cpuset_add(&one, cpu);
		if (sched_setaffinity(0, sizeof(one), (cpu_set_t *)one.w) == 0)
			cpuset_add(ret, (unsigned)sched_getcpu());
	}
}

/* Asks for all CPUs, then waits to be told to tell where it can go. */
static _Noreturn void task_main(const char *cgroup, int sock)
{
	struct cpuset ran = { 0 }, all;
	char path[256], byte;

	memset(&all, 0xff, sizeof(all));
	snprintf(path, sizeof(path), MOUNT "%s/cgroup.procs", cgroup);
	if (fd_write_file(AT_FDCWD, path, "0") < 0 ||
	    sched_setaffinity(0, sizeof(all), (cpu_set_t *)all.w) < 0 || write(sock, "", 1) != 1 ||
	    read(sock, &byte, 1) != 1)
		_exit(1);
	go_everywhere(&ran);
	_exit(write(sock, &ran, sizeof(ran)) == (ssize_t)sizeof(ran) ? 0 : 1);
}

struct task {
	pid_t pid;
	int sock;
};

static struct task start(const char *cgroup)
{
	struct task task;
	int ends[2];
	char byte;

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), errno);
	task.pid = fork();
	assert_return_code(task.pid, errno);
	if (task.pid == 0)
		task_main(cgroup, ends[1]);
	close(ends[1]);
	task.sock = ends[0];
	assert_int_equal(read(task.sock, &byte, 1), 1);
	return task;
}

/* Where the task may be now, without its own doing, and where it can go. */
static void assert_runs_on(struct task *task, const char *list)
{
	struct cpuset set = { 0 };

	assert_return_code(sched_getaffinity(task->pid, sizeof(set), (cpu_set_t *)set.w), errno);
	assert_set(&set, list);
	assert_int_equal(write(task->sock, "", 1), 1);
	assert_int_equal(read(task->sock, &set, sizeof(set)), sizeof(set));
	assert_set(&set, list);
	assert_int_equal(waitpid(task->pid, NULL, 0), task->pid);
	close(task->sock);
}

static void assert_cgroup_runs_on(const char *cgroup, const char *list)
{
	struct task task = start(cgroup);

	assert_runs_on(&task, list);
}

static int apply(const char *path, const char *list, enum enforce want, enum enforce *ret)
{
	struct cpuset cpus;

	memset(&e, 0, sizeof(e));
	assert_int_equal(cpuset_parse(list, &cpus), 0);
	return cgroup_apply(root_fd, path, &cpus, want, &saved, ret, &e);
}

static void apply_ok(const char *path, const char *list, enum enforce want, enum enforce got)
{
	enum enforce now = ENFORCE_MAX;
	int r = apply(path, list, want, &now);

	if (r < 0 || e.code)
		print_message("# %s\n", e.text);
	assert_int_equal(r, 0);
	assert_string_equal(enforce_name(now), enforce_name(got));
}

static void restore(const char *path)
{
	assert_int_equal(cgroup_restore(root_fd, path, &saved, &e), 0);
	assert_false(saved.valid);
}

static int setup(void **state)
{
	(void)state;
	memset(&saved, 0, sizeof(saved));
	root_fd = cgroup_root("/");
	assert_return_code(root_fd, -root_fd);
	make(TOP);
	make(UNGIVEN);
	make("/tenants");
	put("/tenants", "cgroup.subtree_control", "+cpuset");
	make(NESTED);
	return 0;
}

static int teardown(void **state)
{
	static const char *const made[] = { UNGIVEN, TOP, NESTED, "/tenants" };
	int r = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		if (remove_cgroup(made[i]) < 0 && errno != ENOENT)
			r = -1;
	close(root_fd);
	return r;
}

static void test_topology(void **state)
{
	static struct host host;
	struct cpuset usable;
	unsigned cpu;

	(void)state;
	assert_int_equal(cpu_usable(&usable, &e), 0);
	assert_set(&usable, ALL_CPUS);
	assert_int_equal(cpu_probe("/", &usable, &host, &e), 0);
	assert_set(&host.present, ALL_CPUS);
	assert_set(&host.online, ALL_CPUS);
	assert_set(&host.isolated, "");
	cpuset_for_each(cpu, &host.online) {
		assert_int_equal(host.core[cpu], cpu & ~1U);
		assert_int_equal(host.package[cpu], cpu / 4);
		assert_int_equal(host.node[cpu], cpu / 4);
	}
}

static void test_offline_cpu(void **state)
{
	static struct host host;
	struct cpuset usable;
	int r;

	(void)state;
	r = fd_write_file(AT_FDCWD, "/sys/devices/system/cpu/cpu7/online", "0\n");
	assert_return_code(r, -r);
	assert_int_equal(cpu_usable(&usable, &e), 0);
	assert_int_equal(cpu_probe("/", &usable, &host, &e), 0);
	r = fd_write_file(AT_FDCWD, "/sys/devices/system/cpu/cpu7/online", "1\n");
	assert_return_code(r, -r);
	assert_set(&usable, "0-6");
	assert_set(&host.present, ALL_CPUS);
	assert_set(&host.online, "0-6");
	assert_int_equal(host.core[6], 6);
	assert_int_equal(host.node[7], NODE_NONE);
}

static void test_usable_is_the_cpuset(void **state)
{
	struct cpuset usable;
	int r;

	(void)state;
	put(TOP, "cpuset.cpus", "2-3");
	put(TOP, "cgroup.procs", "0");
	r = cpu_usable(&usable, &e);
	put("", "cgroup.procs", "0");
	assert_int_equal(r, 0);
	assert_set(&usable, "2-3");
}

static void test_cpuset(void **state)
{
	struct task before, outside;

	(void)state;
	before = start(NESTED);
	outside = start("");
	apply_ok(NESTED, "4-5", ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_file(NESTED, "cpuset.cpus", "4-5");
	assert_runs_on(&before, "4-5");
	assert_cgroup_runs_on(NESTED, "4-5");
	assert_runs_on(&outside, ALL_CPUS);

	before = start(NESTED);
	restore(NESTED);
	/* a list of all CPUs, because of the task: the kernel takes no empty one then */
	assert_file(NESTED, "cpuset.cpus", ALL_CPUS);
	assert_runs_on(&before, ALL_CPUS);
}

/* With nobody in it, the cgroup is left as it was found to the letter. */
static void test_restore_of_empty_cgroup(void **state)
{
	(void)state;
	apply_ok(NESTED, "4-5", ENFORCE_CPUSET, ENFORCE_CPUSET);
	restore(NESTED);
	assert_file(NESTED, "cpuset.cpus", "");
}

static void test_isolated(void **state)
{
	struct task before, outside;

	(void)state;
	put(TOP, "cpuset.cpus", "0-6");
	before = start(TOP);
	outside = start("");
	apply_ok(TOP, "4-5", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	assert_int_equal(e.code, 0);
	assert_file(TOP, "cpuset.cpus.partition", "isolated");
	assert_runs_on(&before, "4-5");
	assert_runs_on(&outside, "0-3,6-7");
	assert_cgroup_runs_on(TOP, "4-5");
	assert_cgroup_runs_on("/tenants/media", "0-3,6-7");

	outside = start("");
	restore(TOP);
	assert_file(TOP, "cpuset.cpus", "0-6");
	assert_file(TOP, "cpuset.cpus.partition", "member");
	assert_cgroup_runs_on(TOP, "0-6");
	assert_runs_on(&outside, ALL_CPUS);
}

static void test_isolated_set_changes(void **state)
{
	(void)state;
	apply_ok(TOP, "4-5", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	apply_ok(TOP, "4-6", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	assert_cgroup_runs_on(TOP, "4-6");
	assert_cgroup_runs_on("", "0-3,7");
	apply_ok(TOP, "2", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	assert_cgroup_runs_on("", "0-1,3-7");
	apply_ok(TOP, "2-3", ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_cgroup_runs_on(TOP, "2-3");
	assert_cgroup_runs_on("", ALL_CPUS);
	apply_ok(TOP, "2-3", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	apply_ok(TOP, "", ENFORCE_ISOLATED, ENFORCE_ADVISORY);
	assert_cgroup_runs_on(TOP, ALL_CPUS);
	assert_cgroup_runs_on("", ALL_CPUS);
	restore(TOP);
	assert_file(TOP, "cpuset.cpus.partition", "member");
}

/* Below a cgroup that is no partition, this kernel makes none: the cpuset still holds. */
static void test_partition_refused(void **state)
{
	(void)state;
	apply_ok(NESTED, "4-5", ENFORCE_ISOLATED, ENFORCE_CPUSET);
	assert_int_not_equal(e.code, 0);
	assert_non_null(strstr(e.text, NESTED));
	assert_file(NESTED, "cpuset.cpus.partition", "member");
	assert_cgroup_runs_on(NESTED, "4-5");
	assert_cgroup_runs_on("", ALL_CPUS);
	restore(NESTED);
	assert_cgroup_runs_on(NESTED, ALL_CPUS);
}

/* Tasks in the root would have nowhere to go. */
static void test_not_every_cpu(void **state)
{
	(void)state;
	apply_ok(TOP, ALL_CPUS, ENFORCE_ISOLATED, ENFORCE_CPUSET);
	assert_int_not_equal(e.code, 0);
	assert_cgroup_runs_on("", ALL_CPUS);
	restore(TOP);
}

static void test_not_given(void **state)
{
	enum enforce now = ENFORCE_MAX;

	(void)state;
	assert_int_equal(apply(UNGIVEN, "4-5", ENFORCE_CPUSET, &now), -EOPNOTSUPP);
	assert_int_equal(e.code, EOPNOTSUPP);
	assert_false(saved.valid);
	assert_int_equal(apply("/nobody", "4-5", ENFORCE_CPUSET, &now), -ENOENT);
	assert_int_equal(now, ENFORCE_MAX);
}

static void test_parent_has_others(void **state)
{
	enum enforce now = ENFORCE_MAX;

	(void)state;
	put("/tenants", "cpuset.cpus", "0-3");
	assert_int_equal(apply(NESTED, "4-5", ENFORCE_CPUSET, &now), -ERANGE);
	assert_file(NESTED, "cpuset.cpus", "");
	assert_false(saved.valid);
	apply_ok(NESTED, "3-4", ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_cgroup_runs_on(NESTED, "3");
	restore(NESTED);
}

static void test_cgroup_vanishes(void **state)
{
	(void)state;
	apply_ok(NESTED, "4-5", ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_return_code(remove_cgroup(NESTED), errno);
	restore(NESTED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_topology),
		cmocka_unit_test(test_offline_cpu),
		cmocka_unit_test_setup_teardown(test_usable_is_the_cpuset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpuset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore_of_empty_cgroup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_isolated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_isolated_set_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partition_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_every_cpu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_given, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parent_has_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cgroup_vanishes, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
