/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "mech/cpu.h"
#include "mech/lcore.h"
#include "mech/lcore_text.h"
#include "tree.h"

enum { PID = 4711 };

static struct host host;

static struct cpuset set_of(const char *list)
{
	struct cpuset set;

	assert_int_equal(cpuset_parse(list, &set), 0);
	return set;
}

/* A fake /proc of a host with CPUs 0-15, where 12-15 are off. */
static int setup(void **state)
{
	static struct tree tree;

	tree_new(&tree);
	memset(&host, 0, sizeof(host));
	host.present = set_of("0-15");
	host.online = set_of("0-11");
	*state = &tree;
	return 0;
}

static int teardown(void **state)
{
	tree_free(*state);
	return 0;
}

static void put_task(const struct tree *t, unsigned tid, const char *comm, const char *cpus)
{
	char path[TREE_PATH], text[512];

	snprintf(path, sizeof(path), "%d/task/%u/comm", PID, tid);
	snprintf(text, sizeof(text), "%s\n", comm);
	tree_file(t, path, text);
	snprintf(path, sizeof(path), "%d/task/%u/status", PID, tid);
	snprintf(text, sizeof(text),
		 "Name:\t%s\nState:\tS (sleeping)\nGroups:\t4 27 1000\nCpus_allowed:\tff\n"
		 "Cpus_allowed_list:\t%s\nMems_allowed:\t1\nMems_allowed_list:\t0\n",
		 comm, cpus);
	tree_file(t, path, text);
}

static unsigned resolve(const char *proc, uint32_t pid, struct lcore_map *map, uint16_t lcore,
			enum lcore_how want)
{
	enum lcore_how how = LCORE_HOW_MAX;
	unsigned cpu = lcore_resolve(proc, pid, &host, map, lcore, &how);

	assert_string_equal(lcore_how_name(how), lcore_how_name(want));
	return cpu;
}

static int comm_id(const char *comm)
{
	uint16_t id;
	int r = lcore_parse_comm(comm, strlen(comm), &id);

	return r < 0 ? r : id;
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(comm_id("dpdk-worker7\n"), 7);
	assert_int_equal(comm_id("dpdk-worker0"), 0);
	assert_int_equal(comm_id("dpdk-worker1023\n"), 1023);
	assert_int_equal(comm_id("rte-worker-127\n"), 127);
	assert_int_equal(comm_id("lcore-worker-9\n"), 9);
	assert_int_equal(comm_id("lcore-slave-127\n"), 127);
}

/* lcores 12 and 120 to 129 of DPDK 20.11 are all called lcore-worker-12. */
static void test_names_cut_short(void **state)
{
	(void)state;
	assert_int_equal(comm_id("lcore-worker-12\n"), -EINVAL);
	assert_int_equal(comm_id("lcore-worker-12"), -EINVAL);
}

static void test_names_of_others(void **state)
{
	static const char *const others[] = {
		"",
		"\n",
		"python3\n",
		"eal-intr-thread\n",
		"dpdk-intr\n",
		"dpdk-worker",
		"dpdk-worker\n",
		"dpdk-worker-7\n",
		"dpdk-worker+7\n",
		"dpdk-worker 7\n",
		"dpdk-worker7 \n",
		"dpdk-worker7\n\n",
		"dpdk-worker07\n",
		"dpdk-worker7x\n",
		"dpdk-worker0x7\n",
		"dpdk-worker65536\n",
		"dpdk-worker4294967296\n",
		"rte-worker--1\n",
		" dpdk-worker7\n",
		"DPDK-WORKER7\n",
		"dpdk-worker\xd9\xa7\n",
	};
	uint16_t id = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (lcore_parse_comm(others[i], strlen(others[i]), &id) == 0)
			fail_msg("\"%s\" is no worker", others[i]);
	assert_int_equal(lcore_parse_comm("dpdk-worker7\0\n", 14, &id), -EINVAL);
	assert_int_equal(id, 77);
}

static void test_status(void **state)
{
	struct cpuset set;

	(void)state;
	assert_int_equal(lcore_parse_allowed("Name:\tx\nCpus_allowed_list:\t0-3,8\n", &set), 0);
	assert_int_equal(cpuset_count(&set), 5);
	assert_true(cpuset_has(&set, 8));
	assert_int_equal(lcore_parse_allowed("Cpus_allowed_list:\t8191", &set), 0);
	assert_true(cpuset_has(&set, 8191));
	assert_int_equal(cpuset_count(&set), 1);

	assert_int_equal(lcore_parse_allowed("", &set), -ENOENT);
	assert_int_equal(lcore_parse_allowed("Name:\tCpus_allowed_list:\t0\n", &set), -ENOENT);
	assert_int_equal(lcore_parse_allowed("Mems_allowed_list:\t0\n", &set), -ENOENT);
	assert_int_equal(lcore_parse_allowed("Cpus_allowed_list:\tall\n", &set), -EINVAL);
	assert_int_equal(lcore_parse_allowed("Cpus_allowed_list:\t8192\n", &set), -ERANGE);
	assert_int_equal(cpuset_count(&set), 1);
}

