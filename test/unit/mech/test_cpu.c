/* SPDX-License-Identifier: BSD-3-Clause */
#include <sched.h>
#include <stdarg.h>

#include "mech/cpu.h"
#include "tree.h"

#define CPU_DIR "sys/devices/system/cpu"

static struct host host;

static int setup(void **state)
{
	static struct tree tree;

	tree_new(&tree);
	*state = &tree;
	memset(&host, 0xa5, sizeof(host));
	return 0;
}

static int teardown(void **state)
{
	tree_free(*state);
	return 0;
}

static void __attribute__((format(printf, 3, 4)))
put(const struct tree *t, const char *text, const char *fmt, ...)
{
	char path[TREE_PATH];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	tree_file(t, path, text);
}

static void put_cpu(const struct tree *t, unsigned cpu, unsigned package, const char *siblings)
{
	char text[32];

	snprintf(text, sizeof(text), "%u\n", package);
	put(t, text, CPU_DIR "/cpu%u/topology/physical_package_id", cpu);
	put(t, siblings, CPU_DIR "/cpu%u/topology/core_cpus_list", cpu);
}

static void put_nic(const struct tree *t, const char *name, const char *ifindex, const char *node)
{
	put(t, ifindex, "sys/class/net/%s/ifindex", name);
	put(t, node, "sys/class/net/%s/device/numa_node", name);
}

static struct cpuset set_of(const char *list)
{
	struct cpuset set;

	assert_int_equal(cpuset_parse(list, &set), 0);
	return set;
}

static void probe(const struct tree *t)
{
	struct cpuset usable = set_of("0-3");
	struct err e = { 0 };

	assert_int_equal(cpu_probe(t->root, &usable, &host, &e), 0);
	assert_int_equal(e.code, 0);
	assert_true(cpuset_equal(&host.usable, &usable));
}

static void assert_set(const struct cpuset *set, const char *list)
{
	char text[256];

	cpuset_format(set, text, sizeof(text));
	assert_string_equal(text, list);
}

/* Two sockets of 72 cores of two threads, numbered as Intel's are: siblings n and n + 144. */
static void test_two_sockets(void **state)
{
	const struct tree *t = *state;

	put(t, "0-287\n", CPU_DIR "/present");
	put(t, "0-287\n", CPU_DIR "/online");
	put(t, "2-3,146-147\n", CPU_DIR "/isolated");
	put(t, "0-71,144-215\n", "sys/devices/system/node/node0/cpulist");
	put(t, "72-143,216-287\n", "sys/devices/system/node/node1/cpulist");
	for (unsigned cpu = 0; cpu < 288; cpu++) {
		char siblings[32];

		snprintf(siblings, sizeof(siblings), "%u,%u\n", cpu % 144, cpu % 144 + 144);
		put_cpu(t, cpu, cpu % 144 / 72, siblings);
	}

	probe(t);
	assert_set(&host.present, "0-287");
	assert_set(&host.online, "0-287");
	assert_set(&host.isolated, "2-3,146-147");
	for (unsigned cpu = 0; cpu < 288; cpu++) {
		assert_int_equal(host.package[cpu], cpu % 144 / 72);
		assert_int_equal(host.node[cpu], cpu % 144 / 72);
		assert_int_equal(host.core[cpu], cpu % 144);
	}
	assert_true(host_same_core(&host, 5, 149));
	assert_false(host_same_core(&host, 5, 6));
}

/* AMD's numbering on one die with several nodes, a package id that is not 0 or 1. */
static void test_adjacent_siblings(void **state)
{
	const struct tree *t = *state;

	put(t, "0-7\n", CPU_DIR "/present");
	put(t, "0-7\n", CPU_DIR "/online");
	put(t, "0-1,6-7\n", "sys/devices/system/node/node3/cpulist");
	put(t, "2-5\n", "sys/devices/system/node/node17/cpulist");
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		char siblings[32];

		snprintf(siblings, sizeof(siblings), "%u-%u\n", cpu & ~1U, cpu | 1U);
		put_cpu(t, cpu, 36, siblings);
	}

	probe(t);
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		assert_int_equal(host.core[cpu], cpu & ~1U);
		assert_int_equal(host.node[cpu], cpu >= 2 && cpu <= 5 ? 17 : 3);
		assert_int_equal(host.package[cpu], 36);
	}
}

/* Kernels before 5.3 have the file under its old name only. */
static void test_old_sibling_file(void **state)
{
	const struct tree *t = *state;

	put(t, "0-3\n", CPU_DIR "/present");
	put(t, "0-3\n", CPU_DIR "/online");
	for (unsigned cpu = 0; cpu < 4; cpu++)
		put(t, cpu & 1 ? "1,3\n" : "0,2\n", CPU_DIR "/cpu%u/topology/thread_siblings_list",
		    cpu);

	probe(t);
	assert_int_equal(host.core[2], 0);
	assert_int_equal(host.core[3], 1);
}

