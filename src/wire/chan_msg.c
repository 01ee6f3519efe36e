/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/chan_msg.h"

#include <stdio.h>
#include <string.h>

#include "wire/channel.h"

static_assert(sizeof(struct chan_msg) == CHAN_MSG_SIZE, "one size");
static_assert(sizeof(((struct chan_msg *)0)->app_name) == CHAN_NAME_MAX, "one size");

void chan_request_decode(const uint8_t at[static CHAN_MSG_SIZE], struct chan_request *ret)
{
	struct chan_msg m;

	memcpy(&m, at, sizeof(m));
	*ret = (struct chan_request){ .type = m.type, .id = m.id };
	memcpy(ret->app, m.app, sizeof(ret->app));
	if (m.type == CHAN_REGISTER)
		memcpy(ret->name, m.app_name, sizeof(m.app_name));
	if (m.type != CHAN_REQ_CHANNEL)
		return;
	memcpy(ret->channel, m.channel.channel, sizeof(ret->channel));
	ret->rings = m.channel.rings == CHAN_RINGS;
	ret->buffers = m.channel.buffers;
}

void chan_response_encode(uint8_t at[static CHAN_MSG_SIZE], const struct chan_request *r,
			  bool success)
{
	struct chan_msg m;

	memset(&m, 0, sizeof(m));
	m.type = CHAN_RESPONSE;
	m.id = r->id;
	memcpy(m.app, r->app, sizeof(m.app));
	m.status = success ? 0 : -1;
	memcpy(at, &m, sizeof(m));
}

void chan_uuid_format(const uint8_t id[static CHAN_UUID], char ret[static CHAN_UUID_TEXT])
{
	char *at = ret;

	for (int i = 0; i < CHAN_UUID; i++)
		at += snprintf(at, 4, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			       id[i]);
}

size_t chan_inbox_add(struct chan_inbox *inbox, const void *data, size_t len)
{
	size_t n = CHAN_MSG_SIZE - inbox->len < len ? CHAN_MSG_SIZE - inbox->len : len;

	memcpy(inbox->bytes + inbox->len, data, n);
	inbox->len += n;
	return n;
}
