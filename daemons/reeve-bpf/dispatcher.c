/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our two programs among those that share an interface by libxdp's dispatcher.
 * libxdp loads them itself, so it is their maps that are made and pinned before:
 * by these they are known again, whatever it calls them and wherever it puts them.
 */
#include "reeve_bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <xdp/libxdp.h>

#include "bpf/layout.h"
#include "mtl_dp_filter.skel.h"

/* libxdp's own program for AF_XDP sockets, in a file beside its dispatcher. */
#define XSK_FILE "xsk_def_xdp_prog.o"
#define XSK_MAP	 "xsks_map"

enum { FILTER, XSK, PARTS };

static const char *const prog_pins[PARTS] = { "prog_filter", "prog_xsk" };

struct parts {
	struct mtl_dp_filter *filter;
	struct xdp_program *progs[PARTS];
};

static void parts_close(struct parts *p)
{
	for (unsigned i = 0; i < PARTS; i++)
		xdp_program__close(p->progs[i]);
	mtl_dp_filter__destroy(p->filter);
}

static void multiprog_close(struct xdp_multiprog **mp)
{
	xdp_multiprog__close(*mp);
}

/* libxdp returns errors as pointers. */
static int open_prog(struct xdp_program *prog, struct xdp_program **ret)
{
	long r = libxdp_get_error(prog);

	*ret = r ? NULL : prog;
	return (int)r;
}

/* 0 and NULL where nothing is attached. */
static int open_multiprog(uint32_t ifindex, struct xdp_multiprog **ret)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	long r = libxdp_get_error(mp);

	*ret = r ? NULL : mp;
	return r == -ENOENT ? 0 : (int)r;
}

static enum xdp_attach_mode to_libxdp(enum nic_mode mode)
{
	return mode == NIC_MODE_NATIVE ? XDP_MODE_NATIVE : XDP_MODE_SKB;
}

static enum nic_mode from_libxdp(enum xdp_attach_mode mode)
{
	return mode == XDP_MODE_NATIVE ? NIC_MODE_NATIVE : NIC_MODE_GENERIC;
}

/* --- attach ------------------------------------------------------------------ */

