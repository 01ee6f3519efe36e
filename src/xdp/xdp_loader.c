/* SPDX-License-Identifier: BSD-3-Clause */
#include "xdp/xdp_loader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "base/str.h"
#include "mech/netdev.h"
#include "stack_xdp.skel.h"

_Static_assert((int)STACK_QUEUES == (int)NIC_QUEUES_MAX, "a place for each queue");
_Static_assert((int)STACK_PORTS_MAX == (int)NIC_PORTS, "a byte for each port");

struct xdp_loader {
	struct stack_xdp *skeleton;
	int link;
	enum nic_mode mode;
	uint8_t *ports; /* of the program's own memory */
};

/* --- what libbpf has to say ---------------------------------------------------- */

static char first[160];

/* The first warning is the closest to the cause; of the verifier's log, which program it is about.
 */
static int keep(enum libbpf_print_level level, const char *format, va_list ap)
{
	char line[128];

	if (level != LIBBPF_WARN || first[0])
		return 0;
	vsnprintf(line, sizeof(line), format, ap);
	line[strcspn(line, "\n")] = '\0';
	str_escape(first, sizeof(first), line, sizeof(line));
	return 0;
}

static int fail_load(const char *ifname, int code, struct err *e)
{
	return fail(e, code, "the XDP program for %s can't be loaded: %s%s%s%s", ifname,
		    strerror(code), first[0] ? " (" : "", first, first[0] ? ")" : "");
}

/* --- load ---------------------------------------------------------------------- */

/* Maps count against it before Linux 5.11. Who may not raise it may still have enough. */
static void allow_memory(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &lim) == 0 || getrlimit(RLIMIT_MEMLOCK, &lim) < 0)
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &lim);
}

/*
 * Drivers refuse native mode where the MTU does not fit into one buffer, unless the
 * program takes frames of several: this one leaves them to the kernel. Before Linux
 * 5.18 no program may say so.
 */
static int load_with(bool frags, struct stack_xdp **ret)
{
	struct stack_xdp *s = stack_xdp__open();
	int r = -errno;

	if (!s)
		return r < 0 ? r : -ENOMEM;
	if (frags)
		bpf_program__set_flags(s->progs.stack_xdp, BPF_F_XDP_HAS_FRAGS);
	r = stack_xdp__load(s);
	if (r < 0)
		stack_xdp__destroy(s);
	else
		*ret = s;
	return r;
}

static int load(const char *ifname, struct stack_xdp **ret, struct err *e)
{
	int r;

	allow_memory();
	first[0] = '\0';
	libbpf_set_print(keep);
	r = load_with(true, ret);
	if (r == -EINVAL)
		r = load_with(false, ret);
	if (r < 0)
		fail_load(ifname, -r, e);
	return r;
}

/* --- attach -------------------------------------------------------------------- */

/* "name" (id 12), or just what can be found out. */
static void describe(uint32_t id, char *buf, size_t size)
{
	_cleanup_fd_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	char name[4 * sizeof(info.name) + 1] = "";
	uint32_t len = sizeof(info);

	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		str_escape(name, sizeof(name), info.name, sizeof(info.name));
	if (name[0])
		snprintf(buf, size, "\"%s\" (id %u)", name, id);
	else
		snprintf(buf, size, "(id %u)", id);
}

static int refuse_foreign(const struct netdev *d, const char *ifname, struct err *e)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	char prog[96] = "of somebody else's";

	if (bpf_xdp_query((int)d->ifindex, 0, &query) == 0 && query.prog_id)
		describe(query.prog_id, prog, sizeof(prog));
	return fail(
		e, EBUSY,
		"%s has the XDP program %s already, which is not replaced: bpftool net show dev %s",
		ifname, prog, ifname);
}

/* The link, or -errno. The kernel refuses where another program is. */
static int attach_as(struct xdp_loader *l, const struct netdev *d, enum nic_mode mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = mode == NIC_MODE_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int link = bpf_link_create(bpf_program__fd(l->skeleton->progs.stack_xdp), (int)d->ifindex,
				   BPF_XDP, &options);

	if (link < 0)
		return -errno;
	l->link = link;
	l->mode = mode;
	return 0;
}

