/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL pins its main thread and its workers to one CPU each and gives its
 * control threads what is left, so no thread alone shows what the process may
 * use: the union over all of them does.
 *
 * The process may have as many threads as it likes and call them what it likes;
 * TASKS_MAX bounds what one look at it costs.
 */
#include "mech/lcore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "mech/lcore_text.h"

enum {
	TASKS_MAX = 256,     /* EAL starts its threads before the program can start many */
	COMM_TEXT = 64,	     /* 15 bytes and a newline */
	STATUS_TEXT = 32768, /* supplementary groups and CPU lists make it long */
	COMM_MAX = 15,	     /* the kernel's TASK_COMM_LEN without the NUL */
};

/* As DPDK 23.11, 21.11, 20.11 and the releases before that name their workers. */
static const char *const worker_prefixes[] = {
	"dpdk-worker",
	"rte-worker-",
	"lcore-worker-",
	"lcore-slave-",
};

static int parse_id(const char *text, size_t len, uint16_t *ret)
{
	uint32_t id = 0;

	if (!len || len > 5 || (text[0] == '0' && len > 1))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		id = id * 10 + (uint32_t)(text[i] - '0');
	}
	if (id > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)id;
	return 0;
}

int lcore_parse_comm(const char *text, size_t len, uint16_t *ret)
{
	if (len && text[len - 1] == '\n')
		len--;
	for (size_t i = 0; i < ARRAY_SIZE(worker_prefixes); i++) {
		size_t prefix = strlen(worker_prefixes[i]);
		uint16_t id;

		if (len < prefix || memcmp(text, worker_prefixes[i], prefix) != 0)
			continue;
		if (parse_id(text + prefix, len - prefix, &id) < 0)
			return -EINVAL;
		/* "lcore-worker-12" is also all that is left of lcore 127 */
		if (len >= COMM_MAX && id < 100)
			return -EINVAL;
		*ret = id;
		return 0;
	}
	return -EINVAL;
}

int lcore_parse_allowed(const char *status, struct cpuset *ret)
{
	static const char key[] = "Cpus_allowed_list:";
	char list[3 * CPU_MAX];
	const char *line = status;
	size_t len;

	/* The kernel escapes newlines in the name, so a line start is a line start. */
	while (line && strncmp(line, key, sizeof(key) - 1) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line)
		return -ENOENT;
	line += sizeof(key) - 1;
	len = strcspn(line, "\n");
	if (len >= sizeof(list))
		return -ERANGE;
	memcpy(list, line, len);
	list[len] = '\0';
	return cpuset_parse(list, ret);
}

