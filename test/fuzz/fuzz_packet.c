/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame through the decoders, layer by layer as src/stack/input.c goes. Byte 0, bit 0:
 * checksums are put right first, which chance alone hardly does; bit 1: partial sums
 * are as good. The rest is the frame, in memory that ends where it does.
 *
 * What a decoder names lies within the frame, and what is encoded of it decodes to the
 * same again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/arp.h"
#include "wire/be.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/machnet.h"
#include "wire/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME_MAX = 9000, MEND = 1, PARTIAL = 2 };

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool same(const void *a, const void *b, size_t n)
{
	return !memcmp(a, b, n);
}

/* --- right checksums ------------------------------------------------------------------ */

static void mend_payload(const struct ip *ip)
{
	uint32_t at = ip->proto == IP_UDP ? 6 : 2, len = ip->len;
	uint64_t sum = 0;
	uint16_t field;

	if (ip->proto == IP_UDP && len >= UDP_HEADER && be16_get(ip->payload + 4) <= len)
		len = be16_get(ip->payload + 4);
	if ((ip->proto != IP_UDP && ip->proto != IP_ICMP && ip->proto != IP_ICMP6) || len < at + 2)
		return;
	if (ip->proto != IP_ICMP)
		sum = checksum_pseudo(&ip->src, &ip->dst, ip->proto, len);
	be16_put(ip->payload + at, 0);
	field = (uint16_t)~checksum_fold(checksum_add(sum, ip->payload, len));
	checksum_put(ip->payload + at, field ? field : UINT16_MAX);
}

static void mend(uint8_t *frame, uint32_t len)
{
	uint8_t *at = frame + ETHER_HEADER;
	struct ip ip;
	uint32_t header;

	if (len < ETHER_HEADER + IP4_HEADER)
		return;
	len -= ETHER_HEADER;
	if (be16_get(frame + 12) == ETHER_IPV6) {
		if (ip6_decode(at, len, &ip) == 0)
			mend_payload(&ip);
		return;
	}
	header = (at[0] & 0xfU) * 4;
	if (be16_get(frame + 12) != ETHER_IPV4 || header < IP4_HEADER || header > len)
		return;
	be16_put(at + 10, 0);
	checksum_put(at + 10, (uint16_t)~checksum_fold(checksum_add(0, at, header)));
	if (ip4_decode(at, len, &ip) == 0)
		mend_payload(&ip);
}

/* --- layers ----------------------------------------------------------------------------- */

static void fuzz_arp(const uint8_t *at, uint32_t len)
{
	uint8_t again[ARP_BYTES];
	struct arp a;

	if (arp_decode(at, len, &a) < 0)
		return;
	arp_encode(again, &a);
	check(same(again, at, ARP_BYTES));
}

static bool is_nd(const struct icmp *m)
{
	return m->kind == ICMP_SOLICIT || m->kind == ICMP_ADVERT;
}

static void check_same_icmp(const struct icmp *a, const struct icmp *b)
{
	check(a->kind == b->kind);
	if (!is_nd(a)) {
		check(a->id == b->id && a->seq == b->seq && a->len == b->len);
		check(same(a->data, b->data, a->len));
		return;
	}
	check(ipaddr_equal(&a->target, &b->target) && a->has_mac == b->has_mac);
	check(same(&a->mac, &b->mac, sizeof(a->mac)));
	/* Only advertisements have them. */
	if (a->kind == ICMP_ADVERT)
		check(a->solicited == b->solicited && a->override == b->override);
}

static void fuzz_icmp(const struct ip *ip)
{
	static uint8_t again[FRAME_MAX];
	struct ip copy = *ip;
	struct icmp m, n;

	if (icmp_decode(ip, &m) < 0 || m.kind == ICMP_OTHER)
		return;
	if (!is_nd(&m))
		check(m.data == ip->payload + ICMP_HEADER && m.len == ip->len - ICMP_HEADER);
	copy.payload = again;
	copy.len = icmp_bytes(&m);
	check(copy.len <= ip->len);
	icmp_encode(again, &copy, &m);
	check(icmp_decode(&copy, &n) == 0);
	check_same_icmp(&m, &n);
}