/* In the order they are tried; the number of them. */
static unsigned modes_to_try(uint32_t want, const struct netdev *d, enum nic_mode ret[static 2])
{
	bool generic = want == NIC_MODE_ONLY_GENERIC || strcmp(d->driver, "veth") == 0;

	ret[0] = generic && want != NIC_MODE_ONLY_NATIVE ? NIC_MODE_GENERIC : NIC_MODE_NATIVE;
	ret[1] = NIC_MODE_GENERIC;
	return want == NIC_MODE_AUTO && ret[0] == NIC_MODE_NATIVE ? 2 : 1;
}

static bool is_final(int r)
{
	return r == 0 || r == -EBUSY || r == -EEXIST || r == -ENODEV || r == -ENOMEM || r == -EPERM;
}

static int attach(struct xdp_loader *l, const char *ifname, uint32_t want, const struct netdev *d,
		  struct err *e)
{
	enum nic_mode modes[2];
	unsigned n = modes_to_try(want, d, modes), i = 0;
	int r;

	do {
		r = attach_as(l, d, modes[i]);
	} while (!is_final(r) && ++i < n);
	if (r == -EBUSY || r == -EEXIST)
		return refuse_foreign(d, ifname, e);
	if (r < 0)
		return fail(e, -r, "%s does not take an XDP program in %s mode: %s", ifname,
			    nic_mode_name(modes[i < n ? i : n - 1]), strerror(-r));
	return 0;
}

int xdp_loader_open(const char *ifname, uint32_t mode, struct xdp_loader **ret, struct err *e)
{
	struct xdp_loader *l;
	struct netdev d;
	int r = netdev_read(ifname, &d, e);

	if (r < 0)
		return r;
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(e, ENOMEM, "out of memory");
	l->link = -1;
	r = load(ifname, &l->skeleton, e);
	if (r == 0)
		r = attach(l, ifname, mode, &d, e);
	if (r < 0) {
		xdp_loader_close(l);
		return r;
	}
	l->ports = l->skeleton->bss->ports;
	*ret = l;
	return 0;
}

/* The link first: who else has it, by a fork, keeps an empty one. */
void xdp_loader_close(struct xdp_loader *l)
{
	if (!l)
		return;
	if (l->link >= 0) {
		bpf_link_detach(l->link);
		close(l->link);
	}
	stack_xdp__destroy(l->skeleton);
	free(l);
}

/* --- at run time ---------------------------------------------------------------- */

enum nic_mode xdp_loader_mode(const struct xdp_loader *l)
{
	return l->mode;
}

/* What is not there is no error. */
static int map_delete(int map, const void *key)
{
	return bpf_map_delete_elem(map, key) < 0 && errno != ENOENT ? -errno : 0;
}

int xdp_loader_set_socket(struct xdp_loader *l, uint32_t queue, int sock)
{
	int map = bpf_map__fd(l->skeleton->maps.xskmap);

	if (queue >= STACK_QUEUES)
		return -EINVAL;
	if (sock < 0)
		return map_delete(map, &queue);
	return bpf_map_update_elem(map, &queue, &sock, BPF_ANY) < 0 ? -errno : 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && !*p)
		p++, n--;
	return !n;
}

/*
 * Nobody's, everybody's, or a group's. 0.0.0.0 above all: ARP probes come from there, and
 * they are about any address.
 */
static bool is_single_host(const struct stack_address *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *b = a->bytes;

	if (memcmp(b, mapped, sizeof(mapped)) == 0)
		return b[12] && b[12] < 224;
	return b[0] != 0xff && !all_zero(b, 10);
}

int xdp_loader_set_address(struct xdp_loader *l, const struct stack_address *a, uint32_t bits)
{
	int map = bpf_map__fd(l->skeleton->maps.addresses);

	if (!bits)
		return map_delete(map, a);
	if ((bits != STACK_WHOLE && bits != STACK_PORTS) || !is_single_host(a))
		return -EINVAL;
	return bpf_map_update_elem(map, a, &bits, BPF_ANY) < 0 ? -errno : 0;
}

void xdp_loader_set_port(struct xdp_loader *l, uint16_t port, bool on)
{
	__atomic_store_n(&l->ports[htons(port)], on, __ATOMIC_RELAXED);
}

int xdp_loader_counts(const struct xdp_loader *l, struct stack_counts *ret)
{
	int map = bpf_map__fd(l->skeleton->maps.counts), cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct stack_counts *each = NULL;
	struct stack_counts sum = { 0 };
	uint32_t only = 0;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_elem(map, &only, each) < 0)
		return -errno;
	for (int i = 0; i < cpus; i++) {
		sum.redirected += each[i].redirected;
		sum.passed += each[i].passed;
	}
	*ret = sum;
	return 0;
}