static int maps_make(const struct target *t, struct attached *ret, struct err *e)
{
	LIBBPF_OPTS(bpf_map_create_opts, growing, .map_flags = BPF_F_NO_PREALLOC);

	ret->fds[FILTER] = bpf_map_create(BPF_MAP_TYPE_HASH, "filter", sizeof(__u16),
					  sizeof(struct reeve_count), REEVE_FILTER_PORTS, &growing);
	if (ret->fds[FILTER] < 0)
		return fail(e, errno, "the port filter's map can't be made: %s", strerror(errno));
	ret->nfds = 1;
	ret->fds[XSK] = bpf_map_create(BPF_MAP_TYPE_XSKMAP, XSK_MAP, sizeof(__u32), sizeof(__u32),
				       NIC_QUEUES_MAX, NULL);
	if (ret->fds[XSK] < 0)
		return fail(e, errno, "the map of sockets can't be made: %s", strerror(errno));
	ret->nfds = 2;
	for (unsigned i = 0; i < PARTS; i++) {
		int r = pins_put(t->pins, loader_map_pin(NIC_FORM_DISPATCHER, i), ret->fds[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int parts_open(const struct attached *a, struct parts *ret, struct err *e)
{
	struct bpf_map *xsks;
	int r;

	ret->filter = mtl_dp_filter__open();
	if (!ret->filter)
		return fail_loudly(e, errno, "mtl_dp_filter can't be opened");
	r = open_prog(xdp_program__from_bpf_obj(ret->filter->obj, "xdp"), &ret->progs[FILTER]);
	if (r < 0)
		return fail_loudly(e, -r, "libxdp does not take mtl_dp_filter");
	r = open_prog(xdp_program__find_file(XSK_FILE, NULL, NULL), &ret->progs[XSK]);
	if (r < 0)
		return fail_loudly(e, -r, "libxdp does not find its own " XSK_FILE);
	xsks = bpf_object__find_map_by_name(xdp_program__bpf_obj(ret->progs[XSK]), XSK_MAP);
	if (!xsks)
		return fail(e, ENOENT, "libxdp's " XSK_FILE " has no map " XSK_MAP);
	if (bpf_map__reuse_fd(ret->filter->maps.filter, a->fds[FILTER]) < 0 ||
	    bpf_map__reuse_fd(xsks, a->fds[XSK]) < 0)
		return fail_loudly(e, errno, "the programs do not take their maps");
	/* Or native mode is refused where the MTU does not fit into one buffer; see single.c. */
	for (unsigned i = 0; i < PARTS; i++)
		xdp_program__set_xdp_frags_support(ret->progs[i], true);
	return 0;
}

/* Only the mode that is there can be used; the kernel has one at a time. */
static int join_mode(const struct target *t, struct xdp_multiprog *mp, uint32_t *want_mode,
		     struct err *e)
{
	enum nic_mode there = from_libxdp(xdp_multiprog__attach_mode(mp)), modes[2];
	unsigned n = modes_to_try(*want_mode, modes);

	if (xdp_multiprog__is_legacy(mp))
		return foreign_refuse(t, e);
	if (modes[0] != there && modes[n - 1] != there)
		return fail(e, EBUSY, "%s has libxdp's dispatcher in %s mode: xdp-loader status %s",
			    t->name, nic_mode_name(there), t->name);
	*want_mode = there == NIC_MODE_NATIVE ? NIC_MODE_ONLY_NATIVE : NIC_MODE_ONLY_GENERIC;
	return 0;
}

/* libxdp may end with one program and no dispatcher, and call that well. */
static int confirm(const struct target *t, struct attached *ret, struct err *e)
{
	_cleanup_(multiprog_close) struct xdp_multiprog *mp = NULL;
	struct xdp_program *prog = NULL;
	unsigned ours = 0;
	int r = open_multiprog(t->ifindex, &mp);

	if (r < 0)
		return fail_loudly(e, -r, "libxdp does not tell what it attached");
	if (!mp || xdp_multiprog__is_legacy(mp))
		return fail(e, ENOTSUP, "libxdp can't use its dispatcher on %s", t->name);
	while ((prog = xdp_multiprog__next_prog(prog, mp)))
		ours += prog_uses_pins(xdp_program__id(prog), t->pins);
	if (ours != PARTS)
		return fail(e, EIO, "libxdp attached %u programs to %s instead of %u", ours,
			    t->name, PARTS);
	ret->prog_id = xdp_program__id(xdp_multiprog__main_prog(mp));
	ret->mode = from_libxdp(xdp_multiprog__attach_mode(mp));
	ret->form = NIC_FORM_DISPATCHER;
	return 0;
}

static int attach_in(const struct target *t, enum nic_mode mode, struct attached *ret,
		     struct err *e)
{
	_cleanup_(parts_close) struct parts parts = { 0 };
	int r = parts_open(ret, &parts, e);

	if (r < 0)
		return r;
	r = xdp_program__attach_multi(parts.progs, PARTS, (int)t->ifindex, to_libxdp(mode), 0);
	if (r == -EBUSY || r == -EEXIST)
		return foreign_refuse(t, e);
	if (r < 0)
		return fail_loudly(e, -r, "libxdp can't attach");
	r = confirm(t, ret, e);
	for (unsigned i = 0; r == 0 && i < PARTS; i++)
		r = pins_put(t->pins, prog_pins[i], xdp_program__fd(parts.progs[i]), e);
	if (r < 0)
		dispatcher_detach(t, NULL);
	return r;
}

int dispatcher_attach(const struct target *t, uint32_t want_mode, struct attached *ret,
		      struct err *e)
{
	_cleanup_(multiprog_close) struct xdp_multiprog *mp = NULL;
	enum nic_mode modes[2];
	int r = open_multiprog(t->ifindex, &mp);
	unsigned n;

	if (r < 0)
		return fail_loudly(e, -r, "libxdp does not tell what is attached");
	if (mp)
		r = join_mode(t, mp, &want_mode, e);
	if (r == 0)
		r = maps_make(t, ret, e);
	if (r < 0)
		return r;
	n = modes_to_try(want_mode, modes);
	for (unsigned i = 0; i < n; i++) {
		r = attach_in(t, modes[i], ret, e);
		if (r == 0 || !mode_refused(-r))
			break;
	}
	return r;
}

/* --- detach ------------------------------------------------------------------ */

static int detach_ours(const struct target *t, struct xdp_multiprog *mp)
{
	enum xdp_attach_mode mode = xdp_multiprog__attach_mode(mp);
	struct xdp_program *ours[PIN_NAMES], *prog = NULL;
	unsigned n = 0;

	if (xdp_multiprog__is_legacy(mp)) {
		prog = xdp_multiprog__main_prog(mp);
		if (!prog || !prog_uses_pins(xdp_program__id(prog), t->pins))
			return 0;
		return xdp_program__detach(prog, (int)t->ifindex, mode, 0);
	}
	while ((prog = xdp_multiprog__next_prog(prog, mp)) && n < ARRAY_SIZE(ours))
		if (prog_uses_pins(xdp_program__id(prog), t->pins))
			ours[n++] = prog;
	return n ? xdp_program__detach_multi(ours, n, (int)t->ifindex, mode, 0) : 0;
}

static bool have_pins(const struct target *t)
{
	for (unsigned i = 0; i < PARTS; i++) {
		_cleanup_fd_ int fd = pins_get(t->pins, loader_map_pin(NIC_FORM_DISPATCHER, i));

		if (fd >= 0)
			return true;
	}
	return false;
}

int dispatcher_detach(const struct target *t, struct err *e)
{
	_cleanup_(multiprog_close) struct xdp_multiprog *mp = NULL;
	int r;

	if (!have_pins(t))
		return 0;
	r = t->name[0] ? open_multiprog(t->ifindex, &mp) : 0;
	if (r == 0 && mp)
		r = detach_ours(t, mp);
	if (r < 0 && r != -ENODEV)
		return fail_loudly(e, -r, "libxdp can't detach");
	sweep_remains(t);
	return 0;
}