/* The threads of one process, as a folder. */
static DIR *open_tasks(const char *proc_root, uint32_t pid)
{
	char path[256];
	DIR *dir;
	int fd;

	if (!pid || snprintf(path, sizeof(path), "%s/%u/task", proc_root, pid) >= (int)sizeof(path))
		return NULL;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

static const char *next_task(DIR *tasks, unsigned *seen)
{
	const struct dirent *entry;

	while (*seen < TASKS_MAX && (entry = readdir(tasks))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		(*seen)++;
		return entry->d_name;
	}
	return NULL;
}

static int read_lcore(DIR *tasks, const char *tid, uint16_t *ret)
{
	char path[300], text[COMM_TEXT];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/comm", tid);
	n = fd_read_file(dirfd(tasks), path, text, sizeof(text));
	return n < 0 ? (int)n : lcore_parse_comm(text, (size_t)n, ret);
}

static bool is_real(const char *proc_root)
{
	return !strcmp(proc_root, "/proc");
}

/*
 * Asked of the kernel, not read from "status": that file is as long as the
 * process makes it (a line has all its groups) and is made whole for each look.
 * A tree that only looks like /proc has nothing else to ask.
 */
static int read_allowed(DIR *tasks, bool real, const char *tid, struct cpuset *ret)
{
	char path[300], text[STATUS_TEXT];
	struct cpuset set = { 0 };
	ssize_t n;

	if (real) {
		n = syscall(SYS_sched_getaffinity, (pid_t)strtol(tid, NULL, 10), sizeof(set), &set);
		if (n < 0)
			return -errno;
		*ret = set;
		return 0;
	}
	snprintf(path, sizeof(path), "%s/status", tid);
	n = fd_read_file(dirfd(tasks), path, text, sizeof(text));
	return n < 0 ? (int)n : lcore_parse_allowed(text, ret);
}

/* Two threads of one name: the older one, which the folder lists first. */
static int find_thread(const struct lcore_map *map, uint16_t lcore, uint16_t *ret_cpu)
{
	for (unsigned i = 0; i < map->nthreads; i++) {
		if (map->thread[i].lcore == lcore) {
			*ret_cpu = map->thread[i].cpu;
			return 0;
		}
	}
	return -ENOENT;
}

static void add_thread(struct lcore_map *map, DIR *tasks, bool real, const char *tid)
{
	struct cpuset allowed;
	uint16_t lcore, known;
	unsigned cpu;

	if (read_lcore(tasks, tid, &lcore) < 0 || find_thread(map, lcore, &known) == 0 ||
	    read_allowed(tasks, real, tid, &allowed) < 0 || cpuset_count(&allowed) != 1)
		return;
	cpu = cpuset_next(&allowed, 0);
	map->thread[map->nthreads].lcore = lcore;
	map->thread[map->nthreads].cpu = (uint16_t)cpu;
	map->nthreads++;
}

void lcore_map_read(const char *proc_root, uint32_t pid, struct lcore_map *ret)
{
	_cleanup_dir_ DIR *tasks = open_tasks(proc_root, pid);
	struct lcore_map map = { 0 };
	unsigned seen = 0;
	const char *tid;

	while (tasks && map.nthreads < LCORE_MAP_MAX && (tid = next_task(tasks, &seen)))
		add_thread(&map, tasks, is_real(proc_root), tid);
	*ret = map;
}

/* Empty when the process shows nothing. Ends early once it may run everywhere. */
static void process_allowed(const char *proc_root, uint32_t pid, const struct cpuset *online,
			    struct cpuset *ret)
{
	_cleanup_dir_ DIR *tasks = open_tasks(proc_root, pid);
	struct cpuset one, all = { 0 };
	unsigned seen = 0;
	const char *tid;

	while (tasks && (tid = next_task(tasks, &seen))) {
		if (read_allowed(tasks, is_real(proc_root), tid, &one) < 0)
			continue;
		cpuset_or(&all, &one);
		if (cpuset_within(online, &all))
			break;
	}
	*ret = all;
}

/* The CPU that stands at `index`, counted from 0; `index` is below their number. */
static uint16_t nth_cpu(const struct cpuset *set, unsigned index)
{
	unsigned cpu;

	cpuset_for_each(cpu, set)
		if (!index--)
			break;
	return (uint16_t)cpu;
}

uint16_t lcore_resolve(const char *proc_root, uint32_t pid, const struct host *host,
		       struct lcore_map *map, uint16_t lcore, enum lcore_how *ret_how)
{
	const struct cpuset *allowed = &map->allowed;
	uint16_t cpu;

	if (find_thread(map, lcore, &cpu) == 0) {
		*ret_how = LCORE_BY_THREAD;
		return cpu;
	}
	if (!map->has_allowed)
		process_allowed(proc_root, pid, &host->online, &map->allowed);
	map->has_allowed = 1;
	if (lcore < cpuset_count(allowed) && (map->remapped || !cpuset_has(allowed, lcore))) {
		map->remapped = 1;
		*ret_how = LCORE_BY_REMAP;
		return nth_cpu(allowed, lcore);
	}
	*ret_how = cpuset_has(&host->present, lcore) ? LCORE_BY_CPU : LCORE_BARE;
	return lcore;
}

const char *lcore_how_name(enum lcore_how how)
{
	static const char *const names[] = {
		[LCORE_BY_CPU] = "cpu number",
		[LCORE_BY_THREAD] = "thread name",
		[LCORE_BY_REMAP] = "remapped ids",
		[LCORE_BARE] = "no such cpu",
	};

	_Static_assert(ARRAY_SIZE(names) == LCORE_HOW_MAX, "each way has its name");
	return names[how];
}
