/* SPDX-License-Identifier: BSD-3-Clause */
/* Each thing is tried, since no version number tells what a kernel refuses. */
#include "reeve_bpf.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "base/str.h"
#include "xdp_probe.skel.h"

static const struct {
	uint32_t bit;
	const char *name, *lacks;
} probes[PROBES] = {
	{ LOADER_CAN_XDP, "xdp", "XDP programs can't be loaded" },
	{ LOADER_CAN_LINK, "link", "no link holds an XDP program" },
	{ LOADER_CAN_FREPLACE, "freplace", "libxdp's dispatcher can't work" },
	{ LOADER_CAN_PIN, "pin", "nothing can be pinned at /sys/fs/bpf" },
	{ LOADER_CAN_NATIVE, "native", "native mode does not work on a veth" },
};

static void skeleton_close(struct xdp_probe **s)
{
	xdp_probe__destroy(*s);
}

/* Loads the XDP program, or what is to replace a function of `target`. 0 or an errno. */
static int load(struct xdp_probe **ret, int target)
{
	struct xdp_probe *s = xdp_probe__open();
	int r = 0;

	*ret = s;
	if (!s)
		return errno;
	bpf_program__set_autoload(s->progs.probe_xdp, target < 0);
	bpf_program__set_autoload(s->progs.probe_freplace, target >= 0);
	if (target >= 0)
		r = bpf_program__set_attach_target(s->progs.probe_freplace, target, "probe_slot");
	return r ? -r : -xdp_probe__load(s);
}

static int replace(int target)
{
	_cleanup_(skeleton_close) struct xdp_probe *s = NULL;
	struct bpf_link *link;
	int r = load(&s, target);

	if (r)
		return r;
	link = bpf_program__attach_freplace(s->progs.probe_freplace, target, "probe_slot");
	if (!link)
		return errno;
	bpf_link__destroy(link);
	return 0;
}

int probe_freplace(void)
{
	_cleanup_(skeleton_close) struct xdp_probe *s = NULL;
	int r = load(&s, -1);

	return r ? r : replace(bpf_program__fd(s->progs.probe_xdp));
}

/* A pair with the names that the kernel gives: veth0, veth1. */
static void make_veth(void)
{
	_cleanup_fd_ int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nlattr *info;

	msg->nlmsg_type = RTM_NEWLINK;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
	info = mnl_attr_nest_start(msg, IFLA_LINKINFO);
	mnl_attr_put_strz(msg, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(msg, info);
	/* Done when it returns; the caller sees by the name whether it was. */
	send(sock, msg, msg->nlmsg_len, MSG_NOSIGNAL);
}

static int attach_once(int prog, const char *ifname, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	unsigned ifindex = if_nametoindex(ifname);

	if (!ifindex)
		return errno;
	return bpf_link_create(prog, (int)ifindex, BPF_XDP, &options) < 0 ? errno : 0;
}

/* In a child with a network of its own, which is gone with it. 0 or an errno. */
static int try_attach(int prog, bool native)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(errno);
		if (native)
			make_veth();
		_exit(attach_once(prog, native ? "veth0" : "lo",
				  native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE));
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static int probe_one(uint32_t bit, int prog)
{
	struct err e = { 0 };

	if (bit == LOADER_CAN_PIN)
		return -pins_usable(&e);
	if (prog < 0)
		return EINVAL;
	if (bit == LOADER_CAN_FREPLACE)
		return replace(prog);
	return bit == LOADER_CAN_XDP ? 0 : try_attach(prog, bit == LOADER_CAN_NATIVE);
}

void probe_all(struct probe *ret)
{
	_cleanup_(skeleton_close) struct xdp_probe *s = NULL;
	int unloaded = load(&s, -1);
	int prog = unloaded ? -1 : bpf_program__fd(s->progs.probe_xdp);

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < PROBES; i++) {
		int r = probe_one(probes[i].bit, prog);

		ret->why[i] = r && unloaded && probes[i].bit != LOADER_CAN_PIN ? unloaded : r;
		if (!r)
			ret->can |= probes[i].bit;
	}
}

void probe_sentence(const struct probe *p, char *buf, size_t size)
{
	buf[0] = '\0';
	for (unsigned i = 0; i < PROBES; i++) {
		char one[128];

		if (!p->why[i])
			continue;
		snprintf(one, sizeof(one), "%s%s: %s", buf[0] ? "; " : "", probes[i].lacks,
			 strerror(p->why[i]));
		str_append(buf, size, one);
	}
}

void probe_print(const struct probe *p)
{
	const char *comma = "";

	printf("{");
	for (unsigned i = 0; i < PROBES; i++)
		printf("\"%s\":%s,", probes[i].name, p->why[i] ? "false" : "true");
	printf("\"why\":{");
	for (unsigned i = 0; i < PROBES; i++) {
		if (!p->why[i])
			continue;
		printf("%s\"%s\":\"%s: %s\"", comma, probes[i].name, probes[i].lacks,
		       strerror(p->why[i]));
		comma = ",";
	}
	printf("}}\n");
}
