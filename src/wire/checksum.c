/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/checksum.h"

#include <endian.h>

/* Two words of 64 bits side by side, in one register where there are such. */
typedef uint64_t pair __attribute__((vector_size(16)));

/* Most of the time that a long packet takes goes here. Words of 32 bits into 64, as below. */
static uint64_t add_pairs(const uint8_t *p, size_t pairs)
{
	const pair low = { UINT32_MAX, UINT32_MAX };
	pair even = { 0 }, odd = { 0 };

	for (; pairs; pairs--, p += sizeof(pair)) {
		pair words;

		memcpy(&words, p, sizeof(words));
		even += words & low;
		odd += words >> 32;
	}
	even += odd;
	return even[0] + even[1];
}

/* Words of 32 bits into 64: no carry is lost within 2^32 of them. */
uint64_t checksum_add(uint64_t sum, const void *at, size_t len)
{
	const uint8_t *p = at;
	uint32_t word;
	uint16_t half;
	size_t pairs = len / sizeof(pair);

	if (pairs > 1) {
		sum += add_pairs(p, pairs);
		p += pairs * sizeof(pair);
		len -= pairs * sizeof(pair);
	}
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
		len -= sizeof(half);
		p += sizeof(half);
	}
	if (len)
		sum += htole16(*p);
	return sum;
}

uint64_t checksum_pseudo(const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
			 uint32_t len)
{
	uint64_t sum = (uint64_t)htobe32(len) + htobe32(proto);

	if (ipaddr_is4(src)) {
		sum = checksum_add(sum, src->b + 12, 4);
		return checksum_add(sum, dst->b + 12, 4);
	}
	sum = checksum_add(sum, src->b, sizeof(src->b));
	return checksum_add(sum, dst->b, sizeof(dst->b));
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & UINT32_MAX);
	sum = (sum >> 32) + (sum & UINT32_MAX);
	sum = (sum >> 16) + (sum & UINT16_MAX);
	sum = (sum >> 16) + (sum & UINT16_MAX);
	return (uint16_t)((sum >> 16) + sum);
}
