/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "base/str.h"

int prog_id_of(int fd, uint32_t *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*ret = info.id;
	return 0;
}

struct prog_facts {
	char name[OBJECT_NAME_MAX];
	uint32_t maps[PIN_NAMES], nmaps;
};

static int prog_facts(uint32_t prog_id, struct prog_facts *ret)
{
	_cleanup_fd_ int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = { .nr_map_ids = PIN_NAMES, .map_ids = (uintptr_t)ret->maps };
	uint32_t len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	memcpy(ret->name, info.name, sizeof(ret->name));
	/* The kernel tells how many there are, of which it writes what there is room for. */
	ret->nmaps = info.nr_map_ids < PIN_NAMES ? info.nr_map_ids : PIN_NAMES;
	return 0;
}

/* 0 for what is no map. */
static uint32_t pinned_map_id(const char *dir, const char *name)
{
	_cleanup_fd_ int fd = pins_get(dir, name);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	/* Asked of a program or a link, the kernel fills in the same place with another id. */
	if (fd < 0 || strncmp(name, "map_", 4) != 0)
		return 0;
	return bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

bool prog_uses_pins(uint32_t prog_id, const char *dir)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	struct prog_facts prog = { 0 };
	const struct dirent *entry;

	if (!d || prog_facts(prog_id, &prog) < 0)
		return false;
	while ((entry = readdir(d))) {
		uint32_t id = pinned_map_id(dir, entry->d_name);

		for (uint32_t i = 0; id && i < prog.nmaps; i++)
			if (prog.maps[i] == id)
				return true;
	}
	return false;
}

void prog_describe(uint32_t prog_id, char *buf, size_t size)
{
	struct prog_facts prog = { 0 };
	char name[4 * OBJECT_NAME_MAX + 1] = "";

	if (prog_facts(prog_id, &prog) == 0)
		str_escape(name, sizeof(name), prog.name, sizeof(prog.name));
	if (name[0])
		snprintf(buf, size, "\"%s\" (id %u)", name, prog_id);
	else
		snprintf(buf, size, "(id %u)", prog_id);
}

int foreign_refuse(const struct target *t, struct err *e)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	char prog[128] = "that is not reeve's";
	const char *mode = "";

	if (bpf_xdp_query((int)t->ifindex, 0, &query) == 0 && query.prog_id)
		prog_describe(query.prog_id, prog, sizeof(prog));
	if (query.attach_mode == XDP_ATTACHED_DRV)
		mode = " in native mode";
	else if (query.attach_mode == XDP_ATTACHED_SKB)
		mode = " in generic mode";
	return fail(
		e, EBUSY,
		"%s has the XDP program %s%s already: xdp-loader status %s, bpftool net show dev %s",
		t->name, prog, mode, t->name, t->name);
}
