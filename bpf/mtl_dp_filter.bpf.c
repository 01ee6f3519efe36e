/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The filter of the dispatcher form: XDP_DROP sends a frame on to the next
 * program of libxdp's chain, which is xsk_def_prog; XDP_PASS ends the chain and
 * gives it to the kernel. Installed by itself too, for xdp-loader.
 */
#include "udp.h"

#include <xdp/xdp_helpers.h>

#include "layout.h"

struct {
	__uint(priority, 19);
	__uint(XDP_DROP, 1);
	__uint(XDP_PASS, 0); /* else it is on */
} XDP_RUN_CONFIG(mtl_dp_filter);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REEVE_FILTER_PORTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, struct reeve_count);
} filter SEC(".maps");

SEC("xdp") int mtl_dp_filter(struct xdp_md *ctx)
{
	struct reeve_count *count;
	struct datagram d;
	__u16 port;

	if (datagram_find(ctx, &d) < 0)
		return XDP_PASS;
	port = bpf_ntohs(d.udp->dest);
	count = bpf_map_lookup_elem(&filter, &port);
	if (!count)
		return XDP_PASS;
	__sync_fetch_and_add(&count->packets, 1);
	__sync_fetch_and_add(&count->bytes, frame_bytes(ctx));
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
