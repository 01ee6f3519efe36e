/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for an address that belongs to a user-space stack, and what it needs to live
 * on a network with it: ARP, neighbour solicitations for it and advertisements to it,
 * echo and errors, UDP, fragments of UDP too. Not among them: frames that are cut
 * short, lie about their lengths, have VLAN tags, or are not in one piece of memory.
 *
 * XDP can't clone: what both the stack and the kernel might want to hear (ARP
 * announcements and neighbour advertisements of third parties) is the kernel's.
 * Protocols come before addresses, so that the kernel's TCP costs no look into a hash.
 *
 * Who includes this says whose addresses they are: `owner` comes from takes_frame().
 */
#ifndef REEVE_BPF_WHOLE_H
#define REEVE_BPF_WHOLE_H

#include "udp.h"

#include <linux/icmpv6.h>

#include "stack_layout.h"

/* linux/icmp.h and if_arp.h want the C library, which is not there for BPF. */
enum {
	ICMP_ECHOREPLY = 0,
	ICMP_DEST_UNREACH = 3,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETERPROB = 12,
	ICMP_HEADER = 8,
	ARPHRD_ETHER = 1,
};

enum {
	NEIGHBOUR_SOLICITATION = 135,
	NEIGHBOUR_ADVERTISEMENT = 136,
	FRAGMENT_HEADER = 44, /* of IPv6 */
	ARP_IPV4 = 4,	      /* bytes of an address */
};

/* Of Ethernet and IPv4, which is all that is looked at. */
struct arp {
	__be16 hardware, protocol;
	__u8 hardware_bytes, protocol_bytes;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN], sender[ARP_IPV4];
	__u8 target_mac[ETH_ALEN], target[ARP_IPV4];
};

struct solicitation {
	struct icmp6hdr icmp;
	__u8 target[16];
};

struct fragment {
	__u8 next, reserved;
	__be16 offset;
	__be32 id;
};

/* STACK_* bits of that address; 0: it is not the owner's. */
static __u32 address_bits(__u32 owner, const struct stack_address *address);
/* Whether UDP to that port goes to an address of STACK_PORTS. */
static bool port_is_on(const struct udphdr *udp);

static __always_inline __u32 ipv6_bits(__u32 owner, const void *address)
{
	struct stack_address key;

	__builtin_memcpy(key.bytes, address, sizeof(key.bytes));
	return address_bits(owner, &key);
}

static __always_inline __u32 ipv4_bits(__u32 owner, const void *address)
{
	struct stack_address key;

	__builtin_memset(key.bytes, 0, 10);
	__builtin_memset(key.bytes + 10, 0xff, 2);
	__builtin_memcpy(key.bytes + 12, address, 4);
	return address_bits(owner, &key);
}

/* Also who claims an address of ours to be its own. */
static __always_inline bool takes_arp(__u32 owner, const void *at, const void *end)
{
	const struct arp *arp = at;

	if ((const void *)(arp + 1) > end)
		return false;
	if (arp->hardware != bpf_htons(ARPHRD_ETHER) || arp->protocol != bpf_htons(ETH_P_IP) ||
	    arp->hardware_bytes != ETH_ALEN || arp->protocol_bytes != ARP_IPV4)
		return false;
	return ipv4_bits(owner, arp->target) & STACK_WHOLE ||
	       ipv4_bits(owner, arp->sender) & STACK_WHOLE;
}

static __always_inline bool takes_udp(const struct udphdr *udp, const void *end, __u32 bits)
{
	if (!udp || !udp_whole(udp, end))
		return false;
	return bits & STACK_WHOLE || (bits & STACK_PORTS && port_is_on(udp));
}

static __always_inline bool takes_icmp(const __u8 *icmp, const void *end)
{
	if ((const void *)(icmp + ICMP_HEADER) > end)
		return false;
	return *icmp == ICMP_ECHO || *icmp == ICMP_ECHOREPLY || *icmp == ICMP_DEST_UNREACH ||
	       *icmp == ICMP_TIME_EXCEEDED || *icmp == ICMP_PARAMETERPROB;
}

static __always_inline bool takes_ipv4(__u32 owner, void *at, const void *end)
{
	const struct iphdr *ip = at;
	bool fragment;
	__u32 bits;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return false;
	if (ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_ICMP)
		return false;
	if (bpf_ntohs(ip->tot_len) < ip->ihl * 4 || bpf_ntohs(ip->tot_len) > end - at)
		return false;
	bits = ipv4_bits(owner, &ip->daddr);
	if (!bits)
		return false;
	fragment = ip->frag_off & bpf_htons(UDP_FRAGMENT);
	if (ip->protocol == IPPROTO_ICMP)
		return bits & STACK_WHOLE && !fragment && takes_icmp(at + ip->ihl * 4, end);
	if (fragment)
		return bits & STACK_WHOLE;
	return takes_udp(udp_over_ipv4(at, end), end, bits);
}

static __always_inline bool takes_icmpv6(__u32 owner, const struct ipv6hdr *ip, const void *end)
{
	const struct solicitation *s = (const void *)(ip + 1);
	__u8 type;

	if ((const void *)(&s->icmp + 1) > end)
		return false;
	type = s->icmp.icmp6_type;
	/* Sent to a group of nodes, or to the one that is asked for. */
	if (type == NEIGHBOUR_SOLICITATION)
		return (const void *)(s + 1) <= end && ipv6_bits(owner, s->target) & STACK_WHOLE;
	if (type != ICMPV6_ECHO_REQUEST && type != ICMPV6_ECHO_REPLY &&
	    type != NEIGHBOUR_ADVERTISEMENT &&
	    (type < ICMPV6_DEST_UNREACH || type > ICMPV6_PARAMPROB))
		return false;
	return ipv6_bits(owner, &ip->daddr) & STACK_WHOLE;
}

static __always_inline bool is_udp_fragment(const struct ipv6hdr *ip, const void *end)
{
	const struct fragment *f = (const void *)(ip + 1);

	return ip->nexthdr == FRAGMENT_HEADER && (const void *)(f + 1) <= end &&
	       f->next == IPPROTO_UDP;
}

static __always_inline bool takes_ipv6(__u32 owner, void *at, const void *end)
{
	const struct ipv6hdr *ip = at;
	struct udphdr *udp;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return false;
	if (bpf_ntohs(ip->payload_len) > end - (const void *)(ip + 1))
		return false;
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return takes_icmpv6(owner, ip, end);
	if (is_udp_fragment(ip, end))
		return ipv6_bits(owner, &ip->daddr) & STACK_WHOLE;
	udp = udp_over_ipv6(at, end);
	return udp && takes_udp(udp, end, ipv6_bits(owner, &ip->daddr));
}

static __always_inline bool takes_frame(const struct xdp_md *ctx, __u32 owner)
{
	void *data = (void *)(long)ctx->data;
	const void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	void *at = data + ETH_HLEN;

	if (at > end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return takes_ipv4(owner, at, end);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return takes_ipv6(owner, at, end);
	return eth->h_proto == bpf_htons(ETH_P_ARP) && takes_arp(owner, at, end);
}

#endif
