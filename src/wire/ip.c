/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/ip.h"

#include <errno.h>
#include <string.h>

#include "wire/be.h"
#include "wire/checksum.h"

enum {
	IP4_ID = 0x1513,       /* of every packet, as Machnet has it: none is ever a fragment */
	IP4_FRAGMENT = 0x3fff, /* more fragments, or an offset */
	IP6_HOP_BY_HOP = 0,
	IP6_DESTINATION = 60,
	IP6_EXTENSIONS = 4, /* that are skipped */
};

int ip4_decode(uint8_t *at, uint32_t len, struct ip *ret)
{
	uint32_t header, total;

	if (len < IP4_HEADER || at[0] >> 4 != 4)
		return -EBADMSG;
	header = (at[0] & 0xfU) * 4;
	total = be16_get(at + 2);
	if (header < IP4_HEADER || total < header || total > len ||
	    checksum_fold(checksum_add(0, at, header)) != UINT16_MAX)
		return -EBADMSG;
	if (be16_get(at + 6) & IP4_FRAGMENT)
		return -EOPNOTSUPP;
	ret->ttl = at[8];
	ret->proto = at[9];
	ipaddr_from4(&ret->src, at + 12);
	ipaddr_from4(&ret->dst, at + 16);
	ret->payload = at + header;
	ret->len = total - header;
	return 0;
}

/* Options for others and for us are no business of ours; anything else is. */
static int skip_extensions(struct ip *p)
{
	for (int i = 0; p->proto == IP6_HOP_BY_HOP || p->proto == IP6_DESTINATION; i++) {
		uint32_t bytes;

		if (p->len < 8)
			return -EBADMSG;
		if (i == IP6_EXTENSIONS)
			return -EOPNOTSUPP;
		bytes = (p->payload[1] + 1U) * 8;
		if (bytes > p->len)
			return -EBADMSG;
		p->proto = p->payload[0];
		p->payload += bytes;
		p->len -= bytes;
	}
	return 0;
}

int ip6_decode(uint8_t *at, uint32_t len, struct ip *ret)
{
	if (len < IP6_HEADER || at[0] >> 4 != 6 || be16_get(at + 4) > len - IP6_HEADER)
		return -EBADMSG;
	ret->proto = at[6];
	ret->ttl = at[7];
	memcpy(ret->src.b, at + 8, sizeof(ret->src.b));
	memcpy(ret->dst.b, at + 24, sizeof(ret->dst.b));
	/* It would be taken for the IPv4 address. */
	if (ipaddr_is4(&ret->src) || ipaddr_is4(&ret->dst))
		return -EBADMSG;
	ret->payload = at + IP6_HEADER;
	ret->len = be16_get(at + 4);
	return skip_extensions(ret);
}

/* Summed before it is written: to read at once what was written in smaller pieces is slow. */
static void encode4(uint8_t *at, const struct ip *h)
{
	const uint32_t ttl = h->ttl, total = (uint16_t)(IP4_HEADER + h->len);
	uint32_t words[IP4_HEADER / 4] = { htobe32(0x45000000 | total), htobe32(IP4_ID << 16),
					   htobe32(ttl << 24 | (uint32_t)(h->proto << 16)) };
	uint64_t sum = 0;

	memcpy(&words[3], ipaddr_4(&h->src), 4);
	memcpy(&words[4], ipaddr_4(&h->dst), 4);
	for (size_t i = 0; i < IP4_HEADER / 4; i++)
		sum += words[i];
	memcpy(at, words, IP4_HEADER);
	checksum_put(at + 10, (uint16_t)~checksum_fold(sum));
}

void ip_encode(uint8_t *at, const struct ip *h)
{
	if (ipaddr_is4(&h->src)) {
		encode4(at, h);
		return;
	}
	memset(at, 0, 4);
	at[0] = 0x60;
	be16_put(at + 4, (uint16_t)h->len);
	at[6] = h->proto;
	at[7] = h->ttl;
	memcpy(at + 8, h->src.b, sizeof(h->src.b));
	memcpy(at + 24, h->dst.b, sizeof(h->dst.b));
}
