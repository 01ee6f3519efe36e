/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/icmp.h"

#include <errno.h>
#include <string.h>

#include "wire/be.h"
#include "wire/checksum.h"

enum { ECHO4 = 8, ECHO4_REPLY = 0, ECHO6 = 128, ECHO6_REPLY = 129, SOLICIT = 135, ADVERT = 136 };
enum { ND_BYTES = 24, ND_TTL = 255, OPTION_SOURCE_MAC = 1, OPTION_TARGET_MAC = 2, OPTION_MAC = 8 };
enum { SOLICITED = 0x40, OVERRIDE = 0x20 };

static bool is6(const struct ip *ip)
{
	return ip->proto == IP_ICMP6;
}

/* The one option that says a MAC; others are skipped. */
static int find_mac(const struct ip *ip, uint8_t wanted, struct icmp *m)
{
	const uint8_t *at = ip->payload + ND_BYTES;
	uint32_t left = ip->len - ND_BYTES;

	while (left >= 8) {
		uint32_t bytes = at[1] * 8U;

		if (!bytes || bytes > left)
			return -EBADMSG;
		if (at[0] == wanted && bytes == OPTION_MAC) {
			memcpy(m->mac.b, at + 2, ETHER_MAC);
			m->has_mac = true;
		}
		at += bytes;
		left -= bytes;
	}
	return left ? -EBADMSG : 0;
}

static int decode_nd(const struct ip *ip, bool advert, struct icmp *m)
{
	const uint8_t *at = ip->payload;

	if (ip->len < ND_BYTES || ip->ttl != ND_TTL || at[1] != 0)
		return -EBADMSG;
	m->kind = advert ? ICMP_ADVERT : ICMP_SOLICIT;
	m->solicited = at[4] & SOLICITED;
	m->override = at[4] & OVERRIDE;
	memcpy(m->target.b, at + 8, sizeof(m->target.b));
	if (!ipaddr_is_unicast(&m->target) || ipaddr_is4(&m->target))
		return -EBADMSG;
	return find_mac(ip, advert ? OPTION_TARGET_MAC : OPTION_SOURCE_MAC, m);
}

static enum icmp_kind kind_of(const struct ip *ip)
{
	const uint8_t *at = ip->payload;

	if (at[1] != 0)
		return ICMP_OTHER;
	if (at[0] == (is6(ip) ? ECHO6 : ECHO4))
		return ICMP_ECHO;
	return at[0] == (is6(ip) ? ECHO6_REPLY : ECHO4_REPLY) ? ICMP_ECHO_REPLY : ICMP_OTHER;
}

static uint64_t sum_of(const struct ip *ip)
{
	return is6(ip) ? checksum_pseudo(&ip->src, &ip->dst, IP_ICMP6, ip->len) : 0;
}

int icmp_decode(const struct ip *ip, struct icmp *ret)
{
	*ret = (struct icmp){ 0 };
	if (ip->len < ICMP_HEADER ||
	    checksum_fold(checksum_add(sum_of(ip), ip->payload, ip->len)) != UINT16_MAX)
		return -EBADMSG;
	if (is6(ip) && (ip->payload[0] == SOLICIT || ip->payload[0] == ADVERT))
		return decode_nd(ip, ip->payload[0] == ADVERT, ret);
	ret->kind = kind_of(ip);
	ret->id = be16_get(ip->payload + 4);
	ret->seq = be16_get(ip->payload + 6);
	ret->data = ip->payload + ICMP_HEADER;
	ret->len = ip->len - ICMP_HEADER;
	return 0;
}

static bool is_nd(const struct icmp *m)
{
	return m->kind == ICMP_SOLICIT || m->kind == ICMP_ADVERT;
}

uint32_t icmp_bytes(const struct icmp *m)
{
	if (is_nd(m))
		return ND_BYTES + (m->has_mac ? OPTION_MAC : 0);
	return ICMP_HEADER + m->len;
}

static void encode_nd(uint8_t *at, const struct icmp *m)
{
	bool advert = m->kind == ICMP_ADVERT;

	memset(at, 0, icmp_bytes(m));
	at[0] = advert ? ADVERT : SOLICIT;
	if (advert)
		at[4] = (uint8_t)((m->solicited ? SOLICITED : 0) | (m->override ? OVERRIDE : 0));
	memcpy(at + 8, m->target.b, sizeof(m->target.b));
	if (!m->has_mac)
		return;
	at[ND_BYTES] = advert ? OPTION_TARGET_MAC : OPTION_SOURCE_MAC;
	at[ND_BYTES + 1] = OPTION_MAC / 8;
	memcpy(at + ND_BYTES + 2, m->mac.b, ETHER_MAC);
}

static void encode_echo(uint8_t *at, const struct ip *ip, const struct icmp *m)
{
	bool reply = m->kind == ICMP_ECHO_REPLY;

	memmove(at + ICMP_HEADER, m->data, m->len);
	memset(at, 0, ICMP_HEADER);
	if (is6(ip))
		at[0] = reply ? ECHO6_REPLY : ECHO6;
	else
		at[0] = reply ? ECHO4_REPLY : ECHO4;
	be16_put(at + 4, m->id);
	be16_put(at + 6, m->seq);
}

void icmp_encode(uint8_t *at, const struct ip *ip, const struct icmp *m)
{
	if (is_nd(m))
		encode_nd(at, m);
	else
		encode_echo(at, ip, m);
	checksum_put(at + 2, (uint16_t)~checksum_fold(checksum_add(sum_of(ip), at, ip->len)));
}
