/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/udp.h"

#include <errno.h>

#include "wire/be.h"
#include "wire/checksum.h"

static bool sum_is_right(const struct ip *ip, uint32_t len, bool partial_sums)
{
	uint16_t field = checksum_get(ip->payload + 6);
	uint64_t pseudo = checksum_pseudo(&ip->src, &ip->dst, IP_UDP, len);

	if (!field)
		return ipaddr_is4(&ip->src);
	if (checksum_fold(checksum_add(pseudo, ip->payload, len)) == UINT16_MAX)
		return true;
	return partial_sums && field == checksum_fold(pseudo);
}

int udp_decode(const struct ip *ip, bool partial_sums, struct udp *ret)
{
	uint32_t len;

	if (ip->len < UDP_HEADER)
		return -EBADMSG;
	len = be16_get(ip->payload + 4);
	if (len < UDP_HEADER || len > ip->len || !sum_is_right(ip, len, partial_sums))
		return -EBADMSG;
	ret->src = be16_get(ip->payload);
	ret->dst = be16_get(ip->payload + 2);
	ret->payload = ip->payload + UDP_HEADER;
	ret->len = len - UDP_HEADER;
	return 0;
}

void udp_encode(uint8_t *at, const struct ip *ip, const struct udp *u)
{
	uint32_t len = UDP_HEADER + u->len;
	uint64_t sum = checksum_pseudo(&ip->src, &ip->dst, IP_UDP, len);
	uint16_t field;

	be16_put(at, u->src);
	be16_put(at + 2, u->dst);
	be16_put(at + 4, (uint16_t)len);
	sum += (uint64_t)htobe16(u->src) + htobe16(u->dst) + htobe16((uint16_t)len);
	field = (uint16_t)~checksum_fold(checksum_add(sum, u->payload, u->len));
	checksum_put(at + 6, field ? field : UINT16_MAX); /* 0 says that there is none */
}
