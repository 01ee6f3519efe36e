/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sysfs is read as it is found: a file that is missing or makes no sense is
 * what a host without that feature looks like, so it costs a detail and never
 * the whole description. Files about one CPU exist while it is online only.
 */
#include "mech/cpu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define CPU_DIR	 "sys/devices/system/cpu"
#define NODE_DIR "sys/devices/system/node"
#define NET_DIR	 "sys/class/net"

enum {
	LIST_TEXT = 3 * CPU_MAX, /* every other CPU of CPU_MAX */
	PATH_TEXT = 320,	 /* a folder above and one directory entry */
};

/* A list with numbers too high for a struct cpuset: what is below them. */
static int parse_clipped(char *text, struct cpuset *ret)
{
	struct cpuset all = { 0 };
	char *item;

	while ((item = strsep(&text, ","))) {
		struct cpuset some;
		int r = cpuset_parse(item, &some);

		if (r == -ERANGE) {
			memset(&some, 0, sizeof(some));
			for (unsigned long cpu = strtoul(item, NULL, 10); cpu < CPU_MAX; cpu++)
				cpuset_add(&some, (unsigned)cpu);
		} else if (r < 0) {
			return r;
		}
		cpuset_or(&all, &some);
	}
	*ret = all;
	return 0;
}

static int read_list(int dir, const char *path, struct cpuset *ret)
{
	char text[LIST_TEXT];
	ssize_t n = fd_read_file(dir, path, text, sizeof(text));
	int r;

	if (n < 0)
		return (int)n;
	r = cpuset_parse(text, ret);
	return r == -ERANGE ? parse_clipped(text, ret) : r;
}

static int read_number(int dir, const char *path, uint64_t max, uint64_t *ret)
{
	char text[32];
	ssize_t n = fd_read_file(dir, path, text, sizeof(text));

	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	return str_u64(text, max, ret);
}

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

/* Where one of the two is not told, the other stands for it; then our own CPUs. */
static int probe_sets(int root, const struct cpuset *usable, struct host *h)
{
	bool present = read_list(root, CPU_DIR "/present", &h->present) == 0;
	bool online = read_list(root, CPU_DIR "/online", &h->online) == 0;

	if (!online)
		h->online = present ? h->present : *usable;
	if (!present)
		h->present = h->online;
	read_list(root, CPU_DIR "/isolated", &h->isolated);
	return cpuset_empty(&h->online) ? -ENODATA : 0;
}

/* The name is core_cpus_list from Linux 5.3 on. */
static int read_siblings(int root, unsigned cpu, struct cpuset *ret)
{
	char path[PATH_TEXT];
	int r;

	snprintf(path, sizeof(path), CPU_DIR "/cpu%u/topology/core_cpus_list", cpu);
	r = read_list(root, path, ret);
	if (r < 0) {
		snprintf(path, sizeof(path), CPU_DIR "/cpu%u/topology/thread_siblings_list", cpu);
		r = read_list(root, path, ret);
	}
	return r;
}

static void probe_cpu(int root, unsigned cpu, struct host *h)
{
	struct cpuset siblings;
	char path[PATH_TEXT];
	uint64_t package;

	snprintf(path, sizeof(path), CPU_DIR "/cpu%u/topology/physical_package_id", cpu);
	if (read_number(root, path, UINT16_MAX, &package) == 0)
		h->package[cpu] = (uint16_t)package;
	if (read_siblings(root, cpu, &siblings) == 0 && cpuset_has(&siblings, cpu))
		h->core[cpu] = (uint16_t)cpuset_next(&siblings, 0);
}

static void probe_topology(int root, struct host *h)
{
	unsigned cpu;

	for (cpu = 0; cpu < CPU_MAX; cpu++)
		h->core[cpu] = (uint16_t)cpu;
	cpuset_for_each(cpu, &h->online)
		probe_cpu(root, cpu, h);
}

/* "node12" is 12; -EINVAL for the other files of that folder. */
static int node_number(const char *name)
{
	uint64_t node;

	if (strncmp(name, "node", 4) != 0 || str_u64(name + 4, INT16_MAX, &node) < 0)
		return -EINVAL;
	return (int)node;
}

/* Once there are nodes, a CPU that none of them lists (an offline one) has none. */
static void probe_nodes(int root, struct host *h)
{
	_cleanup_dir_ DIR *dir = open_dir(root, NODE_DIR);
	const struct dirent *entry;
	bool found = false;

	while (dir && (entry = readdir(dir))) {
		char path[PATH_TEXT];
		struct cpuset cpus;
		int node = node_number(entry->d_name);
		unsigned cpu;

		snprintf(path, sizeof(path), NODE_DIR "/%s/cpulist", entry->d_name);
		if (node < 0 || read_list(root, path, &cpus) < 0)
			continue;
		if (!found)
			for (cpu = 0; cpu < CPU_MAX; cpu++)
				h->node[cpu] = NODE_NONE;
		found = true;
		cpuset_for_each(cpu, &cpus)
			h->node[cpu] = (int16_t)node;
	}
}

