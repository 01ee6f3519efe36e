/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is for an address of the stack's goes to its socket, every other frame to
 * the kernel. See whole.h for what is meant by that.
 */
#include "whole.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STACK_ADDRESSES);
	__type(key, struct stack_address);
	__type(value, __u32);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STACK_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xskmap SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_counts);
} counts SEC(".maps");

/* Linux 6.1's verifier knows no bounds of what was swapped, so it is not. */
__u8 ports[STACK_PORTS_MAX];

static __always_inline __u32 address_bits(__u32 owner, const struct stack_address *address)
{
	const __u32 *bits = bpf_map_lookup_elem(&addresses, address);

	(void)owner;
	return bits ? *bits : 0;
}

static __always_inline bool port_is_on(const struct udphdr *udp)
{
	return ports[udp->dest];
}

static __always_inline void count(int verdict)
{
	struct stack_counts *c = bpf_map_lookup_elem(&counts, &(__u32){ 0 });

	if (!c)
		return;
	if (verdict == XDP_REDIRECT)
		c->redirected++;
	else
		c->passed++;
}

SEC("xdp") int stack_xdp(struct xdp_md *ctx)
{
	int verdict = XDP_PASS;

	if (takes_frame(ctx, 0))
		verdict = (int)bpf_redirect_map(&xskmap, ctx->rx_queue_index, XDP_PASS);
	count(verdict);
	return verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
