/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "reeve_xdp.skel.h"

#define LINK_PIN LOADER_PIN_LINK
#define PROG_PIN "prog"

static void skeleton_close(struct reeve_xdp **s)
{
	reeve_xdp__destroy(*s);
}

/*
 * Drivers refuse native mode where the MTU does not fit into one buffer, unless
 * the program says that it takes frames of several: it does, they go to the
 * kernel. Before Linux 5.18 no program may say so.
 */
static struct reeve_xdp *skeleton_load(bool frags)
{
	struct reeve_xdp *s = reeve_xdp__open();
	int r;

	if (!s)
		return NULL;
	if (frags)
		bpf_program__set_flags(s->progs.reeve_xdp, BPF_F_XDP_HAS_FRAGS);
	r = reeve_xdp__load(s);
	if (!r)
		return s;
	reeve_xdp__destroy(s);
	errno = -r;
	return NULL;
}

static int load(struct reeve_xdp **ret, struct err *e)
{
	*ret = skeleton_load(true);
	if (!*ret && errno == EINVAL)
		*ret = skeleton_load(false);
	if (!*ret)
		return fail_loudly(e, errno, "the XDP program can't be loaded");
	return 0;
}

static int pin(const struct target *t, struct reeve_xdp *s, struct err *e)
{
	const struct {
		const char *name;
		int fd;
	} pins[] = {
		{ loader_map_pin(NIC_FORM_SINGLE, LOADER_FD_TABLES), bpf_map__fd(s->maps.tables) },
		{ loader_map_pin(NIC_FORM_SINGLE, LOADER_FD_XSKMAPS),
		  bpf_map__fd(s->maps.xskmaps) },
		{ loader_map_pin(NIC_FORM_SINGLE, LOADER_FD_OWNERS), bpf_map__fd(s->maps.owners) },
		{ loader_map_pin(NIC_FORM_SINGLE, LOADER_FD_FLOWS), bpf_map__fd(s->maps.flows) },
		{ loader_map_pin(NIC_FORM_SINGLE, LOADER_FD_ADDRESSES),
		  bpf_map__fd(s->maps.addresses) },
		{ PROG_PIN, bpf_program__fd(s->progs.reeve_xdp) },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(pins); i++) {
		int r = pins_put(t->pins, pins[i].name, pins[i].fd, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The link, or -errno. The kernel refuses where another program is: nothing is replaced. */
static int link_create(int prog, uint32_t ifindex, enum nic_mode mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = mode == NIC_MODE_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int link = bpf_link_create(prog, (int)ifindex, BPF_XDP, &options);

	return link < 0 ? -errno : link;
}

static int link_refused(const struct target *t, enum nic_mode mode, int error, struct err *e)
{
	if (error == EBUSY || error == EEXIST)
		return foreign_refuse(t, e);
	return fail(e, error, "%s does not take an XDP program in %s mode: %s", t->name,
		    nic_mode_name(mode), strerror(error));
}

static int link_any(const struct target *t, int prog, uint32_t want_mode, enum nic_mode *ret_mode,
		    struct err *e)
{
	enum nic_mode modes[2];
	unsigned n = modes_to_try(want_mode, modes);
	int link = -EINVAL;

	for (unsigned i = 0; i < n; i++) {
		*ret_mode = modes[i];
		link = link_create(prog, t->ifindex, modes[i]);
		if (link >= 0)
			return link;
		if (!mode_refused(-link))
			break;
	}
	return link_refused(t, *ret_mode, -link, e);
}

static int hand_out(struct reeve_xdp *s, struct attached *ret, struct err *e)
{
	const int maps[] = {
		[LOADER_FD_TABLES] = bpf_map__fd(s->maps.tables),
		[LOADER_FD_XSKMAPS] = bpf_map__fd(s->maps.xskmaps),
		[LOADER_FD_OWNERS] = bpf_map__fd(s->maps.owners),
		[LOADER_FD_FLOWS] = bpf_map__fd(s->maps.flows),
		[LOADER_FD_ADDRESSES] = bpf_map__fd(s->maps.addresses),
	};

	for (unsigned i = 0; i < ARRAY_SIZE(maps); i++) {
		int fd = fcntl(maps[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return fail(e, errno, "no descriptor is free: %s", strerror(errno));
		ret->fds[ret->nfds++] = fd;
	}
	return 0;
}

int single_attach(const struct target *t, uint32_t want_mode, struct attached *ret, struct err *e)
{
	_cleanup_(skeleton_close) struct reeve_xdp *s = NULL;
	_cleanup_fd_ int link = -1;
	int r = load(&s, e);

	if (r == 0)
		r = pin(t, s, e);
	if (r == 0)
		r = hand_out(s, ret, e);
	if (r < 0)
		return r;
	link = link_any(t, bpf_program__fd(s->progs.reeve_xdp), want_mode, &ret->mode, e);
	if (link < 0)
		return link;
	r = prog_id_of(bpf_program__fd(s->progs.reeve_xdp), &ret->prog_id);
	if (r < 0)
		return fail(e, -r, "the kernel does not tell the program's id: %s", strerror(-r));
	ret->form = NIC_FORM_SINGLE;
	return pins_put(t->pins, LINK_PIN, link, e);
}

/* Whoever else holds the link keeps an empty one. */
int single_detach(const struct target *t, struct err *e)
{
	_cleanup_fd_ int link = pins_get(t->pins, LINK_PIN);

	if (link < 0 && link != -ENOENT)
		return fail(e, -link, "%s/" LINK_PIN ": %s", t->pins, strerror(-link));
	/* A link whose interface is gone has nothing to detach from. */
	if (link >= 0 && bpf_link_detach(link) < 0 && errno != EINVAL && errno != ENOLINK)
		return fail(e, errno, "%s: the XDP program can't be detached: %s", t->name,
			    strerror(errno));
	return 0;
}