static void test_status_too_long(void **state)
{
	size_t size = 100000;
	char *text = malloc(size);
	struct cpuset set;

	(void)state;
	assert_non_null(text);
	memset(text, '1', size);
	memcpy(text, "Cpus_allowed_list:", 18);
	text[size - 1] = '\0';
	assert_int_equal(lcore_parse_allowed(text, &set), -ERANGE);
	free(text);
}

/* --lcores 5@0,6@(1-2),7@3: a worker on two CPUs is on neither for certain. */
static void test_by_thread(void **state)
{
	const struct tree *t = *state;
	struct lcore_map map;

	put_task(t, PID, "app", "0");
	put_task(t, 4712, "eal-intr-thread", "4-11");
	put_task(t, 4713, "rte-worker-6", "1-2");
	put_task(t, 4714, "rte-worker-7", "3");
	put_task(t, 4715, "dpdk-worker5000", "9");
	lcore_map_read(t->root, PID, &map);

	assert_int_equal(map.nthreads, 2);
	assert_int_equal(resolve(t->root, PID, &map, 7, LCORE_BY_THREAD), 3);
	assert_int_equal(resolve(t->root, PID, &map, 5000, LCORE_BY_THREAD), 9);
	assert_int_equal(resolve(t->root, PID, &map, 6, LCORE_BY_CPU), 6);
	assert_int_equal(resolve(t->root, PID, &map, 500, LCORE_BARE), 500);
	assert_int_equal(map.remapped, 0);
}

/* Pinned to 8-11 with ids 0..3: no id is a CPU of its own. */
static void test_by_remap(void **state)
{
	const struct tree *t = *state;
	struct lcore_map map;

	put_task(t, PID, "app", "8");
	put_task(t, 4712, "ctrl", "9-11");
	lcore_map_read(t->root, PID, &map);

	assert_int_equal(map.nthreads, 0);
	assert_int_equal(resolve(t->root, PID, &map, 9, LCORE_BY_CPU), 9);
	assert_int_equal(resolve(t->root, PID, &map, 1, LCORE_BY_REMAP), 9);
	assert_int_equal(resolve(t->root, PID, &map, 3, LCORE_BY_REMAP), 11);
	assert_int_equal(map.remapped, 1);
	assert_int_equal(resolve(t->root, PID, &map, 4, LCORE_BY_CPU), 4);
}

/* Allowed 1-3: id 0 can only be remapped, and from then on 1 and 2 are too. */
static void test_remap_is_remembered(void **state)
{
	const struct tree *t = *state;
	struct lcore_map map;

	put_task(t, PID, "app", "1-3");
	lcore_map_read(t->root, PID, &map);

	assert_int_equal(resolve(t->root, PID, &map, 1, LCORE_BY_CPU), 1);
	assert_int_equal(resolve(t->root, PID, &map, 0, LCORE_BY_REMAP), 1);
	assert_int_equal(resolve(t->root, PID, &map, 1, LCORE_BY_REMAP), 2);
	assert_int_equal(resolve(t->root, PID, &map, 2, LCORE_BY_REMAP), 3);
	assert_int_equal(resolve(t->root, PID, &map, 3, LCORE_BY_CPU), 3);
}

static void test_nothing_known(void **state)
{
	const struct tree *t = *state;
	struct lcore_map map = { .nthreads = 99 };

	lcore_map_read(t->root, PID, &map);
	assert_int_equal(map.nthreads, 0);
	assert_int_equal(resolve(t->root, PID, &map, 3, LCORE_BY_CPU), 3);
	assert_int_equal(resolve(t->root, PID, &map, 12, LCORE_BY_CPU), 12);
	assert_int_equal(resolve(t->root, PID, &map, 16, LCORE_BARE), 16);
	assert_int_equal(resolve(t->root, PID, &map, 65535, LCORE_BARE), 65535);

	/* "0" is a folder that a process cannot have */
	tree_file(t, "0/task/1/comm", "dpdk-worker1\n");
	tree_file(t, "0/task/1/status", "Cpus_allowed_list:\t7\n");
	lcore_map_read(t->root, 0, &map);
	assert_int_equal(map.nthreads, 0);
	assert_int_equal(resolve(t->root, 0, &map, 1, LCORE_BY_CPU), 1);
}