/*
 * A virtio device knows no node, the PCI function that it is on does. "-1" where
 * there is none: no number, and so NODE_NONE.
 */
static int32_t read_nic_node(int net, const char *name)
{
	static const char *const files[] = { "device/numa_node", "device/../numa_node" };
	char path[PATH_TEXT];
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i]);
		if (read_number(net, path, INT16_MAX, &value) == 0)
			return (int32_t)value;
	}
	return NODE_NONE;
}

static int read_nic(int net, const char *name, struct host_nic *ret)
{
	struct host_nic nic = { 0 };
	char path[PATH_TEXT];
	uint64_t value;

	if (!str_copy(nic.name, sizeof(nic.name), name))
		return -ENAMETOOLONG;
	snprintf(path, sizeof(path), "%s/device", name);
	if (faccessat(net, path, F_OK, 0) < 0)
		return -ENODEV;
	snprintf(path, sizeof(path), "%s/ifindex", name);
	if (read_number(net, path, INT32_MAX, &value) < 0 || !value)
		return -ENODEV;
	nic.ifindex = (uint32_t)value;
	nic.node = read_nic_node(net, name);
	*ret = nic;
	return 0;
}

/* By ifindex, whatever order the folder has; of too many the last are left out. */
static void add_nic(struct host *h, const struct host_nic *nic)
{
	uint32_t at = h->nnics;

	while (at > 0 && h->nics[at - 1].ifindex > nic->ifindex)
		at--;
	if (at == HOST_NIC_MAX)
		return;
	if (h->nnics < HOST_NIC_MAX)
		h->nnics++;
	memmove(&h->nics[at + 1], &h->nics[at], (h->nnics - at - 1) * sizeof(*nic));
	h->nics[at] = *nic;
}

static void probe_nics(int root, struct host *h)
{
	_cleanup_dir_ DIR *dir = open_dir(root, NET_DIR);
	const struct dirent *entry;
	struct host_nic nic;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && read_nic(dirfd(dir), entry->d_name, &nic) == 0)
			add_nic(h, &nic);
}

int cpu_probe(const char *root, const struct cpuset *usable, struct host *ret, struct err *e)
{
	_cleanup_fd_ int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct host *h;
	int r;

	if (fd < 0)
		return fail(e, errno, "%s: %s", root, strerror(errno));
	h = calloc(1, sizeof(*h));
	if (!h)
		return fail(e, ENOMEM, "out of memory");
	h->usable = *usable;
	r = probe_sets(fd, usable, h);
	if (r == 0) {
		probe_topology(fd, h);
		probe_nodes(fd, h);
		probe_nics(fd, h);
		*ret = *h;
	}
	free(h);
	return r < 0 ? fail(e, -r, "no CPU is known: %s/" CPU_DIR " tells nothing", root) : 0;
}

/* A set of ours is the mask of the system call, word for word. */
_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "CPU masks are words of 64 bits");

/*
 * In a child, so that the affinity of the caller stays as it was. When asking
 * is refused the affinity we have is still a part of the answer.
 */
static _Noreturn void widest_affinity(int out)
{
	struct cpuset set;
	bool told;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), (cpu_set_t *)set.w);
	memset(&set, 0, sizeof(set));
	told = sched_getaffinity(0, sizeof(set), (cpu_set_t *)set.w) == 0 &&
	       write(out, &set, sizeof(set)) == (ssize_t)sizeof(set);
	_exit(told ? 0 : 1);
}

int cpu_usable(struct cpuset *ret, struct err *e)
{
	_cleanup_fd_ int in = -1, out = -1;
	struct cpuset set;
	int ends[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(e, errno, "no pipe: %s", strerror(errno));
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0)
		return fail(e, errno, "cannot fork: %s", strerror(errno));
	if (pid == 0)
		widest_affinity(out);
	close(take_fd(&out));
	/* One write of less than PIPE_BUF comes whole, or the child failed. */
	do {
		n = read(in, &set, sizeof(set));
	} while (n < 0 && errno == EINTR);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(set) || cpuset_empty(&set))
		return fail(e, EIO, "the kernel does not tell which CPUs reeve may use");
	*ret = set;
	return 0;
}
