/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the UDP header of a frame, or decides that the frame is the kernel's:
 * everything that is no whole UDP datagram over IPv4 or IPv6 in the bytes at
 * hand. That covers fragments, the first one too (no port in the others), and
 * what a driver keeps outside the frame's first buffer.
 */
#ifndef REEVE_BPF_UDP_H
#define REEVE_BPF_UDP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum {
	UDP_VLANS = 2,	       /* tags that are skipped */
	UDP_EXTENSIONS = 3,    /* IPv6 hop-by-hop and destination options that are skipped */
	UDP_FRAGMENT = 0x3fff, /* IPv4: more fragments, or an offset */
};

struct vlan_tag {
	__be16 tci, proto;
};

struct extension {
	__u8 next, words; /* of 8 bytes, beyond the first */
};

/* Where headers are; only valid until the frame changes. */
struct datagram {
	void *ip;
	struct udphdr *udp;
	__u32 ipv6;
};

/* Skips VLAN tags; NULL: cut short. */
static __always_inline void *skip_tags(void *at, const void *end, __be16 *proto)
{
	for (int i = 0; i < UDP_VLANS; i++) {
		const struct vlan_tag *tag = at;

		if (*proto != bpf_htons(ETH_P_8021Q) && *proto != bpf_htons(ETH_P_8021AD))
			break;
		if ((const void *)(tag + 1) > end)
			return NULL;
		*proto = tag->proto;
		at += sizeof(*tag);
	}
	return at;
}

static __always_inline struct udphdr *udp_over_ipv4(void *at, const void *end)
{
	const struct iphdr *ip = at;

	if ((const void *)(ip + 1) > end)
		return NULL;
	if (ip->version != 4 || ip->ihl < 5)
		return NULL;
	if (ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(UDP_FRAGMENT))
		return NULL;
	return at + ip->ihl * 4;
}

static __always_inline struct udphdr *udp_over_ipv6(void *at, const void *end)
{
	const struct ipv6hdr *ip = at;
	__u8 next;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return NULL;
	next = ip->nexthdr;
	at += sizeof(*ip);
	for (int i = 0; i < UDP_EXTENSIONS; i++) {
		const struct extension *extension = at;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS)
			break;
		if ((const void *)(extension + 1) > end)
			return NULL;
		next = extension->next;
		at += (extension->words + 1) * 8;
	}
	return next == IPPROTO_UDP ? at : NULL;
}

/* Whether all of it is there, as long as it says it is. */
static __always_inline bool udp_whole(const struct udphdr *udp, const void *end)
{
	if ((const void *)(udp + 1) > end || bpf_ntohs(udp->len) < sizeof(*udp))
		return false;
	return bpf_ntohs(udp->len) <= end - (const void *)udp;
}

/* 0, or -1: the kernel's. */
static __always_inline int datagram_find(struct xdp_md *ctx, struct datagram *ret)
{
	void *data = (void *)(long)ctx->data;
	const void *end = (void *)(long)ctx->data_end;
	__be16 proto;
	void *ip;

	if (data + ETH_HLEN > end)
		return -1;
	proto = *(const __be16 *)(data + offsetof(struct ethhdr, h_proto));
	ip = skip_tags(data + ETH_HLEN, end, &proto);
	if (!ip)
		return -1;
	ret->ip = ip;
	ret->ipv6 = proto == bpf_htons(ETH_P_IPV6);
	if (proto == bpf_htons(ETH_P_IP))
		ret->udp = udp_over_ipv4(ip, end);
	else if (ret->ipv6)
		ret->udp = udp_over_ipv6(ip, end);
	else
		return -1;
	return ret->udp && udp_whole(ret->udp, end) ? 0 : -1;
}

/* Bytes of the frame: all of it, as what datagram_find() lets through is in one piece. */
static __always_inline __u64 frame_bytes(const struct xdp_md *ctx)
{
	return (__u64)ctx->data_end - ctx->data;
}

#endif
