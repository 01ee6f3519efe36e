/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/machnet.h"

#include <errno.h>
#include <string.h>

#include "wire/be.h"

enum { MAGIC = 0x4e53 };
enum { AT_KIND = 2, AT_FLAGS = 3, AT_SEQ = 4, AT_ACK = 8, AT_SACK = 12 };

static const uint8_t again[8] = "reeve-2x";

int machnet_decode(const uint8_t *at, uint32_t len, struct machnet *ret)
{
	if (len < MACHNET_HEADER || be16_get(at) != MAGIC)
		return -EBADMSG;
	ret->kind = at[AT_KIND];
	ret->flags = at[AT_FLAGS];
	ret->seq = be32_get(at + AT_SEQ);
	ret->ack = be32_get(at + AT_ACK);
	ret->again = !memcmp(at + AT_SACK, again, sizeof(again));
	return 0;
}

void machnet_encode(uint8_t at[static MACHNET_HEADER], const struct machnet *m)
{
	be16_put(at, MAGIC);
	at[AT_KIND] = m->kind;
	at[AT_FLAGS] = m->flags;
	be32_put(at + AT_SEQ, m->seq);
	be32_put(at + AT_ACK, m->ack);
	memset(at + AT_SACK, 0, MACHNET_HEADER - AT_SACK);
	if (m->again)
		memcpy(at + AT_SACK, again, sizeof(again));
}
