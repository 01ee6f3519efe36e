/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is tried to see what a kernel can do: an XDP program, and one that takes
 * the place of a function in it, as libxdp's dispatcher wants it.
 */
#include <linux/types.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__noinline int probe_slot(struct xdp_md *ctx)
{
	volatile int action = XDP_PASS;

	return ctx ? action : XDP_ABORTED;
}

SEC("xdp") int probe_xdp(struct xdp_md *ctx)
{
	return probe_slot(ctx);
}

SEC("freplace") int probe_freplace(struct xdp_md *ctx)
{
	return ctx ? XDP_PASS : XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
