/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/bpfmap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "bpf/layout.h"
#include "model/nic.h"

_Static_assert(REEVE_QUEUES + 0 == NIC_QUEUES_MAX, "an XSKMAP has a slot for each queue");
_Static_assert(REEVE_PORTS + 0 == NIC_PORTS, "a port table has an element for each port");

/* Every descriptor that bpf(2) makes is close-on-exec. */
static int sys_bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int new_map(uint32_t type, uint32_t value_size, uint32_t entries, const char *kind,
		   uint32_t owner)
{
	union bpf_attr attr;

	/* The kernel wants what lies beyond a command's own members to be zero. */
	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = value_size;
	attr.max_entries = entries;
	snprintf(attr.map_name, sizeof(attr.map_name), "%s_%u", kind, owner);
	return sys_bpf(BPF_MAP_CREATE, &attr);
}

int bpfmap_new_table(uint32_t owner)
{
	return new_map(BPF_MAP_TYPE_ARRAY, sizeof(struct reeve_port), NIC_PORTS, "ports", owner);
}

int bpfmap_new_xskmap(uint32_t owner)
{
	return new_map(BPF_MAP_TYPE_XSKMAP, sizeof(uint32_t), NIC_QUEUES_MAX, "xsks", owner);
}

static int element(int cmd, int map, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	return sys_bpf(cmd, &attr);
}

int bpfmap_set(int map, const void *key, const void *value)
{
	return element(BPF_MAP_UPDATE_ELEM, map, key, value);
}

int bpfmap_get(int map, const void *key, void *value)
{
	return element(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

int bpfmap_del(int map, const void *key)
{
	int r = element(BPF_MAP_DELETE_ELEM, map, key, NULL);

	return r == -ENOENT ? 0 : r;
}

int bpfmap_next(int map, const void *key, void *ret)
{
	return element(BPF_MAP_GET_NEXT_KEY, map, key, ret);
}

/* Slower, for kernels and maps without batches. */
static int get_each(int map, uint32_t first, uint32_t n, char *values, uint32_t value_size)
{
	int r = 0;

	for (uint32_t i = 0; i < n && r == 0; i++) {
		uint32_t key = first + i;

		r = bpfmap_get(map, &key, values + (size_t)i * value_size);
	}
	return r;
}

int bpfmap_get_some(int map, uint32_t first, uint32_t n, void *values, uint32_t value_size)
{
	uint32_t keys[BPFMAP_SOME_MAX] = { 0 }, before = first - 1, last;
	union bpf_attr attr;
	int r;

	if (n > BPFMAP_SOME_MAX)
		return -EINVAL;
	memset(&attr, 0, sizeof(attr));
	attr.batch.map_fd = (uint32_t)map;
	attr.batch.in_batch = first ? (uintptr_t)&before : 0;
	attr.batch.out_batch = (uintptr_t)&last;
	attr.batch.keys = (uintptr_t)keys;
	attr.batch.values = (uintptr_t)values;
	attr.batch.count = n;
	r = sys_bpf(BPF_MAP_LOOKUP_BATCH, &attr);
	/* -ENOENT: it came to the map's end, with as many as there are. */
	if ((r == 0 || r == -ENOENT) && attr.batch.count == n && keys[0] == first)
		return 0;
	return get_each(map, first, n, values, value_size);
}

int bpfmap_open(const char *path)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)path;
	return sys_bpf(BPF_OBJ_GET, &attr);
}

int bpfmap_inner(int map, uint32_t key)
{
	union bpf_attr attr;
	uint32_t id;
	int r = bpfmap_get(map, &key, &id);

	if (r < 0)
		return r;
	memset(&attr, 0, sizeof(attr));
	attr.map_id = id;
	return sys_bpf(BPF_MAP_GET_FD_BY_ID, &attr);
}

int bpfmap_link_ifindex(const char *path, uint32_t *ret)
{
	struct bpf_link_info info;
	union bpf_attr attr;
	int link = bpfmap_open(path), r;

	if (link < 0)
		return link;
	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)link;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	r = sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
	close(link);
	if (r == 0)
		*ret = info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : 0;
	return r;
}
