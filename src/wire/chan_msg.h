/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages of Machnet's control socket, as a daemon reads and answers them: see
 * channel.h for the bytes. They come over a stream, in any pieces. Pure.
 */
#ifndef REEVE_WIRE_CHAN_MSG_H
#define REEVE_WIRE_CHAN_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHAN_MSG_SIZE = 154, CHAN_UUID = 16, CHAN_UUID_TEXT = 37, CHAN_NAME_MAX = 128 };

struct chan_request {
	uint16_t type; /* enum chan_msg_type, or anything else */
	uint32_t id;
	uint8_t app[CHAN_UUID];
	char name[CHAN_NAME_MAX + 1]; /* of a REGISTER, up to its first NUL; any bytes */
	/* Of a REQ_CHANNEL. */
	uint8_t channel[CHAN_UUID];
	bool rings;
	uint32_t buffers;
};

void chan_request_decode(const uint8_t at[static CHAN_MSG_SIZE], struct chan_request *ret);
/* Nothing but what the answer says: all else is zero. */
void chan_response_encode(uint8_t at[static CHAN_MSG_SIZE], const struct chan_request *r,
			  bool success);
void chan_uuid_format(const uint8_t id[static CHAN_UUID], char ret[static CHAN_UUID_TEXT]);

/* A message that comes in pieces. */
struct chan_inbox {
	uint8_t bytes[CHAN_MSG_SIZE];
	size_t len;
};

/* Takes up to `len` bytes and returns how many; the message is whole when inbox->len is its size.
 */
size_t chan_inbox_add(struct chan_inbox *inbox, const void *data, size_t len);

#endif