static void test_hostile_tasks(void **state)
{
	const struct tree *t = *state;
	struct lcore_map map;
	char big[40000];

	memset(big, '7', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	put_task(t, 1, "dpdk-worker1", "");
	put_task(t, 2, "dpdk-worker2", "none");
	put_task(t, 3, "dpdk-worker3", "9000");
	put_task(t, 4, "dpdk-worker4\nCpus_allowed_list:\t4", "3-5");
	put_task(t, 5, "dpdk-worker5", "5");
	tree_file(t, "4711/task/5/status", big);
	put_task(t, 6, "dpdk-worker6", "6");
	tree_file(t, "4711/task/6/comm", big);
	tree_file(t, "4711/task/7/comm", "dpdk-worker7\n");
	tree_file(t, "4711/task/self/comm", "dpdk-worker8\n");
	lcore_map_read(t->root, PID, &map);
	assert_int_equal(map.nthreads, 0);
}

/* Two threads of one name count once. */
static void test_name_twice(void **state)
{
	const struct tree *t = *state;
	struct lcore_map map;
	unsigned cpu;

	put_task(t, 1, "dpdk-worker1", "4");
	put_task(t, 2, "dpdk-worker1", "5");
	lcore_map_read(t->root, PID, &map);
	assert_int_equal(map.nthreads, 1);
	cpu = resolve(t->root, PID, &map, 1, LCORE_BY_THREAD);
	assert_in_range(cpu, 4, 5);
}

static void test_map_is_full(void **state)
{
	const struct tree *t = *state;
	struct lcore_map map;

	for (unsigned i = 0; i < LCORE_MAP_MAX + 40; i++) {
		char comm[32];

		snprintf(comm, sizeof(comm), "dpdk-worker%u", i);
		put_task(t, i + 1, comm, "2");
	}
	lcore_map_read(t->root, PID, &map);
	assert_int_equal(map.nthreads, LCORE_MAP_MAX);
}

/* How many of the watched files were opened since the last call. */
static unsigned opened(int watch)
{
	char buf[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	unsigned count = 0;
	ssize_t n;

	while ((n = read(watch, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *event = (const void *)p;

			assert_false(event->mask & IN_Q_OVERFLOW);
			count++;
			p += sizeof(*event) + event->len;
		}
	}
	return count;
}

/* A process of 1500 threads costs no more to look at than one of 256, and that once. */
static void test_work_is_bounded(void **state)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	const struct tree *t = *state;
	struct lcore_map map;

	assert_return_code(watch, errno);
	for (unsigned i = 0; i < 1500; i++) {
		char path[TREE_PATH], name[64];

		put_task(t, i + 1, "busy", "3");
		snprintf(name, sizeof(name), "%d/task/%u/comm", PID, i + 1);
		tree_path(t, name, path);
		assert_return_code(inotify_add_watch(watch, path, IN_OPEN), errno);
		snprintf(name, sizeof(name), "%d/task/%u/status", PID, i + 1);
		tree_path(t, name, path);
		assert_return_code(inotify_add_watch(watch, path, IN_OPEN), errno);
	}
	assert_int_equal(opened(watch), 0);
	lcore_map_read(t->root, PID, &map);
	assert_in_range(opened(watch), 1, 256);
	resolve(t->root, PID, &map, 9, LCORE_BY_CPU);
	assert_in_range(opened(watch), 1, 256);
	resolve(t->root, PID, &map, 10, LCORE_BY_CPU);
	assert_int_equal(opened(watch), 0);
	close(watch);
}

/* Real processes ---------------------------------------------------------- */

static unsigned first_cpu, last_cpu;

/* A child that has told that it is set up, and lives until it is ended. */
struct child {
	pid_t pid;
	int out;
};

static void pin(unsigned cpu)
{
	struct cpuset set = { 0 };

	cpuset_add(&set, cpu);
	if (sched_setaffinity(0, sizeof(set), (cpu_set_t *)set.w) < 0)
		_exit(1);
}

struct worker {
	const char *name;
	const unsigned *cpu; /* NULL: left as it is */
	pthread_barrier_t *ready;
};

static void *worker_main(void *arg)
{
	const struct worker *w = arg;

	prctl(PR_SET_NAME, w->name);
	if (w->cpu)
		pin(*w->cpu);
	pthread_barrier_wait(w->ready);
	pause();
	return NULL;
}

static void like_dpdk(void)
{
	static pthread_barrier_t ready;
	static struct worker workers[] = {
		{ "eal-intr-thread", NULL, &ready },	  { "rte-worker-6", &last_cpu, &ready },
		{ "dpdk-worker700", &first_cpu, &ready }, { "lcore-slave-8", &last_cpu, &ready },
		{ "lcore-worker-9", NULL, &ready },
	};
	pthread_t thread;

	pthread_barrier_init(&ready, NULL, ARRAY_SIZE(workers) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		if (pthread_create(&thread, NULL, worker_main, &workers[i]) != 0)
			_exit(1);
	pin(first_cpu);
	pthread_barrier_wait(&ready);
}

static void on_last_cpu(void)
{
	pin(last_cpu);
}

/* No library of DPDK is needed to build this; the package librte-eal23 has it. */
static void real_dpdk(void)
{
	void *eal = dlopen("librte_eal.so.23", RTLD_NOW | RTLD_GLOBAL);
	char lcores[64];
	char *argv[] = { "eal",	     "--no-huge",      "-m",	      "16",
			 "--no-pci", "--no-telemetry", "--no-shconf", "--log-level",
			 "error",    "--lcores",       lcores,	      NULL };
	int (*init)(int argc, char **argv);

	if (!eal)
		_exit(1);
	snprintf(lcores, sizeof(lcores), "5@%u,6@%u", first_cpu, last_cpu);
	*(void **)&init = dlsym(eal, "rte_eal_init");
	if (!init || init(ARRAY_SIZE(argv) - 1, argv) < 0)
		_exit(1);
}

static struct child start(void (*prepare)(void))
{
	struct child child;
	int ends[2];
	char byte;

	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	child.pid = fork();
	assert_return_code(child.pid, errno);
	if (child.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prepare();
		if (write(ends[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	child.out = ends[0];
	assert_int_equal(read(child.out, &byte, 1), 1);
	return child;
}

static void end(const struct child *child)
{
	kill(child->pid, SIGKILL);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
	close(child->out);
}

static int setup_host(void **state)
{
	struct cpuset usable;

	(void)state;
	assert_int_equal(cpu_usable(&usable, NULL), 0);
	assert_int_equal(cpu_probe("/", &usable, &host, NULL), 0);
	first_cpu = cpuset_next(&usable, 0);
	for (unsigned cpu = first_cpu; cpu < CPU_MAX; cpu = cpuset_next(&usable, cpu + 1))
		last_cpu = cpu;
	return 0;
}

static void test_process_like_dpdk(void **state)
{
	struct child child = start(like_dpdk);
	bool one_cpu = first_cpu == last_cpu;
	struct lcore_map map;
	uint32_t pid = (uint32_t)child.pid;

	(void)state;
	lcore_map_read("/proc", pid, &map);
	assert_int_equal(map.nthreads, one_cpu ? 4 : 3);
	assert_int_equal(resolve("/proc", pid, &map, 6, LCORE_BY_THREAD), last_cpu);
	assert_int_equal(resolve("/proc", pid, &map, 700, LCORE_BY_THREAD), first_cpu);
	assert_int_equal(resolve("/proc", pid, &map, 8, LCORE_BY_THREAD), last_cpu);
	assert_int_equal(resolve("/proc", pid, &map, 8000, LCORE_BARE), 8000);
	end(&child);

	lcore_map_read("/proc", pid, &map);
	assert_int_equal(map.nthreads, 0);
}

static void test_process_on_one_cpu(void **state)
{
	struct lcore_map map;
	struct child child;

	(void)state;
	if (last_cpu == 0)
		skip();
	child = start(on_last_cpu);
	lcore_map_read("/proc", (uint32_t)child.pid, &map);
	assert_int_equal(resolve("/proc", (uint32_t)child.pid, &map, 0, LCORE_BY_REMAP), last_cpu);
	end(&child);
}

/* The main lcore is the main thread, which EAL does not rename. */
static void test_process_of_dpdk(void **state)
{
	struct lcore_map map;
	struct child child;
	uint32_t pid;

	(void)state;
	if (!dlopen("librte_eal.so.23", RTLD_LAZY)) {
		print_message("# SKIP: no librte_eal.so.23, install librte-eal23: %s\n", dlerror());
		skip();
	}
	child = start(real_dpdk);
	pid = (uint32_t)child.pid;
	lcore_map_read("/proc", pid, &map);
	assert_int_equal(map.nthreads, 1);
	assert_int_equal(resolve("/proc", pid, &map, 6, LCORE_BY_THREAD), last_cpu);
	resolve("/proc", pid, &map, 5, cpuset_has(&host.present, 5) ? LCORE_BY_CPU : LCORE_BARE);
	end(&child);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_cut_short),
		cmocka_unit_test(test_names_of_others),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_too_long),
		cmocka_unit_test_setup_teardown(test_by_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_remap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remap_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_tasks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_name_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work_is_bounded, setup, teardown),
		cmocka_unit_test_setup(test_process_like_dpdk, setup_host),
		cmocka_unit_test_setup(test_process_on_one_cpu, setup_host),
		cmocka_unit_test_setup(test_process_of_dpdk, setup_host),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
