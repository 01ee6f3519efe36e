/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/ether.h"

#include <errno.h>
#include <string.h>

#include "wire/be.h"

int ether_decode(const uint8_t *frame, uint32_t len, struct ether *ret)
{
	if (len < ETHER_HEADER)
		return -EBADMSG;
	memcpy(ret->dst.b, frame, ETHER_MAC);
	memcpy(ret->src.b, frame + 6, ETHER_MAC);
	ret->type = be16_get(frame + 12);
	return 0;
}

void ether_encode(uint8_t *frame, const struct ether *h)
{
	memcpy(frame, h->dst.b, ETHER_MAC);
	memcpy(frame + 6, h->src.b, ETHER_MAC);
	be16_put(frame + 12, h->type);
}

bool mac_is_station(const struct mac *m)
{
	static const struct mac none;

	return !mac_is_group(m) && memcmp(m, &none, sizeof(none)) != 0;
}
