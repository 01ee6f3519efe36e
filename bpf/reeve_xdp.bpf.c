/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The single form: a frame for a UDP port that the owner of the receive queue
 * waits for goes to the owner's socket, and so does one for an address that is the
 * owner's as a whole; every other one to the kernel. No hash is looked into on the
 * way unless the port is one of flows, or the owner has addresses.
 */
#include "whole.h"

#include "layout.h"

_Static_assert((int)REEVE_ADDRESS_WHOLE == (int)STACK_WHOLE, "as whole.h understands it");

struct port_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REEVE_PORTS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct reeve_port));
};

struct xskmap {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, REEVE_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, REEVE_SLOTS);
	__type(key, __u32);
	__array(values, struct port_table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, REEVE_SLOTS);
	__type(key, __u32);
	__array(values, struct xskmap);
} xskmaps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REEVE_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REEVE_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct reeve_flow_key);
	__type(value, __u32);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REEVE_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct reeve_address);
	__type(value, __u32);
} addresses SEC(".maps");

/* --- ports ------------------------------------------------------------------- */

/* 0, or -1 when the verifier can't tell that the addresses are there. */
static __always_inline int flow_key(const struct datagram *d, const void *end,
				    struct reeve_flow_key *ret)
{
	const struct ipv6hdr *ip6 = d->ip;
	const struct iphdr *ip = d->ip;

	ret->dst_port = bpf_ntohs(d->udp->dest);
	ret->src_port = bpf_ntohs(d->udp->source);
	ret->ipv6 = d->ipv6;
	if (!d->ipv6) {
		__builtin_memcpy(ret->dst, &ip->daddr, sizeof(ip->daddr));
		__builtin_memcpy(ret->src, &ip->saddr, sizeof(ip->saddr));
		return 0;
	}
	if ((const void *)(ip6 + 1) > end)
		return -1;
	__builtin_memcpy(ret->dst, &ip6->daddr, sizeof(ret->dst));
	__builtin_memcpy(ret->src, &ip6->saddr, sizeof(ret->src));
	return 0;
}

/* The place of the closest flow; NULL: none is this one. */
static __noinline const __u32 *flow_find(struct reeve_flow_key *key)
{
	const __u32 *place;

	place = bpf_map_lookup_elem(&flows, key);
	if (place)
		return place;
	key->src_port = 0;
	place = bpf_map_lookup_elem(&flows, key);
	if (place)
		return place;
	__builtin_memset(key->src, 0, sizeof(key->src));
	place = bpf_map_lookup_elem(&flows, key);
	if (place)
		return place;
	__builtin_memset(key->dst, 0, sizeof(key->dst));
	return bpf_map_lookup_elem(&flows, key);
}

/* A socket takes frames of its own queue only. */
static __always_inline __u32 flow_place(void *xskmap, __u32 place, __u32 queue)
{
	const struct bpf_xdp_sock *sock = bpf_map_lookup_elem(xskmap, &place);

	return sock && sock->queue_id == queue ? place : queue;
}

static __always_inline const __u32 *flow_of(const struct xdp_md *ctx, const struct datagram *d,
					    __u32 slot)
{
	struct reeve_flow_key key = { .owner = slot };

	if (flow_key(d, (const void *)(long)ctx->data_end, &key) < 0)
		return NULL;
	return flow_find(&key);
}

static __always_inline int for_port(struct xdp_md *ctx, __u32 slot)
{
	__u32 queue = ctx->rx_queue_index, place = queue;
	struct reeve_port *port;
	struct datagram d;
	void *table, *xskmap;
	__u32 number;
	__u64 bits;

	table = bpf_map_lookup_elem(&tables, &slot);
	if (!table || datagram_find(ctx, &d) < 0)
		return XDP_PASS;
	number = bpf_ntohs(d.udp->dest);
	port = bpf_map_lookup_elem(table, &number);
	xskmap = bpf_map_lookup_elem(&xskmaps, &slot);
	if (!port || !xskmap)
		return XDP_PASS;
	bits = port->packets;
	if (!(bits & REEVE_PORT_ON))
		return XDP_PASS;
	if (bits & REEVE_PORT_FLOWS) {
		const __u32 *flow = flow_of(ctx, &d, slot);

		if (!flow)
			return XDP_PASS;
		place = flow_place(xskmap, *flow, queue);
	}
	__sync_fetch_and_add(&port->packets, 1);
	__sync_fetch_and_add(&port->bytes, frame_bytes(ctx));
	return (int)bpf_redirect_map(xskmap, place, XDP_PASS);
}

/* --- addresses --------------------------------------------------------------- */

static __always_inline __u32 address_bits(__u32 owner, const struct stack_address *address)
{
	struct reeve_address key = { .owner = owner };
	const __u32 *bits;

	__builtin_memcpy(key.bytes, address->bytes, sizeof(key.bytes));
	bits = bpf_map_lookup_elem(&addresses, &key);
	return bits ? *bits : 0;
}

/* Ports by themselves are for_port()'s. */
static __always_inline bool port_is_on(const struct udphdr *udp)
{
	(void)udp;
	return false;
}

/* Apart, so that who has no addresses pays for one test and nothing else. */
static __noinline int with_addresses(struct xdp_md *ctx, __u32 slot)
{
	int verdict = for_port(ctx, slot);
	void *xskmap;

	if (verdict != XDP_PASS || !takes_frame(ctx, slot))
		return verdict;
	xskmap = bpf_map_lookup_elem(&xskmaps, &slot);
	if (!xskmap)
		return XDP_PASS;
	return (int)bpf_redirect_map(xskmap, ctx->rx_queue_index, XDP_PASS);
}

/* Read once: all that is looked at belongs to one owner, whoever gets the queue meanwhile. */
static __always_inline __u32 owner_of(__u32 queue)
{
	const volatile __u32 *owner = bpf_map_lookup_elem(&owners, &queue);

	return owner ? *owner : 0;
}

SEC("xdp") int reeve_xdp(struct xdp_md *ctx)
{
	__u32 owner = owner_of(ctx->rx_queue_index);

	if (owner & REEVE_OWNER_ADDRESSES)
		return with_addresses(ctx, owner & ~REEVE_OWNER_ADDRESSES);
	return for_port(ctx, owner);
}

char _license[] SEC("license") = "Dual BSD/GPL";