static void fuzz_machnet(const uint8_t *at, uint32_t len)
{
	uint8_t again[MACHNET_HEADER];
	struct machnet m, n;

	if (machnet_decode(at, len, &m) < 0)
		return;
	machnet_encode(again, &m);
	check(machnet_decode(again, sizeof(again), &n) == 0);
	check(m.kind == n.kind && m.flags == n.flags && m.seq == n.seq && m.ack == n.ack &&
	      m.again == n.again);
	check(same(again, at, 12));
}

static void fuzz_udp(const struct ip *ip, bool partial_sums)
{
	static uint8_t again[FRAME_MAX];
	struct ip copy = *ip;
	struct udp u, v;

	if (udp_decode(ip, partial_sums, &u) < 0)
		return;
	check(u.payload == ip->payload + UDP_HEADER && u.len <= ip->len - UDP_HEADER);
	fuzz_machnet(u.payload, u.len);
	memcpy(again + UDP_HEADER, u.payload, u.len);
	copy.payload = again;
	copy.len = UDP_HEADER + u.len;
	v = u;
	v.payload = again + UDP_HEADER;
	udp_encode(again, &copy, &v);
	memset(&v, 0, sizeof(v));
	check(udp_decode(&copy, false, &v) == 0);
	check(u.src == v.src && u.dst == v.dst && u.len == v.len);
	check(same(u.payload, v.payload, u.len));
}

static void check_ip_again(const struct ip *ip)
{
	static uint8_t again[FRAME_MAX + IP6_HEADER];
	struct ip q;
	uint32_t header = ip_header(ip);
	int r;

	ip_encode(again, ip);
	memcpy(again + header, ip->payload, ip->len);
	r = ipaddr_is4(&ip->src) ? ip4_decode(again, header + ip->len, &q)
				 : ip6_decode(again, header + ip->len, &q);
	check(r == 0 && q.payload == again + header && q.len == ip->len);
	check(ipaddr_equal(&q.src, &ip->src) && ipaddr_equal(&q.dst, &ip->dst));
	check(q.proto == ip->proto && q.ttl == ip->ttl);
}

static void fuzz_ip(uint8_t *at, uint32_t len, bool is6, bool partial_sums)
{
	struct ip ip;
	int r = is6 ? ip6_decode(at, len, &ip) : ip4_decode(at, len, &ip);

	if (r < 0) {
		check(r == -EBADMSG || r == -EOPNOTSUPP);
		return;
	}
	check(ip.payload >= at + (is6 ? IP6_HEADER : IP4_HEADER) && ip.payload <= at + len &&
	      ip.len <= (uint32_t)(at + len - ip.payload));
	check(ipaddr_is4(&ip.src) == !is6 && ipaddr_is4(&ip.dst) == !is6);
	check_ip_again(&ip);
	if (ip.proto == IP_UDP)
		fuzz_udp(&ip, partial_sums);
	else if (ip.proto == (is6 ? IP_ICMP6 : IP_ICMP))
		fuzz_icmp(&ip);
}

static void fuzz_frame(uint8_t *frame, uint32_t len, bool partial_sums)
{
	uint8_t again[ETHER_HEADER];
	struct ether h;

	if (ether_decode(frame, len, &h) < 0)
		return;
	ether_encode(again, &h);
	check(same(again, frame, ETHER_HEADER));
	frame += ETHER_HEADER;
	len -= ETHER_HEADER;
	if (h.type == ETHER_ARP)
		fuzz_arp(frame, len);
	else if (h.type == ETHER_IPV4 || h.type == ETHER_IPV6)
		fuzz_ip(frame, len, h.type == ETHER_IPV6, partial_sums);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame;

	if (size < 2 || size - 1 > FRAME_MAX)
		return 0;
	frame = malloc(size - 1);
	if (!frame)
		return 0;
	memcpy(frame, data + 1, size - 1);
	if (data[0] & MEND)
		mend(frame, (uint32_t)size - 1);
	fuzz_frame(frame, (uint32_t)size - 1, data[0] & PARTIAL);
	free(frame);
	return 0;
}
