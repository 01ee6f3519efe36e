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