/* Holes in the numbers, and CPUs that are there and not running. */
static void test_offline(void **state)
{
	const struct tree *t = *state;

	put(t, "0-3,16-19\n", CPU_DIR "/present");
	put(t, "0,2-3,17-19\n", CPU_DIR "/online");
	put(t, "\n", CPU_DIR "/isolated");
	put(t, "0,2-3\n", "sys/devices/system/node/node0/cpulist");
	put(t, "17-19\n", "sys/devices/system/node/node1/cpulist");
	put_cpu(t, 2, 0, "2-3\n");
	put_cpu(t, 3, 0, "2-3\n");
	put_cpu(t, 17, 1, "17\n"); /* its sibling 16 is off */
	put_cpu(t, 1, 9, "0-1\n"); /* left over: it is off too */

	probe(t);
	assert_set(&host.present, "0-3,16-19");
	assert_set(&host.online, "0,2-3,17-19");
	assert_set(&host.isolated, "");
	assert_int_equal(host.core[3], 2);
	assert_int_equal(host.core[17], 17);
	assert_int_equal(host.core[16], 16);
	assert_int_equal(host.core[1], 1);
	assert_int_equal(host.package[1], 0);
	assert_int_equal(host.node[18], 1);
	assert_int_equal(host.node[16], NODE_NONE);
	assert_int_equal(host.node[1], NODE_NONE);
}

static void test_no_numa(void **state)
{
	const struct tree *t = *state;

	put(t, "0-3\n", CPU_DIR "/present");
	put(t, "0-3\n", CPU_DIR "/online");

	probe(t);
	for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) {
		assert_int_equal(host.node[cpu], 0);
		assert_int_equal(host.package[cpu], 0);
		assert_int_equal(host.core[cpu], cpu);
	}
	assert_int_equal(host.nnics, 0);
	assert_set(&host.isolated, "");
}

