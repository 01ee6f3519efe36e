/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Over directories that look like cgroups: which files are written, with what,
 * and how it is undone. What the kernel makes of it is tested in test/vm.
 */
#include "mech/cgroup.h"
#include "tree.h"

#define TENANT	  "/tenants/media"
#define DIR_PATH  "sys/fs/cgroup" TENANT
#define CPUS	  DIR_PATH "/cpuset.cpus"
#define EFFECTIVE DIR_PATH "/cpuset.cpus.effective"
#define PARTITION DIR_PATH "/cpuset.cpus.partition"

static struct cgroup_saved saved;
static struct err e;
static int root_fd;

static int setup(void **state)
{
	static struct tree tree;

	tree_new(&tree);
	tree_file(&tree, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu\n");
	tree_file(&tree, CPUS, "\n");
	tree_file(&tree, EFFECTIVE, "4-5\n");
	tree_file(&tree, PARTITION, "member\n");
	memset(&saved, 0, sizeof(saved));
	memset(&e, 0, sizeof(e));
	root_fd = cgroup_root(tree.root);
	assert_return_code(root_fd, -root_fd);
	*state = &tree;
	return 0;
}

static int teardown(void **state)
{
	close(root_fd);
	tree_free(*state);
	return 0;
}

static int apply(const char *path, const char *list, enum enforce want, enum enforce *ret)
{
	struct cpuset cpus;

	assert_int_equal(cpuset_parse(list, &cpus), 0);
	return cgroup_apply(root_fd, path, &cpus, want, &saved, ret, &e);
}

/* apply() must succeed with `got` in force. */
static void apply_ok(const char *list, enum enforce want, enum enforce got)
{
	enum enforce now = ENFORCE_MAX;

	assert_int_equal(apply(TENANT, list, want, &now), 0);
	assert_string_equal(enforce_name(now), enforce_name(got));
	assert_true(saved.valid);
}

/* apply() must fail so, leaving no trace. */
static void apply_fails(const char *path, int code)
{
	enum enforce now = ENFORCE_MAX;

	assert_int_equal(apply(path, "4-5", ENFORCE_ISOLATED, &now), -code);
	assert_int_equal(e.code, code);
	assert_int_equal(now, ENFORCE_MAX);
	assert_false(saved.valid);
}

static void test_root(void **state)
{
	const struct tree *t = *state;
	char path[TREE_PATH];
	int fd;

	assert_return_code(faccessat(root_fd, "tenants", F_OK, 0), errno);

	/* both versions side by side: version 2 is one level down */
	tree_path(t, "sys/fs/cgroup/cgroup.controllers", path);
	assert_return_code(unlink(path), errno);
	assert_int_equal(cgroup_root(t->root), -ENOENT);
	tree_file(t, "sys/fs/cgroup/unified/cgroup.controllers", "");
	fd = cgroup_root(t->root);
	assert_return_code(fd, -fd);
	assert_return_code(faccessat(fd, "cgroup.controllers", F_OK, 0), errno);
	close(fd);

	assert_int_equal(cgroup_root("/nonexistent"), -ENOENT);
}

static void test_cpuset(void **state)
{
	const struct tree *t = *state;

	apply_ok("4-5,7", ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_string_equal(tree_line(t, CPUS), "4-5,7");
	assert_string_equal(tree_line(t, PARTITION), "member");
	assert_string_equal(saved.cpus, "");
	assert_string_equal(saved.partition, "member");
	assert_int_equal(e.code, 0);

	assert_int_equal(cgroup_restore(root_fd, TENANT, &saved, &e), 0);
	assert_string_equal(tree_line(t, CPUS), "");
	assert_false(saved.valid);
}

static void test_isolated(void **state)
{
	const struct tree *t = *state;

	tree_file(t, CPUS, "0-7\n");
	apply_ok("4-5", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	assert_string_equal(tree_line(t, CPUS), "4-5");
	assert_string_equal(tree_line(t, PARTITION), "isolated");
	assert_int_equal(e.code, 0);

	assert_int_equal(cgroup_restore(root_fd, TENANT, &saved, &e), 0);
	assert_string_equal(tree_line(t, CPUS), "0-7");
	assert_string_equal(tree_line(t, PARTITION), "member");
}

/* What was there before the first call is what comes back, whatever came between. */
static void test_changes_keep_what_was_saved(void **state)
{
	const struct tree *t = *state;

	tree_file(t, CPUS, "0-3\n");
	apply_ok("4-5", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	apply_ok("4-6", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	assert_string_equal(tree_line(t, CPUS), "4-6");
	apply_ok("4-5", ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_string_equal(tree_line(t, PARTITION), "member");
	assert_string_equal(saved.cpus, "0-3");
	assert_string_equal(saved.partition, "member");

	assert_int_equal(cgroup_restore(root_fd, TENANT, &saved, &e), 0);
	assert_string_equal(tree_line(t, CPUS), "0-3");
}

static void test_empty_takes_the_limit_away(void **state)
{
	const struct tree *t = *state;

	apply_ok("4-5", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	apply_ok("", ENFORCE_ISOLATED, ENFORCE_ADVISORY);
	assert_string_equal(tree_line(t, CPUS), "");
	assert_string_equal(tree_line(t, PARTITION), "member");
	apply_ok("4-5", ENFORCE_CPUSET, ENFORCE_CPUSET);
	apply_ok("4-5", ENFORCE_ADVISORY, ENFORCE_ADVISORY);
	assert_string_equal(tree_line(t, CPUS), "");
}

/* A partition that the administrator made is kept, and comes back with its CPUs. */
static void test_partition_of_others(void **state)
{
	const struct tree *t = *state;

	tree_file(t, CPUS, "2-3\n");
	tree_file(t, PARTITION, "root invalid (Parent is not a partition root)\n");
	apply_ok("4-5", ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_string_equal(saved.partition, "root");
	apply_ok("4-5", ENFORCE_ISOLATED, ENFORCE_ISOLATED);

	assert_int_equal(cgroup_restore(root_fd, TENANT, &saved, &e), 0);
	assert_string_equal(tree_line(t, CPUS), "2-3");
	assert_string_equal(tree_line(t, PARTITION), "root");
}

/* Linux before 5.0 has no such file. */
static void test_kernel_without_partitions(void **state)
{
	const struct tree *t = *state;
	char path[TREE_PATH];

	tree_path(t, PARTITION, path);
	assert_return_code(unlink(path), errno);
	apply_ok("4-5", ENFORCE_ISOLATED, ENFORCE_CPUSET);
	assert_int_equal(e.code, EOPNOTSUPP);
	assert_string_equal(saved.partition, "");
	assert_string_equal(tree_line(t, CPUS), "4-5");
	assert_int_equal(cgroup_restore(root_fd, TENANT, &saved, &e), 0);
	assert_int_equal(access(path, F_OK), -1);
}

/* A file that takes no write, or one that forgets it: the CPUs are still held. */
static void test_partition_refused(void **state)
{
	const struct tree *t = *state;

	tree_link(t, PARTITION, "/proc/version");
	apply_ok("4-5", ENFORCE_ISOLATED, ENFORCE_CPUSET);
	assert_int_not_equal(e.code, 0);
	assert_non_null(strstr(e.text, TENANT));
	assert_string_equal(tree_line(t, CPUS), "4-5");
}

static void test_no_controller(void **state)
{
	const struct tree *t = *state;

	tree_file(t, "sys/fs/cgroup/bare/cgroup.procs", "");
	apply_fails("/bare", EOPNOTSUPP);
}

static void test_no_such_cgroup(void **state)
{
	(void)state;
	apply_fails("/tenants/nobody", ENOENT);
	assert_non_null(strstr(e.text, "/tenants/nobody"));
}

static void test_paths(void **state)
{
	const struct tree *t = *state;

	tree_file(t, "outside/cpuset.cpus", "");
	tree_link(t, "sys/fs/cgroup/link", "tenants");
	tree_link(t, "sys/fs/cgroup/away", "/");
	apply_fails("", EINVAL);
	apply_fails("/", EINVAL);
	apply_fails("tenants/media", EINVAL);
	apply_fails("/../../../outside", EXDEV);
	apply_fails("/tenants/../../../../outside", EXDEV);
	apply_fails("/link/media", ELOOP);
	apply_fails("/away", ELOOP);
	apply_fails("/cgroup.controllers", ENOTDIR);
	assert_string_equal(tree_line(t, CPUS), "");
}

/* The parent has none of the CPUs, so the kernel lets the cgroup use others. */
static void test_not_in_force(void **state)
{
	const struct tree *t = *state;

	tree_file(t, CPUS, "1\n");
	tree_file(t, EFFECTIVE, "0-3\n");
	apply_fails(TENANT, ERANGE);
	assert_string_equal(tree_line(t, CPUS), "1");
	assert_string_equal(tree_line(t, PARTITION), "member");
}

static void test_kernel_refuses_cpus(void **state)
{
	const struct tree *t = *state;
	enum enforce now = ENFORCE_MAX;

	tree_link(t, CPUS, "/proc/version");
	assert_in_range(-apply(TENANT, "4-5", ENFORCE_CPUSET, &now), 1, 200);
	assert_int_not_equal(e.code, 0);
	assert_false(saved.valid);
	assert_string_equal(tree_line(t, PARTITION), "member");
}

/* A later failure leaves the enforcement of the earlier call. */
static void test_failure_keeps_the_call_before(void **state)
{
	const struct tree *t = *state;
	enum enforce now = ENFORCE_MAX;

	apply_ok("4-5", ENFORCE_ISOLATED, ENFORCE_ISOLATED);
	assert_int_equal(apply(TENANT, "0-1", ENFORCE_CPUSET, &now), -ERANGE);
	assert_string_equal(tree_line(t, CPUS), "4-5");
	assert_string_equal(tree_line(t, PARTITION), "isolated");
	assert_true(saved.valid);
	assert_string_equal(saved.partition, "member");
}

static void test_restore_of_nothing(void **state)
{
	const struct tree *t = *state;
	char path[TREE_PATH], gone[TREE_PATH];

	assert_int_equal(cgroup_restore(root_fd, TENANT, &saved, &e), 0);
	apply_ok("4-5", ENFORCE_CPUSET, ENFORCE_CPUSET);
	tree_path(t, DIR_PATH, path);
	tree_path(t, "gone", gone);
	assert_return_code(rename(path, gone), errno);
	assert_int_equal(cgroup_restore(root_fd, TENANT, &saved, &e), 0);
	assert_false(saved.valid);
}

/* The longest list the kernel could print: too long to be kept, so nothing is touched. */
static void test_list_too_long_to_save(void **state)
{
	const struct tree *t = *state;
	char text[3 * CPU_MAX];
	struct cpuset odd = { 0 };

	for (unsigned cpu = 1; cpu < CPU_MAX; cpu += 2)
		cpuset_add(&odd, cpu);
	cpuset_format(&odd, text, sizeof(text));
	tree_file(t, CPUS, text);
	apply_fails(TENANT, EFBIG);
	assert_string_equal(tree_line(t, CPUS), text);

	/* but it can be set */
	tree_file(t, CPUS, "\n");
	tree_file(t, EFFECTIVE, "1,3,5\n");
	apply_ok(text, ENFORCE_CPUSET, ENFORCE_CPUSET);
	assert_string_equal(tree_line(t, CPUS), text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpuset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_isolated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_keep_what_was_saved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_takes_the_limit_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partition_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernel_without_partitions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partition_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_controller, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_cgroup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_in_force, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernel_refuses_cpus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_keeps_the_call_before, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_restore_of_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_too_long_to_save, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