static void test_garbage(void **state)
{
	static const char noise[] = "\xff\0\x01,,-3-";
	const struct tree *t = *state;
	char big[40000];

	memset(big, '1', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	put(t, "0-3\n", CPU_DIR "/online");
	put(t, "three\n", CPU_DIR "/present");
	tree_bytes(t, CPU_DIR "/isolated", noise, sizeof(noise));
	put_cpu(t, 0, 0, "1-2\n");   /* not a sibling of itself */
	put_cpu(t, 1, 70000, "-\n"); /* more packages than can be */
	put_cpu(t, 2, 0, big);
	put(t, "-1\n", CPU_DIR "/cpu3/topology/physical_package_id");
	put(t, big, "sys/devices/system/node/node0/cpulist");
	put(t, "0-3\n", "sys/devices/system/node/node99999/cpulist");
	put(t, "0-3\n", "sys/devices/system/node/nodes/cpulist");
	put(t, "0-3\n", "sys/devices/system/node/node/cpulist");
	put_nic(t, "zero", "0\n", "0\n");
	put_nic(t, "high", "99999999999\n", "0\n");
	put_nic(t, "much-too-long-for-a-name", "3\n", "0\n");
	put_nic(t, "empty", "", "0\n");
	put(t, "5\n", "sys/class/net/nodevice/ifindex");

	probe(t);
	assert_set(&host.present, "0-3");
	assert_set(&host.isolated, "");
	for (unsigned cpu = 0; cpu < 4; cpu++) {
		assert_int_equal(host.core[cpu], cpu);
		assert_int_equal(host.package[cpu], 0);
		assert_int_equal(host.node[cpu], 0);
	}
	assert_int_equal(host.nnics, 0);
}

static void test_beyond_cpu_max(void **state)
{
	const struct tree *t = *state;

	put(t, "0-1,8190-9000,20000,99999999999999999999\n", CPU_DIR "/present");
	put(t, "1,8191-8192\n", CPU_DIR "/online");
	put(t, "8192-8200\n", CPU_DIR "/isolated");
	put(t, "0-1,8190-70000\n", "sys/devices/system/node/node1/cpulist");
	put_cpu(t, 8191, 1, "8191-8192\n");

	probe(t);
	assert_set(&host.present, "0-1,8190-8191");
	assert_set(&host.online, "1,8191");
	assert_set(&host.isolated, "");
	assert_int_equal(host.node[8191], 1);
	assert_int_equal(host.core[8191], 8191);
	assert_int_equal(host.package[8191], 1);
}

/* Every other CPU of 8192: the longest list there is. */
static void test_longest_list(void **state)
{
	const struct tree *t = *state;
	struct cpuset odd = { 0 };
	char text[3 * CPU_MAX];

	for (unsigned cpu = 1; cpu < CPU_MAX; cpu += 2)
		cpuset_add(&odd, cpu);
	cpuset_format(&odd, text, sizeof(text));
	put(t, text, CPU_DIR "/present");
	put(t, text, CPU_DIR "/online");

	probe(t);
	assert_true(cpuset_equal(&host.present, &odd));
	assert_true(cpuset_equal(&host.online, &odd));
}

/* A container without sysfs: the CPUs that we may use are there and running. */
static void test_no_sysfs(void **state)
{
	probe(*state);
	assert_set(&host.present, "0-3");
	assert_set(&host.online, "0-3");
}

static void test_nothing_known(void **state)
{
	static const struct cpuset none;
	const struct tree *t = *state;
	struct host untouched = host;
	struct err e = { 0 };

	assert_int_equal(cpu_probe(t->root, &none, &host, &e), -ENODATA);
	assert_int_equal(e.code, ENODATA);
	assert_non_null(strstr(e.text, t->root));
	assert_int_equal(cpu_probe("/nonexistent", &none, &host, &e), -ENOENT);
	assert_memory_equal(&host, &untouched, sizeof(host));
}

static void test_nics(void **state)
{
	const struct tree *t = *state;

	put(t, "0-3\n", CPU_DIR "/online");
	put_nic(t, "ens2f1", "12\n", "1\n");
	put_nic(t, "eth0", "2\n", "-1\n");
	put_nic(t, "ens2f0", "11\n", "0\n");
	put(t, "", "sys/class/net/usb0/device/uevent");
	put(t, "40\n", "sys/class/net/usb0/ifindex");
	put(t, "1\n", "sys/class/net/lo/ifindex");
	put(t, "not an interface", "sys/class/net/bonding_masters");

	probe(t);
	assert_int_equal(host.nnics, 4);
	assert_string_equal(host.nics[0].name, "eth0");
	assert_int_equal(host.nics[0].ifindex, 2);
	assert_int_equal(host.nics[0].node, NODE_NONE);
	assert_string_equal(host.nics[1].name, "ens2f0");
	assert_int_equal(host.nics[1].node, 0);
	assert_string_equal(host.nics[2].name, "ens2f1");
	assert_int_equal(host.nics[2].node, 1);
	assert_string_equal(host.nics[3].name, "usb0");
	assert_int_equal(host.nics[3].node, NODE_NONE);
}

static void test_too_many_nics(void **state)
{
	const struct tree *t = *state;

	put(t, "0-3\n", CPU_DIR "/online");
	for (unsigned i = HOST_NIC_MAX + 20; i > 0; i--) {
		char name[16], ifindex[16];

		snprintf(name, sizeof(name), "eth%u", i);
		snprintf(ifindex, sizeof(ifindex), "%u\n", i);
		put_nic(t, name, ifindex, "0\n");
	}

	probe(t);
	assert_int_equal(host.nnics, HOST_NIC_MAX);
	for (unsigned i = 0; i < HOST_NIC_MAX; i++)
		assert_int_equal(host.nics[i].ifindex, i + 1);
}

/* The machine that runs the test, whatever it is. */
static void test_this_host(void **state)
{
	struct cpuset usable;
	unsigned cpu;

	(void)state;
	assert_int_equal(cpu_usable(&usable, NULL), 0);
	assert_int_equal(cpu_probe("/", &usable, &host, NULL), 0);
	assert_true(cpuset_within(&host.online, &host.present));
	assert_true(cpuset_within(&usable, &host.online));
	cpuset_for_each(cpu, &host.online)
		assert_true(host.core[cpu] <= cpu);
}

/* A narrow affinity is not the cpuset: the answer is wider, and ours stays as it was. */
static void test_usable_despite_affinity(void **state)
{
	struct cpuset before, after;
	cpu_set_t old, one, now;
	unsigned first;

	(void)state;
	assert_int_equal(cpu_usable(&before, NULL), 0);
	first = cpuset_next(&before, 0);
	assert_in_range(first, 0, CPU_SETSIZE - 1);
	assert_return_code(sched_getaffinity(0, sizeof(old), &old), errno);
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_return_code(sched_setaffinity(0, sizeof(one), &one), errno);

	assert_int_equal(cpu_usable(&after, NULL), 0);
	assert_return_code(sched_getaffinity(0, sizeof(now), &now), errno);
	assert_return_code(sched_setaffinity(0, sizeof(old), &old), errno);
	assert_true(cpuset_equal(&after, &before));
	assert_true(CPU_EQUAL(&now, &one));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adjacent_siblings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_sibling_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_numa, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beyond_cpu_max, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_sysfs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_nics, setup, teardown),
		cmocka_unit_test(test_this_host),
		cmocka_unit_test(test_usable_despite_affinity),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
